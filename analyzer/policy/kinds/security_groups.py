"""SecurityGroupPolicy of Amazon's VPC CNI (vpcresources.k8s.aws): pods with security groups of their own.

Follows apis/vpcresources/v1beta1/types.go of amazon-vpc-resource-controller-k8s. What the groups admit stands in the cloud, not in any object: flows of such
pods are left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.reading import PolicyKind, Read, complaints_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import EVERYONE, All, Named, Of, Opaque, Peer
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

PLANE, TIER = "security-groups", "groups"
MOST = 5


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """The pods that it is about may be refused whatever they send and receive."""
    del world
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, {"podSelector", "serviceAccountSelector", "securityGroups"})
    terms: list[Peer] = [Named(Of.NAMESPACE, frozenset({fact.namespace}))]
    chosen = {"podSelector": Of.POD, "serviceAccountSelector": Of.ACCOUNT}
    terms += [selector(spec.part(key), of) for key, of in chosen.items() if spec.value.get(key) is not None]
    if len(terms) == 1:
        spec.wrong("must have podSelector or serviceAccountSelector")
    groups = spec.part("securityGroups").texts("groupIds")
    if not 1 <= len(groups) <= MOST:
        spec.wrong(f"securityGroups.groupIds must be one to {MOST} groups", "securityGroups")
    yield from complaints_of(view)
    doubt = Opaque(f"what the security groups {', '.join(groups)} of {fact.name} admit", fact.at)
    subject = (
        All((*terms, Opaque(f"{fact.name} cannot be read: {view.gaps[0].reason}", fact.at))) if view.gaps else All(tuple(terms))
    )
    rules = Rules((Rule(Action.DENY, EVERYONE, fact.at, doubt),), isolates=False)
    yield Policy(
        fact.kind, fact.namespace, fact.name, fact.at, subject, rules, rules, TIER, (0.0, f"{fact.namespace}/{fact.name}"), PLANE
    )


KIND = PolicyKind(
    names=("vpcresources.k8s.aws/SecurityGroupPolicy",), read=read, tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),)
)
