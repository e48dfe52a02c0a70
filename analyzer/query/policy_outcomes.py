"""What policies say of one flow between two ends, as an outcome of ``analyze trace`` with its hops, where only manifests are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address, host_prefix
from analyzer.policy.decision import Decision, Step, decide, doubt, own_node_passes
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.terms import Kind
from analyzer.policy.tiers import Action, Direction
from analyzer.query.endpoints import OUTSIDE
from analyzer.query.policies import Policies
from analyzer.query.policy_parties import entities_named
from analyzer.query.policy_switches import flipped
from analyzer.query.witness import deciding, explained
from analyzer.solve.packet import ICMP, ICMPV6, PROTOCOL_NAMES, Fate, Hop, Outcome, Packet
from analyzer.source import Span

SWITCH = ", in which network systems differ (--policy-switch {}=yes or =no)"
ECHO = {4: (ICMP, 8 << 8), 6: (ICMPV6, 128 << 8)}
EPHEMERAL = 40000
TAKEN = "only manifests are given: what policies admit is taken to arrive"
FATES = {True: Fate.REACHABLE, False: Fate.UNREACHABLE, None: Fate.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: protocol and port, and the family, where one of the ends is named by an address."""

    protocol: int
    port: int
    family: int | None = None


def outside_entity(address: Address) -> Entity:
    """An address outside."""
    return Entity(str(address), Kind.OUTSIDE, blocks=(host_prefix(address),))


def flow_for(source: Entity, destination: Entity, wanted: Wanted) -> Flow:
    """The flow in the family that is asked for, else in the first that both ends have an address in."""
    family = wanted.family or family_of(source, destination)
    if wanted.protocol == ICMP:
        number, kind = ECHO[family]
        return Flow(family, number, kind, 0)
    return Flow(family, wanted.protocol, wanted.port, EPHEMERAL)


def family_of(source: Entity, destination: Entity) -> int:
    """The first family that both ends have an address in; that of one of them, where the other's are not known; IPv4 where nothing is known."""
    theirs, own = families_of(destination), families_of(source)
    common = [family for family in theirs if family in own] if theirs and own else [*theirs, *own]
    return (common or [4])[0]


def families_of(entity: Entity) -> list[int]:
    """The families of an entity's addresses, in their order."""
    return [item.family for item in entity.addresses] + [item.family for item in entity.blocks]


def nowhere(reason: str, at: Span) -> Outcome:
    """A flow that nobody answers."""
    return Outcome(Fate.UNREACHABLE, reason=reason, at=at)


def one_way(policies: Policies, source: Entity, destination: Entity, flow: Flow, asked: Asked | None = None) -> Outcome:
    """What policies say of one flow, as an outcome: none of a family that an end does not speak."""
    for end in (source, destination):
        if not policies.speaks(end, flow.family):
            return mute(end, flow.family)
    decision = decide(policies.all, source, destination, flow, asked)
    sent = Hop(
        source.name,
        "send",
        f"{PROTOCOL_NAMES.get(flow.protocol, flow.protocol)} to {destination.name}",
        source.at,
        packet(flow, source, destination),
    )
    hops = (sent, *dict.fromkeys(hops_of(policies, source, destination, flow, decision)))
    own, seen = (address_in(entity, flow.family) for entity in (source, destination))
    fate = FATES[decision.admitted]
    reason, at = "", None
    if fate is not Fate.REACHABLE:
        reason, at = why(policies, source, destination, flow, decision)
    provided = [text for step in decision.steps if step.rule is not None for text in step.rule.provided]
    kinds = dict.fromkeys(step.policy.kind for step in decision.steps if step.policy is not None)
    assumptions = (
        *((TAKEN,) if decision.admitted else ()),
        *filter(None, map(policies.profile.supposition, kinds)),
        *provided,
        *flipped(policies, source, destination, flow, asked, decision),
    )
    return Outcome(
        fate,
        delivered_to=delivered(destination) if fate is Fate.REACHABLE else None,
        source_seen=own,
        destination_seen=seen,
        port_seen=flow.port if flow.protocol not in (ICMP, ICMPV6) else None,
        reason=reason,
        at=at,
        hops=hops,
        assumptions=tuple(dict.fromkeys(assumptions)),
    )


