"""What changes in meaning between two inputs: who may talk to whom, with a flow for each change and the lines that decide it.

The two sets of policies are compiled over one universe and compared class by class (``policy/joint.py``, ``policy/comparing.py``), so that
nothing is reported where only the writing differs: names of policies, their order, equivalent selectors. A change is about all pairs
of its ends but those that policies are not asked about: a pod and itself, a pod and the node it runs on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from analyzer.policy.entities import Entity
from analyzer.policy.joint import Couple, Joint, joint, workload_of
from analyzer.policy.terms import Kind
from analyzer.query.differences.blocks import Standings, blocks
from analyzer.query.differences.changes import Changed
from analyzer.query.ends import Sizes, name_of_one, name_of_workload, sizes
from analyzer.query.policies import Policies


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


def difference(old: Policies, new: Policies, alike: bool | None = None) -> Difference:
    """What changes between two inputs. ``alike`` as in ``Joint``, where it is known."""
    families = sorted({*old.families(), *new.families()})
    return difference_in(old, new, (replace(joint(old.all, new.all, family), alike=alike) for family in families))


def difference_in(old: Policies, new: Policies, joints: Iterable[Joint]) -> Difference:
    """The same of both sides compiled, family by family."""
    found: list[Changed] = []
    couples: tuple[Couple, ...] = ()
    for both in joints:
        couples = tuple(couple for group in both.members for couple in group)
        found += changes(both, sizes(couples), (old, new))
    return Difference(
        tuple(sorted(set(whole(couples, "new")))),
        tuple(sorted(set(whole(couples, "old")))),
        tuple(scaled(old.world.entities, new.world.entities)),
        ordered(found),
    )


def ordered(found: Iterable[Changed]) -> tuple[Changed, ...]:
    """The changes of all families, in their order."""
    return tuple(sorted(across_families(list(found)), key=lambda item: item.order))


def changes(both: Joint, sizes: Sizes, sides: Collection[Policies], standings: Standings | None = None) -> Iterator[Changed]:
    """The changes of one family, but for those about addresses that nobody outside can have, on one of the sides."""
    for block in blocks(both, standings):
        if not any(nobodys(crowd, sides) for crowd in (block.sources, block.destinations)):
            yield Changed(both, block, sizes, (both.new.universe.family,))


def nobodys(crowd: Iterable[Couple], sides: Collection[Policies]) -> bool:
    """Whether all of them are addresses outside which pods and nodes have, or pods alone may have."""
    return all(
        couple.known.kind is Kind.OUTSIDE and any(all(map(side.inside, couple.known.blocks)) for side in sides)
        for couple in crowd
    )


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


def across_families(found: list[Changed]) -> list[Changed]:
    """Changes that are the same in both families as one, shown in the first."""
    if len({item.families for item in found}) < 2:
        return found
    known: dict[tuple[object, ...], Changed] = {}
    for item in found:
        key = (item.change, item.because, item.sources, item.destinations, item.old, item.new)
        first = known.get(key)
        known[key] = item if first is None else replace(first, families=(*first.families, *item.families))
    return list(known.values())
