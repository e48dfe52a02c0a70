"""FQDNNetworkPolicy of Google Kubernetes Engine (networking.gke.io): egress of pods to names, beside what NetworkPolicies admit.

Follows cloud.google.com/kubernetes-engine/docs/how-to/fqdn-network-policies: pods that one selects are isolated for egress, rules of it and of NetworkPolicies add up; names are of addresses
outside of the cluster. Which addresses a name has says what names the input gives (``names.py``). Whether questions to DNS are admitted of themselves is left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.names import NameReader, cilium
from analyzer.policy.ports import NUMBERS, any_of_traffic, other_protocols, ports
from analyzer.policy.reading import PolicyKind, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import ANY_TRAFFIC, EVERYONE, AnyOf, InBlocks, Is, Kind, Named, Of, Opaque, Peer, Traffic, both, either
from analyzer.policy.tiers import Action, Policy, Rule, Rules
from analyzer.policy.world import World

GROUP = "networking.gke.io"
OUTSIDE: Peer = Is(frozenset({Kind.OUTSIDE}))
DNS: Traffic = AnyOf((ports(17, 53, 53), ports(6, 53, 53)))


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An FQDNNetworkPolicy as one policy of the default tier, of egress alone."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, ("podSelector", "egress"))
    chosen = selector(spec.part("podSelector"), Of.POD)
    selected = EVERYONE if view.gaps else chosen
    names = NameReader(world.names, cilium, lambda blocks: both(OUTSIDE, InBlocks(blocks)), OUTSIDE)
    rules = [rule(item, names, world) for item in spec.parts("egress")]
    yield from complaints_of(view)
    if view.gaps:
        yield unreadable(fact, view.gaps[0].reason, selected, denies=False)
        return
    rules.append(Rule(Action.ALLOW, Opaque("whether questions to DNS are admitted of themselves", fact.at), fact.at, DNS))
    subject = both(Named(Of.NAMESPACE, frozenset({fact.namespace})), chosen)
    order = (0.0, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, None, Rules(tuple(rules)), order=order)


def rule(item: View, names: NameReader, world: World) -> Rule:
    """One rule: names or patterns, and ports."""
    unknown_fields(item, ("matches", "ports"))
    doubt = Opaque("whom a rule without matches is for", item.at())
    peers = [match(one, names) for one in item.parts("matches")] or [doubt]
    terms = tuple(port(one) for one in item.parts("ports"))
    traffic = any_of_traffic((*terms, *other_protocols(world.profile, item.at("ports")))) if terms else ANY_TRAFFIC
    return Rule(Action.ALLOW, either(peers), item.at(), traffic)


def match(item: View, names: NameReader) -> Peer:
    """A name, or a pattern."""
    unknown_fields(item, ("name", "pattern"))
    name, pattern = item.text("name"), item.text("pattern")
    if bool(name) == bool(pattern):
        item.wrong("a match has one of name and pattern")
    return names.asked(name or pattern or "*", item.at())


def port(item: View) -> Traffic:
    """A port of a protocol, or all of it."""
    unknown_fields(item, ("protocol", "port"))
    name, given = item.text("protocol", "TCP"), item.value.get("port")
    if name not in ("TCP", "UDP", "SCTP"):
        item.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
    number = NUMBERS.get(name, 6)
    if given is None:
        return ports(number)
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given < 65536:
        item.wrong(f"port {given!r} must be a number from 1 to 65535", "port")
        return ports(number)
    return ports(number, given, given)


KIND = PolicyKind(names=(f"{GROUP}/FQDNNetworkPolicy",), read=read, denies=False)
