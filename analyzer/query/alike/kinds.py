"""Which pods and nodes are alike: their records are equal once what belongs to somebody is called by its role.

A node's records are those that hold for all packets, those about one of its pods, and those about one other node (its route, the neighbour, the forwarding entry).
Nodes of one kind have equal records of the first sort, pods of the same kinds, and equal records about each node of a kind; so any two of them, with their pods, can
change places, and nothing else in the network would be different. Whoever is spoken of in any other way is alone of its kind, and so is whoever has something that
cannot be told (``Untold`` says so of a whole network; of single chains ``chains.py`` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Network
from analyzer.query.alike.chains import Reached
from analyzer.query.alike.forms import Form, Untold, Writer
from analyzer.query.alike.identities import Identities, identities
from analyzer.query.alike.records import Entered, records
from analyzer.query.alike.services import NOBODY, Reader, Services, service_addresses
from analyzer.query.once import Whole
from analyzer.ranges import EMPTY, Ranges, normalised
from analyzer.source import Scope

SEVERAL, FEW, ENOUGH, AT_ONCE = 3, 2, 2, 7
"""How many pods of a kind a node has is of no account from three on: one that sends, one that receives, and one that does neither.
All are asked where the few are not at most one of ``ENOUGH``. ``AT_ONCE`` are the nodes whose pods ask services together."""
ABOUT_PEERS = frozenset({"route", "neighbour", "forwarding"})
ABOUT_PODS = frozenset({"link", "route", "neighbour", "forwarding", "vlan", "filter", "sysctl"})


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kind of each node and pod, by namespace, and the members of each kind; ``few``: those that stand for all, where their packets enter none of the
    chains that are ``unread``; ``ports``: those by which packets get there. ``services``: what is said of services' addresses, where that is known."""

    known: Identities
    of: Mapping[Scope, int]
    nodes: Mapping[int, tuple[Scope, ...]]
    pods: Mapping[tuple[Scope, int], tuple[Scope, ...]]
    few: frozenset[Scope]
    unread: frozenset[str] = frozenset()
    ports: Ranges = EMPTY
    services: Services | None = None

    @property
    def many(self) -> bool:
        """Whether a few stand for so many that it is worth asking them."""
        return len(self.few) * ENOUGH <= len(self.of)


@dataclass(slots=True)
class Told:
    """What the records say: of each namespace in general, of each pod at its node, of each node at another; and who is alone."""

    common: dict[Scope, list[Form]] = field(default_factory=dict)
    pods: dict[Scope, list[Form]] = field(default_factory=dict)
    peers: dict[Scope, dict[Scope, list[Form]]] = field(default_factory=dict)
    alone: set[Scope] = field(default_factory=set)
    wide: set[Prefix] = field(default_factory=set)
    wild: set[str] = field(default_factory=set)
    spoken: set[Address] = field(default_factory=set)
    entered: dict[Scope, list[Entered]] = field(default_factory=dict)
    services: Services | None = None
    unread: frozenset[str] = frozenset()
    ports: Ranges = EMPTY


def kinds(network: Network) -> Kinds | None:
    """The kinds of a network's nodes and pods; None where nothing can be told."""
    return of_whole(Whole(network))


@lru_cache(maxsize=2)
def of_whole(key: Whole) -> Kinds | None:
    """``kinds``, once."""
    network, known = key.network, identities(key.network)
    try:
        told = read(network, known)
    except Untold:
        return None
    strangers(network, known, told)
    numbers: dict[object, int] = {}
    pods = {scope: numbers.setdefault(shape, len(numbers)) for scope, shape in pod_shapes(network, known, told)}
    nodes = parted(told, dict(node_shapes(network, known, told, pods)), numbers)
    return collected(known, nodes, pods, told)


