"""Two sets of policies over one universe: positions at which an entity of the one world and its counterpart in the other stand together.

A position is a class of both sides at once, and a bit of ``atoms`` a box of flows for both, so that what the two sides admit can be
compared bit by bit. Entities are counterparts when they have the same name, or are pods of one workload: names of pods change with
every restart, and a workload with more pods is still the same workload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.policy.addressing import blocks_of, remainders
from analyzer.policy.atoms import Atoms, atoms_of, names_in
from analyzer.policy.classes import Sight, Universe, mentioned_in, name_of_outside
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Compiler, Factors, rules_of
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind, Peer, Traffic
from analyzer.policy.tiers import Direction

NOBODY_THERE = Entity("(nobody)", Kind.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Couple:
    """An entity before and after; None where it is not there."""

    old: Entity | None
    new: Entity | None

    @property
    def known(self) -> Entity:
        """The entity as it is after, or was before it went."""
        found = self.new or self.old
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Joint:
    """Both sides compiled. ``members`` are the couples at each position; the masks say at which positions there is somebody on both sides,
    and on one only. ``touched``: the positions whose egress, and whose ingress, can differ, where it is known;
    ``alike``: whether what is not known is the same on both sides and only ever admits, where that is known; ``moved``: positions that do not stand among
    the others in the order of their first couples."""

    old: Factors
    new: Factors
    members: tuple[tuple[Couple, ...], ...]
    staying: int
    appearing: int
    disappearing: int
    touched: tuple[int, int] | None = None
    alike: bool | None = None
    moved: int = 0

    @property
    def atoms(self) -> Atoms:
        """The boxes of flows of both sides."""
        return self.new.atoms


def joint(old: PolicySet, new: PolicySet, family: int) -> Joint:
    """Compiles two sets over what both of them tell apart."""
    peers, traffic = vocabulary((old, new))
    names = {name for term in traffic for name in names_in(term)}
    blocks = blocks_of(peers, family)
    sight = Sight(mentioned_in(peers, names), blocks)
    groups: dict[tuple[object, ...], list[Couple]] = {}
    for couple in couples(old.world.entities, new.world.entities):
        groups.setdefault(signatures(couple, sight), []).append(couple)
    members = [tuple(group) for group in groups.values()]
    for block, rest in remainders(blocks):
        outside = Entity(name_of_outside(block, rest), Kind.OUTSIDE, blocks=rest)
        members.append((Couple(outside, outside),))
    before = universe([[couple.old for couple in group] for group in members], sight)
    after = universe([[couple.new for couple in group] for group in members], sight)
    atoms = atoms_of(traffic, (port for side in (before, after) for item in side.classes for port in item.ports))
    return Joint(compiled(old, before, atoms), compiled(new, after, atoms), tuple(members), *masks(members))


def masks(members: Iterable[tuple[Couple, ...]]) -> tuple[int, int, int]:
    """The positions of those that stay, appear and disappear."""
    staying = appearing = disappearing = 0
    for position, group in enumerate(members):
        bit = 1 << position
        if not group:
            continue
        couple = group[0]
        if couple.old is None:
            appearing |= bit
        elif couple.new is None:
            disappearing |= bit
        else:
            staying |= bit
    return staying, appearing, disappearing


def vocabulary(sets: Iterable[PolicySet]) -> tuple[list[Peer], list[Traffic]]:
    """The tests of entities and of flows in the sets, each once."""
    peers: dict[Peer, None] = {}
    traffic: dict[Traffic, None] = {}
    for policy in {policy: None for item in sets for policy in item.policies()}:
        peers[policy.subject] = None
        for rule in (rule for direction in Direction for rule in rules_of(policy, direction)):
            peers[rule.peer] = peers[rule.own] = None
            traffic[rule.traffic] = None
    return list(peers), list(traffic)


def signatures(couple: Couple, sight: Sight) -> tuple[object, ...]:
    """What policies can see of an entity before and after."""
    old, new = couple.old, couple.new
    after = sight.of(new) if new is not None else None
    if old is not None and new is not None and looks_alike(old, new):
        return after, after
    return sight.of(old) if old is not None else None, after


def looks_alike(old: Entity, new: Entity) -> bool:
    """Whether nothing that policies can see of an entity has changed."""
    return old is new or all(getattr(old, name) == getattr(new, name) for name in SEEN)


SEEN = tuple(sorted(set(Entity.__slots__) - {"at", "workload", "replicas", "host_network"}))


def universe(members: list[list[Entity | None]], sight: Sight) -> Universe:
    """The classes of one side; where nobody is there, somebody whom no test is asked about stands."""
    here = [tuple(item for item in group if item is not None) for group in members]
    classes = tuple(sight.with_ports(group[0]) if group else NOBODY_THERE for group in here)
    of = {entity.name: position for position, group in enumerate(here) for entity in group}
    inside = tuple(sight.blocks_around(group[0]) if group else () for group in here)
    return Universe(sight.blocks.family, classes, tuple(here), of, sight.blocks, inside)


def compiled(policies: PolicySet, universe: Universe, atoms: Atoms) -> Factors:
    """One side."""
    planes = policies.planes
    egress, ingress = (
        Compiler(planes, universe, atoms, direction).factor() for direction in (Direction.EGRESS, Direction.INGRESS)
    )
    return Factors(policies, universe, atoms, egress, ingress)


def couples(old: Iterable[Entity], new: Iterable[Entity]) -> list[Couple]:
    """Every entity of both worlds with its counterpart, in the order in which ``universe_of`` sees entities."""
    before = {entity.name: entity for entity in old}
    after = {entity.name: entity for entity in new}
    found = [Couple(before[name], entity) for name, entity in after.items() if name in before]
    left, right = unmatched(before, after), unmatched(after, before)
    siblings = by_workload(found) if left or right else {}
    for workload in sorted({**left, **right}):
        found += of_workload(left.get(workload, []), right.get(workload, []), siblings.get(workload, []))
    return sorted(found, key=lambda item: (item.known.kind is not Kind.POD, item.known.namespace, item.known.name))


def unmatched(these: Mapping[str, Entity], those: Mapping[str, Entity]) -> dict[tuple[str, ...], list[Entity]]:
    """The entities without one of the same name on the other side, by workload; by their own name where they have none."""
    found: dict[tuple[str, ...], list[Entity]] = {}
    for name, entity in sorted(these.items()):
        if name not in those:
            found.setdefault(workload_of(entity), []).append(entity)
    return found


def workload_of(entity: Entity) -> tuple[str, ...]:
    """What an entity belongs to, as a key."""
    kind, name = entity.workload
    return (entity.namespace, kind, name) if name else ("", "", entity.name)


def by_workload(found: Iterable[Couple]) -> dict[tuple[str, ...], list[Couple]]:
    """The couples that were found by name, by workload."""
    groups: dict[tuple[str, ...], list[Couple]] = {}
    for couple in found:
        if couple.known.workload[1]:
            groups.setdefault(workload_of(couple.known), []).append(couple)
    return groups


def of_workload(old: list[Entity], new: list[Entity], known: list[Couple]) -> Iterator[Couple]:
    """Couples of one workload's pods, alike ones first; who is left over stands with a sibling's counterpart, where there is one."""
    befores = [*old, *(couple.old for couple in known if couple.old is not None)]
    afters = [*new, *(couple.new for couple in known if couple.new is not None)]
    rest = list(old)
    for entity in new:
        partner = closest(entity, rest) or closest(entity, befores)
        if partner in rest:
            rest.remove(partner)
        yield Couple(partner, entity)
    for entity in rest:
        yield Couple(entity, closest(entity, afters))


def closest(entity: Entity, others: list[Entity]) -> Entity | None:
    """The first with the same labels, else the first."""
    alike = (item for item in others if item.labels == entity.labels)
    return next(alike, others[0] if others else None)
