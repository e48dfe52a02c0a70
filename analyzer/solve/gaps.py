"""Whether a line that was not understood could be about a packet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from analyzer.addresses import Address, prefix
from analyzer.source import Gap, Source

BEFORE_OPTIONS = re.compile(
    r"^\s*(?:(?:unicast|local|broadcast|multicast|blackhole|unreachable|prohibit|throw|anycast)\s+)?(\S+)"
)


def could_concern(sources: Mapping[str, Source], gap: Gap, destination: Address) -> bool:
    """Whether the line of a routing table could be a route to the destination: not when it begins with a network that does not hold it."""
    source = sources.get(gap.at.path)
    found = BEFORE_OPTIONS.match(source.line(gap.at.line)) if source else None
    if found is None or not (found.group(1)[:1].isdigit() or ":" in found.group(1)):
        return True
    try:
        network = prefix(found.group(1))
    except ValueError:
        return True
    return network.covers(destination)
