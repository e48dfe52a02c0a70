"""A flow that shows a change: the most ordinary one, decided on both sides by the plain reading of policies, with the lines that decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.policy.atoms import Atoms
from analyzer.policy.decision import Decision, Step, decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind
from analyzer.policy.tiers import Action, Direction, Policy, Rule
from analyzer.query.differences.opaque import opaque
from analyzer.query.ends import name_of_one
from analyzer.source import Span

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}
ORDER = (6, 17, 132)
USUAL = (80, 443, 53, 8080)
EPHEMERAL = 40000
# What hosts outside have begins here: behind 0.0.0.0/8, and with 2000::/3 (RFC 4291).
REST = {4: Prefix(4, 1 << 24, 8), 6: Prefix(6, 1 << 125, 3)}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that decides; ``text`` says what it is and what it does."""

    at: Span
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of the flow: True admitted, False denied, None not known; and why. ``present`` False: an end is not there."""

    admitted: bool | None
    reason: str
    lines: tuple[Line, ...] = ()
    present: bool = True

    @property
    def word(self) -> str:
        """The answer in a word."""
        if not self.present:
            return "not there"
        return {True: "allowed", False: "denied", None: "unknown"}[self.admitted]


@dataclass(frozen=True, slots=True)
class Witness:
    """A flow and what becomes of it on both sides. Addresses are None where they are not known."""

    source: str
    destination: str
    source_address: Address | None
    destination_address: Address | None
    flow: Flow
    old: Side
    new: Side

    @property
    def protocol(self) -> str:
        """The protocol's name, or its number."""
        return PROTOCOLS.get(self.flow.protocol, f"protocol {self.flow.protocol}")

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination} {port_text(self.protocol, self.flow)}"


def port_text(protocol: str, flow: Flow) -> str:
    """Protocol and port, or type and code."""
    if flow.protocol in (1, 58):
        return f"{protocol} type {flow.port >> 8} code {flow.port & 255}"
    return f"{protocol} {flow.port}" if flow.protocol in ORDER else protocol


def flow_in(atoms: Atoms, mask: int, family: int, destination: Entity) -> Flow:
    """The most ordinary flow of a set: TCP before UDP, a port that the destination names, a usual one, the lowest."""
    choices = sorted(boxes(atoms, mask), key=lambda item: rank(item[0], family))
    first = rank(choices[0][0], family)
    best = [item for item in choices if rank(item[0], family) == first]
    protocol = first[1]
    own = [port.port for port in destination.ports if port.protocol == protocol]
    usual = [8 << 8] if protocol == 1 else [128 << 8] if protocol == 58 else [*own, *USUAL]
    for port in usual:
        for _, (low, high), sources in best:
            if low <= port <= high:
                return Flow(family, protocol, port, source_port(sources))
    _, (low, high), sources = min(best, key=lambda item: item[1])
    return Flow(family, protocol, min(max(low, 1), high), source_port(sources))


def boxes(atoms: Atoms, mask: int) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """The boxes of a set: protocols, ports, source ports."""
    for box in atoms.boxes_of(mask):
        for destinations in box.destinations:
            for sources in box.sources:
                yield box.protocols[0], destinations, sources


def rank(protocols: tuple[int, int], family: int) -> tuple[int, int]:
    """Where protocols stand: those with ports first, then pings; with the protocol to take."""
    low, high = protocols
    ping = 1 if family == 4 else 58
    for place, number in enumerate((*ORDER, ping)):
        if low <= number <= high:
            return place, number
    return len(ORDER) + 1, low


def source_port(sources: tuple[int, int]) -> int:
    """A source port in the range: an ephemeral one where that is in it."""
    low, high = sources
    return EPHEMERAL if low <= EPHEMERAL <= high else max(low, 1) if high else 0


def address_of(entity: Entity, family: int) -> Address | None:
    """The address that the flow has at an end; of a network outside, one of its first that a host can have."""
    own = [item for item in entity.addresses if item.family == family]
    if own or entity.kind is not Kind.OUTSIDE:
        return own[0] if own else None
    blocks = [block for block in entity.blocks if block.family == family]
    rest = REST[family].value
    usual = [block for block in blocks if block.last > rest]
    if not blocks:
        return None
    block = (usual or blocks)[0]
    first = rest if block.value < rest <= block.last else block.value
    return Address(family, first + (1 if WIDTH[family] - block.length > 1 else 0))


