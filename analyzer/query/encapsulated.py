"""What workloads may not send by design: packets that look like those of the overlay, which Felix drops whatever policies say; SCTP, where Cilium takes none.

After felix/rules/endpoints.go (``endpointIptablesChain``), unless ``allowVXLANPacketsFromWorkloads`` is set. What such rules drop fails no guarantee: it is left out, and
the verdicts say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from analyzer.model.network import Network
from analyzer.query.flows import PORTED
from analyzer.query.once import Whole
from analyzer.ranges import EMPTY, Ranges, difference, normalised, single
from analyzer.solve.packet import SCTP
from analyzer.source import Span

MARK = "Drop VXLAN encapped packets originating in workloads"
PORT = re.compile(r"(?:--dports?|udp dport) (\d{1,5})\b")
KINDS = ("iptables-save", "nft")
LONGEST = 1000


class Closed(NamedTuple):
    """The destination ports of UDP, and what is so left out, in words; empty where nothing is."""

    ports: Ranges = EMPTY
    words: str = ""


def closed(network: Network) -> Closed:
    """The ports at which rules of Felix drop what workloads send."""
    return of_whole(Whole(network))


class Untaken(NamedTuple):
    """The protocols that the network takes from nobody, and the words for it."""

    protocols: Ranges = EMPTY
    words: str = ""


def untaken(network: Network) -> Untaken:
    """SCTP, where Cilium drops it to and from each pod (``enable-sctp``)."""
    return untaken_of(Whole(network))


def taken(network: Network) -> Ranges:
    """The protocols with ports that verdicts between pods and nodes are about."""
    return difference(PORTED, untaken(network).protocols)


@lru_cache(maxsize=4)
def untaken_of(key: Whole) -> Untaken:
    """The same, once."""
    states = (space.cilium for space in key.network.namespaces.values())
    if not any(state is not None and state.setup.sctp is False for state in states):
        return Untaken()
    return Untaken(single(SCTP), "SCTP is left out: Cilium drops it to and from pods where it is not turned on (enable-sctp)")


@lru_cache(maxsize=4)
def of_whole(key: Whole) -> Closed:
    """The same, once: texts of rules are long."""
    found = list(drops(key.network))
    if not found:
        return Closed()
    ports = normalised((port, port) for port, _ in found)
    told = ", ".join(str(low) for low, _ in ports)
    return Closed(ports, f"what pods send to UDP port {told} is left out: Felix drops it whatever policies say ({found[0][1]})")


def drops(network: Network) -> Iterator[tuple[int, Span]]:
    """The first such rule of each text."""
    for path, source in sorted(network.sources.items()):
        if source.kind in KINDS and source.says(MARK) and (place := source.text.find(MARK)) >= 0:
            begin, end = source.text.rfind("\n", 0, place) + 1, source.text.find("\n", place)
            line = source.text[begin:end]
            if (port := PORT.search(line[:LONGEST])) is not None and "drop" in line.lower():
                yield int(port[1]), Span(path, source.text.count("\n", 0, begin) + 1)