def read(network: Network, known: Identities) -> Told:
    """What all records say."""
    told = Told()
    values: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for address in network.owners:
        values[address.family].append((address.value, address.value))
    # To tell which services are alike all their rules are read, which is more than asking all pods of a few nodes at once.
    few = sum(not scope.namespace for scope in network.namespaces) <= AT_ONCE
    services = frozenset() if few else service_addresses(network)
    for address in services:
        values[address.family].append((address.value, address.value))
    reached = Reached({family: normalised(pairs) for family, pairs in values.items()}, services)
    for scope, space in network.namespaces.items():
        if space.gaps or space.assumed:
            told.alone.add(scope)
        writer = Writer(known, scope, told.wide, told.wild, services=services, spoken=told.spoken)
        common = told.common[scope] = []
        for kind, about, record in records(network, space, reached):
            if isinstance(record, Entered):
                told.entered.setdefault(scope, []).append(record)
                continue
            form = (kind, writer.record(record))
            others = writer.others
            if not others:
                common.append(form)
            elif len(others) == 1 and (held := holder(told, known, scope, others[0], kind, about)) is not None:
                held.append(form)
            else:
                told.alone.update(others)
                common.append((form, tuple(others)))
    told.services = services_of(network, known, told, reached)
    told.unread = frozenset(reached.unread)
    told.ports = normalised(pair for ports in reached.ports for pair in ports)
    return told


def services_of(network: Network, known: Identities, told: Told, reached: Reached) -> Services | None:
    """What nodes say of services' addresses; None where that is not known."""
    if reached.hidden or not reached.services:
        return None
    devices = frozenset(name for held in known.devices.values() for name in held)
    reader = Reader(network, Writer(known, NOBODY, told.wide, told.wild), devices)
    tables = {scope: reader.table(entered) for scope, entered in told.entered.items() if not scope.namespace}
    of_pods = {
        one.address for scope, entered in told.entered.items() if scope.namespace for rules in entered for one in rules.entries
    }
    untold = told.spoken | reader.untold | of_pods
    wide = sorted(told.wide)
    held = {
        address: tuple(prefix for prefix in wide if prefix.covers(address))
        for address in sorted(reached.services - untold)
        if not networks(known, address)
    }
    return Services(tables, reader.said, held, frozenset(reader.chains - reached.entered))


def holder(told: Told, known: Identities, scope: Scope, other: Scope, kind: str, about: object) -> list[Form] | None:
    """Where a record that speaks of one other is kept: with its pod's or with its peer's records, if it is about packets to these alone."""
    if scope.namespace or owner(known, scope, about) != other:
        return None
    if other.namespace and other.node == scope.node and kind in ABOUT_PODS:
        return told.pods.setdefault(other, [])
    if not other.namespace and kind in ABOUT_PEERS:
        return told.peers.setdefault(scope, {}).setdefault(other, [])
    return None


def owner(known: Identities, scope: Scope, about: object) -> Scope | None:
    """Whose it is that a record is about."""
    match about:
        case Address():
            found = known.addresses.get(about)
        case Prefix():
            found = known.network_of(about)
        case int():
            found = known.macs.get(about)
        case str():
            found = known.devices.get(scope, {}).get(about)
        case _:
            found = None
    return found[0] if found is not None else None


def strangers(network: Network, known: Identities, told: Told) -> None:
    """Pods that are known by an address that is not theirs alone, and those that share a namespace, are alone."""
    seen: set[Scope] = set()
    for item in network.attachments:
        if not item.scope.namespace:
            continue
        own = all((found := known.addresses.get(address)) is not None and found[0] == item.scope for address in item.addresses)
        if not own or item.scope in seen or not item.addresses:
            told.alone.add(item.scope)
        seen.add(item.scope)
    told.alone.update(scope for scope in network.namespaces if scope.namespace and scope not in seen)


def pod_shapes(network: Network, known: Identities, told: Told) -> Iterator[tuple[Scope, object]]:
    """What a pod is like: its own records, those at its node, and which networks hold it."""
    held, wide, wild = by_owner(known), sorted(told.wide), sorted(told.wild)
    for scope in network.namespaces:
        if not scope.namespace:
            continue
        names = tuple(name.startswith(start) for name, (pod, _) in ends(known, scope) if pod == scope for start in wild)
        records = (tuple(told.common[scope]), tuple(told.pods.get(scope, ())))
        shape = ("pod", records, placed(known, held.get(scope, ()), wide), names)
        yield scope, ("alone", scope) if scope in told.alone else shape


def ends(known: Identities, scope: Scope) -> Iterable[tuple[str, tuple[Scope, object]]]:
    """The devices of a pod's node that lead to pods."""
    return known.devices.get(Scope(scope.node), {}).items()


