"""Whether a line that was not understood could be about a packet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from analyzer.addresses import Address, Prefix, prefix
from analyzer.model.network import Namespace
from analyzer.source import Gap, Source

BEFORE_OPTIONS = re.compile(
    r"^\s*(?:(?:unicast|local|broadcast|multicast|blackhole|unreachable|prohibit|throw|anycast)\s+)?(\S+)\s+\S"
)


ONCE = ("dev", "lladdr", "proto", "table", "scope", "metric")
"""What a line of routes or neighbours says once."""
ROUTING = ("ip-route", "route-n", "ip-rule")
"""The kinds of text of which a line could decide about a route."""


def could_concern(sources: Mapping[str, Source], gap: Gap, destination: Address) -> bool:
    """Whether the line of a routing table could be a route to the destination: not when it begins with a network that does not hold it."""
    network = network_of(sources, gap)
    return network is None or network.covers(destination)


def network_of(sources: Mapping[str, Source], gap: Gap) -> Prefix | None:
    """The network that a line begins with; None where it could be about any: a line may have been cut within its first word, and a text at its last line."""
    source = sources.get(gap.at.path)
    found = BEFORE_OPTIONS.match(source.line(gap.at.line)) if source and gap.subject != "route-n" else None
    if (
        found is None
        or source is None
        or last(source, gap.at.line)
        or of_several(source.line(gap.at.line).split())
        or not (found.group(1)[:1].isdigit() or ":" in found.group(1))
    ):
        return None
    try:
        return prefix(found.group(1))
    except ValueError:
        return None


def of_several(words: Sequence[str]) -> bool:
    """Whether a line says something twice, as what is left of several lines does: it could be about what any of them named."""
    return any(words.count(key) > 1 for key in ONCE)


def last(source: Source, line: int) -> bool:
    """Whether nothing stands behind a line, not even its end: the text may break off there."""
    return line >= len(source.text.split("\n"))


def unlisted(namespace: Namespace, kind: str) -> str:
    """Why a table may hold more than is known of it; empty where all of it is."""
    if (words := namespace.missing.get(kind)) is not None:
        return words
    return next((f"{gap.at} was not understood" for gap in namespace.gaps.get(kind, ())), "")