def mute(end: Entity, family: int) -> Outcome:
    """No flow: an end has no address of the family."""
    reason = f"{end.name} has no IPv{family} address"
    if not end.addresses:
        reason = f"no pod and no node of the input has an IPv{family} address: {end.name}, for which none is given, is taken to have none"
    return Outcome(Fate.UNREACHABLE, reason=reason, at=end.at, hops=(Hop(end.name, "addresses", reason, end.at),))


def why(policies: Policies, source: Entity, destination: Entity, flow: Flow, decision: Decision) -> tuple[str, Span | None]:
    """Why a flow is denied, or not known to be admitted, and the line that decides."""
    for direction in (Direction.EGRESS, Direction.INGRESS):
        for step in deciding(decision, direction):
            subject = source if direction is Direction.EGRESS else destination
            text, lines = explained(policies.all, subject, flow.family, step)
            spared = spared_perhaps(policies, source, destination) if decision.admitted is None and step.certain else ""
            return f"{spared}; else {text}" if spared else text, lines[0].at if lines else None
    return "what decides is not known", None


def spared_perhaps(policies: Policies, source: Entity, destination: Entity) -> str:
    """Why policies are perhaps not asked about two ends, and what would settle it; empty where they are asked."""
    if source is destination:
        return f"whether policies are asked about a pod and itself through a service{SWITCH.format('own-service-admitted')}"
    if doubt(policies.profile, source, destination) is not None:
        return ""
    if own_node_passes(policies.profile, source) is None:
        return f"whether policies are asked about a pod and its own node{SWITCH.format('own-node-admitted')}"
    pod, node = (source, destination) if source.kind is Kind.POD else (destination, source)
    return f"whether {pod.name} runs on the node of {node.name}, which passes (nodeName)"


def hops_of(policies: Policies, source: Entity, destination: Entity, flow: Flow, decision: Decision) -> Iterator[Hop]:
    """The decisions in their order, what almost matched, and where the flow ends."""
    if decision.exempt:
        yield Hop(source.name, "policy", decision.exempt)
    for direction, subject in ((Direction.EGRESS, source), (Direction.INGRESS, destination)):
        steps = [step for step in decision.steps if step.direction is direction]
        for step in steps:
            if step.policy is None and step.action is Action.ALLOW:
                yield Hop(subject.name, direction.value, "no policy denies it")
                continue
            yield step_hop(policies, subject, flow, step)
        if not steps and not decision.exempt:
            yield Hop(subject.name, direction.value, f"no policy selects {subject.name}")
        for near in decision.near:
            if near.direction is direction:
                missed = "its peers do not match" if near.missed == "peer" else "its ports do not match"
                yield Hop(subject.name, "near", f"{near.policy}: a rule of {direction} almost matches: {missed}", near.rule.at)
    if decision.admitted:
        yield Hop(destination.name, "deliver", f"admitted to {destination.name}", destination.at)


def step_hop(policies: Policies, subject: Entity, flow: Flow, step: Step) -> Hop:
    """One decision."""
    if step.action is Action.PASS:
        return Hop(
            subject.name,
            step.direction.value,
            f"{step.policy} passes it on to the next tier",
            step.rule.at if step.rule else None,
        )
    text, lines = explained(policies.all, subject, flow.family, step)
    return Hop(subject.name, step.direction.value, text, lines[0].at if lines else None)


def delivered(entity: Entity) -> str:
    """The name of who has the flow."""
    return "outside" if entity.kind is Kind.OUTSIDE else entity.name


def address_in(entity: Entity, family: int) -> Address | None:
    """The address of the entity in the family, where it is known."""
    own = next((item for item in entity.addresses if item.family == family), None)
    block = next((item for item in entity.blocks if item.family == family), None)
    return own or (Address(family, block.value) if block is not None else None)


def packet(flow: Flow, source: Entity, destination: Entity) -> Packet | None:
    """The packet of a flow, where the addresses of both ends are known."""
    own, seen = (address_in(entity, flow.family) for entity in (source, destination))
    if own is None or seen is None:
        return None
    if flow.protocol in (ICMP, ICMPV6):
        return Packet(flow.family, own.value, seen.value, flow.protocol, 1, 0, flow.port >> 8, flow.port & 255)
    return Packet(flow.family, own.value, seen.value, flow.protocol, flow.source_port, flow.port)


def named(policies: Policies, text: str) -> tuple[Entity, ...]:
    """The entities of a name; ``outside`` is one address that nobody has."""
    if text.strip() == "outside":
        return (outside_entity(OUTSIDE[policies.families()[0]]),)
    return entities_named(policies, text)
