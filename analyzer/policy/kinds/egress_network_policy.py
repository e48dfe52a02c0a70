"""EgressNetworkPolicy of OpenShift SDN (network.openshift.io/v1): what pods of a namespace may send out of the cluster.

Follows openshift/api network/v1 and openshift/sdn pkg/network/node/ovscontroller.go (SetupOVS, UpdateEgressNetworkPolicyRules): rules in their order, the first that matches decides, what none matches
passes; what goes to pods, and DNS of a pod's own node, is not asked. Where a namespace has several, or its network is that of others too (a NetNamespace's ``netid``), everything is dropped; where that
network is the global one, as of the namespace "default", they are ignored. A plane of its own: it is asked beside NetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.kinds.egress_firewall import ACTIONS, ELSEWHERE, HOSTS, destination
from analyzer.policy.names import NameReader, one_label
from analyzer.policy.ports import NUMBERS, ports
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, unknown_fields, view_of
from analyzer.policy.relations import same_node, spread
from analyzer.policy.terms import All, AnyOf, InBlocks, Named, Of, Opaque, Peer, Traffic
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

GROUP, PLANE, TIER = "network.openshift.io", "egress-network-policy", "rules"
GLOBAL = "default"
MOST = 1000
CHOICES = ("cidrSelector", "dnsName")
# What it takes "0.0.0.0/32" for, and what passes to a pod's own node whatever the rules say.
EVERYWHERE = prefix("0.0.0.0/0")
DNS: Traffic = AnyOf((ports(NUMBERS["TCP"], 53, 53), ports(NUMBERS["UDP"], 53, 53)))


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An EgressNetworkPolicy as one policy of its plane."""
    fact = replace(fact, namespace=fact.namespace or GLOBAL)
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, {"egress"})
    names = NameReader(world.names, one_label, lambda blocks: InBlocks(blocks, pods=False), ELSEWHERE)
    found = tuple(rule(item, names) for item in spec.parts("egress"))
    sharing = spaces_with(fact.namespace, world)
    if len(found) > MOST:
        spec.wrong(f"has {len(found)} rules, of which OpenShift SDN takes {MOST} at most", "egress")
    yield from complaints_of(view)
    if GLOBAL in sharing:
        yield Complaint(fact.at, f"OpenShift SDN ignores it: the network of the namespace {fact.namespace} is that of all")
        return
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        found = (Rule(Action.DENY, All((ELSEWHERE, doubt)), fact.at),)
    elif why := dropped(fact, sharing, world):
        yield Complaint(fact.at, f"{why}: OpenShift SDN drops all that pods send out of the cluster")
        found = (Rule(Action.DENY, ELSEWHERE, fact.at),)
    found = (*spread(Rule(Action.ALLOW, HOSTS, fact.at, DNS), (), [(HOSTS, tuple(same_node(world, sharing, fact.at)))]), *found)
    subject: Peer = Named(Of.NAMESPACE, frozenset(sharing))
    order = (0.0, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, None, Rules(found, isolates=False), TIER, order, PLANE)


def dropped(fact: OtherObjectFact, sharing: set[str], world: World) -> str:
    """Why nothing may leave the cluster, whatever the rules say."""
    if others := others_of(fact, world):
        return f"its namespace has another one, {others[0].name}"
    return f"its namespace shares the network of {min(sharing - {fact.namespace})}" if len(sharing) > 1 else ""


def spaces_with(namespace: str, world: World) -> set[str]:
    """The namespaces whose network is that of a namespace, itself among them; ``default``, where it is the global one."""
    every = (item for item in world.by_kind.get("NetNamespace", ()) if group_of(item) == GROUP)
    numbers = {item.name: item.document.get("netid") for item in every} | {GLOBAL: 0}
    own = numbers.get(namespace)
    return {namespace, *(name for name, number in numbers.items() if number == own and own is not None)}


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
    to = item.part("to")
    if "*" in to.text("dnsName"):
        to.wrong("dnsName cannot have a wildcard", "dnsName")
    every = to.text("cidrSelector") == "0.0.0.0/32"
    peer: Peer = InBlocks((EVERYWHERE,), pods=False) if every else destination(to, names, CHOICES)
    return Rule(action or Action.DENY, peer, item.at())


KIND = PolicyKind(
    names=(f"{GROUP}/EgressNetworkPolicy",),
    supporting=(f"{GROUP}/NetNamespace",),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    versions={GROUP: ("v1",)},
)
