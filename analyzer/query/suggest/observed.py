"""The connections that captured nodes hold (``conntrack -L``), generalised from pods to their workloads, as wanted connectivity.

The source of the original tuple is who asked, the source of the reply tuple who answered, with its own port behind a service (net/netfilter/nf_nat_core.c:
translation changes the reply tuple, not the original). A connection without a reply is left out: it may never have been let in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.addresses import Address, host_prefix, prefix
from analyzer.facts.system import ConnectionFact
from analyzer.model.network import Network
from analyzer.policy.entities import Entity
from analyzer.policy.ports import any_of_traffic, ports
from analyzer.policy.terms import Kind, Traffic
from analyzer.query.policies import Policies
from analyzer.query.suggest.wanted import Want
from analyzer.source import Span

PROTOCOLS = (6, 17, 132)
# Loopback, link-local and multicast addresses, which never leave a link (RFC 1122 3.2.1.3, 3927, 5771; RFC 4291 2.4).
LOCAL = tuple(map(prefix, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8")))
SHOWN = 5


class Owner(NamedTuple):
    """Who has an address: a workload, a pod without one, a node; an address outside has only a name."""

    namespace: str
    kind: str
    name: str


Flow = tuple[int, int]
Seen = dict[tuple[Owner, Owner], dict[Flow, Span]]


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen, and in words what was not."""

    wants: tuple[Want, ...]
    notes: tuple[str, ...]


def observed(network: Network, known: Policies) -> Observed:
    """The connections of all captured nodes. ValueError where none says anything of a pod."""
    owners = Owners(network, known)
    seen: Seen = {}
    unanswered = gone = 0
    for fact in connections(network):
        source, destination = owners.of(fact.original[0]), owners.of(fact.reply[0])
        if source is None or destination is None:
            gone += 1
        elif "UNREPLIED" in fact.status:
            unanswered += 1
        elif owners.is_pod(source) or owners.is_pod(destination):
            seen.setdefault((source, destination), {}).setdefault((fact.protocol, fact.reply[2]), fact.at)
    if not seen:
        raise ValueError("no connection of a pod was captured: conntrack -L on the nodes says what is observed")
    return Observed(tuple(owners.wants(seen)), tuple(notes(unanswered, gone, unseen(network, known))))


def notes(unanswered: int, gone: int, nodes: list[str]) -> Iterator[str]:
    """What was left out, in words."""
    if unanswered:
        yield f"connections without a reply, which may never have been let in, are left out: {unanswered}"
    if gone:
        yield f"connections with addresses of the pods' networks that no pod has are left out: {gone}"
    if nodes:
        more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
        yield f"no connection was captured on {', '.join(nodes[:SHOWN])}{more}: what pods there do was seen from elsewhere only"


def connections(network: Network) -> Iterator[ConnectionFact]:
    """The connections that policies can say something of, in a fixed order."""
    for _, namespace in sorted(network.namespaces.items()):
        for fact in namespace.connections:
            ends = fact.original[0], fact.reply[0]
            local = ends[0] == ends[1] or any(block.covers(own) for own in ends for block in LOCAL)
            if fact.protocol in PROTOCOLS and fact.reply[2] and not local:
                yield fact


def unseen(network: Network, known: Policies) -> list[str]:
    """The nodes with pods, of which no connection was captured."""
    captured = {scope.node for scope, one in network.namespaces.items() if one.connections}
    captured |= {name for name, folder in network.node_names.items() if folder in captured}
    return sorted({entity.node for entity in known.world.pods() if entity.node} - captured)


class Owners:
    """Who has which address."""

    def __init__(self, network: Network, known: Policies) -> None:
        self.by_address: dict[Address, Owner] = {}
        self.groups: dict[Owner, list[Entity]] = {}
        for entity in known.world.entities:
            owner = owner_of(entity)
            self.groups.setdefault(owner, []).append(entity)
            if entity.kind is Kind.POD or not entity.namespace:
                for own in entity.addresses:
                    self.by_address.setdefault(own, owner)
        self.networks = [item.prefix for item in network.cluster.ranges if item.purpose == "pod" and item.prefix.length]

    def of(self, own: Address) -> Owner | None:
        """Who has an address; None where it is of the pods' networks, and nobody has it."""
        found = self.by_address.get(own)
        if found is None and not any(block.covers(own) for block in self.networks):
            found = Owner("", "", str(own))
            outside = Entity(found.name, Kind.OUTSIDE, blocks=(host_prefix(own),))
            self.by_address[own], self.groups[found] = found, [outside]
        return found

    def is_pod(self, owner: Owner) -> bool:
        """Whether an owner is pods."""
        return any(entity.kind is Kind.POD for entity in self.groups[owner])

    def wants(self, seen: Seen) -> Iterator[Want]:
        """What was seen, with the ends together that did the same."""
        together: dict[tuple[bool, Owner, tuple[Flow, ...]], list[tuple[Owner, Owner, Span]]] = {}
        for (source, destination), flows in sorted(seen.items()):
            into = self.is_pod(destination)
            key = (into, destination if into else source, tuple(sorted(flows)))
            together.setdefault(key, []).append((source, destination, min(flows.values())))
        for (_, _, kinds), found in together.items():
            sources, destinations, places = zip(*found, strict=True)
            yield Want(self.entities(sources), self.entities(destinations), traffic_of(kinds), min(places))

    def entities(self, owners: Iterable[Owner]) -> tuple[Entity, ...]:
        """All that owners are."""
        return tuple(dict.fromkeys(entity for owner in owners for entity in self.groups[owner]))


def owner_of(entity: Entity) -> Owner:
    """The workload of an entity, or itself."""
    kind, name = entity.workload
    return Owner(entity.namespace, kind, name) if name else Owner(entity.namespace, entity.kind.value, entity.name)


def traffic_of(flows: tuple[Flow, ...]) -> Traffic:
    """The flows to ports."""
    return any_of_traffic(tuple(ports(protocol, port, port) for protocol, port in flows))
