"""ClusterNetworkPolicy, NetworkPolicy and Tier of Antrea (crd.antrea.io).

Follows pkg/apis/crd/v1beta1/types.go and docs/antrea-network-policy.md: tiers and policies by priority, rules in their order, the first
that matches decides; Pass goes on with NetworkPolicy, past all other tiers but the baseline one, which is asked last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.antrea.peers import GROUP, EndReader
from analyzer.policy.antrea.refused import check
from analyzer.policy.ports import NUMBERS, any_of_traffic
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.relations import spread
from analyzer.policy.terms import (
    ALL_PORTS,
    ANY_TRAFFIC,
    EVERYONE,
    NO_TRAFFIC,
    All,
    AnyOf,
    Box,
    Peer,
    PortName,
    Traffic,
    either,
)
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import Ranges, normalised, single

# Tiers that are always there; those of objects are added.
TIERS = {"emergency": 50, "securityops": 100, "networkops": 150, "platform": 200, "application": 250, "baseline": 253}
BEFORE, AFTER = "antrea", "antrea-baseline"
ACTIONS = {"Allow": Action.ALLOW, "Drop": Action.DENY, "Reject": Action.DENY, "Pass": Action.PASS}
FIELDS = {"tier", "priority", "appliedTo", "ingress", "egress"}
RULE_FIELDS = {"action", "ports", "protocols", "l7Protocols", "name", "appliedTo", "enableLogging", "logLabel"}
IGMP = 2


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A policy of Antrea; tiers are looked up by the policies that are in them."""
    if fact.kind == "Tier":
        return
    wide = fact.kind == "ClusterNetworkPolicy"
    fact = fact if wide else replace(fact, namespace=fact.namespace or "default")
    view, advice = view_of(fact), list[Complaint]()
    spec = view.part("spec")
    unknown_fields(spec, FIELDS)
    check(spec, wide)
    place = place_of(spec, world)
    reader = Reader(world, EndReader(world, fact.namespace, advice))
    subject = reader.subject(spec)
    ingress, egress = reader.rules(spec, Direction.INGRESS), reader.rules(spec, Direction.EGRESS)
    yield from dict.fromkeys(advice)
    yield from complaints_of(view)
    if view.gaps:
        yield replace(unreadable(fact, view.gaps[0].reason), tier=BEFORE)
        return
    if reader.ends.void:
        yield from dict.fromkeys(reader.ends.void)
        return
    tier = AFTER if place >= TIERS["baseline"] else BEFORE
    order = (place * 100_000.0 + float(spec.value.get("priority") or 0), "")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, ingress, egress, tier, order)


