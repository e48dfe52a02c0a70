"""SecurityPolicy of VMware NSX (nsx.vmware.com and crd.nsx.vmware.com, v1alpha1), as far as it is about pods.

Follows vmware-tanzu/nsx-operator docs/security-policy.md: rules in their order, policies by priority (of equal ones it is not determined which is first), the policy's ``appliedTo`` before the
rules' own; what no rule is about goes on. NetworkPolicies are sections behind all of these (pkg/nsx/services/common/types.go: priorities are up to 1000, theirs 2010 and 2090). Virtual machines
are nobody of the input: an address outside may be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block
from analyzer.policy.ports import NUMBERS, any_of_traffic, is_port_name, ports
from analyzer.policy.reading import PolicyKind, Read, complaints_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import (
    ANY_TRAFFIC,
    EVERYONE,
    NOBODY,
    All,
    InBlocks,
    Is,
    Kind,
    Named,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
    either,
)
from analyzer.policy.terms import both as both_of
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single

GROUPS = ("nsx.vmware.com", "crd.nsx.vmware.com")
TIER = "nsx"
PODS: Peer = Is(frozenset({Kind.POD}))
OUTSIDE: Peer = Is(frozenset({Kind.OUTSIDE}))
ACTIONS = {"allow": Action.ALLOW, "drop": Action.DENY, "reject": Action.DENY}
DIRECTIONS = {"in": "in", "ingress": "in", "out": "out", "egress": "out"}
FIELDS = ("priority", "appliedTo", "rules")
OF_RULE = ("name", "action", "direction", "appliedTo", "sources", "destinations", "ports")
OF_PEER = ("podSelector", "namespaceSelector", "vmSelector", "ipBlocks")


def read(fact: OtherObjectFact, _: World) -> Iterator[Read]:
    """A SecurityPolicy as one policy of a tier before that of NetworkPolicies."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, FIELDS)
    found: dict[str, list[Rule]] = {"in": [], "out": []}
    given = spec.value.get("appliedTo") or None
    for item in spec.parts("rules"):
        own = EVERYONE if given else targets(item, fact)
        direction, one = rule(item, fact, own)
        found[direction].append(one)
    subject: Peer = both_of(PODS, targets(spec, fact)) if given else PODS
    yield from complaints_of(view)
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        actions = (Action.ALLOW, Action.DENY)
        found = {key: [Rule(action, EVERYONE, fact.at) for action in actions] for key in found}
        subject = All((PODS, Named(Of.NAMESPACE, frozenset({fact.namespace})), doubt))
    into, out = (Rules(tuple(found[key]), isolates=False) if found[key] else None for key in ("in", "out"))
    order = (float(priority(spec)), "")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, into, out, TIER, order, readable=not view.gaps)


def priority(spec: View) -> int:
    """The lower comes first."""
    found = spec.number("priority")
    if not 0 <= found <= 1000:
        spec.wrong(f"priority {found} must be from 0 to 1000", "priority")
    return found


def rule(item: View, fact: OtherObjectFact, own: Peer) -> tuple[str, Rule]:
    """One rule, and its direction."""
    unknown_fields(item, OF_RULE)
    action, direction = item.text("action").lower(), item.text("direction").lower()
    if action not in ACTIONS:
        item.wrong(f"action {item.text('action')!r} must be allow, drop or reject", "action")
    if direction not in DIRECTIONS:
        item.wrong(f"direction {item.text('direction')!r} must be in, ingress, out or egress", "direction")
    way = DIRECTIONS.get(direction, "in")
    key = "sources" if way == "in" else "destinations"
    peers = [peer(one, fact) for one in item.parts(key)]
    terms = tuple(port(one) for one in item.parts("ports"))
    other = either(peers) if peers else EVERYONE
    traffic = any_of_traffic(terms) if terms else ANY_TRAFFIC
    return way, Rule(ACTIONS.get(action, Action.DENY), other, item.at(), traffic, own, item.text("name"))


def targets(view: View, fact: OtherObjectFact) -> Peer:
    """Whom ``appliedTo`` means, in the policy's own namespace; without one that is not told."""
    home = Named(Of.NAMESPACE, frozenset({fact.namespace}))
    items = view.parts("appliedTo")
    found: list[Peer] = []
    for item in items:
        unknown_fields(item, ("podSelector", "vmSelector"))
        if item.value.get("podSelector") is not None and item.value.get("vmSelector") is None:
            found.append(All((home, selector(item.part("podSelector"), Of.POD))))
    if not view.value.get("appliedTo"):
        return Opaque("whom rules are for without appliedTo", view.at())
    return either(found) if found else NOBODY


def peer(item: View, fact: OtherObjectFact) -> Peer:
    """One peer: pods by their labels and their namespaces', virtual machines, or blocks."""
    unknown_fields(item, OF_PEER)
    chosen = {key for key in OF_PEER if item.value.get(key) is not None}
    if not chosen:
        item.wrong("must name somebody")
    if {"podSelector", "vmSelector"} <= chosen:
        return NOBODY
    terms: list[Peer] = []
    if "ipBlocks" in chosen:
        found = [block(one, one.text("cidr"), "cidr") for one in item.parts("ipBlocks")]
        terms.append(InBlocks(tuple(one for one in found if one is not None)))
    if chosen & {"podSelector", "namespaceSelector"} and "vmSelector" not in chosen:
        terms.append(pods(item, fact))
    if chosen & {"vmSelector", "namespaceSelector"} and "podSelector" not in chosen:
        terms.append(both_of(OUTSIDE, Opaque("which addresses virtual machines have", item.at())))
    return either(terms)


def pods(item: View, fact: OtherObjectFact) -> Peer:
    """The pods of a peer."""
    within: Peer = Named(Of.NAMESPACE, frozenset({fact.namespace}))
    if item.value.get("namespaceSelector") is not None:
        spaces = item.part("namespaceSelector")
        for index, one in enumerate(spaces.parts("matchExpressions")):
            if one.text("operator") == "NotIn":
                spaces.wrong("NSX knows no NotIn of namespaces", "matchExpressions", index, "operator")
        within = selector(spaces, Of.NAMESPACE)
    own = selector(item.part("podSelector"), Of.POD) if item.value.get("podSelector") is not None else EVERYONE
    return All((PODS, within, own))


def port(item: View) -> Traffic:
    """A port by number or name, a range, or all of a protocol."""
    unknown_fields(item, ("protocol", "port", "endPort"))
    name, given, last = item.text("protocol", "TCP"), item.value.get("port"), item.value.get("endPort")
    if name not in ("TCP", "UDP", "SCTP"):
        item.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
    number = NUMBERS.get(name, 6)
    if given is None:
        return ports(number)
    if isinstance(given, str) and is_port_name(given) and last is None:
        return PortName(given, single(number))
    known = [one for one in (given, given if last is None else last) if isinstance(one, int) and not isinstance(one, bool)]
    if len(known) != 2 or not 0 < known[0] <= known[1] < 65536:
        item.wrong(f"port {given!r} must be a number or a name, and endPort a number that is not lower", "port")
        return ports(number)
    return ports(number, known[0], known[1])


KIND = PolicyKind(
    names=tuple(f"{group}/SecurityPolicy" for group in GROUPS),
    read=read,
    tiers=(TierOrder(TIER, 999_000.0, Action.PASS),),
    versions=dict.fromkeys(GROUPS, ("v1alpha1",)),
)
