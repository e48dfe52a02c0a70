"""What changes in meaning between two inputs: who may talk to whom, with a flow for each change and the lines that decide it.

The two sets of policies are compiled over one universe and compared class by class (``policy/joint.py``, ``policy/comparing.py``), so that
nothing is reported where only the writing differs: names of policies, their order, equivalent selectors. A change is about all pairs
of its ends but those that policies are not asked about: a pod and itself, a pod and the node it runs on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from analyzer.policy.atoms import Atoms
from analyzer.policy.bits import members
from analyzer.policy.comparing import Rectangle, one_sided, rectangles
from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity
from analyzer.policy.joint import Couple, Joint, joint, workload_of
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind
from analyzer.query.ends import Sizes, name_of_one, name_of_workload, named, sizes
from analyzer.query.opaque import open_differently
from analyzer.query.policies import Policies
from analyzer.query.witness import Witness, address_of, flow_in, side
from analyzer.ranges import Ranges

Sides = tuple[int, int]
Allowed = tuple[tuple[tuple[int, int], Ranges], ...]


class Change(StrEnum):
    """What becomes of the flows of a pair. UNDECIDED: they rest on conditions that are not known, and that are not the same on both sides."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Flows:
    """What one side admits between two ends: by protocols their ports, for sure and perhaps; ``everything``: all flows, for sure."""

    allowed: Allowed = ()
    unknown: Allowed = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """From each of the sources to each of the destinations. ``because``: an end ``appears`` or ``disappears``; empty where both stay.

    ``certain``: some flow is admitted for sure on the one side, and denied for sure on the other."""

    change: Change
    because: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    families: tuple[int, ...]
    old: Flows
    new: Flows
    certain: bool
    witness: Witness

    def __repr__(self) -> str:
        return f"<{self.change}: {', '.join(self.sources)} -> {', '.join(self.destinations)}; {self.witness}>"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A workload that has another number of pods."""

    name: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changes: endpoints that are there on one side only, workloads of another size, and flows."""

    appeared: tuple[str, ...] = ()
    disappeared: tuple[str, ...] = ()
    scaled: tuple[Scaled, ...] = ()
    changes: tuple[Changed, ...] = field(default=(), repr=False)

    @property
    def differs(self) -> bool:
        """Whether something differs for sure."""
        return bool(self.appeared or self.disappeared or self.scaled or any(item.certain for item in self.changes))

    def __bool__(self) -> bool:
        return bool(self.differs or self.changes)

    def __repr__(self) -> str:
        ends = f"{len(self.appeared)} endpoints appear, {len(self.disappeared)} disappear"
        return f"<difference: {len(self.changes)} changes, {ends}>"


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of couples of which policies are asked, with the flows of both sides as sets of bits."""

    sources: tuple[Couple, ...]
    destinations: tuple[Couple, ...]
    old: Sides
    new: Sides
    pair: tuple[Couple, Couple]
    undecided: bool = False


def difference(old: Policies, new: Policies) -> Difference:
    """What changes between two inputs."""
    found: list[Changed] = []
    couples: tuple[Couple, ...] = ()
    for family in sorted({*old.families(), *new.families()}):
        both = joint(old.all, new.all, family)
        couples = tuple(couple for group in both.members for couple in group)
        found += changes(both, sizes(couples))
    return Difference(
        tuple(sorted(set(whole(couples, "new")))),
        tuple(sorted(set(whole(couples, "old")))),
        tuple(scaled(old.world.entities, new.world.entities)),
        ordered(found),
    )


def ordered(found: Iterable[Changed]) -> tuple[Changed, ...]:
    """The changes of all families, in their order."""
    return tuple(sorted(across_families(found), key=order))


def changes(both: Joint, sizes: Sizes) -> Iterator[Changed]:
    """The changes of one family."""
    for block in blocks(both):
        yield changed(both, block, sizes)


def blocks(both: Joint) -> Iterator[Block]:
    """Whatever differs, as rectangles of couples."""
    for undecided, found in ((False, rectangles(both)), (False, one_sided(both)), (True, open_differently(both))):
        for rectangle in found:
            yield from settled(both, rectangle, undecided)


def settled(both: Joint, rectangle: Rectangle, undecided: bool) -> Iterator[Block]:
    """A rectangle without the pairs that policies are not asked about; where it is not known whether they are, all flows may pass."""
    for sources in alike(both, rectangle.sources):
        for destinations in alike(both, rectangle.destinations):
            old = opened(both.old.policies.world.profile, sources[0].old, destinations[0].old, rectangle.old, both.atoms)
            new = opened(both.new.policies.world.profile, sources[0].new, destinations[0].new, rectangle.new, both.atoms)
            pair = first_pair(both, sources, destinations)
            if pair is not None and (old != new or undecided):
                yield Block(sources, destinations, old, new, pair, undecided)


def alike(both: Joint, positions: int) -> Iterator[tuple[Couple, ...]]:
    """The couples at the positions, by kind and by whether it is known which node they are on, before and after."""
    groups: dict[tuple[object, ...], list[Couple]] = {}
    for position in members(positions):
        for couple in both.members[position]:
            groups.setdefault((standing(couple.old), standing(couple.new)), []).append(couple)
    for group in groups.values():
        yield tuple(dict.fromkeys(group))


def standing(entity: Entity | None) -> tuple[str, bool]:
    """What the rules about a pod and its node look at."""
    return ("", False) if entity is None else (entity.kind.value, bool(entity.node))


def opened(profile: Profile, source: Entity | None, destination: Entity | None, flows: Sides, atoms: Atoms) -> Sides:
    """The flows, with all others that may pass where it is not known whether a pod is on a node."""
    if source is None or destination is None or (source.node and destination.node):
        return flows
    return flows if doubt(profile, source, destination) is False else (flows[0], atoms.all)


def first_pair(both: Joint, sources: tuple[Couple, ...], destinations: tuple[Couple, ...]) -> tuple[Couple, Couple] | None:
    """The first two of which policies are asked."""
    for source in sources:
        for destination in destinations:
            if asked(both, source, destination):
                return source, destination
    return None


def asked(both: Joint, source: Couple, destination: Couple) -> bool:
    """Whether policies are asked about the two, on each side that has both, and as surely on the one side as on the other: on which node a pod
    runs is no matter of policies."""
    doubts = set()
    for factors, one, other in ((both.old, source.old, destination.old), (both.new, source.new, destination.new)):
        if one is not None and other is not None:
            profile = factors.policies.world.profile
            doubts.add(doubt(profile, one, other))
            shared = bool(one.node) and one.node == other.node
            if exemption(profile, one, other) or (shared and None in doubts):
                return False
    return len(doubts) < 2


def changed(both: Joint, block: Block, sizes: Sizes) -> Changed:
    """A rectangle in words, with its flow."""
    sure = block.old[0] & ~block.new[1] | block.new[0] & ~block.old[1]
    mask = sure or (block.old[0] ^ block.new[0]) | (block.old[1] ^ block.new[1]) or block.old[1] & ~block.old[0]
    source, destination = block.pair
    return Changed(
        kind_of(block),
        because(block.pair),
        named(block.sources, sizes),
        named(block.destinations, sizes),
        (both.new.universe.family,),
        flows(both.atoms, block.old),
        flows(both.atoms, block.new),
        bool(sure),
        witness(both, source, destination, mask),
    )


def kind_of(block: Block) -> Change:
    """What becomes of the pairs."""
    if block.undecided:
        return Change.UNDECIDED
    if not block.old[1]:
        return Change.ADDED
    return Change.REMOVED if not block.new[1] else Change.CHANGED


def because(pair: tuple[Couple, Couple]) -> str:
    """Whether it is so since an end is there on one side only."""
    if any(couple.old is None for couple in pair):
        return "appears"
    return "disappears" if any(couple.new is None for couple in pair) else ""


def witness(both: Joint, source: Couple, destination: Couple, mask: int) -> Witness:
    """The flow that shows it."""
    family = both.new.universe.family
    flow = flow_in(both.atoms, mask, family, destination.known)
    return Witness(
        name_of_one(source.known) if source.known.kind is not Kind.OUTSIDE else "outside",
        name_of_one(destination.known) if destination.known.kind is not Kind.OUTSIDE else "outside",
        address_of(source.known, family),
        address_of(destination.known, family),
        flow,
        side(both.old.policies, source.old, destination.old, flow),
        side(both.new.policies, source.new, destination.new, flow),
    )


def flows(atoms: Atoms, sides: Sides) -> Flows:
    """Sets of bits as protocols and ports."""
    sure, may = sides
    return Flows(tuple(atoms.ports(sure)), tuple(atoms.ports(may & ~sure)), sure == atoms.all)


def whole(couples: Iterable[Couple], there: str) -> Iterator[str]:
    """The names of the endpoints that are there on one side only."""
    for couple in couples:
        if (couple.old is None and there == "new") or (couple.new is None and there == "old"):
            workload = workload_of(couple.known)
            yield name_of_workload(workload) if workload[1] else name_of_one(couple.known)


def scaled(old: Iterable[Entity], new: Iterable[Entity]) -> Iterator[Scaled]:
    """The workloads with another number of pods; how many a DaemonSet has is a matter of nodes."""
    before, after = counts(old), counts(new)
    for workload in sorted(before.keys() & after.keys()):
        if before[workload] != after[workload]:
            yield Scaled(name_of_workload(workload), before[workload], after[workload])


def counts(entities: Iterable[Entity]) -> dict[tuple[str, ...], int]:
    """How many pods each workload has."""
    found: dict[tuple[str, ...], int] = {}
    for entity in entities:
        if entity.workload[1] and entity.workload[0] != "DaemonSet":
            key = workload_of(entity)
            found[key] = found.get(key, 0) + entity.replicas
    return found


def across_families(found: Iterable[Changed]) -> list[Changed]:
    """Changes that are the same in both families as one, shown in the first."""
    known: dict[tuple[object, ...], Changed] = {}
    for item in found:
        key = (item.change, item.because, item.sources, item.destinations, item.old, item.new)
        first = known.get(key)
        known[key] = item if first is None else replace(first, families=(*first.families, *item.families))
    return list(known.values())


def order(item: Changed) -> tuple[object, ...]:
    """Changes between those that stay come first; then by their ends."""
    return item.because != "", item.because, list(Change).index(item.change), item.sources, item.destinations, item.families
