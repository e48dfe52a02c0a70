"""The flows that a question is about, and the most ordinary one of a set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.atoms import Atoms
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.terms import ALL_PORTS, ALL_PROTOCOLS, Box
from analyzer.policy.world import PROTOCOLS, World, mapping, pod_template
from analyzer.query.ask.answers import Alike
from analyzer.query.ask.questions import Ports
from analyzer.ranges import Ranges, contains, difference, intersection, normalised, single

EVERYTHING: tuple[Box, ...] = (Box(),)
PREFERRED = (6, 17, 132, 1, 58)
EPHEMERAL = 40000
ICMP, ICMPV6, ECHO, ECHO_V6 = 1, 58, (2048, 2303), (32768, 33023)


@lru_cache(maxsize=256)
def boxes(ports: tuple[Ports, ...], family: int) -> tuple[Box, ...]:
    """The flows that are asked about; none said: all. ICMP means ICMPv6 in IPv6, where of its types only the echo request has a counterpart."""
    if not ports:
        return EVERYTHING
    found: dict[int, list[tuple[int, int]]] = {}
    for protocol, low, high in ports:
        if family == 6 and protocol == ICMP:
            protocol, (low, high) = ICMPV6, ECHO_V6 if (low, high) == ECHO else (low, high)
        found.setdefault(protocol, []).append((low, high))
    return tuple(Box(single(protocol), normalised(ranges)) for protocol, ranges in sorted(found.items()))


def others(wanted: tuple[Box, ...]) -> tuple[Box, ...]:
    """The flows in none of the boxes, which differ in protocols and destination ports only."""
    rest = ALL_PROTOCOLS
    found = []
    for box in wanted:
        rest = difference(rest, box.protocols)
        if left := difference(ALL_PORTS, box.destinations):
            found.append(Box(box.protocols, left))
    return (*found, Box(rest)) if rest else tuple(found)


def mask_of(atoms: Atoms, wanted: Iterable[Box]) -> int:
    """Every box of flows that has one of those asked about in it."""
    found = 0
    for box in wanted:
        found |= atoms.of_box(box)
    return found


def inside(atoms: Atoms, mask: int, wanted: Iterable[Box]) -> Iterator[Box]:
    """The flows of a set that are among those asked about, as boxes."""
    for have in atoms.boxes_of(mask):
        for box in wanted:
            protocols = intersection(have.protocols, box.protocols)
            destinations = intersection(have.destinations, box.destinations)
            sources = intersection(have.sources, box.sources)
            if protocols and destinations and sources:
                yield Box(protocols, destinations, sources)


def alike(found: Iterable[Box]) -> Alike:
    """Boxes as protocols with ranges of ports, source ports aside."""
    by_protocols: dict[tuple[int, int], Ranges] = {}
    for box in found:
        for low, high in box.protocols:
            by_protocols[low, high] = normalised((*by_protocols.get((low, high), ()), *box.destinations))
    joined: list[tuple[tuple[int, int], Ranges]] = []
    for (low, high), ports in sorted(by_protocols.items()):
        if joined and joined[-1][0][1] + 1 == low and joined[-1][1] == ports:
            joined[-1] = ((joined[-1][0][0], high), ports)
        else:
            joined.append(((low, high), ports))
    return tuple(joined)


def ordinary(found: Iterable[Box], served: Iterable[tuple[int, int]], family: int) -> Flow:
    """The most ordinary flow of the boxes: to the lowest port that is served (port, protocol), TCP before UDP; else the lowest port of the most
    usual protocol. The source port is an ephemeral one, where it may be."""
    known = list(found)
    for port, protocol in sorted(served, key=lambda item: (item[0], rank(item[1]))):
        for box in known:
            if contains(box.protocols, protocol) and contains(box.destinations, port):
                return Flow(family, protocol, port, ephemeral(box))
    box, protocol = min(((box, usual(box, family)) for box in known), key=lambda item: (rank(item[1]), lowest(*item)))
    return Flow(family, protocol, lowest(box, protocol), 0 if protocol in (ICMP, ICMPV6) else ephemeral(box))


def usual(box: Box, family: int) -> int:
    """The most usual protocol of a box."""
    known = [
        protocol for protocol in PREFERRED if contains(box.protocols, protocol) and protocol != (ICMPV6 if family == 4 else ICMP)
    ]
    return known[0] if known else box.protocols[0][0]


def rank(protocol: int) -> int:
    """How usual a protocol is, lower first."""
    return PREFERRED.index(protocol) if protocol in PREFERRED else len(PREFERRED) + protocol


def lowest(box: Box, protocol: int) -> int:
    """The lowest port; of ICMP rather an echo request. Port 0 is none that anybody listens on."""
    echo = {ICMP: ECHO[0], ICMPV6: ECHO_V6[0]}.get(protocol)
    if echo is not None and contains(box.destinations, echo):
        return echo
    low, high = box.destinations[0]
    if low or protocol in (ICMP, ICMPV6):
        return low
    return 1 if high else box.destinations[1][0] if len(box.destinations) > 1 else 0


def ephemeral(box: Box) -> int:
    """A source port."""
    return EPHEMERAL if contains(box.sources, EPHEMERAL) else box.sources[-1][1]


def served(world: World, entity: Entity) -> tuple[tuple[int, int], ...]:
    """The ports (number, protocol) that a pod's containers declare, with a name or without."""
    fact = world.cluster.pods.get((entity.namespace, entity.pod_name))
    if fact is not None:
        return tuple((port.port, port.protocol) for port in fact.ports)
    if entity.workload == ("", ""):
        return tuple((port.port, port.protocol) for port in entity.ports)
    return tuple(of_template(world, entity))


def of_template(world: World, entity: Entity) -> Iterator[tuple[int, int]]:
    """The ports that the containers of a workload's template declare."""
    kind, name = entity.workload
    for item in world.cluster.others:
        if (item.kind, item.name) == (kind, name) and (item.namespace or "default") == entity.namespace:
            yield from declared(item)


def declared(item: OtherObjectFact) -> Iterator[tuple[int, int]]:
    """The ports of a template."""
    for container in mapping(mapping(pod_template(item)).get("spec")).get("containers") or ():
        ports = mapping(container).get("ports")
        for port in ports if isinstance(ports, list) else ():
            number = mapping(port).get("containerPort")
            if isinstance(number, int) and not isinstance(number, bool) and 0 < number <= 65535:
                yield number, PROTOCOLS.get(str(mapping(port).get("protocol") or "TCP"), 6)
