"""SecurityGroupPolicy of Amazon's VPC CNI (vpcresources.k8s.aws): pods with security groups of their own.

Follows apis/vpcresources/v1beta1/types.go and pkg/utils/helper.go of amazon-vpc-resource-controller-k8s (a pod has the groups of all policies that select it). What the groups admit stands in
the cloud: ``amazon/groups.py`` reads it where it is given. A plane of its own: the pod's network interface is behind whatever enforces policies on the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.amazon.groups import GroupReader, members_of
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import All, Named, Of, Opaque, Peer
from analyzer.policy.tiers import Direction, Policy, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Gap

PLANE, TIER = "security-groups", "groups"
GROUP = "vpcresources.k8s.aws"
MOST = 5


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """The pods that it is about may send and receive what one of the groups admits."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    terms, groups = selected(fact, view)
    yield from complaints_of(view)
    given = {item.group: item for item in world.cluster.security_groups}
    problems: list[Gap] = []
    reader = GroupReader(given, members(world), problems)
    ways = (Direction.INGRESS, Direction.EGRESS)
    into, out = (Rules(tuple(rule for name in groups for rule in reader.rules(name, way, fact.at))) for way in ways)
    yield from (Complaint(gap.at, gap.reason) for gap in dict.fromkeys(problems))
    for name in groups if given else ():
        if name not in given:
            yield Complaint(fact.at, f"the security group {name} is none of those that are given: what it admits is not known")
    doubts = tuple(Opaque(f"{fact.name} cannot be read: {gap.reason}", fact.at) for gap in view.gaps[:1])
    order = (0.0, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, All((*terms, *doubts)), into, out, TIER, order, PLANE)


def selected(fact: OtherObjectFact, view: View) -> tuple[list[Peer], list[str]]:
    """The tests of the pods that an object is about, and the groups that it gives them."""
    spec = view.part("spec")
    unknown_fields(spec, {"podSelector", "serviceAccountSelector", "securityGroups"})
    terms: list[Peer] = [Named(Of.NAMESPACE, frozenset({fact.namespace or "default"}))]
    chosen = {"podSelector": Of.POD, "serviceAccountSelector": Of.ACCOUNT}
    terms += [selector(spec.part(key), of) for key, of in chosen.items() if spec.value.get(key) is not None]
    if len(terms) == 1:
        spec.wrong("must have podSelector or serviceAccountSelector")
    groups = spec.part("securityGroups").texts("groupIds")
    if not 1 <= len(groups) <= MOST:
        spec.wrong(f"securityGroups.groupIds must be one to {MOST} groups", "securityGroups")
    return terms, groups


def members(world: World) -> dict[str, Peer]:
    """The pods that have each group by the objects of the input."""
    found = []
    for item in world.by_kind.get("SecurityGroupPolicy", ()):
        if group_of(item) == GROUP:
            terms, groups = selected(item, view_of(item))
            found.append((All(tuple(terms)), groups))
    return members_of(iter(found))


KIND = PolicyKind(
    names=(f"{GROUP}/SecurityGroupPolicy",), read=read, tiers=(TierOrder(TIER, 0.0, plane=PLANE),), versions={GROUP: ("v1beta1",)}
)
