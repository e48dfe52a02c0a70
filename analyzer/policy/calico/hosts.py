"""Calico's host endpoints: what decides over traffic of a node itself, and over traffic that a node forwards.

Follows felix/rules (static.go, endpoints.go, dispatch.go). In the plane "cluster", a node is the subject of, in this order: what never meets
its endpoint and the failsafe ports; policies that do not track; policies before translation; the tiers; the endpoint's profiles, which
deny what they do not allow. What a node forwards for its pods has a plane of its own, "forwarded": policies with applyOnForward
decide, and without one for the direction everything passes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.calico.endpoints import GROUPS, PODS, Endpoints, HostEndpoint, block_of
from analyzer.policy.calico.profiles import PROFILES, of_profiles
from analyzer.policy.calico.rules import Reader
from analyzer.policy.reading import group_of, view_of
from analyzer.policy.terms import (
    ALL_PORTS,
    EVERYONE,
    NOBODY,
    All,
    AnyOf,
    Box,
    InBlocks,
    Is,
    Kind,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
    both,
)
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World, mapping
from analyzer.ranges import single
from analyzer.source import Span

HOSTS: Peer = Is(frozenset({Kind.HOST}))
FORWARDED = "forwarded"
FAILSAFE = "failsafe ports"
# Before every tier, and behind every tier, also behind those without an order.
FIRST, NIL, LAST = float("-inf"), sys.float_info.max, float("inf")
# Stages that are asked before the tiers, and a number that is lower than the order of any tier, and than that of the next stage.
STAGES = {"untracked": -1e300, "before translation": -1e290}
UNTRACKED, BEFORE_TRANSLATION = STAGES

# felix/config/config_params.go: FailsafeInboundHostPorts, FailsafeOutboundHostPorts.
INBOUND = "tcp:22,udp:68,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667"
OUTBOUND = "udp:53,udp:67,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


@dataclass(frozen=True, slots=True)
class Felix:
    """Felix's configuration of a cluster and of its nodes: the FelixConfiguration objects by name, and the environment of calico-node, where
    that is given, with its place: it comes first."""

    objects: Mapping[str, OtherObjectFact]
    variables: Mapping[str, tuple[str, Span]]

    def spec(self, node: str, key: str) -> View | None:
        """The specification that has a field, the node's own before that of all."""
        for name in (f"node.{node}", "default"):
            if name in self.objects and (spec := view_of(self.objects[name]).part("spec")).value.get(key) is not None:
                return spec
        return None

    def failsafe(self, node: str, direction: Direction, at: Span) -> Iterator[Rule]:
        """The ports that host endpoints always let pass."""
        inwards = direction is Direction.INGRESS
        key = "failsafeInboundHostPorts" if inwards else "failsafeOutboundHostPorts"
        variable, spec = self.variables.get(f"FELIX_{key.upper()}"), self.spec(node, key)
        found = INBOUND if inwards else OUTBOUND
        if variable is not None:
            found, at = variable[0], variable[1]
        elif spec is not None:
            ports = ((item.text("protocol", "tcp"), item.text("net"), item.number("port")) for item in spec.parts(key))
            found, at = ",".join(f"{protocol}:{net}:{port}" for protocol, net, port in ports) or "none", spec.at(key)
        for peer, traffic in failsafe_ports(found):
            yield Rule(Action.ALLOW, peer, at, traffic, name="failsafe")


def failsafe_ports(text: str) -> Iterator[tuple[Peer, Box]]:
    """The ports of a list such as ``tcp:22,udp:10.0.0.0/8:68,443``, with the blocks that they are open to. What is none is left out."""
    for item in text.split(","):
        protocol, _, rest = item.strip().rpartition(":")[0].partition(":")
        port, number = item.strip().rpartition(":")[2], PROTOCOLS.get(protocol.lower() or "tcp")
        within = block_of(rest) if rest else None
        if number is not None and port.isdecimal() and len(port) <= 5 and (within or not rest):
            yield InBlocks((within,)) if within else EVERYONE, Box(single(number), single(int(port)))


def felix_of(world: World) -> Felix:
    """The configuration that is given."""
    given = (item for item in world.cluster.others if item.kind == "FelixConfiguration" and group_of(item) in GROUPS)
    variables: dict[str, tuple[str, Span]] = {}
    for item in world.cluster.others:
        if item.kind == "DaemonSet" and item.name in ("calico-node", "canal"):
            for variable in environment(mapping(mapping(mapping(item.document.get("spec")).get("template")).get("spec"))):
                variables.setdefault(str(variable.get("name")), (str(variable.get("value", "")), item.at))
    return Felix({item.name: item for item in given}, variables)


