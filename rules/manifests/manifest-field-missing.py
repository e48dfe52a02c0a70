"""A field that the kind requires is not there.

## What it finds
Objects of Kubernetes' own kinds, and of those kinds of others that `manifest-field-unknown` names, without a field that every release requires.

## Why it matters
The API server refuses the object.

## Example
    kind: Service
    spec: {ports: [{targetPort: 8080}]}           # the port's own number is missing

## How to mend
Add the field.

## Sources
Kubernetes OpenAPI definitions and the projects' CustomResourceDefinitions (`required`). Objects that come from an API server are left out; an empty list or object is there. A field that is only misspelt is told by manifest-field-unknown.
"""

from collections.abc import Iterator

from analyzer.query.manifests import named, of_policies, wrong
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = wrong(network)
    misspelt = {(id(item), *problem.path[:-1], problem.instead) for item, problem in found if problem.what == "unknown"}
    for item, problem in found:
        if problem.what == "missing" and not of_policies(network, item) and (id(item), *problem.path) not in misspelt:
            path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem.path[:-1]).lstrip(".")
            where = f"{path} of {named(item)}" if path else named(item)
            yield RULE.finding(
                item.place(*problem.path[:-1]), f"{where} lacks {problem.wanted}, which is required", help=f"add {problem.wanted}"
            )


RULE = Rule("manifest-field-missing", Severity.ERROR, __doc__, check)
