"""Values that a tool fills in before objects are applied (Flux, envsubst, OpenShift's templates, Helm): nobody knows yet what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from analyzer.findings import Certainty, Finding
from analyzer.source import Gap, Source, Span

PLACEHOLDER = re.compile(
    r"\$\{\{?[A-Za-z_][^{}\n]{0,200}\}|\$\([A-Za-z_][\w.-]{0,200}\)|\{\{[^\n]{1,200}?\}\}|\{%[^\n]{1,200}?%\}|__[A-Z][A-Z0-9_]+__"
)
ANGLED = re.compile(r"<[A-Za-z][\w-]{0,80}>")
"""In the place of a value of JSON, which no value begins so (``"mtu": <mtu>``): templates of CNI configuration."""
OF_FIELDS = ("manifest-field-", "api-version-")
"""Rules whose findings do not rest on names."""
KINDS = frozenset({"kubernetes", "cni-config"})


def without_unknown(findings: Iterable[Finding], sources: Iterable[Source]) -> tuple[tuple[Finding, ...], tuple[Gap, ...]]:
    """The findings but for those about a value that is still to be filled in, and a gap for each such value. What else names one is possible only: it
    may come to be equal to something else."""
    texts = templates(tuple(sources))
    kept: dict[Finding, None] = {}
    gaps: dict[Gap, None] = {}
    for finding in findings:
        if found := placeholder_at(finding.at, texts):
            gaps[unknown(finding.at, found[0])] = None
        else:
            named = finding.at.path in texts and PLACEHOLDER.search(finding.message) and not finding.rule.startswith(OF_FIELDS)
            kept[replace(finding, certainty=Certainty.POSSIBLE) if named else finding] = None
    return tuple(kept), tuple(gaps)


def templates(sources: Sequence[Source]) -> dict[str, Source]:
    """The texts that may be filled in later, by path: manifests, and configuration that is of no captured node, where it would be installed as it is."""
    captured = {source.scope.node for source in sources if source.kind not in KINDS and source.scope is not None}
    kept = (source for source in sources if source.kind in KINDS)
    return {
        source.path: source
        for source in kept
        if source.kind != "cni-config" or source.scope is None or source.scope.node not in captured
    }


def placeholder_at(at: Span, texts: Mapping[str, Source]) -> re.Match[str] | None:
    """The placeholder at a place."""
    text = text_at(at, texts)
    of_json = at.path in texts and texts[at.path].kind == "cni-config"
    return PLACEHOLDER.search(text) or (ANGLED.match(text) if of_json else None)


def text_at(at: Span, texts: Mapping[str, Source]) -> str:
    """What stands at a place, as far as its first line goes; empty where that is no manifest."""
    source = texts.get(at.path)
    if source is None:
        return ""
    end = at.end_column - 1 if at.end_column and at.end_line in (0, at.line) else None
    return source.line(at.line)[at.column - 1 : end]


def unknown(at: Span, placeholder: str) -> Gap:
    """The gap of a value."""
    reason = f"{placeholder} is still to be filled in, and what it will be is not known: give what the tool that does so prints"
    return Gap(at, reason, "kubernetes")