def environment(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The environment variables of a pod's containers."""
    containers = template.get("containers")
    for container in containers if isinstance(containers, list) else ():
        found = mapping(container).get("env")
        for item in found if isinstance(found, list) else ():
            yield mapping(item)


def subject(hosts: Iterable[HostEndpoint], endpoints: Endpoints, of: Of = Of.NODE) -> Peer:
    """The nodes of host endpoints (``of`` PLACE: and the pods on them). Where an endpoint is one of several, or has an interface of its own,
    whether traffic passes it is not known."""
    counts: dict[str, int] = {}
    for item in endpoints.hosts:
        counts[item.node] = counts.get(item.node, 0) + 1
    sure = {item.node for item in hosts if item.interface == "*" and counts[item.node] == 1}
    terms: list[Peer] = [Named(of, frozenset(sure))] if sure else []
    for item in hosts:
        if item.node not in sure:
            which = item.interface or ", ".join(str(block) for block in item.blocks)
            terms.append(
                All((Named(of, frozenset({item.node})), Opaque(f"whether traffic passes {which} of node {item.node}", item.at)))
            )
    return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))


def standing(endpoints: Endpoints, felix: Felix) -> Iterator[Policy | TierOrder]:
    """What host endpoints say without any policy."""
    for plane in ("cluster", FORWARDED):
        yield TierOrder(FAILSAFE, FIRST, Action.PASS, plane)
    yield TierOrder(PROFILES, LAST, Action.DENY)
    for node, hosts in by_node(endpoints.hosts).items():
        own = Named(Of.PLACE, frozenset({node}))
        inwards, outwards = passing(own, node, hosts, felix)
        yield Policy(
            "HostEndpoint", "", hosts[0].name, hosts[0].at, Named(Of.NODE, frozenset({node})), inwards, outwards, FAILSAFE
        )
        local = Rules((Rule(Action.ALLOW, own, hosts[0].at, name="does not leave the node"),), isolates=False)
        on_node = All((PODS, own))
        yield Policy("HostEndpoint", "", hosts[0].name, hosts[0].at, on_node, local, local, FAILSAFE, plane=FORWARDED)
        for host in hosts:
            reader = Reader(endpoints, "")
            into, out = (Rules(tuple(of_profiles(host.profiles, host.at, reader, direction))) for direction in Direction)
            selected = subject([host], endpoints)
            yield Policy("HostEndpoint", "", host.name, host.at, selected, into, out, PROFILES, (0.0, host.name))


def by_node(hosts: Iterable[HostEndpoint]) -> dict[str, list[HostEndpoint]]:
    """Host endpoints by their nodes."""
    found: dict[str, list[HostEndpoint]] = {}
    for host in hosts:
        found.setdefault(host.node, []).append(host)
    return found


