"""A key stands twice in one mapping of an object, or two objects stand in one document.

## What it finds
Keys of an object of Kubernetes, in YAML or JSON, or of a CNI configuration, that a mapping has already, other than by `<<`; and a second object, with an `apiVersion` of its own, before which a line with `---` is missing. Both places are shown.

## Why it matters
`kubectl apply -f` turns YAML into JSON before anything looks at it: the later value counts, the earlier one is lost without a word, and so is a whole object where `---` is missing.
`kubectl apply -k`, kustomize and Flux refuse the file, and so does an API server that is sent the file itself. CNI plugins take the later value too.

## Example
    spec:
      selector: {app: web}
      ports: [{port: 80}]
      selector: {app: shop}

## How to mend
Remove one of the two, or put both values below one key; between two objects write `---`.

## Sources
sigs.k8s.io/yaml (YAMLToJSON, which is not strict; UnmarshalStrict is), apimachinery pkg/util/yaml (YAMLToJSONDecoder), kubernetes/kubernetes#125885; go.yaml.in/yaml/v3 decode.go ("mapping key … already defined");
apimachinery pkg/runtime/serializer/json (strict decoding), encoding/json (objects in maps and structs: the last of equal keys); tried with kubectl 1.32.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in network.cluster.repeated:
        joined = "---" in item.reason
        yield RULE.finding(
            item.at,
            item.reason,
            related=[(item.first, "the first one, which is lost")],
            note="the later one is taken, by kubectl apply -f and by CNI plugins, and nothing says so; kustomize and Flux refuse the file",
            help="write a line with --- between the two objects" if joined else "remove one of the two",
        )


RULE = Rule("manifest-key-twice", Severity.ERROR, __doc__, check)
