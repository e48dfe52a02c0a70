"""What the concrete walk says of the guarantees: ordinary packets of every pair, each judged by itself, for holding verdicts against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.model.network import Interface, Network
from analyzer.query.encapsulated import untaken
from analyzer.query.outside import answering, entrances, stranger
from analyzer.query.parties import Party, decidable, families, nearby, nodes, owners, pods
from analyzer.query.published import published
from analyzer.ranges import contains
from analyzer.solve.packet import ICMP, ICMPV6, SCTP, SYN, TCP, UDP, Fate, Outcome, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.solve.walk.delivery import name
from analyzer.source import Scope

PORTS = ((TCP, 8080), (UDP, 53), (TCP, 33333), (SCTP, 5000))
UNHEARD = "nothing listens on "


@dataclass(frozen=True, slots=True)
class Ask:
    """A packet from one party to another, and who may have it: the namespaces of an address; with ``ends`` the (address, port) that it may have become."""

    source: str
    target: str
    flow: Flow
    homes: Mapping[int, frozenset[Scope]]
    ends: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the walk says of one packet: ``cut``, ``astray``, ``source``, ``destination`` (translated) or ``unknown``, and its reason."""

    kind: str
    reason: str


KINDS = {
    "pod-to-pod": ("cut", "astray"),
    "pod-to-pod-without-nat": ("source", "destination"),
    "node-to-pod": ("cut", "astray"),
    "node-to-pod-without-nat": ("source", "destination"),
    "pod-to-node-without-nat": ("source", "destination"),
    "pod-sees-its-own-address": ("source",),
    "pod-to-service": ("cut", "astray"),
    "outside-to-service": ("cut", "astray"),
}
"""How a packet breaks each guarantee."""


def packets(family: int, source: int, target: int) -> Iterator[Packet]:
    """A ping and a few ports."""
    yield Packet(family, source, target, ICMP if family == 4 else ICMPV6, 40000, 0, 8 if family == 4 else 128)
    for protocol, port in PORTS:
        yield Packet(family, source, target, protocol, 40000, port, tcp_flags=SYN if protocol == TCP else 0)


def asks(network: Network, guarantee: str) -> Iterator[Ask]:
    """The packets of a guarantee: every pair of its parties."""
    for family in families(network):
        some_pods, some_nodes = pods(network, family), nodes(network, family)
        match guarantee.removesuffix("-without-nat"):
            case "pod-to-pod" | "pod-sees-its-own-address":
                yield from taken(network, between(some_pods, some_pods))
            case "node-to-pod":
                yield from taken(network, between(some_nodes, some_pods, chosen=True))
            case "pod-to-node":
                yield from taken(network, between(some_pods, some_nodes))
            case "pod-to-service":
                yield from to_services(network, some_pods, family)
            case "outside-to-service":
                yield from from_outside(network, family)
            case _:
                raise ValueError(f"{guarantee} is about no packets")


def taken(network: Network, found: Iterable[Ask]) -> Iterator[Ask]:
    """Those of a protocol that the network takes at all."""
    return (ask for ask in found if not contains(untaken(network).protocols, ask.flow.packet.protocol))


def between(sources: tuple[Party, ...], targets: tuple[Party, ...], chosen: bool = False) -> Iterator[Ask]:
    """Every source to every target elsewhere; ``chosen``: from the address that the kernel chooses."""
    for source in sources:
        for target in targets:
            if source.scope != target.scope and source.address != target.address:
                homes = scopes(one for one in targets if one.address == target.address)
                for packet in packets(source.address.family, 0 if chosen else source.address.value, target.address.value):
                    yield Ask(source.name, target.name, Flow(source.scope, packet), homes)


