"""The ports of translated connections in the language (nf_nat_core.c ``get_unique_tuple`` and ``nf_nat_l4proto_unique_tuple``).

A port that is in the range, or that no range is given for, stays unless ``--random`` or ``--random-fully`` is said. Else a destination gets the
first port of the range, at random any; without a range it stays. A source gets any of the range, without one any of its class, as an ICMP
identifier does. Protocols without ports have nothing to choose.
"""

from __future__ import annotations

from analyzer.ranges import Ranges, single, union
from analyzer.source import Span
from analyzer.transfer.ir import Field, If, In, Rewrite, Transfer
from analyzer.transfer.netfilter.where import WITH_PORTS

PINGS: Ranges = ((1, 1), (58, 58))
ANY_NUMBER: Ranges = ((0, 65535),)
CLASSES: tuple[tuple[Ranges, Ranges], ...] = ((((1024, 65535),), ((1024, 65535),)), (((512, 1023),), ((600, 1023),)))
"""Source ports, and those that they may be exchanged for; what is in none is for LOWEST."""
LOWEST: Ranges = ((1, 511),)


def rewritten(destination: bool, addresses: Ranges | None, ports: tuple[int, int] | None, random: bool, at: Span) -> Transfer:
    """A translation to an address of the ranges, and to what port the kernel makes of it."""
    kept = Rewrite(destination, addresses, None, at)
    if ports is None:
        return kept if destination or not random else anywhere(addresses, kept, at)
    if ports[0] == ports[1]:
        return Rewrite(destination, addresses, (ports,), at)
    moved = Rewrite(destination, addresses, (ports,) if random or not destination else single(ports[0]), at)
    if random:
        return having(destination, moved, kept, at)
    port = In(Field.DESTINATION_PORT if destination else Field.SOURCE_PORT, (ports,))
    return having(destination, If(port, kept, moved, at), kept, at)


def having(destination: bool, then: Transfer, otherwise: Transfer, at: Span) -> Transfer:
    """``then`` for protocols with a port, or a number that takes its place, on this side."""
    return If(In(Field.PROTOCOL, WITH_PORTS if destination else union(WITH_PORTS, PINGS)), then, otherwise, at)


def anywhere(addresses: Ranges | None, kept: Transfer, at: Span) -> Transfer:
    """A source whose port is any of its class, whose identifier is any."""
    found: Transfer = Rewrite(False, addresses, LOWEST, at)
    for held, target in reversed(CLASSES):
        found = If(In(Field.SOURCE_PORT, held), Rewrite(False, addresses, target, at), found, at)
    ported = If(In(Field.PROTOCOL, WITH_PORTS), found, kept, at)
    return If(In(Field.PROTOCOL, PINGS), Rewrite(False, addresses, ANY_NUMBER, at), ported, at)
