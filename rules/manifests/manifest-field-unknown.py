"""A field that the kind does not have.

## What it finds
Fields of Kubernetes' own kinds (releases 1.25 to 1.37) that no release has; the field that is probably meant is named, and `--fix` writes it. Likewise of the kinds of Gateway API, Calico, Cilium, Kube-OVN, MetalLB,
Istio, NetworkAttachmentDefinition and the Prometheus operator that are read here, and of kubeadm's, the kubelet's and kube-proxy's configuration: there only where a field is
misspelt for sure (a letter too many, too few, another one, two changed over, or another case), as any other may be of a release that is not known here.

## Why it matters
`kubectl apply` refuses the object; where validation is off, or a controller applies it, the field is dropped silently: a misspelt selector selects nothing, or everything.

## Example
    spec: {podSelecter: {matchLabels: {app: web}}}

## How to mend
Correct the field's name, or its place: fields of a pod belong below `spec.template.spec` in a workload.

## Sources
Kubernetes OpenAPI definitions; the projects' CustomResourceDefinitions; "Server-side field validation" (Strict is kubectl's default since 1.27). Objects that come from an API server are left out: it has taken them. Of policies, see policy-rejected.
"""

from collections.abc import Iterator

from analyzer.query.field_names import name_place
from analyzer.query.manifests import named, of_policies, wrong
from analyzer.query.schemas.elsewhere import belongs, value_at
from analyzer.rule import Edit, Finding, Network, Rule, Severity

# What fields are called since the version that the object is of (networking.k8s.io/v1: "Deprecated API Migration Guide").
MOVED = {
    ("Ingress", "serviceName"): "write service: {name: …}, as networking.k8s.io/v1 has it",
    ("Ingress", "servicePort"): "write service: {port: {number: …}}, or {port: {name: …}}, as networking.k8s.io/v1 has it",
}


def check(network: Network) -> Iterator[Finding]:
    for item, problem in wrong(network):
        if problem.what != "unknown" or of_policies(network, item):
            continue
        at = name_place(network, item.place(*problem.path), str(problem.path[-1]))
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem.path).lstrip(".")
        if problem.instead:
            edits = [Edit(at, problem.instead, str(problem.path[-1]))] if at.end_column else []
            yield RULE.finding(at, f"{named(item)} has no field {path}", help=f"did you mean {problem.instead}?", edits=edits)
        else:
            value = value_at(item.document, problem.path)
            place = belongs(item.api_version, item.kind, problem.path, value)
            moved = MOVED.get((item.kind, str(problem.path[-1])), "") or (f"it belongs into {place}" if place else "")
            yield RULE.finding(
                at,
                f"{named(item)} has no field {path}",
                note=f"there are: {problem.wanted}",
                help=moved,
            )


RULE = Rule("manifest-field-unknown", Severity.ERROR, __doc__, check)