def to_services(network: Network, sources: tuple[Party, ...], family: int) -> Iterator[Ask]:
    """Every pod to every port of a service."""
    homes = holders(network, family)
    found = [(portal, ()) for portal in decidable(network, family, ("Cluster", "Local"))]
    for portal, ranges in (*found, *published(network, family)):
        flags = SYN if portal.protocol == TCP else 0
        own = portal.service is not None and portal.service.internal_policy == "Local" and (portal, ()) in found
        for party in sources:
            ends = nearby(network, portal, party.scope.node) if own else portal.endpoints
            if not ends or (ranges and not any(prefix.covers(party.address) for prefix in ranges)):
                continue
            packet = Packet(
                family, party.address.value, portal.address.value, portal.protocol, 40000, portal.port, tcp_flags=flags
            )
            yield Ask(party.name, f"svc:{portal.name} at {portal.address}", Flow(party.scope, packet), homes, ends)


def from_outside(network: Network, family: int) -> Iterator[Ask]:
    """From outside to every node port."""
    homes, asker = holders(network, family), stranger(network, family)
    for portal, ranges in published(network, family):
        flags = SYN if portal.protocol == TCP else 0
        for party, at in entrances(network, family):
            if (ends := answering(portal, network, party)) and not ranges:
                packet = Packet(family, asker.value, portal.address.value, portal.protocol, 40000, portal.port, tcp_flags=flags)
                yield Ask("outside", f"{party.name} for {portal.address}", Flow(at, packet), homes, ends)
    for portal in decidable(network, family, ("Cluster", "Local")):
        flags = SYN if portal.protocol == TCP else 0
        for party, at in entrances(network, family) if portal.node_port else ():
            if ends := answering(portal, network, party):
                packet = Packet(
                    family, asker.value, party.address.value, portal.protocol, 40000, portal.node_port, tcp_flags=flags
                )
                yield Ask("outside", f"{party.name} {portal.node_port}", Flow(at, packet), homes, ends)


def holders(network: Network, family: int) -> Mapping[int, frozenset[Scope]]:
    """Everybody who can be an endpoint, by address."""
    return scopes((*pods(network, family), *nodes(network, family)))


def scopes(parties: Iterable[Party]) -> Mapping[int, frozenset[Scope]]:
    """The namespaces of each address."""
    return {value: frozenset(party.scope for party in found) for value, found in owners(parties).items()}


def said(network: Network, ask: Ask) -> list[Said]:
    """What becomes of a packet, as far as it is no success."""
    trace = walk(network, ask.flow)
    return [one for outcome in trace.outcomes for one in judged(network, ask, trace.packet or ask.flow.packet, outcome)]


def judged(network: Network, ask: Ask, packet: Packet, outcome: Outcome) -> Iterator[Said]:
    """What is wrong with one outcome. That nobody listens is no fault of the network, if it is the right one who does not."""
    if outcome.fate is Fate.UNKNOWN:
        yield Said("unknown", outcome.reason)
        return
    unheard = outcome.reason.startswith(UNHEARD)
    if outcome.fate is Fate.UNREACHABLE and not unheard:
        yield Said("cut", outcome.reason)
    if outcome.delivered_to is not None and strays(network, ask, packet, outcome):
        yield Said("astray", f"{outcome.delivered_to} has it at {outcome.destination_seen} port {outcome.port_seen}")
    elif outcome.delivered_to is not None and ask.ends is None:
        yield from [Said("source", f"sees {outcome.source_seen}")] * outcome.source_translated
        yield from [Said("destination", f"sees {outcome.destination_seen}")] * outcome.destination_translated


def strays(network: Network, ask: Ask, packet: Packet, outcome: Outcome) -> bool:
    """Whether one who should not has the packet."""
    seen = outcome.destination_seen or Address(packet.family, packet.destination)
    if ask.ends is not None and (seen.value, outcome.port_seen) not in ask.ends:
        return True
    became = packet._replace(destination=seen.value)
    return outcome.delivered_to not in {name(network, scope, became) for scope in ask.homes.get(seen.value, ())}


def starts(network: Network, packet: Packet, source: str) -> Iterator[Scope | Interface]:
    """Where a counterexample of a party starts."""
    parties = [*pods(network, packet.family), *nodes(network, packet.family)]
    yield from (party.scope for party in parties if party.name == source)
    if source == "outside":
        yield from (at for party, at in entrances(network, packet.family) if party.address.value == packet.destination)
