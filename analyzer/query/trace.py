"""One packet from endpoint to endpoint: the question, the answer, and its JSON form (``analyze trace``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.model.services import untranslated
from analyzer.query.endpoints import OUTSIDE, Endpoint, endpoints, entrance
from analyzer.query.tracked import noted, supposed
from analyzer.solve.packet import ICMP, ICMPV6, PICKED, PROTOCOL_NAMES, SCTP, TCP, UDP, Fate, Hop, Outcome, Packet, Trace
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.solve.walk.oracle import fate_of
from analyzer.source import Span

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile

NUMBERS = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP, "ICMP": ICMP, "ICMPV6": ICMP}
EPHEMERAL = 40000
ECHO = {4: (ICMP, 8), 6: (ICMPV6, 128)}


@dataclass(frozen=True, slots=True)
class Question:
    """Who sends what to whom, by name. ``protocol`` empty: TCP with a port, a ping without. ``size`` in bytes of IP payload, with Don't Fragment.
    ``source_port`` (of a ping the identifier): given, the packet is of the connection that a node tracks already with it, if one does; 0: it opens a
    new one. ``enter``: ``node:NAME/INTERFACE``, for a packet from outside."""

    source: str
    target: str
    protocol: str = ""
    port: int = 0
    source_port: int = 0
    size: int | None = None
    enter: str = ""


def trace(network: Network, question: Question, profile: Profile | None = None) -> Trace:
    """What becomes of the packet; of each, where an endpoint is many. ValueError when the question cannot be understood.

    Where no node state is given, or a secondary network is asked about, policies and services decide, as the profile reads them."""
    if not network.namespaces or (profile is not None and profile.network):
        from analyzer.query.policies import profile_of
        from analyzer.query.policy_trace import policy_trace

        protocol, port = asked_for(question)
        return policy_trace(network, question.source, question.target, protocol, port, profile or profile_of(network))
    sources, targets = endpoints(network, question.source), endpoints(network, question.target)
    traces = [one(network, question, source, target) for source in sources for target in targets if source != target]
    if not traces:
        traces = [one(network, question, sources[0], targets[0])]
    if len(traces) == 1:
        return traces[0]
    outcomes = tuple(dict.fromkeys(outcome for found in traces for outcome in found.outcomes))
    return Trace(fate_of(outcomes), outcomes, traces[0].packet)


def one(network: Network, question: Question, source: Endpoint, target: Endpoint) -> Trace:
    """The trace between two endpoints."""
    protocol, port = service_port(network, question, target)
    packet = packet_for(question, source, target, protocol, port)
    if source.service is not None:
        raise ValueError(f"{question.source!r} is a service: it does not send")
    if source.scope is None and not source.outside:
        return unknown(source.why, packet)
    start = source.scope or entrance(network, question.enter, Address(packet.family, packet.destination))
    flow = Flow(start, packet, tracked=bool(question.source_port))
    found = supposed(network, walk(network, flow)) if flow.tracked else noted(network, flow, walk(network, flow))
    return found if target.service is None or target.exact else of_service(network, found)


def of_service(network: Network, found: Trace) -> Trace:
    """Who asks for a service by its name wants its endpoints: its address has nobody else."""
    outcomes = tuple(within(network, outcome, found.packet) for outcome in found.outcomes)
    return found if outcomes == found.outcomes else Trace(fate_of(outcomes), outcomes, found.packet)


def within(network: Network, outcome: Outcome, packet: Packet | None) -> Outcome:
    """The outcome; where the packet left the capture for the service's address, that it went nowhere."""
    asked = Address(packet.family, packet.destination) if packet is not None else None
    if asked is None or outcome.delivered_to != "outside" or outcome.destination_seen != asked:
        return outcome
    why = untranslated(network, outcome.hops[-1].place.partition("/")[0], asked)
    fate = Fate.UNKNOWN if why.at is None else Fate.UNREACHABLE
    kept = tuple(text for text in outcome.assumptions if not text.startswith(f"{asked} is outside"))
    settle = "" if why.at is not None else "what takes the place of kube-proxy's iptables rules on the node"
    return Outcome(fate, reason=why.reason, at=why.at, hops=outcome.hops, assumptions=kept, settle=settle)


def unknown(why: str, packet: Packet) -> Trace:
    """A packet of which nothing can be said, since its sender was not captured."""
    outcome = Outcome(Fate.UNKNOWN, reason=why, settle="ip_-d_addr, ip_route and iptables-save of that namespace")
    return Trace(Fate.UNKNOWN, (outcome,), packet)


def service_port(network: Network, question: Question, target: Endpoint) -> tuple[int, int]:
    """Protocol and port: as asked, else a service's first, else a ping."""
    if not question.port and not question.protocol and target.service is not None:
        ports = network.cluster.services[target.service].ports
        if ports:
            return ports[0].protocol, ports[0].port
    return asked_for(question)


