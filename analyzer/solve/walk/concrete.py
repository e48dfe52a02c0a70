"""The walk of one packet through the network's records, there and back; of TCP also the third one, which opens the connection for who was asked, and
the one after it, with which who was asked answers in the open connection.

``walk`` is the entrance. The steps stand in internet.py (IP), resolution.py (neighbours), links.py and its companions (frames), tunnels.py,
underlay.py (what was not captured), delivery.py (who listens); the netfilter hooks in netfilter.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.model.later_packets import later_answers_differ
from analyzer.model.network import Interface, Network
from analyzer.model.reflecting import reflects
from analyzer.model.service_types import reflects_service
from analyzer.solve.packet import ACK, PICKED, SYN, TCP, Fate, Outcome, Packet, Trace
from analyzer.solve.walk import delivery, discovering, from_outside, internet, links, sockets, vrf
from analyzer.solve.walk.index import Identity, Space, WalkIndex, index_of
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.netfilter.state import FOREIGN_MAC
from analyzer.solve.walk.oracle import Oracle, explore, fate_of
from analyzer.solve.walk.route_answers import Query, Route
from analyzer.solve.walk.route_lookup import look_up
from analyzer.solve.walk.state import Answered, Delivered, Dropped, Ending, Endings, Frame, Left, Oversized, Undecided, Walk, best
from analyzer.source import Scope

REPLY = "the reply: "
OPENING = "the packet that ends the handshake: "
LATER = "the answer in the open connection: "


class Flow(NamedTuple):
    """A packet and where it starts: the namespace that sends it, or the interface by which it comes in from outside the capture.

    The packet's source 0 means: the address that the kernel chooses. ``unbound``: it has chosen the packet's, and keeps the route by which it did.
    ``tracked``: the packet may be of a connection that a namespace was captured with; else it is of a new one. ``served``: somebody listens
    wherever it arrives."""

    start: Scope | Interface
    packet: Packet
    unbound: bool = False
    tracked: bool = False
    served: bool = False


def walk(network: Network, flow: Flow) -> Trace:
    """What becomes of a flow: every way that the network may treat it."""
    index = index_of(network)
    packet = flow.packet
    if packet.protocol == TCP and not packet.tcp_flags:
        packet = packet._replace(tcp_flags=SYN)
    asked = flow._replace(packet=packet)
    outcomes = explore(lambda oracle: one_way(index, asked, oracle))
    return Trace(fate_of(outcomes), outcomes, sent(outcomes, packet))


def sent(outcomes: tuple[Outcome, ...], packet: Packet) -> Packet:
    """The packet with the source that it was sent with."""
    first = next((outcome.hops[0].packet for outcome in outcomes if outcome.hops and outcome.hops[0].stage == "send"), None)
    return first if first is not None and not packet.source else packet


def one_way(index: WalkIndex, flow: Flow, oracle: Oracle) -> Outcome:
    """One run: the request, who takes it, the reply."""
    state = Walk(index, oracle, followed=flow.tracked, served=flow.served)
    outcome = there_and_back(state, flow)
    if state.oversized is not None and outcome.reason.removeprefix(REPLY) == state.oversized.reason:
        outcome = noticed(index, flow, oracle, state.oversized, outcome)
    if oracle.picked:
        outcome = shown(outcome, oracle)
    state.surroundings.clear()  # They refer to the walk: without them it is freed at once, not when garbage is collected.
    return outcome


def noticed(index: WalkIndex, flow: Flow, oracle: Oracle, end: Oversized, outcome: Outcome) -> Outcome:
    """The outcome of a packet that was too long, with what its sender hears of it once short ones have made the connection."""
    state, sender = Walk(index, oracle, followed=flow.tracked, served=flow.served), flow.start
    there_and_back(state, flow._replace(packet=flow.packet._replace(size=None)))
    if outcome.reason.startswith(REPLY):
        places = {space.place: scope for scope, space in index.spaces.items()}
        sent = next((hop.place for hop in outcome.hops if hop.reply and hop.stage == "send"), "")
        sender = places.get(sent, sender)
    state.reply = state.later = False
    return outcome._replace(reason=f"{outcome.reason}; {discovering.heard(state, sender, end)}")


def shown(outcome: Outcome, oracle: Oracle) -> Outcome:
    """The outcome with a port wherever a kernel picked one at random."""
    seen = outcome.port_seen
    hops = tuple(hop if hop.packet is None else hop.left_by(with_ports(hop.packet, oracle)) for hop in outcome.hops)
    return outcome._replace(hops=hops, port_seen=None if seen is None else oracle.shown(seen))


def with_ports(packet: Packet, oracle: Oracle) -> Packet:
    """The packet with ports that can be shown."""
    ports = packet.source_port, packet.destination_port
    if max(ports) < PICKED:
        return packet
    return packet._replace(source_port=oracle.shown(ports[0]), destination_port=oracle.shown(ports[1]))


def there_and_back(state: Walk, flow: Flow) -> Outcome:
    """The request from where it starts, and what follows."""
    if isinstance(flow.start, Scope):
        space = state.space(flow.start)
        if flow.unbound and (ended := internet.routed_unbound(state, space, flow.packet)):
            return failed(state, best(ended), None)
        ready = internet.prepared(state, space, flow.packet)
        if not isinstance(ready, Packet):
            return failed(state, best(ready), None)
        flow = Flow(flow.start, ready, False, flow.tracked, flow.served)
    return concluded(state, flow, best(begun(state, flow)))


def begun(state: Walk, flow: Flow) -> Endings:
    """A packet from where its flow starts."""
    if isinstance(flow.start, Scope):
        return internet.originate(state, flow.start, flow.packet)
    doubt = from_outside.unheard(state, flow.start, flow.packet)
    return doubt or links.arrive(state, flow.start, entering(state.index, flow))


def entering(index: WalkIndex, flow: Flow) -> Frame:
    """The frame in which a packet comes in from outside: for the interface, or for the bridge that it is a port of."""
    assert isinstance(flow.start, Interface)
    space = index.spaces[flow.start.scope]
    link = space.links.get(flow.start.device)
    master = space.links.get(space.master_of(flow.start.device) or "")
    mac = master.mac if master is not None and space.is_bridge(master.name) else link.mac if link is not None else None
    return Frame(FOREIGN_MAC, mac or 0, HookPacket(flow.packet))


def concluded(state: Walk, flow: Flow, ending: Ending) -> Outcome:
    """The outcome of a request that ended so."""
    match ending:
        case Delivered() if answered_on_the_way(state, flow, ending):
            return by_the_network(state, flow, ending)
        case Delivered():
            return received(state, flow, ending)
        case Left():
            return gone(state, flow, ending)
        case _:
            return failed(state, ending, None)


def answered_on_the_way(state: Walk, flow: Flow, end: Delivered) -> bool:
    """Whether a ping came back as its answer: a switch's flows made one of it (the routers of OVN answer so for their own addresses)."""
    sent, came = flow.packet, end.at.packet
    answer = delivery.ANSWERS.get((sent.protocol, sent.icmp_type))
    return (
        answer is not None
        and end.scope == flow.start
        and came.icmp_type == answer
        and not delivery.mismatch(state, came, delivery.reply_to(sent))
    )


