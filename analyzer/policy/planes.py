"""All policies of a cluster in the order in which they decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import analyzer.policy.kinds
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.plugins import package_constants
from analyzer.policy.reading import Complaint, PolicyKind, Read, group_of
from analyzer.policy.tiers import Action, Plane, Policy, Tier, TierOrder
from analyzer.policy.world import World

UNSTATED = 1_000_000.0


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of a world in their planes, what is wrong with them, and the objects that the network system does not enforce."""

    world: World
    planes: tuple[Plane, ...]
    complaints: tuple[Complaint, ...] = ()
    ignored: tuple[OtherObjectFact, ...] = ()

    def policies(self) -> Iterator[Policy]:
        """Every policy, in the order in which they decide."""
        return (policy for plane in self.planes for tier in plane.tiers for policy in tier.policies)


@lru_cache(maxsize=1)
def kinds() -> dict[str, PolicyKind]:
    """The kinds of policies by ``group/kind``."""
    return {name: kind for kind in package_constants(analyzer.policy.kinds, "KIND", PolicyKind) for name in kind.names}


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
            found += kind.read(item, world)
        else:
            ignored.append(item)
    complaints = tuple(item for item in found if isinstance(item, Complaint))
    orders = [tier for kind in known.values() for tier in kind.tiers] + [item for item in found if isinstance(item, TierOrder)]
    planes = arranged([item for item in found if isinstance(item, Policy)], orders)
    return PolicySet(world, planes, complaints, tuple(ignored))


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
