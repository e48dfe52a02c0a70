"""A loaded cluster that answers one what-if after the other.

Where an edit is about policies only, and tells nothing apart that was not told apart before, only what it selects is compiled anew; where pods or
namespaces change, further positions are added to what is compiled (``policy/rejoined.py``); else the edited cluster is compiled as a whole. The answers
are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.parsers import read
from analyzer.parsers.kubernetes import PARSER
from analyzer.policy.classes import Mentioned
from analyzer.policy.edited import ALONE, Change, Places, by_place, changed_set, recompiled, told_apart
from analyzer.policy.factors import Factors, Key
from analyzer.policy.joint import Couple, Joint, couples
from analyzer.policy.planes import all_kinds, kinds
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile
from analyzer.policy.reading import Read, group_of
from analyzer.policy.rejoined import rejoined
from analyzer.policy.secondary import world_for
from analyzer.policy.tiers import Direction
from analyzer.policy.widened import Homes, group_keys
from analyzer.policy.world import World
from analyzer.query.differences.blocks import Standings
from analyzer.query.differences.changes import Changed
from analyzer.query.differences.difference import Difference, changes, difference, difference_in, ordered
from analyzer.query.differences.opaque import only_admits, uses
from analyzer.query.ends import Sizes, sizes
from analyzer.query.policies import Identity, Policies, known, policies
from analyzer.query.whatif.edits import Apply, Delete, Edit, Object
from analyzer.query.whatif.objects import edited, key_of
from analyzer.source import Gap

Members = tuple[tuple[Couple, ...], ...]


@dataclass(frozen=True, slots=True)
class ReadFrom:
    """The objects that policies are read from, by which objects they are; whether reading them looks at ``others``."""

    policies: dict[int, OtherObjectFact]
    looks: bool
    others: list[int]


@dataclass(frozen=True)
class Loaded:
    """A cluster and its compiled policies."""

    cluster: Cluster
    profile: Profile = UNKNOWN_SYSTEM
    deciding: dict[tuple[int, Direction], tuple[Key, ...]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def policies(self) -> Policies:
        """The policies as they are."""
        found = known(Identity(self.cluster), self.profile)
        for number, tier in enumerate(found.all.tiers()):
            found.all.candidates(number, tier, "")
        return found

    @cached_property
    def places(self) -> Places:
        """The policies by the place of their object."""
        return by_place(self.policies.all)

    @cached_property
    def told(self) -> Mentioned:
        """What the policies tell apart."""
        return told_apart(self.policies.all)

    @cached_property
    def unknown(self) -> set[tuple[str, bool]]:
        """What is not known about the policies (``opaque.uses``)."""
        return uses(self.policies.all.policies())

    @cached_property
    def members(self) -> dict[int, Members]:
        """The entities of each class, each with itself, by family."""
        families = self.policies.families()
        return {family: coupled(self.policies.factors(family)) for family in families}

    @cached_property
    def standings(self) -> dict[int, Standings]:
        """How those of each class stand to their nodes, by family."""
        return {family: Standings(unchanged(self.policies.factors(family), members)) for family, members in self.members.items()}

    @cached_property
    def sizes(self) -> Sizes:
        """How many pods each workload has."""
        first = next(iter(self.members.values()))
        return sizes(couple for group in first for couple in group)

    @cached_property
    def by_key(self) -> dict[tuple[str, str, str, str], ObjectFact]:
        """The objects that are read by their document, by group, kind, namespace and name."""
        return {key_of(item): item for item in self.cluster.others}

    def whatif(self, edits: Sequence[Edit], after: Cluster | None = None) -> Difference:
        """What the edits change; ``after`` is the edited cluster, where it is known. EditError where one does not fit."""
        quick = self.quickly(edits)
        if quick is not None:
            return quick
        cluster = after or edited(self.cluster, edits).cluster
        world = world_for(cluster, self.profile, self.policies.world)
        change = self.reread(world)
        if change is None:
            return difference(self.policies, policies(cluster, self.profile))
        new = Policies(world, change.policies)
        alike = only_admits(self.unknown | uses(change.new))
        joints = self.joints(new, change)
        return difference_in(self.policies, new, joints) if joints is not None else difference(self.policies, new, alike)

    def reread(self, world: World) -> Change | None:
        """The policies of the world after edits; None where all of them have to be read again."""
        before, after = self.read_from, read_from(world.cluster)
        if before is None or after is None or stands(self.policies.world) != stands(world):
            return None
        if before.others != after.others and (before.looks or after.looks):
            return None
        gone = [item for key, item in before.policies.items() if key not in after.policies]
        new = [item for key, item in after.policies.items() if key not in before.policies]
        found = changed_set(self.policies.all, gone, new, self.places) if gone or new else Change(self.policies.all, (), ())
        return replace(found, policies=replace(found.policies, world=world, memory={})) if found is not None else None

    @cached_property
    def read_from(self) -> ReadFrom | None:
        """What the policies are read from."""
        return read_from(self.cluster)

    def joints(self, new: Policies, change: Change) -> list[Joint] | None:
        """Both sides family by family, where not everything has to be compiled anew."""
        if new.families() != self.policies.families():
            return None
        alike = only_admits(self.unknown | uses(change.new))
        pairs = couples(self.policies.world.entities, new.world.entities)
        found = []
        for family in new.families():
            before = self.policies.factors(family)
            after = recompiled(before, change, self.told) if change.gone or change.new else before
            if after is None:
                return None
            both = rejoined(before, after, new.all, pairs, self.homes[family], self.keys)
            if both is None:
                return None
            found.append(replace(both, alike=alike))
        return found

    @cached_property
    def homes(self) -> dict[int, Homes]:
        """The classes by what policies see, by family."""
        return {family: Homes(self.policies.factors(family).universe, self.told) for family in self.policies.families()}

    def keys(self, factors: Factors, direction: Direction) -> tuple[Key, ...]:
        """What decides over each group; once for those that were loaded."""
        if factors is not self.policies.factors(factors.universe.family):
            return group_keys(factors, direction)
        key = factors.universe.family, direction
        if key not in self.deciding:
            self.deciding[key] = group_keys(factors, direction)
        return self.deciding[key]

    def quickly(self, edits: Sequence[Edit]) -> Difference | None:
        """The answer where only what is selected has to be compiled anew, else None."""
        change = self.change(edits)
        if change is None:
            return None
        found: list[Changed] = []
        for family, members in self.members.items():
            before = self.policies.factors(family)
            after = recompiled(before, change, self.told)
            if after is None:
                return None
            found += changes(self.joint(before, after, members, change), self.sizes, (self.policies,), self.standings[family])
        return Difference(changes=ordered(found))

    def change(self, edits: Sequence[Edit]) -> Change | None:
        """The edits as a change of policies; None where they are more than that, or where one depends on another."""
        gone: list[ObjectFact] = []
        new: list[ObjectFact] = []
        for edit in edits:
            if isinstance(edit, Delete):
                if not (found := self.named(edit.target)):
                    return None
                gone += found
            elif isinstance(edit, Apply):
                parsed = list(read(PARSER, edit.source))
                if any(isinstance(item, Gap) for item in parsed):
                    return None
                new += [item for item in parsed if isinstance(item, ObjectFact)]
            else:
                return None
        keys = [key_of(item) for item in (*gone, *new)]
        if len(set(keys)) < len(keys) or not keys:
            return None
        gone += [self.by_key[key_of(item)] for item in new if key_of(item) in self.by_key]
        return changed_set(self.policies.all, gone, new, self.places)

    def named(self, target: Object) -> list[OtherObjectFact]:
        """The objects of a name among those that policies are."""
        return [item for item in self.by_name.get((target.namespace, target.name), ()) if target.is_of(item.kind)]

    @cached_property
    def by_name(self) -> dict[tuple[str, str], list[OtherObjectFact]]:
        """The same objects by namespace and name."""
        found: dict[tuple[str, str], list[OtherObjectFact]] = {}
        for item in self.cluster.others:
            found.setdefault((item.namespace, item.name), []).append(item)
        return found

    def joint(self, before: Factors, after: Factors, members: Members, change: Change) -> Joint:
        """Both sides over the classes that there are."""
        everyone = before.universe.all
        touched = tuple(change.touched(before.universe, direction) for direction in (Direction.EGRESS, Direction.INGRESS))
        alike = only_admits(self.unknown | uses(change.new))
        return Joint(before, after, members, everyone, 0, 0, (touched[0], touched[1]), alike)


def read_from(cluster: Cluster) -> ReadFrom | None:
    """Which objects policies are read from; None where not all of them stand alone."""
    found = [item for item in cluster.others if f"{group_of(item)}/{item.kind}" in kinds()]
    if any(f"{group_of(item)}/{item.kind}" not in ALONE for item in found):
        return None
    return ReadFrom({id(item): item for item in found}, any(map(looks_at_others, found)), list(map(id, looked_at(cluster))))


def looks_at_others(item: OtherObjectFact) -> bool:
    """Whether reading an object of those kinds looks at namespaces, or at the addresses of names."""
    text = str(item.document.get("spec")) if group_of(item) == "policy.networking.k8s.io" else ""
    return any(word in text for word in ("ameLabels", "domainNames"))


def looked_at(cluster: Cluster) -> list[object]:
    """What it looks at then."""
    return [
        *(item for item in cluster.others if item.kind in ("Namespace", "DNSNameResolver")),
        *cluster.names,
        *cluster.pods.values(),
    ]


def stands(world: World) -> list[Read]:
    """What holds in a world without any object."""
    return [item for kind in all_kinds() if kind.standing is not None for item in kind.standing(world)]


@lru_cache(maxsize=2)
def loaded(key: Identity, profile: Profile) -> Loaded:
    """A cluster that is asked more than once."""
    return Loaded(key.cluster, profile)


def coupled(factors: Factors) -> Members:
    """The entities of each class, each with itself."""
    return tuple(tuple(Couple(entity, entity) for entity in group) for group in factors.universe.members)


def unchanged(factors: Factors, members: Members) -> Joint:
    """A set of policies against itself."""
    return Joint(factors, factors, members, factors.universe.all, 0, 0)
