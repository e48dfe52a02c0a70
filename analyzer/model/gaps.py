"""Whether a line that was not understood could be about a packet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from analyzer.addresses import Address, Prefix, prefix
from analyzer.model.network import Namespace
from analyzer.source import Gap, Source

BEFORE_OPTIONS = re.compile(
    r"^\s*(?:(?:unicast|local|broadcast|multicast|blackhole|unreachable|prohibit|throw|anycast)\s+)?(\S+)"
)

IGNORED = ("bridge-fdb", "bridge-link", "bridge-vlan", "tc-filter")


def could_concern(sources: Mapping[str, Source], gap: Gap, destination: Address) -> bool:
    """Whether the line of a routing table could be a route to the destination: not when it begins with a network that does not hold it."""
    network = network_of(sources, gap)
    return network is None or network.covers(destination)


def network_of(sources: Mapping[str, Source], gap: Gap) -> Prefix | None:
    """The network that a line begins with; None where it could be about any."""
    source = sources.get(gap.at.path)
    found = BEFORE_OPTIONS.match(source.line(gap.at.line)) if source else None
    if found is None or not (found.group(1)[:1].isdigit() or ":" in found.group(1)):
        return None
    try:
        return prefix(found.group(1))
    except ValueError:
        return None


def ignored(namespace: Namespace) -> dict[str, str]:
    """The tables with lines that were not understood and that are taken to decide nothing, each with the words for it."""
    found: dict[str, str] = {}
    for kind in IGNORED:
        if gaps := namespace.gaps.get(kind):
            more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
            found[kind] = f"{gaps[0].at}{more}, which was not understood ({gaps[0].reason}), decides nothing"
    return found


def unlisted(namespace: Namespace, kind: str) -> str:
    """Why a table may hold more than is known of it; empty where all of it is."""
    if (words := namespace.missing.get(kind)) is not None:
        return words
    return next((f"{gap.at} was not understood" for gap in namespace.gaps.get(kind, ())), "")
