"""A kind that Kubernetes does not have, or has in another version.

## What it finds
Objects of Kubernetes' own versions (`v1`, `apps/v1` and their like) whose kind is misspelt, or belongs to another version; what is probably meant is named, and `--fix` writes it.

## Why it matters
The API server refuses the object ("no matches for kind"); whatever selects or needs it finds nothing.

## Example
    {apiVersion: v1, kind: Deployment}       # it is in apps/v1

## How to mend
Correct the kind, or the version.

## Sources
Kubernetes API reference; the kinds of releases 1.25 to 1.37. Only what is nearly the name of a kind, or the kind of another version, is told: a cluster may serve versions and kinds that are not Kubernetes' own. Versions
that were removed: api-version-removed.
"""

from collections.abc import Iterator

from analyzer.query.manifests import meant, written
from analyzer.rule import Edit, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item in written(network):
        found = meant(item.api_version, item.kind)
        if found is None:
            continue
        key, old, new = ("kind", item.kind, found[1]) if found[1] != item.kind else ("apiVersion", item.api_version, found[0])
        at = item.place(key)
        edits = [Edit(at, new, old)] if at.end_column else []
        text = f"there is no kind {item.kind} in {item.api_version}"
        yield RULE.finding(at, text, help=f"did you mean {key}: {new}?", edits=edits)


RULE = Rule("manifest-kind-unknown", Severity.ERROR, __doc__, check)