def by_the_network(state: Walk, flow: Flow, end: Delivered) -> Outcome:
    """The outcome of a ping that a switch answered, for whoever has its address."""
    sent = flow.packet
    target = Address(sent.family, sent.destination)
    holder = next(iter(state.index.network.owners.get(target, ())), None)
    who = delivery.receiver(state.index, holder.scope, sent) if holder is not None else None
    state.hops[:] = end.hops
    state.tell(end.scope, "deliver", f"a switch on the way has answered {sent}", None, end.at.packet)
    seen = Address(sent.family, sent.source)
    return Outcome(Fate.REACHABLE, who, seen, target, hops=tuple(state.hops), assumptions=tuple(state.assumptions))


def failed(state: Walk, ending: Ending, seen: Outcome | None, prefix: str = "") -> Outcome:
    """The outcome of a packet that was dropped, or of which it is not known what becomes."""
    base = seen or Outcome(Fate.UNREACHABLE)
    given = tuple(state.assumptions)
    match ending:
        case Undecided(reason, at, settle, hops):
            return base._replace(fate=Fate.UNKNOWN, reason=prefix + reason, at=at, settle=settle, hops=hops, assumptions=given)
        case Dropped(reason, at, _, hops, place):
            last = place or (hops[-1].place if hops else "")
            ended = (*hops, delivery.hop(last, "drop", reason, at, state.reply))
            return base._replace(fate=Fate.UNREACHABLE, reason=prefix + reason, at=at, hops=ended, assumptions=given)
        case Delivered() | Left() | Answered():
            return base._replace(fate=Fate.UNREACHABLE, reason=prefix + "ended elsewhere", hops=ending.hops, assumptions=given)