def by_owner(known: Identities) -> dict[Scope, list[Address]]:
    """Everybody's addresses."""
    found: dict[Scope, list[Address]] = {}
    for address, (scope, _) in known.addresses.items():
        found.setdefault(scope, []).append(address)
    return found


def placed(known: Identities, addresses: Iterable[Address], wide: Iterable[Prefix]) -> tuple[object, ...]:
    """By which networks somebody's addresses are held: those that are nobody's own, and those of the node."""
    found = []
    for address in addresses:
        _, role = known.addresses[address]
        inside = tuple(prefix for prefix in wide if prefix.covers(address))
        found.append((role, inside, networks(known, address)))
    return tuple(sorted(found, key=repr))


def networks(known: Identities, address: Address) -> tuple[object, ...]:
    """The networks of nodes that hold an address: such a network holds addresses of its node and its pods only."""
    width = 32 if address.family == 4 else 128
    found = (Prefix(address.family, address.value >> low << low, width - low) for low in range(1, width))
    return tuple(role for prefix in found if (item := known.prefixes.get(prefix)) is not None for role in (item[1],))


def node_shapes(network: Network, known: Identities, told: Told, pods: Mapping[Scope, int]) -> Iterator[tuple[Scope, object]]:
    """What a node is like: its own records, its pods, and which networks hold it."""
    counts: dict[Scope, Counter[int]] = {}
    for scope, shape in pods.items():
        counts.setdefault(Scope(scope.node), Counter())[shape] += 1
    held, wide = by_owner(known), sorted(told.wide)
    for scope in network.namespaces:
        if not scope.namespace:
            some = frozenset((shape, min(count, SEVERAL)) for shape, count in counts.get(scope, Counter()).items())
            node = ("node", tuple(told.common[scope]), some, placed(known, held.get(scope, ()), wide))
            yield scope, ("alone", scope) if scope in told.alone else node


def parted(told: Told, shapes: Mapping[Scope, object], numbers: dict[object, int]) -> dict[Scope, int]:
    """The nodes by kind: those that say of some node of a kind what others do not are alone, and so is that node."""
    kind = {scope: numbers.setdefault(shape, len(numbers)) for scope, shape in shapes.items()}
    said: dict[object, int] = {}
    peers = {
        scope: {other: said.setdefault(tuple(forms), len(said) + 1) for other, forms in told.peers.get(scope, {}).items()}
        for scope in shapes
    }
    while unlike := odd(kind, peers):
        for scope in unlike:
            kind[scope] = numbers.setdefault(("alone", scope), len(numbers))
    return kind


def odd(kind: Mapping[Scope, int], peers: Mapping[Scope, Mapping[Scope, int]]) -> set[Scope]:
    """The nodes that say of a node what most of their kind do not say of its kind, and those of whom it is said, where they are not alone already."""
    size = Counter(kind.values())
    usual: dict[tuple[int, int], Counter[int]] = {}
    for scope, own in kind.items():
        said = peers[scope]
        for other, its in kind.items():
            if other != scope:
                usual.setdefault((own, its), Counter())[said.get(other, 0)] += 1
    found: set[Scope] = set()
    for (own, its), counts in usual.items():
        if len(counts) == 1:
            continue
        most = max(counts, key=lambda number: (counts[number], -number))
        for scope in (scope for scope, number in kind.items() if number == own):
            for other in (other for other, number in kind.items() if number == its and other != scope):
                if peers[scope].get(other, 0) != most:
                    found |= {one for one in (scope, other) if size[kind[one]] > 1}
    return found


def collected(known: Identities, nodes: Mapping[Scope, int], pods: Mapping[Scope, int], told: Told) -> Kinds:
    """The kinds with their members, and the first two of each."""
    members: dict[int, list[Scope]] = {}
    for scope, number in nodes.items():
        members.setdefault(number, []).append(scope)
    inside: dict[tuple[Scope, int], list[Scope]] = {}
    for scope, number in pods.items():
        inside.setdefault((Scope(scope.node), number), []).append(scope)
    few = {scope for found in members.values() for scope in found[:FEW]}
    few |= {scope for (home, _), found in inside.items() if home in few for scope in found[:FEW]}
    return Kinds(
        known,
        {**nodes, **pods},
        {number: tuple(found) for number, found in members.items()},
        {key: tuple(found) for key, found in inside.items()},
        frozenset(few),
        told.unread,
        told.ports,
        told.services,
    )
