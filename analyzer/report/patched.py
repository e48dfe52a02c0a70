"""Findings about values that a kustomization's patch sets: they are the patch's, though the object is another file's.

A rendered text stands on the lines of its file. Where a finding names a value that the file does not have there, the value was set in rendering; it is told at the
patch that has it under the same key, where one has, and the file becomes a related place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.findings import Finding, Fix, Label
from analyzer.source import Source, Span

KEY = re.compile(r"([\w./-]+):\s*[\"']?$")
INNER = "value"
"""The key of a value in a patch of JSON (RFC 6902)."""


def at_patches(findings: Sequence[Finding], sources: Sequence[Source]) -> tuple[tuple[Finding, ...], dict[str, str]]:
    """The findings, and the texts of the patches that they name, by path."""
    changed = [source for source in sources if source.changers]
    texts: dict[str, str] = {}
    told = []
    for one in findings:
        found = next(filter(None, (patch_of(one, source) for source in changed if source.path == one.at.path)), None)
        if found is None:
            told.append(one)
            continue
        at, text = found
        texts[at.path] = text
        told.append(
            replace(one, at=at, related=(Label(base_of(one.at), "the file that it changes"), *one.related), fix=harmless(one))
        )
    return tuple(told), texts


def base_of(at: Span) -> Span:
    """The line of a place: what stood there before is not the value."""
    return Span(at.path, at.line, at.column)


def harmless(finding: Finding) -> Fix | None:
    """What would mend it, without edits: they are of another file."""
    return replace(finding.fix, edits=()) if finding.fix else None


def patch_of(finding: Finding, source: Source) -> tuple[Span, str] | None:
    """The place of a finding's value in a patch, with the patch's text; None where the value is the file's own, or no one place has it."""
    at = finding.at
    line, own = source.line(at.line), source.own_line(at.line)
    value = line[at.column - 1 : at.end_column - 1] if at.end_line == at.line else ""
    key = KEY.search(line[: at.column - 1])
    if not value or key is None or value in own or value.strip("\"'") not in finding.message:
        return None
    for name in (key[1], INNER):
        places = list(settings(source.changers, name, value.strip("\"'")))
        if len(places) == 1:
            return places[0]
    return None


def settings(changers: Sequence[tuple[str, str]], key: str, value: str) -> Iterator[tuple[Span, str]]:
    """Where texts set a key to a value, each with its text."""
    pattern = re.compile(rf"(?<![\w./-])[\"']?{re.escape(key)}[\"']?:\s*([\"']?{re.escape(value)}[\"']?)(?=\s*(?:[,}}\]]|#|$))")
    for path, text in changers:
        for number, line in enumerate(text.split("\n"), 1):
            for found in pattern.finditer(line):
                yield Span(path, number, found.start(1) + 1, number, found.end(1) + 1), text