def gone(state: Walk, flow: Flow, ending: Left) -> Outcome:
    """A request that left the capture: reachable, as far as the capture goes."""
    load = ending.load
    packet = load.packet if isinstance(load, HookPacket) else flow.packet
    target = Address(packet.family, packet.destination)
    state.assume(f"{target} is outside the capture, is there and answers; the reply was not walked")
    sent = flow.packet
    return Outcome(
        Fate.REACHABLE,
        "outside",
        Address(packet.family, packet.source),
        target,
        packet.destination_port or None,
        packet.source != sent.source,
        packet.destination != sent.destination,
        hops=ending.hops,
        assumptions=tuple(state.assumptions),
    )


def received(state: Walk, flow: Flow, end: Delivered) -> Outcome:
    """A request that arrived: is it taken, and does the reply come back?"""
    packet, sent = end.at.packet, flow.packet
    state.hops[:] = end.hops
    taken = sockets.of_tunnel(state, end) or delivery.taken(state, end)
    seen = Outcome(
        Fate.REACHABLE,
        delivery.receiver(state.index, end.scope, packet),
        Address(packet.family, packet.source),
        Address(packet.family, packet.destination),
        packet.destination_port or None,
        packet.source != sent.source,
        (packet.destination, packet.destination_port) != (sent.destination, sent.destination_port),
    )
    if taken is not None:
        return failed(state, taken, seen)
    state.tell(end.scope, "deliver", f"{packet} is delivered to {seen.delivered_to}", None, packet)
    return answered(state, flow, end, seen)


def answered(state: Walk, flow: Flow, end: Delivered, seen: Outcome) -> Outcome:
    """The reply's way, back to who asked."""
    if (unsent := sockets.unanswerable(state, end)) is not None:
        return failed(state, unsent, seen, REPLY)
    found = back(state, flow, reply_of(state, end), end.scope, seen, REPLY)
    return found if found.fate is not Fate.REACHABLE else opened(state, flow, end, found)


def reply_of(state: Walk, end: Delivered) -> Packet:
    """What the receiver of a request sends back, with its mark and its type of service where the host reflects them."""
    packet, space = end.at.packet, state.space(end.scope)
    reply = delivery.reply_to(packet)
    if packet.mark and reflects(space.namespace, packet.protocol):
        reply = reply.with_mark(packet.mark)
    if reflects_service(space.namespace, packet.protocol):
        reply = reply._replace(service=packet.service)
    bound(state, space, reply, end.device)
    return reply