def asked_for(question: Question) -> tuple[int, int]:
    """Protocol and port that are asked for; ICMP where none is."""
    name = question.protocol.upper()
    if name and name not in NUMBERS:
        raise ValueError(f"the protocol {question.protocol!r} is not known")
    if not 0 <= question.port <= 65535 or not 0 <= question.source_port <= 65535:
        raise ValueError("a port is a number from 0 to 65535")
    protocol = NUMBERS[name] if name else TCP if question.port else ICMP
    if protocol in (TCP, UDP, SCTP) and not question.port:
        raise ValueError(f"{PROTOCOL_NAMES[protocol]} wants a port")
    return protocol, question.port


def packet_for(question: Question, source: Endpoint, target: Endpoint, protocol: int, port: int) -> Packet:
    """The packet: in the first family that both ends have."""
    destination = common(question, source, target)
    family = destination.family
    chosen = next((item for item in source.addresses if item.family == family), OUTSIDE[family])
    origin = chosen.value if source.outside or source.exact else 0
    if protocol == ICMP:
        number, kind = ECHO[family]
        return Packet(family, origin, destination.value, number, question.source_port or 1, 0, kind, size=question.size)
    return Packet(family, origin, destination.value, protocol, question.source_port or EPHEMERAL, port, size=question.size)


def common(question: Question, source: Endpoint, target: Endpoint) -> Address:
    """The target's address in a family that the source has too."""
    if not target.addresses:
        raise ValueError(f"{question.target!r} has no address in the input")
    families = {item.family for item in source.addresses} or {4, 6}
    for item in sorted(target.addresses, key=lambda item: item.family) if target.outside else target.addresses:
        if item.family in families:
            return item
    return target.addresses[0]


def answer_line(network: Network, line: str, profile: Profile | None = None) -> dict[str, Any]:
    """The answer to one line of a batch; ``{"error": …}`` when it cannot be understood."""
    try:
        return as_object(trace(network, question_of(line), profile))
    except (ValueError, RecursionError) as problem:
        return {"error": str(problem) or "the question cannot be understood"}


def question_of(line: str) -> Question:
    """The question that a line of JSON asks. ValueError when it asks none."""
    given = json.loads(line)
    if not isinstance(given, dict):
        raise ValueError('a question is an object such as {"from": "default/a", "to": "default/b", "port": 80}')
    source, target = given.get("from"), given.get("to")
    if not isinstance(source, str) or not isinstance(target, str):
        raise ValueError('a question has "from" and "to", both texts')
    protocol, enter = given.get("protocol") or "", given.get("enter") or ""
    if not isinstance(protocol, str) or not isinstance(enter, str):
        raise ValueError('"protocol" and "enter" are texts')
    size = given.get("size")
    return Question(
        source,
        target,
        protocol,
        number(given, "port"),
        number(given, "source_port"),
        number(given, "size") if size is not None else None,
        enter,
    )


def number(given: dict[str, Any], key: str) -> int:
    """A field that is a number, or its text; 0 where it is absent."""
    value = given.get(key)
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1 << 20:
        raise ValueError(f'"{key}" is a number')
    return value


def as_object(found: Trace) -> dict[str, Any]:
    """A trace as CONTRACT describes it for ``trace --batch``."""
    return {
        "verdict": found.fate.value,
        "outcomes": [outcome_object(outcome) for outcome in found.outcomes],
        "assumptions": list(found.assumptions),
    }


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """One outcome."""
    result: dict[str, Any] = {
        "verdict": outcome.fate.value,
        "delivered_to": outcome.delivered_to,
        "source_seen": str(outcome.source_seen) if outcome.source_seen else None,
        "destination_seen": str(outcome.destination_seen) if outcome.destination_seen else None,
        "port_seen": outcome.port_seen if outcome.port_seen is None or outcome.port_seen < PICKED else None,
        "translated": {"source": outcome.source_translated, "destination": outcome.destination_translated},
        "reason": outcome.reason,
        "at": place(outcome.at),
        "hops": [hop_object(hop) for hop in outcome.hops],
    }
    return {**result, "settle": outcome.settle} if outcome.settle else result


def hop_object(hop: Hop) -> dict[str, Any]:
    """One hop; ``reply`` marks the way back."""
    result: dict[str, Any] = {"place": hop.place, "stage": hop.stage, "what": hop.what, "at": place(hop.at)}
    return {**result, "reply": True} if hop.reply else result


def place(at: Span | None) -> dict[str, Any] | None:
    """Path and line; None for what the kernel has by itself."""
    return None if at is None or at.path.startswith("(") else {"path": at.path, "line": at.line}