def passing(own: Peer, node: str, hosts: list[HostEndpoint], felix: Felix) -> Iterator[Rules]:
    """What passes a node's endpoints whatever policies say: what its own pods send and are sent, and the failsafe ports."""
    at = hosts[0].at
    # Processes of one node talk over its loopback device; whether an endpoint of all interfaces has that one too is not said.
    doubt = Opaque(f"whether traffic inside node {node} meets its host endpoint", at)
    local = (
        Rule(Action.ALLOW, All((PODS, own)), at, name="pods of the node"),
        Rule(Action.ALLOW, All((HOSTS, own, doubt)), at, name="the node itself"),
    )
    for direction in Direction:
        yield Rules((*local, *felix.failsafe(node, direction, at)), isolates=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy stands: its tier, the place of that among the tiers, and the stage, empty for the tiers proper."""

    tier: str
    rank: int
    tiers: int
    stage: str = ""

    @property
    def name(self) -> str:
        """The tier's name, with the stage before it."""
        return f"{self.stage}, {self.tier}" if self.stage else self.tier

    def orders(self) -> Iterator[TierOrder]:
        """Where the tier stands in its stage: it denies nothing at its end, as tiers are still to come."""
        if self.stage:
            for plane in ("cluster", FORWARDED):
                yield TierOrder(self.name, STAGES[self.stage] * (self.tiers - self.rank), Action.PASS, plane)


def of_policy(
    policy: Policy, hosts: tuple[HostEndpoint, ...], endpoints: Endpoints, place: Place, forward: bool, doubt: Peer
) -> Iterator[Policy | TierOrder]:
    """What a policy says for the host endpoints that it selects, and with applyOnForward for what their nodes forward; ``doubt`` is of all."""
    yield from place.orders()
    policy = replace(policy, order=(policy.order[0], f"{policy.order[1]} for hosts"))
    kept = [stage_rules(policy.direction(direction), place, direction) for direction in Direction]
    ingress = translated(kept[0], endpoints.world) if kept[0] else None
    yield replace(policy, subject=both(subject(hosts, endpoints), doubt), ingress=ingress, egress=kept[1], tier=place.name)
    if forward:
        through = both(All((PODS, subject(hosts, endpoints, Of.PLACE))), doubt)
        inwards = untranslated(kept[0], endpoints.world) if kept[0] and place.stage else kept[0]
        outwards = None if place.stage else kept[1]
        passing = replace(policy, subject=through, ingress=inwards, egress=outwards, tier=place.name, plane=FORWARDED)
        yield passing
        if place.stage:
            yield from failsafe_before(passing, hosts, endpoints, felix_of(endpoints.world))


def stage_rules(rules: Rules | None, place: Place, direction: Direction) -> Rules | None:
    """The rules in a stage: before translation only what comes in is seen, and connections that are not tracked have untracked replies."""
    if rules is None or (place.stage == BEFORE_TRANSLATION and direction is Direction.EGRESS):
        return None
    if place.stage != UNTRACKED:
        return replace(rules, isolates=not place.stage)
    text = "the replies are admitted too: the connection is not tracked"
    return Rules(tuple(replace(rule, provided=(*rule.provided, text)) for rule in rules.rules), isolates=False)


def translated(rules: Rules, world: World) -> Rules:
    """Rules of ingress into a node, for which pods elsewhere may have the address of their node (natOutgoing)."""
    if not may_translate(world):
        return rules
    return replace(rules, rules=tuple(replace(rule, peer=of_translated(rule.peer, rule.at)) for rule in rules.rules))


def of_translated(peer: Peer, at: Span) -> Peer:
    """A test of the sender, which is open for pods."""
    if peer in (EVERYONE, NOBODY):
        return peer
    doubt = Opaque("whether a pod is seen by its own address or by that of its node, which natOutgoing of its IPPool says", at)
    return AnyOf((All((Not(PODS), peer)), All((PODS, doubt))))


def may_translate(world: World) -> bool:
    """Whether what pods send to other nodes may get the address of their node: not where no IPPool that is given says so."""
    pools = [item for item in world.cluster.others if item.kind == "IPPool" and group_of(item) in GROUPS]
    return not pools or any(mapping(item.document.get("spec")).get("natOutgoing") is True for item in pools)


def exposed(world: World) -> frozenset[tuple[int, int]]:
    """The protocols and ports at which a node translates what comes from elsewhere to services."""
    found = set()
    for item in world.cluster.services.values():
        for port in item.ports:
            if item.external_addresses or item.load_balancer_addresses or item.type == "LoadBalancer":
                found.add((port.protocol, port.port))
            if port.node_port or item.type in ("NodePort", "LoadBalancer"):
                found.add((port.protocol, port.node_port))
    return frozenset(found)


def untranslated(rules: Rules, world: World) -> Rules:
    """Rules that see what a flow was sent to, before a service's address became that of a pod."""
    if not exposed(world):
        return rules
    return replace(rules, rules=tuple(replace(rule, own=EVERYONE, traffic=sent_to(rule)) for rule in rules.rules))


def sent_to(rule: Rule) -> Traffic:
    """The flows of a rule, of which it is not known what they were sent to."""
    terms = rule.traffic.terms if isinstance(rule.traffic, All) else (rule.traffic,)
    kept = tuple(term for term in terms if not about_destination(term))
    if len(kept) == len(terms) and rule.own == EVERYONE:
        return rule.traffic
    return All((*kept, Opaque("the address and port that a flow was sent to before it was translated", rule.at)))


def about_destination(traffic: Traffic) -> bool:
    """Whether a test looks at the destination's ports."""
    match traffic:
        case All(terms) | AnyOf(terms):
            return any(about_destination(term) for term in terms)
        case Not(term):
            return about_destination(term)
        case Box(destinations=destinations):
            return destinations != ALL_PORTS
        case PortName() | Opaque():
            return True


def failsafe_before(policy: Policy, hosts: Iterable[HostEndpoint], endpoints: Endpoints, felix: Felix) -> Iterator[Policy]:
    """What a stage before the tiers leaves alone of what is forwarded: what is sent to failsafe ports."""
    fronts = exposed(endpoints.world)
    for node in sorted({item.node for item in hosts}):
        rules = []
        for rule in felix.failsafe(node, Direction.INGRESS, policy.at):
            doubt = Opaque("the port that a flow was sent to before it was translated", rule.at)
            box = rule.traffic
            if isinstance(box, Box) and (box.protocols[0][0], box.destinations[0][0]) in fronts:
                box = Box(box.protocols)
            rules.append(replace(rule, action=Action.PASS, traffic=All((box, doubt)) if fronts else box))
        subject = All((PODS, Named(Of.PLACE, frozenset({node}))))
        found = Rules(tuple(rules), isolates=False)
        yield Policy("HostEndpoint", "", node, policy.at, subject, found, None, policy.tier, (FIRST, node), FORWARDED)
