"""Which pods and nodes are alike: their records are equal once what belongs to somebody is called by its role.

A node's records are those that hold for all packets, those about one of its pods, and those about one other node (its route, the neighbour, the forwarding entry).
Nodes of one kind have equal records of the first sort, pods of the same kinds, and equal records about each node of a kind; so any two of them, with their pods, can
change places, and nothing else in the network would be different. What rules and IP sets say of single pods counts for the kind of the pod and not for its node's: it matters to
packets of that pod alone. Whoever is spoken of in any other way is alone of its kind, and so is whoever has something that
cannot be told (``Untold`` says so of a whole network; of single chains ``chains.py`` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Network
from analyzer.query.alike.choosing import some_of
from analyzer.query.alike.forms import Untold
from analyzer.query.alike.identities import Identities, identities
from analyzer.query.alike.ip_sets import Held, held_by
from analyzer.query.alike.services import Services
from analyzer.query.alike.told import Kept, Told, networks, read
from analyzer.query.once import Whole
from analyzer.ranges import EMPTY, Ranges
from analyzer.source import Scope

SEVERAL, ENOUGH = 3, 2
"""How many pods of a kind a node has is of no account from three on: one that sends, one that receives, and one that does neither.
All are asked where the few are not at most one of ``ENOUGH``."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kind of each node and pod, by namespace, and the members of each kind; ``few``: those that stand for all, where their packets enter none of the
    chains that are ``unread``; ``ports``: those by which packets get there. ``apart``: the chains of each node that are single
    pods' (``dispatch.py``), and of all. ``services``: what is said of services' addresses, where that is known."""

    known: Identities
    of: Mapping[Scope, int]
    nodes: Mapping[int, tuple[Scope, ...]]
    pods: Mapping[tuple[Scope, int], tuple[Scope, ...]]
    few: frozenset[Scope]
    unread: frozenset[str] = frozenset()
    ports: Ranges = EMPTY
    apart: Mapping[Scope, frozenset[str]] = field(default_factory=dict)
    apart_anywhere: frozenset[str] = frozenset()
    services: Services | None = None

    @property
    def many(self) -> bool:
        """Whether a few stand for so many that it is worth asking them."""
        return len(self.few) * ENOUGH <= len(self.of)


def kinds(network: Network, kept: Kept | None = None) -> Kinds | None:
    """The kinds of a network's nodes and pods; None where nothing can be told. Who asks first of a network may have ``kept`` what is known of an earlier state of it."""
    return of_whole(Whole(network), Once(kept))


class Once:
    """What an earlier look kept, which makes no difference to what is found: all are equal. It is given once, so that no memory holds it."""

    __slots__ = ("kept",)

    def __init__(self, kept: Kept | None) -> None:
        self.kept = kept

    def taken(self) -> Kept:
        """What was kept; something empty afterwards."""
        kept, self.kept = self.kept or Kept(), None
        return kept

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Once)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2)
def of_whole(key: Whole, once: Once) -> Kinds | None:
    """``kinds``, once."""
    network, known = key.network, identities(key.network)
    try:
        told = read(network, known, once.taken())
    except Untold:
        return None
    strangers(network, known, told)
    numbers: dict[object, int] = {}
    held, inside = by_owner(known), held_by(told.sets, known.addresses)
    plain = {scope: numbers.setdefault(shape, len(numbers)) for scope, shape in pod_shapes(network, known, told, held)}
    pods = {
        scope: numbers.setdefault((number, told.ruled.get(scope, ()), sets_of(known, held.get(scope, ()), inside)), len(numbers))
        for scope, number in plain.items()
    }
    nodes = parted(told, dict(node_shapes(network, known, told, plain, inside)), numbers)
    return collected(known, nodes, pods, told)


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


def pod_shapes(
    network: Network, known: Identities, told: Told, held: Mapping[Scope, Sequence[Address]]
) -> Iterator[tuple[Scope, object]]:
    """What a pod is like, but for rules about its own packets and IP sets: its own records, those at its node, and which networks hold it."""
    wide, wild = sorted(told.wide), sorted(told.wild)
    for scope in network.namespaces:
        if not scope.namespace:
            continue
        names = tuple(name.startswith(start) for name, (pod, _) in ends(known, scope) if pod == scope for start in wild)
        records = (told.common[scope], told.pods.get(scope, ()))
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


def sets_of(known: Identities, addresses: Iterable[Address], inside: Held) -> tuple[object, ...]:
    """The IP sets that somebody's addresses are in, each by what the address is to its owner."""
    return tuple(sorted(((known.addresses[one][1], inside[one]) for one in addresses if one in inside), key=repr))


def node_shapes(
    network: Network, known: Identities, told: Told, pods: Mapping[Scope, int], inside: Held
) -> Iterator[tuple[Scope, object]]:
    """What a node is like: its own records, its pods but for what rules say of single ones, and which networks and IP sets hold it. Rules and sets about a pod matter to
    packets of this pod alone (``dispatch.py``)."""
    counts: dict[Scope, Counter[int]] = {}
    for scope, shape in pods.items():
        counts.setdefault(Scope(scope.node), Counter())[shape] += 1
    held, wide = by_owner(known), sorted(told.wide)
    for scope in network.namespaces:
        if not scope.namespace:
            some = frozenset((shape, min(count, SEVERAL)) for shape, count in counts.get(scope, Counter()).items())
            own = held.get(scope, ())
            node = ("node", told.common[scope], some, placed(known, own, wide), sets_of(known, own, inside))
            yield scope, ("alone", scope) if scope in told.alone else node


def parted(told: Told, shapes: Mapping[Scope, object], numbers: dict[object, int]) -> dict[Scope, int]:
    """The nodes by kind: those that say of some node of a kind what others do not are alone, and so is that node."""
    kind = {scope: numbers.setdefault(shape, len(numbers)) for scope, shape in shapes.items()}
    said: dict[object, int] = {}
    peers = {
        scope: {other: said.setdefault(forms, len(said) + 1) for other, forms in told.peers.get(scope, {}).items()}
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
    """The kinds with their members, and who stands for all."""
    members: dict[int, list[Scope]] = {}
    for scope, number in nodes.items():
        members.setdefault(number, []).append(scope)
    inside: dict[Scope, dict[int, list[Scope]]] = {}
    for scope, number in pods.items():
        inside.setdefault(Scope(scope.node), {}).setdefault(number, []).append(scope)
    return Kinds(
        known,
        {**nodes, **pods},
        {number: tuple(found) for number, found in members.items()},
        {(home, number): tuple(found) for home, held in inside.items() for number, found in held.items()},
        some_of(members, inside),
        told.unread,
        told.ports,
        told.apart,
        frozenset().union(*told.apart.values()),
        told.services,
    )
