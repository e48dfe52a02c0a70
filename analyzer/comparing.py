"""Two inputs against each other: the stages of ``pipeline.py`` on both sides, and what comes out otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.pipeline import Input, Progress, analyze, quiet
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile
from analyzer.query.comparison import Comparison, finding_changes, verdict_changes
from analyzer.query.difference import Difference, difference
from analyzer.query.policies import Identity, known

UNKNOWN = (UNKNOWN_SYSTEM, UNKNOWN_SYSTEM)


def compare(
    old: Input,
    new: Input,
    profiles: tuple[Profile, Profile] = UNKNOWN,
    names: tuple[str, str] = ("old", "new"),
    progress: Progress = quiet,
    jobs: int = 1,
    *,
    policies_only: bool = False,
) -> Comparison:
    """What changes in meaning from one input to the other.

    Guarantees and findings are compared where both hold node state, unless ``policies_only``."""
    progress("comparing policies")
    found = policies(old, new, profiles)
    incomplete = tuple(unread(old, names[0])) + tuple(unread(new, names[1]))
    if policies_only or not (old.network.namespaces and new.network.namespaces):
        return Comparison(found, incomplete=incomplete, old=names[0], new=names[1])
    before, after = analyze(old, progress=progress, jobs=jobs), analyze(new, progress=progress, jobs=jobs)
    appeared, disappeared = finding_changes(before, after)
    return Comparison(found, tuple(verdict_changes(before, after)), appeared, disappeared, incomplete, *names)


def policies(old: Input, new: Input, profiles: tuple[Profile, Profile]) -> Difference:
    """Who may talk to whom, before and after."""
    sides = (known(Identity(given.network.cluster), profile) for given, profile in zip((old, new), profiles, strict=True))
    return difference(*sides)


def unread(given: Input, name: str) -> Iterator[str]:
    """What of an input could not be read, in words."""
    for gap in given.unreadable:
        yield f"{name}: {gap.at.path}: {gap.reason}"
