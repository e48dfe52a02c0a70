"""A value of the wrong type.

## What it finds
Values of Kubernetes' own kinds, and of those kinds of others that `manifest-field-unknown` names, that are not of the type that the field has, as the API server reads YAML: a number where a text is wanted (`"8080"` for annotations and labels, `'true'` for environment variables), a text for a number, one value for a list.

## Why it matters
The API server refuses the object.

## Example
    metadata: {labels: {version: 1.10}}           # a number; and it would be 1.1

## How to mend
Write it as the message says; quotes make a text.

## Sources
Kubernetes OpenAPI definitions and the projects' CustomResourceDefinitions; sigs.k8s.io/yaml, which turns YAML into JSON before it is read. Objects that come from an API server are left out, and so is what `policy-rejected` tells at the same place.
"""

from collections.abc import Iterator

from analyzer.query.manifests import named, wrong
from analyzer.query.policy_findings import complaints
from analyzer.query.schemas import WORDS
from analyzer.query.schemas.elsewhere import value_at
from analyzer.rule import Edit, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = [(item, problem) for item, problem in wrong(network) if problem.what == "mistyped"]
    told = {item.at[:3] for item in complaints(network, rejected=True)} if found else set()
    for item, problem in found:
        at = item.place(*problem.path)
        if at[:3] not in told:
            path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem.path).lstrip(".")
            instead = meant(value_at(item.document, problem.path), problem.wanted, at.end_column - at.column)
            edits = [Edit(at, instead)] if instead and at.end_column else []
            text = f"{path} of {named(item)} must be {problem.wanted}"
            yield RULE.finding(at, text, help=f"write {instead}" if instead else "", edits=edits)


def meant(value: object, wanted: str, width: int) -> str:
    """A number or a truth that was written in quotes, without them; a whole number that is to be a text, with them; empty for all else, as what a number
    was written as (``1.10``, ``0755``) is not known, but by its ``width``."""
    if isinstance(value, str):
        number = "number" in wanted and value.isdecimal() and value == str(int(value))
        return value if number or (wanted == WORDS["boolean"] and value in ("true", "false")) else ""
    whole = isinstance(value, int) and not isinstance(value, bool) and wanted == WORDS["string"] and width == len(str(value)) < 7
    return f'"{value}"' if whole else ""


RULE = Rule("manifest-value-mistyped", Severity.ERROR, __doc__, check)
