"""All policies of a cluster in the order in which they decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import analyzer.policy.kinds
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.plugins import package_constants
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.reading import Complaint, PolicyKind, Read, group_of
from analyzer.policy.terms import All, Kind, Named, Of, Peer
from analyzer.policy.tiers import Action, Direction, Plane, Policy, Rules, Tier, TierOrder
from analyzer.policy.unknown import strangers, unknown_kinds
from analyzer.policy.world import World

UNSTATED = 1_000_000.0


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of a world in their planes, what is wrong with them, and the objects that the network system does not enforce."""

    world: World
    planes: tuple[Plane, ...]
    complaints: tuple[Complaint, ...] = ()
    ignored: tuple[OtherObjectFact, ...] = ()
    memory: dict[tuple[str, int, Direction], tuple[tuple[Selected, ...], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    homes: dict[int, dict[str, list[int]]] = field(default_factory=dict, repr=False, compare=False)

    def policies(self) -> Iterator[Policy]:
        """Every policy, in the order in which they decide."""
        return (policy for tier in self.tiers() for policy in tier.policies)

    def tiers(self) -> Iterator[Tier]:
        """Every tier, plane by plane."""
        return (tier for plane in self.planes for tier in plane.tiers)

    def selecting(self, subject: Entity, family: int, direction: Direction) -> tuple[tuple[Selected, ...], ...]:
        """For each tier the policies that select an entity in a direction, or may, in their order. Worked out once for an entity."""
        key = (subject.name, family, direction)
        if (found := self.memory.get(key)) is None:
            found = self.memory[key] = tuple(
                tuple(self.of_tier(number, tier, subject, family, direction)) for number, tier in enumerate(self.tiers())
            )
        return found

    def of_tier(self, number: int, tier: Tier, subject: Entity, family: int, direction: Direction) -> Iterator[Selected]:
        """Those of one tier; policies that are at home in another namespace are not looked at."""
        for policy in self.candidates(number, tier, subject.namespace if subject.kind is Kind.POD else ""):
            rules = policy.direction(direction)
            value = rules is not None and holds(policy.subject, subject, family)
            if rules is not None and value is not False:
                yield Selected(policy, rules, value is True)

    def candidates(self, number: int, tier: Tier, namespace: str) -> list[Policy]:
        """The policies of a tier that could select a pod of the namespace, in their order."""
        known = self.homes.get(number)
        if known is None:
            known = self.homes[number] = {}
            for position, policy in enumerate(tier.policies):
                for home in homes_of(policy.subject) or ("",):
                    known.setdefault(home, []).append(position)
        places = known.get(namespace, []) if not namespace else sorted({*known.get(namespace, ()), *known.get("", ())})
        return [tier.policies[place] for place in places]


class Selected(NamedTuple):
    """A policy that selects an entity (``certain``) or may select it, and its rules in the direction."""

    policy: Policy
    rules: Rules
    certain: bool


def homes_of(subject: Peer) -> frozenset[str] | None:
    """The namespaces outside of which a test is true of nothing; None where it could be true anywhere."""
    match subject:
        case Named(Of.NAMESPACE, names):
            return names
        case All(terms):
            found = [home for term in terms if (home := homes_of(term)) is not None]
            return frozenset.intersection(*found) if found else None
        case _:
            return None


@lru_cache(maxsize=1)
def all_kinds() -> tuple[PolicyKind, ...]:
    """Every group of kinds."""
    return package_constants(analyzer.policy.kinds, "KIND", PolicyKind)


@lru_cache(maxsize=1)
def kinds() -> dict[str, PolicyKind]:
    """The kinds of policies by ``group/kind``."""
    return {name: kind for kind in all_kinds() for name in kind.names}


def policy_set(world: World) -> PolicySet:
    """The policies of a world."""
    known = kinds()
    found: list[Read] = []
    ignored = []
    for item in world.cluster.others:
        name = f"{group_of(item)}/{item.kind}"
        if (kind := known.get(name)) is None:
            continue
        if world.profile.enforced(group_of(item), item.kind):
            found += kind.policies(item, world)
        else:
            ignored.append(item)
    for kind in all_kinds() if not world.profile.network else ():
        found += kind.standing(world) if kind.standing is not None else ()
    complaints = tuple(item for item in found if isinstance(item, Complaint))
    orders = [tier for kind in known.values() for tier in kind.tiers] + [item for item in found if isinstance(item, TierOrder)]
    planes = arranged([enforced(item, world) for item in found if isinstance(item, Policy)], orders)
    names = {*known, *(name for kind in all_kinds() for name in kind.supporting)}
    return PolicySet(
        world,
        planes,
        (*complaints, *ties(planes), *supposed(world), *unknown_kinds(world.cluster, names), *strangers(world.cluster, names)),
        tuple(ignored),
    )


def supposed(world: World) -> Iterator[Complaint]:
    """A complaint about the first object of each kind that is taken to be enforced, without that the input says so."""
    for name, _ in world.profile.supposed:
        kind = name.rpartition("/")[2]
        first = next((item for item in world.by_kind.get(kind, ()) if f"{group_of(item)}/{kind}" == name), None)
        if first is not None:
            yield Complaint(first.at, world.profile.supposition(kind))


def ties(planes: tuple[Plane, ...]) -> Iterator[Complaint]:
    """A complaint about each policy that is asked at the same time as another one that may decide otherwise."""
    groups = (group for plane in planes for tier in plane.tiers for direction in Direction for group in tier.tied(direction))
    for first, *others in dict.fromkeys(group for group in groups if len(group) > 1):
        for policy in others:
            text = f"{policy} has the same priority as {first} (line {first.at.line} of {first.at.path}): which decides where both match is not defined"
            yield Complaint(policy.at, text)


def enforced(policy: Policy, world: World) -> Policy:
    """What of a policy the network system enforces."""
    whole = world.profile.enforces_egress or policy.plane != "cluster"
    return policy if whole else replace(policy, egress=None)


def arranged(policies: list[Policy], orders: Iterable[TierOrder]) -> tuple[Plane, ...]:
    """Planes of tiers of policies, each in its order. A tier that is not stated stands where tiers without an order do."""
    stated = {(order.plane, order.name): order for order in orders}
    planes: dict[str, dict[str, list[Policy]]] = {}
    for policy in policies:
        planes.setdefault(policy.plane, {}).setdefault(policy.tier, []).append(policy)
    found = []
    for plane, tiers in sorted(planes.items()):
        ranked = sorted(tiers, key=lambda name: (order_of(stated, plane, name).order, name))
        found.append(Plane(plane, tuple(tier_of(order_of(stated, plane, name), tiers[name]) for name in ranked)))
    return tuple(found)


def order_of(stated: dict[tuple[str, str], TierOrder], plane: str, name: str) -> TierOrder:
    """A tier's place and end."""
    return stated.get((plane, name)) or TierOrder(name, UNSTATED, Action.DENY, plane)


def tier_of(order: TierOrder, policies: list[Policy]) -> Tier:
    """A tier with its policies in their order."""
    return Tier(order.name, tuple(sorted(policies, key=lambda policy: policy.order)), order.end)
