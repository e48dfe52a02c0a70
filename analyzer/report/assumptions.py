"""What verdicts take for granted, in few lines: what is the same of several nodes or namespaces is told once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analyzer.findings import Report

OF_NAMESPACE = re.compile(r"(\S+): (.+) \((\S+) was not captured\)")
BESIDE = "():,;"
"""What may stand beside the name of a place."""


def assumptions(report: Report) -> list[str]:
    """What the verdicts and causes of a report take for granted, each once, in the order in which it is said."""
    packets = (*(item.counterexample for item in report.guarantees), *(item.counterexample for item in report.causes))
    taken = (item.assumptions for item in (*report.guarantees, *packets) if item is not None)
    return list(dict.fromkeys(text for part in taken for text in part))


def together(texts: Iterable[str], places: frozenset[str]) -> list[str]:
    """The texts; of those that differ by names of places and by files of nodes alone, the first, with their number."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(shape(text, places), []).append(text)
    return [told(same[0], len(same)) for same in groups.values()]


def shape(text: str, places: frozenset[str]) -> str:
    """A text without the names of places and without paths of nodes' files."""
    return " ".join(blanked(word, places) for word in text.split(" "))


def blanked(word: str, places: frozenset[str]) -> str:
    """A word, or what stands for all names of places."""
    name = word.strip(BESIDE)
    return word.replace(name, "*") if name in places or "nodes/" in name else word


def told(first: str, count: int) -> str:
    """One line for what is the same of several."""
    if count == 1:
        return first
    if found := OF_NAMESPACE.fullmatch(first):
        return f"{count} namespaces: {found.group(2)} ({found.group(3)} and {count - 1} more were not captured)"
    return f"{first}, and so of {count - 1} more"
