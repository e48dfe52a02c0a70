"""The rules about ignores themselves. They look at what the other rules found, so they run after them and not by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.network import Network
from analyzer.rule import Finding, Rule, Severity

UNUSED_PAGE = """An ignore that ignores nothing.

## What it finds
A comment, an annotation or an entry of the settings that leaves out findings of a rule, where that rule ran and found nothing of the kind, or that names no rule; and a comment that is meant as one and is written otherwise, which ignores nothing.

## Why it matters
What it was written for is gone; what comes later at the same place would be hidden by it.

## Example
    podSelector: {}   # analyze: ignore[policy-selects-nothing] the pods come next week

## How to mend
Remove it, or correct the name of the rule.

## Sources
The convention of linters that report unused suppressions (RUF100 of ruff, sqlfluff's unused noqa).
"""

UNEXPLAINED_PAGE = """An ignore without a reason.

## What it finds
A comment, an annotation or an entry of the settings that leaves out findings and does not say why.

## Why it matters
Nobody can tell later whether it may be removed.

## Example
    podSelector: {}   # analyze: ignore[policy-selects-nothing]

## How to mend
Say why, after the brackets, in the annotation's value or as `reason` in the settings.

## Sources
Team practice; the finding is a note where a reason is not wanted: `rules: {ignore-without-reason: {severity: note}}`.
"""


def nothing(network: Network) -> Iterator[Finding]:
    """These rules need what the others found: see ``without_ignored``."""
    del network
    return iter(())


UNUSED = Rule("unused-ignore", Severity.WARNING, UNUSED_PAGE, nothing)
UNEXPLAINED = Rule("ignore-without-reason", Severity.WARNING, UNEXPLAINED_PAGE, nothing)
