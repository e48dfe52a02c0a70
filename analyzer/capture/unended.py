"""Listings whose last line has no line end, where those of the same capture have one: they are cut there.

Commands end every line that they write. A text that people copied may lack the last line end, and so does every text of a collector that strips it; one file among
many that have it was cut (a full disk, a transfer that broke off), and half an address still reads as an address.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from analyzer.source import Gap, Source, Span

LISTINGS = frozenset(
    {
        "arptables-save", "bridge-fdb", "bridge-link", "bridge-vlan", "ebtables-save", "ifconfig", "ip-addr", "ip-neigh", "ip-nexthop", "ip-route",
        "ip-rule", "ip-xfrm", "ipset", "ipvs", "ovs-flows", "ovs-groups", "route-n", "ss", "sysctl", "tc-filter", "tc-qdisc", "wg",
        "cilium-endpoint-map", "cilium-ipcache", "cilium-lb", "cilium-policy", "cilium-tunnel",
    }
)  # fmt: skip
"""The kinds of text of which each line, or the last item, is read by itself."""
WITNESSES, PART = 3, 8
"""How many listings with a line end there must be, and for each without one."""
REASON = (
    "the last line has no line end, as other files of the capture have: the file was cut here, and more may have stood behind"
)


def unended(sources: Iterable[Source]) -> frozenset[str]:
    """The paths of the listings that were cut."""
    ended, without = 0, list[str]()
    for source in sources:
        if source.kind in LISTINGS and not source.command and source.length:
            if last_of(source) == "\n":
                ended += 1
            elif source.start(1) not in ("[", "{"):
                without.append(source.path)
    return frozenset(without) if ended >= max(WITNESSES, PART * len(without)) else frozenset()


def last_of(source: Source) -> str:
    """The last character of a text."""
    return deque(source.pieces(), maxlen=1).pop()[-1:]


def parted(source: Source) -> tuple[Source, Gap]:
    """The lines of a listing that are whole, and a gap for the last."""
    whole, end, _ = source.text.rpartition("\n")
    number = whole.count("\n") + 2 if end else 1
    return replace(source, content=whole + end), Gap(Span(source.path, number), REASON, source.kind, source.scope, cut=True)


def of_whole_lines(sources: Sequence[Source]) -> tuple[Sequence[Source], tuple[Gap, ...]]:
    """The sources without lines that were cut, and the gaps in their place."""
    cut = unended(sources)
    if not cut:
        return sources, ()
    parts = {source.path: parted(source) for source in sources if source.path in cut}
    return [parts[source.path][0] if source.path in cut else source for source in sources], tuple(
        gap for _, gap in parts.values()
    )
