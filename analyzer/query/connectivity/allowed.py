"""Sets of flows in words: protocols with their ports, as the answers of ``connectivity`` have them."""

from __future__ import annotations

from typing import NamedTuple

from analyzer.policy.atoms import Atoms, Group, span
from analyzer.policy.bits import members, run
from analyzer.policy.terms import ALL_PORTS
from analyzer.ranges import Ranges, intersection, normalised, union

WITH_PORTS = {6: "TCP", 17: "UDP", 132: "SCTP"}
ICMP = {4: 1, 6: 58}
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}


class Allowed(NamedTuple):
    """Flows of a protocol: ``ANY`` for everything, ``OTHER`` for those by number that have no name here. ``ports`` are destination ports; for ICMP
    ``type * 256 + code``. ``sources`` are source ports, where they matter."""

    protocol: str
    ports: Ranges = ALL_PORTS
    sources: Ranges = ALL_PORTS
    numbers: Ranges = ()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.protocol, self.ports_text(), self.numbers_text(), self.sources_text())))

    def ports_text(self) -> str:
        """The ports: ``80,443,8000-8080``; of ICMP ``8/0``, type and code. Empty where a protocol has none, or of ICMP all are meant."""
        if self.protocol in NUMBERS:
            return ",".join(range_text(max(low, 1), high) for low, high in self.ports if high)
        return "" if self.ports == ALL_PORTS else ",".join(icmp_text(low, high) for low, high in self.ports)

    def numbers_text(self) -> str:
        """The numbers of other protocols."""
        return ",".join(range_text(low, high) for low, high in self.numbers)

    def sources_text(self) -> str:
        """The source ports, where not all are meant."""
        return "" if self.sources == ALL_PORTS else "from " + ",".join(range_text(low, high) for low, high in self.sources)


Allow = tuple[Allowed, ...]
ANY: Allow = (Allowed("ANY"),)


def range_text(low: int, high: int) -> str:
    """A range of numbers, or one."""
    return str(low) if low == high else f"{low}-{high}"


def icmp_text(low: int, high: int) -> str:
    """A range of types and codes: a type where it is whole."""
    if low % 256 == 0 and high % 256 == 255:
        return range_text(low // 256, high // 256)
    first, last = f"{low // 256}/{low % 256}", f"{high // 256}/{high % 256}"
    return first if low == high else f"{first}-{last}"


def allowed(atoms: Atoms, flows: int, family: int) -> Allow:
    """A set of flows in words; TCP, UDP, SCTP, ICMP, then the others. Empty where nothing is left that packets of the family can be."""
    if flows == atoms.all:
        return ANY
    found: list[Allowed] = []
    others: dict[tuple[Ranges, Ranges], Ranges] = {}
    for group in atoms.groups:
        for ports, sources in boxes(group, flows):
            for number in (*WITH_PORTS, ICMP[family]):
                if group.protocols[0] <= number <= group.protocols[1]:
                    found.append(Allowed(WITH_PORTS.get(number, "ICMP"), ports, sources))
            rest = normalised(without_named(group.protocols))
            others[ports, sources] = union(others.get((ports, sources), ()), rest)
    found += [Allowed("OTHER", *both, numbers) for both, numbers in sorted(others.items()) if numbers]
    ranked = sorted(found, key=lambda item: (rank(item.protocol), item.sources, item.ports))
    return tuple(item for item in ranked if item.protocol not in NUMBERS or item.ports_text())


def rank(protocol: str) -> int:
    """TCP, UDP, SCTP, ICMP, others."""
    return ("ANY", "TCP", "UDP", "SCTP", "ICMP", "OTHER").index(protocol)


def without_named(protocols: tuple[int, int]) -> list[tuple[int, int]]:
    """A range of protocol numbers without those that have a name of their own."""
    parts, low = [], protocols[0]
    for number in (1, 6, 17, 58, 132):
        if low <= number <= protocols[1]:
            parts.append((low, number - 1))
            low = number + 1
    return [*parts, (low, protocols[1])]


def boxes(group: Group, flows: int) -> list[tuple[Ranges, Ranges]]:
    """The flows of a group as ports with source ports: ports that have the same source ports together."""
    inside = flows >> group.offset & run(0, group.count - 1)
    if not inside:
        return []
    if inside == run(0, group.count - 1):
        return [(ALL_PORTS, ALL_PORTS)]
    count = len(group.sources)
    by_sources: dict[int, list[tuple[int, int]]] = {}
    for place in dict.fromkeys(position // count for position in members(inside)):
        sources = inside >> place * count & run(0, count - 1)
        by_sources.setdefault(sources, []).append(span(group.destinations, place))
    return [
        (normalised(ports), normalised(span(group.sources, place) for place in members(sources)))
        for sources, ports in by_sources.items()
    ]


def clipped(allow: Allow, protocol: str, port: int | None) -> Allow:
    """What of it is of the protocol, and to the port."""
    ports = ALL_PORTS if port is None else ((port, port),)
    if allow == ANY:
        return (Allowed(protocol, ports),)
    found = (item._replace(ports=intersection(item.ports, ports)) for item in allow if item.protocol == protocol)
    return tuple(item for item in found if item.ports)
