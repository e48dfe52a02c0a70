"""SecurityGroup of Kube-OVN (kubeovn.io): pods that name groups in an annotation.

Follows kubeovn/kube-ovn pkg/controller/security_group.go and pkg/util/const.go. A pod with a group that is there is dropped whatever its groups do not admit, at priority 2003 of the tiers
2 and 3; rules stand above, the one with the smaller number first, below them what is always admitted (2005) and what a group's members say to each other
(2004). NetworkPolicies stand at 2001 and 2000 of tier 2: such a pod never comes to them. AdminNetworkPolicies (tier 1) are asked before. Rules of egress are
asked before services are translated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.memory import Same
from analyzer.parsers._view import View
from analyzer.policy.kube_ovn.groups import Members, RuleReader, members_of
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, unknown_fields, unreadable, view_of
from analyzer.policy.terms import EVERYONE, NOBODY, All, AnyOf, Box, Named, Of, Opaque, Peer, Traffic, either
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single
from analyzer.source import Span

GROUP, KIND_NAME = "kubeovn.io", "SecurityGroup"
TIERS = ("kube-ovn-groups", "kube-ovn-groups-after")
FIELDS = {"ingressRules", "egressRules", "allowSameGroupTraffic", "tier"}
SIDES = {Direction.INGRESS: "ingressRules", Direction.EGRESS: "egressRules"}
LAST, DENY_ALL = 20_000.0, "ovn.sg.kubeovn_deny_all"
VRRP, UDP, ICMPV6 = 112, 17, 58
CLIENTS = (((68, 68), (67, 67)), ((546, 546), (547, 547)))
DISCOVERY = {Direction.INGRESS: (130, 134, 135, 136), Direction.EGRESS: (130, 133, 135, 136)}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A group as policies of its members: one for each priority of rules, and what always holds."""
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, FIELDS)
    tier = spec.number("tier")
    if not 0 <= tier < len(TIERS):
        spec.wrong(f"tier {tier} must be 0 or 1", "tier")
    members = members_of(Same(world.cluster))
    own = members[fact.name].pods if fact.name in members else NOBODY
    together = members[fact.name].together if fact.name in members else fact.name
    reader = RuleReader(members, given(world), through(world))
    sorted_rules = {way: [reader.rule(item, way) for item in spec.parts(key)] for way, key in SIDES.items()}
    same = spec.truth("allowSameGroupTraffic") is True
    if tier == 1 and any(rule.action is Action.PASS for rules in sorted_rules.values() for _, rule in rules):
        spec.wrong("policy pass is refused in tier 1", "tier")
    yield from complaints_of(view)
    if view.gaps:
        yield replace(unreadable(fact, view.gaps[0].reason, own), tier=TIERS[0])
        return
    for policy in policies(fact, view, own, TIERS[tier], sorted_rules, same):
        yield replace(policy, order=(policy.order[0], together))


def policies(
    fact: OtherObjectFact, view: View, own: Peer, tier: str, rules: dict[Direction, list[tuple[int, Rule]]], same: bool
) -> Iterator[Policy]:
    """What a group says. Which of two rules of one priority that do not do the same is asked first is not known, so that each is a policy."""
    for priority, action in sorted({(number, rule.action) for found in rules.values() for number, rule in found}):
        into, out = (tuple(rule for number, rule in rules[way] if (number, rule.action) == (priority, action)) for way in SIDES)
        place = (float(priority), "")
        yield Policy(fact.kind, "", fact.name, (*into, *out)[0].at, own, some(into), some(out), tier, place)
    if same or not any(rules.values()):
        friends = (Rule(Action.ALLOW, own, view.at("spec", "allowSameGroupTraffic")),) if same else ()
        yield Policy(fact.kind, "", fact.name, fact.at, own, Rules(friends), Rules(friends), tier, (LAST, ""))


def some(rules: tuple[Rule, ...]) -> Rules | None:
    """The rules of a direction, where there are any."""
    return Rules(rules) if rules else None


def always(way: Direction, at: Span) -> Iterator[Rule]:
    """``createSgBaseACL``: DHCP, VRRP, and neighbour discovery that nothing forwarded."""
    for client, server in CLIENTS:
        here, there = (server, client) if way is Direction.INGRESS else (client, server)
        yield Rule(Action.ALLOW, EVERYONE, at, Box(single(UDP), (there,), (here,)))
    yield Rule(Action.ALLOW, EVERYONE, at, Box(single(VRRP)))
    kinds: Traffic = AnyOf(tuple(Box(single(ICMPV6), single(kind << 8)) for kind in DISCOVERY[way]))
    yield Rule(Action.ALLOW, EVERYONE, at, All((kinds, Opaque("whether the hop limit is 255", at))))


def port_group(known: frozenset[str], world: World, tier: str) -> Policy:
    """The port group of all pods that have a group: nothing but what is always admitted passes."""
    found = [members for name, members in members_of(Same(world.cluster)).items() if name in known]
    at = found[0].at if found else next(item.at for item in world.by_kind[KIND_NAME] if group_of(item) == GROUP)
    into, out = (Rules(tuple(always(way, at))) for way in SIDES)
    return Policy("port group", "", DENY_ALL, at, either(members.pods for members in found), into, out, tier, (LAST, DENY_ALL))


def given(world: World) -> frozenset[str]:
    """The groups of the input."""
    return frozenset(item.name for item in world.by_kind.get(KIND_NAME, ()) if group_of(item) == GROUP)


def through(world: World) -> Peer:
    """Whatever is reached by a service."""
    names = frozenset(f"{space}/{name}" for space, name in world.cluster.services)
    return Named(Of.SERVICE, names) if names else NOBODY


def standing(world: World) -> Iterator[Read]:
    """What holds for whoever has a group, and groups that pods name and that are not given: what they admit is not known."""
    known = given(world)
    if not world.profile.enforced(GROUP, KIND_NAME):
        return
    yield from (port_group(known, world, tier) for tier in TIERS if known)
    for name, members in members_of(Same(world.cluster)).items():
        if name not in known:
            yield Complaint(members.at, f"there is no SecurityGroup {name} among the objects: what it admits is not known")
            yield missing(name, members)


def missing(name: str, members: Members) -> Policy:
    """What stands for a group that is not given."""
    doubt = Opaque(f"what the SecurityGroup {name} admits, which is not among the objects", members.at)
    rules = Rules((Rule(Action.ALLOW, EVERYONE, members.at), Rule(Action.DENY, EVERYONE, members.at)))
    return Policy(KIND_NAME, "", name, members.at, All((members.pods, doubt)), rules, rules, TIERS[0], readable=False)


KIND = PolicyKind(
    names=(f"{GROUP}/{KIND_NAME}",),
    read=read,
    tiers=(TierOrder(TIERS[0], 999_998.0), TierOrder(TIERS[1], 999_999.0)),
    standing=standing,
)
