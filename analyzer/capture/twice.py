"""What is there twice: a namespace's state from two places, a file of two contents."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from analyzer.capture.files import refusal
from analyzer.source import Gap, Scope, Source, Span

FAILED = "failed-command"
COMPARED = 100
"""With so many texts of one namespace and kind what was captured again is compared: what is no copy of theirs counts as something else."""
TWICE = "it is there twice, with other content"
Rooted = tuple[str, Source]


def without_doubled(sources: Sequence[Rooted], doubled: Set[str]) -> tuple[list[Rooted], list[Gap]]:
    """The sources without the state in files that are there twice with other content (``doubled``), and gaps for these: which of both a node has is not known.
    Objects of both are kept, whose contradictions are told where they stand."""
    kept: list[Rooted] = []
    gone: set[tuple[str, str, Scope]] = set()
    for root, source in sources:
        if source.path in doubled and source.scope and source.kind != "pasted":
            gone.add((source.path, source.kind, source.scope))
        else:
            kept.append((root, source))
    lost = [
        Gap(Span(path, 1), f"{TWICE}: neither is read; keep the one that is right", kind, scope) for path, kind, scope in gone
    ]
    others = doubled - {path for path, _, _ in gone}
    return kept, [*lost, *(refusal(path, f"{TWICE}: both are read; keep the one that is right") for path in others)]


def once(sources: list[tuple[str, Source]]) -> tuple[list[Source], list[Gap]]:
    """Each namespace's state from one place only: the first by path is kept, and a gap names what was left out. Only what contradicts
    the first could change an answer; a copy could not."""
    first: dict[tuple[Scope, str], tuple[str, list[Source]]] = {}
    kept, gaps = [], []
    for root, source in sources:
        if source.scope is None or source.kind in ("pasted", FAILED):
            kept.append(source)
            continue
        state = (source.scope, source.kind)
        held, same = first.setdefault(state, (root, []))
        if held == root:
            kept.append(source)
            same.append(source)
            continue
        copy = any(source.text == other.text for other in same[:COMPARED])
        what = "this copy" if copy else "this one, which says otherwise,"
        reason = f"{source.scope} was captured twice: {source.kind} is taken from {same[0].path}, {what} is left out"
        gaps.append(replace(refusal(source.path, reason), subject="" if copy else source.kind, scope=source.scope))
    return kept, gaps
