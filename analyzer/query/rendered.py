"""What is found in texts that were rendered from one file several times, as overlays of one base are: told once, though each has other names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analyzer.findings import Certainty, Finding, Severity
from analyzer.source import Source, Span

RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def told_once(findings: Sequence[Finding], sources: Iterable[Source]) -> tuple[Finding, ...]:
    """The findings in their order. Where a rule says as much of one place as there are renderings of its file, the worst of that stands for all."""
    times = Counter(source.path for source in sources if source.origin)
    places: dict[tuple[str, Span], list[Finding]] = {}
    for one in findings:
        if times[one.at.path] > 1:
            places.setdefault((one.rule, one.at), []).append(one)
    alike = {key: found for key, found in places.items() if 1 < len(found) <= times[key[1].path]}
    return tuple(each(findings, alike)) if alike else tuple(findings)


def each(findings: Sequence[Finding], alike: dict[tuple[str, Span], list[Finding]]) -> Iterator[Finding]:
    """The findings, of those that are alike the worst one."""
    for one in findings:
        found = alike.get((one.rule, one.at))
        if found is None:
            yield one
        elif one is min(found, key=lambda item: (RANK[item.severity], item.certainty is not Certainty.VIOLATED)):
            more = f"likewise in {len(found) - 1} other rendering{'s' if len(found) > 2 else ''} of this file"
            yield replace(one, note=f"{one.note}; {more}" if one.note else more)