def side(policies: PolicySet, source: Entity | None, destination: Entity | None, flow: Flow) -> Side:
    """What one side decides, with the lines."""
    if source is None or destination is None:
        return Side(False, "not there", present=False)
    decision = decide(policies, source, destination, flow)
    if decision.exempt:
        return Side(True, decision.exempt)
    reasons, lines = [], []
    for direction in (Direction.EGRESS, Direction.INGRESS):
        last = deciding(decision, direction)
        for step in last:
            subject = source if direction is Direction.EGRESS else destination
            text, more = explained(policies, subject, flow.family, step)
            reasons.append(text)
            lines += more
    reason = "; ".join(dict.fromkeys(reasons)) or "no policy selects either end"
    return Side(decision.admitted, reason, tuple(dict.fromkeys((*nearly(decision), *lines))))


def nearly(decision: Decision) -> Iterator[Line]:
    """The rules that would admit a flow that is denied, were it to another port."""
    for near in decision.near if decision.admitted is False else ():
        denied = any(step.direction is near.direction and step.action is Action.DENY for step in decision.steps)
        if denied and near.missed == "port" and near.rule.action is Action.ALLOW:
            yield Line(near.rule.at, f"{near.policy}: this rule of {near.direction} allows other ports")


def deciding(decision: Decision, direction: Direction) -> list[Step]:
    """The steps that decide in a direction: where the flow is denied only those that deny it, where it is admitted those that admit it; of them those
    that do so for sure, where there are any."""
    steps = [step for step in decision.steps if step.direction is direction and step.action is not Action.PASS]
    if decision.admitted is None:
        return [step for step in steps if step.rule is not None or step.action is Action.DENY]
    wanted = Action.ALLOW if decision.admitted else Action.DENY
    found = [step for step in steps if step.action is wanted and (step.policy is not None or wanted is Action.DENY)]
    return [step for step in found if step.certain] or found


def explained(policies: PolicySet, subject: Entity, family: int, step: Step) -> tuple[str, list[Line]]:
    """A step in words, and its lines: those of the rule; at the end of a tier, of the policies that isolate the subject."""
    perhaps = "" if step.certain else "perhaps "
    verb = {Action.ALLOW: "allows", Action.DENY: "denies"}[step.action]
    if step.policy is not None and step.rule is not None and perhaps:
        text = f"whether {step.policy} applies to {step.direction} is not known{doubts(step.policy, step.rule)}"
        return text, [Line(step.rule.at, f"{step.policy}: not known whether it applies")]
    if step.policy is not None and step.rule is not None:
        text = f"{step.direction} of {step.policy} {verb} it"
        return text, [Line(step.rule.at, f"{step.policy}: this rule of {step.direction} {verb} it")]
    tiers = zip(policies.tiers(), policies.selecting(subject, family, step.direction), strict=True)
    isolating = [item.policy for tier, found in tiers for item in found if tier.name == step.tier and item.rules.isolates]
    names = ", ".join(dict.fromkeys(map(str, isolating[:3]))) + (f" and {len(isolating) - 3} more" if len(isolating) > 3 else "")
    if not isolating:
        return f"what no tier decides is {perhaps}denied in {step.plane}", []
    what = f"{perhaps}selects {name_of_one(subject)} and has no rule of {step.direction} for it"
    lines = [Line(policy.at, f"{policy} {what}") for policy in isolating]
    isolates = "isolates" if len(isolating) == 1 else "isolate"
    return f"no rule of {step.direction} admits it; {names} {perhaps}{isolates} {name_of_one(subject)}", lines


def doubts(policy: Policy, rule: Rule) -> str:
    """What is not known about a rule."""
    terms = (policy.subject, rule.peer, rule.own, rule.traffic)
    texts = dict.fromkeys(leaf.text for term in terms for leaf in opaque(term))
    return f": {'; '.join(texts)}" if texts else ""
