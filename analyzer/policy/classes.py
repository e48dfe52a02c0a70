"""Entities in classes that no policy tells apart, and the tests of ``terms.py`` read for all classes at once, as sets of bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TypeVar

from analyzer.addresses import Address, Prefix
from analyzer.policy.addressing import Blocks, blocks_of, remainders
from analyzer.policy.bits import Sides, join, meet, negated, set_of
from analyzer.policy.entities import Entity, NamedPort
from analyzer.policy.evaluation import known, label_holds, labels_of, name_of
from analyzer.policy.terms import (
    All,
    AnyOf,
    HasLabel,
    InBlocks,
    Is,
    Kind,
    LabelIn,
    LabelText,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    leaves,
)

LabelTest = LabelIn | HasLabel | LabelText
NO_PORTS: tuple[NamedPort, ...] = ()
NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Mentioned:
    """What policies look at: keys of labels, names (those of namespaces aside, which always count), and names of ports."""

    keys: Mapping[Of, tuple[str, ...]]
    names: tuple[Of, ...]
    ports: frozenset[str]


def mentioned_in(peers: Iterable[Peer], ports: Iterable[str]) -> Mentioned:
    """What the tests look at."""
    labels: set[tuple[Of, str]] = set()
    names: set[Of] = set()
    for peer in peers:
        for leaf in leaves(peer):
            match leaf:
                case LabelIn(of=of, key=key) | HasLabel(of=of, key=key) | LabelText(of=of, key=key):
                    labels.add((of, key))
                case Named(of=of):
                    names.add(of)
                case _:
                    pass
    keys = {of: tuple(sorted(key for other, key in labels if other is of)) for of in Of}
    return Mentioned({of: known for of, known in keys.items() if known}, tuple(sorted(names - {Of.NAMESPACE})), frozenset(ports))


@dataclass(frozen=True)
class Universe:
    """The classes, each given by an entity of it, with the entities of each. ``of`` finds the class of an entity by its name."""

    family: int
    classes: tuple[Entity, ...]
    members: tuple[tuple[Entity, ...], ...]
    of: Mapping[str, int]
    blocks: Blocks
    inside: tuple[tuple[Prefix, ...], ...]
    memory: dict[Peer, Sides] = field(default_factory=dict, repr=False)
    objects: dict[int, tuple[Peer, Sides]] = field(default_factory=dict, repr=False)
    indexes: dict[tuple[str, Of, str], dict[str, int]] = field(default_factory=dict, repr=False)
    unknowns: dict[Of, int] = field(default_factory=dict, repr=False)

    @cached_property
    def all(self) -> int:
        """Every class."""
        return (1 << len(self.classes)) - 1

    def sides(self, peer: Peer) -> Sides:
        """The classes for which the test holds for sure, and for which it may hold. Remembered by which object the test is, too: hashing large
        tests again and again takes longer than all the rest, and hashing a union takes longer than uniting."""
        found = self.objects.get(id(peer))
        if found is None:
            known = None if isinstance(peer, AnyOf) else self.memory.get(peer)
            if known is None:
                known = self._sides(peer)
                if not isinstance(peer, AnyOf):
                    self.memory[peer] = known
            found = self.objects[id(peer)] = (peer, known)
        return found[1]

    def _sides(self, peer: Peer) -> Sides:
        match peer:
            case All(terms):
                return reduce(meet, map(self.sides, terms)) if terms else (self.all, self.all)
            case AnyOf(terms):
                return reduce(join, map(self.sides, terms)) if terms else (0, 0)
            case Not(term):
                return negated(self.sides(term), self.all)
            case Opaque():
                return 0, self.all
            case InBlocks(blocks, pods, hosts):
                left_out = (0 if pods else self.kinds[Kind.POD]) | (0 if hosts else self.kinds[Kind.HOST])
                found = self.in_blocks(blocks)
                return meet(found, negated((left_out, left_out), self.all)) if left_out else found
            case _:
                sure = self.exact(peer)
                unknown = 0 if isinstance(peer, Is) else self.unknown(peer.of)
                if isinstance(peer, LabelTest) and peer.of is Of.POD and (made := self.made.get(peer.key)):
                    sure, unknown = sure | made[0] if isinstance(peer, HasLabel) else sure, unknown | made[1]
                return (sure, sure | unknown) if unknown else (sure, sure)

    def exact(self, leaf: Is | Named | LabelTest) -> int:
        """The classes for which a test holds for sure that is not made of others."""
        match leaf:
            case Is(kinds):
                return sum(bits for kind, bits in self.kinds.items() if kind in kinds)
            case Named(of, names):
                index = self.index("name", of, "")
                return united(index.get(name, 0) for name in names)
            case LabelIn(of, key, values):
                index = self.index("label", of, key)
                return united(index.get(value, 0) for value in values)
            case HasLabel(of, key) | LabelText(of, key):
                index = self.index("label", of, key)
                return united(bits for value, bits in index.items() if label_holds(leaf, {key: value}))

    @cached_property
    def made(self) -> dict[str, Sides]:
        """The classes that a controller gives labels of values that nobody knows, by key: for sure, and perhaps."""
        found = [(key, 1 << i, sure) for i, item in enumerate(self.classes) for key, sure in item.made.items()]
        return {
            key: (
                united(bit for one, bit, sure in found if one == key and sure),
                united(bit for one, bit, _ in found if one == key),
            )
            for key in {one for one, _, _ in found}
        }

    @cached_property
    def kinds(self) -> dict[Kind, int]:
        """The classes of each kind."""
        return {kind: set_of(i for i, item in enumerate(self.classes) if item.kind is kind) for kind in Kind}

    def in_blocks(self, blocks: tuple[Prefix, ...]) -> Sides:
        """The classes with an address in one of the blocks, for sure and perhaps: an address that is not known is in the block of all."""
        within = [block for block in blocks if block.family == self.family]
        known = united(self.by_block.get(block, 0) for block in within)
        if not within or not self.without_address:
            return known, known
        may = known | self.without_address
        return (may if any(block.length == 0 for block in within) else known), may

    @cached_property
    def without_address(self) -> int:
        """The classes of which it is not known what addresses they have."""
        return set_of(i for i, item in enumerate(self.classes) if not item.addresses and not item.blocks)

    def unknown(self, of: Of) -> int:
        """The classes of which it is not known which node they are, or are on."""
        if of not in self.unknowns:
            self.unknowns[of] = set_of(i for i, item in enumerate(self.classes) if not known(item, of))
        return self.unknowns[of]

    @cached_property
    def by_block(self) -> dict[Prefix, int]:
        """The classes with an address in each block."""
        return gathered((block, i) for i, blocks in enumerate(self.inside) for own in blocks for block in self.blocks.above(own))

    def index(self, what: str, of: Of, key: str) -> dict[str, int]:
        """The classes by what they are named, or by the value of a label."""
        found = self.indexes.get((what, of, key))
        if found is None:
            read: Callable[[Entity], str | None]
            read = (lambda item: name_of(item, of)) if what == "name" else (lambda item: (labels_of(item, of) or {}).get(key))
            values = ((read(item), i) for i, item in enumerate(self.classes) if known(item, of))
            found = self.indexes[what, of, key] = gathered((value, i) for value, i in values if value is not None)
        return found

    @cached_property
    def by_ports(self) -> dict[tuple[NamedPort, ...], int]:
        """The classes by the named ports that policies can mean."""
        return gathered((item.ports, i) for i, item in enumerate(self.classes))


T = TypeVar("T")


def gathered(pairs: Iterable[tuple[T, int]]) -> dict[T, int]:
    """The positions of each key as a set of bits."""
    found: dict[T, list[int]] = {}
    for key, position in pairs:
        found.setdefault(key, []).append(position)
    return {key: set_of(positions) for key, positions in found.items()}


def united(sets: Iterable[int]) -> int:
    """The union."""
    found = 0
    for item in sets:
        found |= item
    return found


def universe_of(entities: Iterable[Entity], peers: list[Peer], port_names: Iterable[str], family: int) -> Universe:
    """The classes of the entities, and of the addresses outside, for flows of a family."""
    seen = mentioned_in(peers, port_names)
    blocks = blocks_of(peers, family)
    sight = Sight(seen, blocks)
    groups: dict[tuple[object, ...], list[Entity]] = {}
    for entity in sorted(entities, key=lambda item: (item.kind is not Kind.POD, item.namespace, item.name)):
        groups.setdefault(sight.of(entity), []).append(entity)
    members = [tuple(group) for group in groups.values()]
    inside = [sight.blocks_around(group[0]) for group in members]
    for block, rest in remainders(blocks):
        members.append((Entity(name_of_outside(block, rest), Kind.OUTSIDE, blocks=rest),))
        inside.append((block,))
    classes = tuple(sight.with_ports(group[0]) for group in members)
    of = {entity.name: i for i, group in enumerate(members) for entity in group}
    return Universe(family, classes, tuple(members), of, blocks, tuple(inside))


def name_of_outside(block: Prefix, rest: tuple[Prefix, ...]) -> str:
    """Addresses outside by the block that they are in, and that it is not all of it where smaller ones are told apart."""
    return str(block) if rest == (block,) else f"{block} but for smaller blocks"


class Sight:
    """What policies can see of entities, which are kept meanwhile: labels and ports that several share are looked at once, by which objects they are."""

    def __init__(self, seen: Mentioned, blocks: Blocks) -> None:
        self.seen, self.blocks = seen, blocks
        self.own = seen.keys.get(Of.POD, ())
        self.others = tuple((of, keys) for of, keys in seen.keys.items() if of is not Of.POD)
        self.labels: dict[tuple[Of, int], tuple[str | None, ...]] = {}
        self.ports: dict[int, tuple[NamedPort, ...]] = {}
        self.same: dict[tuple[NamedPort, ...], tuple[NamedPort, ...]] = {NO_PORTS: NO_PORTS}

    def of(self, entity: Entity) -> tuple[object, ...]:
        """What there is to see of an entity: classes are those that are equal in it."""
        own = tuple(map((entity.labels if entity.kind is Kind.POD else NO_LABELS).get, self.own))
        labels = [self.labels_of(entity, of, keys) for of, keys in self.others]
        names = [name_of(entity, of) for of in self.seen.names] if self.seen.names else ()
        ports = self.ports_of(entity) if entity.ports else NO_PORTS
        node = entity.kind is not Kind.HOST or known(entity, Of.NODE)
        around = [id(block) for block in self.blocks_around(entity)]
        return (
            entity.kind,
            entity.namespace,
            own,
            *labels,
            *names,
            id(ports),
            *around,
            node,
            bool(entity.addresses or entity.blocks),
            *(tuple(map(entity.made.get, self.own)) if entity.made else ()),
        )

    def labels_of(self, entity: Entity, of: Of, keys: tuple[str, ...]) -> tuple[str | None, ...]:
        """The values of the labels that policies look at."""
        labels = labels_of(entity, of) or NO_LABELS
        found = self.labels.get((of, id(labels)))
        if found is None:
            found = self.labels[of, id(labels)] = tuple(map(labels.get, keys))
        return found

    def ports_of(self, entity: Entity) -> tuple[NamedPort, ...]:
        """The named ports that policies can mean, in order; equal ones are the same object."""
        found = self.ports.get(id(entity.ports))
        if found is None:
            kept = tuple(sorted(port for port in entity.ports if port.name in self.seen.ports))
            found = self.ports[id(entity.ports)] = self.same.setdefault(kept, kept)
        return found

    def blocks_around(self, entity: Entity) -> tuple[Prefix, ...]:
        """The smallest block around each address of the entity."""
        own: tuple[Address | Prefix, ...] = (*entity.addresses, *entity.blocks)
        if len(own) == 1:
            return (self.blocks.smallest(own[0]),) if own[0].family == self.blocks.family else ()
        found = {self.blocks.smallest(item) for item in own if item.family == self.blocks.family}
        return tuple(sorted(found) if len(found) > 1 else found)

    def with_ports(self, entity: Entity) -> Entity:
        """The entity with the named ports that policies can mean."""
        kept = self.ports_of(entity)
        return entity if entity.ports == kept else replace(entity, ports=kept)