def bound(walk: Walk, space: Space, packet: Packet, device: str) -> None:
    """An answer to a link-local address goes by the device at which was asked (``ir_iif`` of a TCP socket, ``sin6_scope_id``, ``icmpv6_echo_reply``),
    one to what came in by a VRF by that."""
    if (own := vrf.answering(space, packet, device)) != "":
        internet.keep(walk, space, packet, look_up(walk, space, Query.of(packet, out_device=own)))
    elif packet.family == 6 and packet.destination >> 118 == internet.LINK_LOCAL:
        found = look_up(walk, space, Query.of(packet, out_device=device))
        internet.keep(walk, space, packet, found if isinstance(found, Route) else None)


def back(state: Walk, flow: Flow, packet: Packet, by: Scope, seen: Outcome, prefix: str) -> Outcome:
    """The way of an answer to who asked, who has to know it for one."""
    state.reply = True
    ending = best(internet.originate(state, by, packet))
    wanted = delivery.reply_to(flow.packet)
    match ending:
        case Delivered(scope, _, at, hops) if scope == flow.start:
            reason = delivery.mismatch(state, at.packet, wanted) or vrf.unknown_to(state.space(scope), ending)
        case Left(_, HookPacket() as at, hops) if isinstance(flow.start, Interface):
            reason = delivery.mismatch(state, at.packet, wanted)
        case Delivered(scope, _, _, hops):
            reason = f"is delivered to {scope}, which did not ask"
        case Left(way, _, hops):
            reason = f"leaves the capture by {way}"
        case _:
            return failed(state, ending, seen, prefix)
    if reason:
        words = f"{prefix.removesuffix(': ')} {reason}"
        return seen._replace(fate=Fate.UNREACHABLE, reason=words, hops=hops, assumptions=tuple(state.assumptions))
    return seen._replace(hops=hops)


def opened(state: Walk, flow: Flow, end: Delivered, seen: Outcome) -> Outcome:
    """TCP's third packet, without which who was asked takes the connection for none: it passes the same hooks as what follows it, in an
    ESTABLISHED connection. Its way is told where it does not arrive."""
    if flow.packet.protocol != TCP:
        return seen._replace(assumptions=tuple(state.assumptions))
    state.reply, state.hops[:] = False, seen.hops
    third = Flow(flow.start, flow.packet.with_flags(ACK), flow.unbound, flow.tracked, flow.served)
    ending = best(begun(state, third))
    match ending:
        case Delivered(scope, _, at, hops) if scope != end.scope or ends(at.packet, state) != ends(end.at.packet, state):
            reason = f"{OPENING}is delivered to {scope} as {at.packet}"
            return seen._replace(fate=Fate.UNREACHABLE, reason=reason, hops=hops, assumptions=tuple(state.assumptions))
        case Delivered():
            return kept_up(state, flow, end, seen)
        case Left(by, _, hops):
            reason = f"{OPENING}leaves the capture by {by}"
            return seen._replace(fate=Fate.UNREACHABLE, reason=reason, hops=hops, assumptions=tuple(state.assumptions))
        case _:
            return failed(state, ending, seen, OPENING)


def kept_up(state: Walk, flow: Flow, end: Delivered, seen: Outcome) -> Outcome:
    """What who was asked sends in the open connection, with ACK alone: it is followed where something could tell it from the first answer, and
    its way is told where it does not arrive."""
    if told_apart(Identity(state.index.network)) or any(own.strayed for own in state.connections.values()):
        state.later, state.hops[:] = True, seen.hops
        packet = reply_of(state, end).with_flags(ACK)
        found = back(state, flow, packet, end.scope, seen, LATER)
        if found.fate is not Fate.REACHABLE:
            return found
    return seen._replace(assumptions=tuple(state.assumptions))


@lru_cache(maxsize=4)
def told_apart(key: Identity) -> bool:
    """Whether rules of a network may treat later answers unlike the first."""
    return later_answers_differ(key.network)


def ends(packet: Packet, state: Walk) -> tuple[int, int, int, int]:
    """The addresses and ports of a packet."""
    known = state.oracle.known
    return packet.source, known(packet.source_port), packet.destination, known(packet.destination_port)
