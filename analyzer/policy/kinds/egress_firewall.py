"""EgressFirewall of OVN-Kubernetes (k8s.ovn.org/v1): what pods of a namespace may send out of the cluster.

Follows go-controller/pkg/crd/egressfirewall/v1/types.go and go-controller/pkg/ovn/egressfirewall.go: rules in their order, the first that
matches decides, what none matches passes; blocks never match the cluster's own networks of pods, but nodes; one object a namespace, named
"default". A plane of its own: it is asked beside NetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block
from analyzer.policy.names import NameReader, one_label
from analyzer.policy.ports import NUMBERS, any_of_traffic, ports
from analyzer.policy.reading import PolicyKind, Read, complaints_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import (
    ANY_TRAFFIC,
    NO_TRAFFIC,
    NOBODY,
    All,
    InBlocks,
    Is,
    Kind,
    Named,
    Of,
    Opaque,
    Peer,
    Traffic,
    either,
)
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

PLANE, TIER = "egress-firewall", "rules"
ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY}
CHOICES = ("cidrSelector", "dnsName", "nodeSelector")
MOST = 8000
PODS: Peer = Is(frozenset({Kind.POD}))
HOSTS: Peer = Is(frozenset({Kind.HOST}))
ELSEWHERE: Peer = Is(frozenset({Kind.HOST, Kind.OUTSIDE}))


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An EgressFirewall as one policy of its plane."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, {"egress"})
    if fact.name != "default":
        view.part("metadata").wrong(f"an EgressFirewall must be named 'default', not {fact.name!r}", "name")
    inside = All(
        (PODS, Opaque("whether addresses of pods count for names, which versions of OVN-Kubernetes do not agree on", fact.at))
    )
    names = NameReader(world.names, one_label, lambda blocks: counting(blocks, inside), ELSEWHERE, inside)
    found = tuple(rule(item, names) for item in spec.parts("egress"))
    if len(found) > MOST:
        spec.wrong(f"has {len(found)} rules, of which OVN-Kubernetes takes {MOST} at most", "egress")
    yield from complaints_of(view)
    subject: Peer = Named(Of.NAMESPACE, frozenset({fact.namespace}))
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        found = (Rule(Action.DENY, All((ELSEWHERE, doubt)), fact.at),)
    order = (0.0, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, None, Rules(found, isolates=False), TIER, order, PLANE)


def counting(blocks: tuple[Prefix, ...], inside: Peer) -> Peer:
    """The addresses of a name: those outside and of nodes (toExpr: sets of a name's addresses are compared as they are; before, all but the networks of pods)."""
    return either((InBlocks(blocks, pods=False), All((InBlocks(blocks), inside))))


def rule(item: View, names: NameReader) -> Rule:
    """One rule."""
    unknown_fields(item, {"type", "to", "ports"})
    action = ACTIONS.get(item.text("type"))
    if action is None:
        item.wrong(f"type {item.text('type')!r} must be Allow or Deny", "type")
    return Rule(action or Action.DENY, destination(item.part("to"), names), item.at(), traffic(item))


def destination(to: View, names: NameReader, choices: tuple[str, ...] = CHOICES) -> Peer:
    """Where to: addresses, a name, or nodes by their labels."""
    unknown_fields(to, set(choices))
    chosen = [name for name in choices if to.value.get(name) is not None]
    if len(chosen) != 1:
        to.wrong(f"must have one of {', '.join(choices)}")
        return NOBODY
    if chosen == ["cidrSelector"]:
        found = block(to, to.text("cidrSelector"), "cidrSelector")
        return InBlocks((found,), pods=False) if found is not None else NOBODY
    if chosen == ["dnsName"]:
        return names.asked(to.text("dnsName"), to.at("dnsName"))
    return All((HOSTS, selector(to.part("nodeSelector"), Of.NODE)))


def traffic(item: View) -> Traffic:
    """The ports of a rule; none given means all traffic."""
    if not item.value.get("ports"):
        return ANY_TRAFFIC
    return any_of_traffic(tuple(port(part) for part in item.parts("ports")))


def port(item: View) -> Traffic:
    """One port."""
    unknown_fields(item, {"protocol", "port"})
    name, number = item.text("protocol"), item.number("port")
    if name not in ("TCP", "UDP", "SCTP"):
        item.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
        return NO_TRAFFIC
    if not 1 <= number <= 65535:
        item.wrong(f"port {number} must be between 1 and 65535", "port")
        return NO_TRAFFIC
    return ports(NUMBERS[name], number, number)


KIND = PolicyKind(
    names=("k8s.ovn.org/EgressFirewall",),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    versions={"k8s.ovn.org": ("v1",)},
)