def place_of(spec: View, world: World) -> int:
    """The priority of the policy's tier."""
    name = spec.text("tier") or "application"
    priority = spec.value.get("priority")
    if not isinstance(priority, int | float) or isinstance(priority, bool) or not 1 <= priority <= 10000:
        spec.wrong("priority must be a number from 1 to 10000", "priority")
    for item in world.by_kind.get("Tier", ()):
        if item.name == name and item.api_version.startswith(f"{GROUP}/"):
            return view_of(item).part("spec").number("priority")
    if name.lower() not in TIERS:
        spec.wrong(f"there is no Tier {name!r}", "tier")
    return TIERS.get(name.lower(), TIERS["application"])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rules of a policy."""

    world: World
    ends: EndReader

    def subject(self, spec: View) -> Peer:
        """Whom the policy is about: its own ``appliedTo``, or those of all its rules."""
        if (whole := self.ends.applied(spec)) is not None:
            return whole
        found = [self.ends.applied(item) for way in Direction for item in spec.parts(way.value)]
        if not found or None in found:
            spec.wrong("appliedTo must be in the policy, or in each of its rules")
        return either(item for item in found if item is not None)

    def rules(self, spec: View, way: Direction) -> Rules | None:
        """The rules of a direction. What they do not match is left to what comes after."""
        key = "from" if way is Direction.INGRESS else "to"
        found = [rule for item in spec.parts(way.value) for rule in self.rule(item, key)]
        return Rules(tuple(found), isolates=False) if found else None

    def rule(self, item: View, key: str) -> Iterator[Rule]:
        """One rule, for each case where it is about what is related to the subject."""
        unknown_fields(item, RULE_FIELDS | {key} | ({"toServices"} if key == "to" else set()))
        action = ACTIONS.get(item.text("action"))
        if action is None:
            item.wrong(f"action {item.text('action')!r} must be one of {', '.join(ACTIONS)}", "action")
        found, own = self.ends.ends(item, key), self.ends.applied(item) or EVERYONE
        one = Rule(action or Action.DENY, EVERYONE, item.at(), self.traffic(item), own, item.text("name"), tuple(words(item)))
        if found is None:
            yield one
        elif not found.related:
            yield replace(one, peer=either(found.anywhere))
        else:
            yield from spread(one, found.anywhere, found.related)

    def traffic(self, item: View) -> Traffic:
        """The ports and protocols of a rule; none given means all flows."""
        if not item.value.get("ports") and not item.value.get("protocols"):
            return ANY_TRAFFIC
        return any_of_traffic((*map(port, item.parts("ports")), *map(protocol, item.parts("protocols"))))


def port(item: View) -> Traffic:
    """One port: of the destination, and of the source."""
    unknown_fields(item, {"protocol", "port", "endPort", "sourcePort", "sourceEndPort"})
    name = item.text("protocol", "TCP")
    if name not in ("TCP", "UDP", "SCTP"):
        item.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
        return NO_TRAFFIC
    number, sources = single(NUMBERS[name]), span(item, "sourcePort", "sourceEndPort")
    if isinstance(item.value.get("port"), str):
        named: Traffic = PortName(item.text("port"), number)
        return named if sources == ALL_PORTS else All((named, Box(number, sources=sources)))
    return Box(number, span(item, "port", "endPort"), sources)


def span(item: View, first: str, last: str) -> Ranges:
    """A port or a range of them; all where none is given."""
    if item.value.get(first) is None:
        return ALL_PORTS
    low = item.number(first)
    high = item.number(last) or low
    if not 0 <= low <= high <= 65535:
        item.wrong(f"{first} and {last} must be a range within 0 to 65535", first)
        return ALL_PORTS
    return ((low, high),)


def protocol(item: View) -> Traffic:
    """ICMP by type and code, each where it is given (getServiceMatchPairs in pkg/agent/openflow/network_policy.go), or IGMP."""
    unknown_fields(item, {"icmp", "igmp"})
    if item.value.get("igmp") is not None:
        return Box(single(IGMP))
    part = item.part("icmp")
    kinds = range(256) if part.value.get("icmpType") is None else (part.number("icmpType"),)
    first, last = (0, 255) if part.value.get("icmpCode") is None else (part.number("icmpCode"),) * 2
    wanted = normalised((kind * 256 + first, kind * 256 + last) for kind in kinds)
    return AnyOf(tuple(Box(single(NUMBERS[name]), wanted) for name in ("ICMP", "ICMPv6")))


def words(item: View) -> Iterator[str]:
    """Conditions above the transport layer, in words."""
    for part in item.parts("l7Protocols"):
        for name in sorted(part.value):
            fields = part.part(name).value
            yield f"{name.upper()}: {' and '.join(f'{key} {fields[key]}' for key in sorted(fields)) or 'anything'}"


KIND = PolicyKind(
    names=(f"{GROUP}/ClusterNetworkPolicy", f"{GROUP}/NetworkPolicy", f"{GROUP}/Tier"),
    read=read,
    tiers=(TierOrder(BEFORE, 500.0, Action.PASS), TierOrder(AFTER, 9_000_000.0, Action.PASS)),
    supporting=(f"{GROUP}/ClusterGroup", f"{GROUP}/Group", f"{GROUP}/ExternalEntity", f"{GROUP}/ExternalNode"),
    versions={GROUP: ("v1alpha1", "v1beta1")},
)
