"""EgressNetworkPolicy of OpenShift SDN (network.openshift.io/v1): what pods of a namespace may send out of the cluster.

Follows openshift/api network/v1 and openshift/sdn pkg/network/node/ovscontroller.go (UpdateEgressNetworkPolicyRules): rules in their order, the first that matches decides, what none matches passes; what
goes to pods is not asked. Where a namespace has several, everything is dropped; in the namespace "default", whose network is that of all, they are ignored. A plane of its own: it is asked beside
NetworkPolicy. Whether namespaces share a network (a NetNamespace's ``netid``), which drops everything too, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.kinds.egress_firewall import ACTIONS, OUTSIDE, destination
from analyzer.policy.names import NameReader, one_label
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, unknown_fields, view_of
from analyzer.policy.terms import All, InBlocks, Is, Kind, Named, Of, Opaque, Peer
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

GROUP, PLANE, TIER = "network.openshift.io", "egress-network-policy", "rules"
GLOBAL = "default"
MOST = 1000
CHOICES = ("cidrSelector", "dnsName")
ELSEWHERE: Peer = Is(frozenset({Kind.HOST, Kind.OUTSIDE}))


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An EgressNetworkPolicy as one policy of its plane."""
    fact = replace(fact, namespace=fact.namespace or GLOBAL)
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, {"egress"})
    names = NameReader(world.names, one_label, lambda blocks: InBlocks(blocks, pods=False), OUTSIDE)
    found = tuple(rule(item, names) for item in spec.parts("egress"))
    if len(found) > MOST:
        spec.wrong(f"has {len(found)} rules, of which OpenShift SDN takes {MOST} at most", "egress")
    yield from complaints_of(view)
    if fact.namespace == GLOBAL:
        yield Complaint(fact.at, f"OpenShift SDN ignores it: the network of the namespace {GLOBAL} is that of all")
        return
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        found = (Rule(Action.DENY, All((ELSEWHERE, doubt)), fact.at),)
    elif others := others_of(fact, world):
        text = f"its namespace has another one, {others[0].name}: OpenShift SDN drops all that pods send out of the cluster"
        yield Complaint(fact.at, text)
        found = (Rule(Action.DENY, ELSEWHERE, fact.at),)
    subject: Peer = Named(Of.NAMESPACE, frozenset({fact.namespace}))
    order = (0.0, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, None, Rules(found, isolates=False), TIER, order, PLANE)


def others_of(fact: OtherObjectFact, world: World) -> list[OtherObjectFact]:
    """The other objects of the kind in the namespace."""
    every = (item for item in world.by_kind.get(fact.kind, ()) if group_of(item) == GROUP)
    return [item for item in every if (item.namespace or GLOBAL) == fact.namespace and item.name != fact.name]


def rule(item: View, names: NameReader) -> Rule:
    """One rule."""
    unknown_fields(item, {"type", "to"})
    action = ACTIONS.get(item.text("type"))
    if action is None:
        item.wrong(f"type {item.text('type')!r} must be Allow or Deny", "type")
    return Rule(action or Action.DENY, destination(item.part("to"), names, CHOICES), item.at())


KIND = PolicyKind(
    names=(f"{GROUP}/EgressNetworkPolicy",),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    versions={GROUP: ("v1",)},
)
