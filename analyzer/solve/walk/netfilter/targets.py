"""What a rule's target does to the packet and its connection, after the kernel's xt_*.c and nf_nat_*.c."""

from __future__ import annotations

from analyzer.addresses import Address, network_mask
from analyzer.facts.netfilter import (
    ChangeSet,
    CopyMark,
    Masquerade,
    NetworkMap,
    NfRule,
    NoTrack,
    Queue,
    Redirect,
    Reject,
    SetMark,
    SetService,
    SetTimeToLive,
    Target,
    Translate,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.model.queues import Handed, asked, handed, settle
from analyzer.model.sockets import taken_by_proxy
from analyzer.ranges import Ranges
from analyzer.solve.packet import ACK, ICMP, ICMPV6, PICKED, SYN, TCP, UDP
from analyzer.solve.walk.netfilter.guess import change
from analyzer.solve.walk.netfilter.state import NO_FLOW, Connection, ConntrackZone, Flow, Hook, Judgement, Tracked
from analyzer.solve.walk.netfilter.tracking import WITH_PORTS, bind, flow_of, used
from analyzer.solve.walk.netfilter.visit import ACCEPTED, Stop, Visit

LOCALHOST = {4: 0x7F000001, 6: 1}
FEW = 16
ANSWER = SYN | ACK
"""So many addresses of a range are each tried; of more, the first stands for all."""


def apply(target: Target, rule: NfRule, where: str, visit: Visit) -> Stop | None:
    """Does what the target says; None when the next rule is to be looked at. ``where`` names the rule in words."""
    match target:
        case Verdict("ACCEPT"):
            visit.tell(f"accepted by {where}", rule.at)
            return ACCEPTED
        case Verdict("DROP"):
            return Stop(Judgement.DROPPED, f"dropped by {where}", rule.at)
        case Reject(answer):
            return Stop(Judgement.REJECTED, f"rejected by {where} with {answer}", rule.at, answer)
        case SetMark() | CopyMark():
            marked(target, rule, where, visit)
            return None
        case SetTimeToLive():
            after = target.after(visit.packet.ttl)
            visit.packet = visit.packet._replace(ttl=after)
            visit.tell(f"{where}: the TTL becomes {after}", rule.at)
            return None
        case SetService():
            service(target, rule, where, visit)
            return None
        case Translate() | Masquerade() | Redirect() | NetworkMap():
            return translated(target, rule, where, visit)
        case ChangeSet(added, removed):
            for given, adds in ((added, True), (removed, False)):
                if given is not None:
                    change(*given, adds, visit)
            return None
        case NoTrack() | Zone():
            return untracked(target, rule, where, visit)
        case TransparentProxy():
            return proxied(target, rule, where, visit)
        case Queue():
            return queued(target, rule, where, visit, visit.table == "nat")
        case UnknownTarget(text):
            return not_known(text, rule, where, visit)
        case _:
            return None


def not_known(text: str, rule: NfRule, where: str, visit: Visit) -> Stop | None:
    """A target that is not modelled: the packet passes unchanged, or nobody knows."""
    words = f"{visit.place}: {where} ({text}) lets the packet pass unchanged"
    if visit.oracle.test(words, rule.at, "the target is not modelled"):
        return None
    return Stop(
        Judgement.UNKNOWN, f"{where} ({text}) may drop or change the packet", rule.at, settle="the target is not modelled"
    )


def queued(target: Queue, rule: NfRule, where: str, visit: Visit, translating: bool) -> Stop | None:
    """xt_NFQUEUE.c, nft_queue.c: who listens decides, and where nobody does, whether the rule bypasses."""
    space = visit.sets.namespace
    ways = handed(space, target, translating)
    match ways[visit.oracle.choose(len(ways), f"{visit.place}: {where} hands the packet to {target}", rule.at)]:
        case Handed.LOST:
            return Stop(Judgement.DROPPED, f"dropped by {where}: nobody takes packets from {target}", rule.at)
        case Handed.BYPASSED:
            visit.tell(f"accepted by {where}: nobody listens on {target}, and the rule has bypass", rule.at)
            return ACCEPTED
        case Handed.OPEN:
            words = f"{visit.place}: {where}: {asked(space, target)} lets the packet pass unchanged"
            if visit.oracle.test(words, rule.at, settle(space)):
                return ACCEPTED
            reason = words.replace("lets the packet pass unchanged", "may drop or change the packet")
            return Stop(Judgement.UNKNOWN, reason, rule.at, settle=settle(space))


def marked(target: SetMark | CopyMark, rule: NfRule, where: str, visit: Visit) -> None:
    """xt_mark.c ``mark_tg``, xt_connmark.c ``connmark_tg``."""
    connection, packet = visit.connection, visit.packet
    match target:
        case SetMark(value, mask, False):
            visit.packet = packet.with_mark((packet.mark & ~mask) ^ value)
            visit.tell(f"{where}: the mark becomes {visit.packet.mark:#x}", rule.at)
        case SetMark(value, mask) if connection:
            change_mark(visit, connection, (connection.mark & ~mask) ^ value, rule, where)
        case CopyMark(True, packet_mask, connection_mask) if connection:
            mark = (connection.mark & ~connection_mask) ^ (packet.mark & packet_mask)
            change_mark(visit, connection, mark, rule, where)
        case CopyMark(False, packet_mask, connection_mask) if connection:
            visit.packet = packet.with_mark((packet.mark & ~packet_mask) ^ (connection.mark & connection_mask))
            visit.tell(f"{where}: the mark becomes {visit.packet.mark:#x}, from the connection", rule.at)
        case _:
            pass


def service(target: SetService, rule: NfRule, where: str, visit: Visit) -> None:
    """xt_DSCP.c ``tos_tg`` and ``dscp_tg``, nft_payload.c."""
    if target.family in (None, visit.packet.family):
        after = target.after(visit.packet.service)
        visit.packet = visit.packet._replace(service=after)
        text = f"becomes {after:#x}" if after is not None else "becomes one that is not known"
        visit.tell(f"{where}: the type of service {text}", rule.at)


def change_mark(visit: Visit, connection: Connection, mark: int, rule: NfRule, where: str) -> None:
    """Marks the connection."""
    visit.change_connection(connection._replace(mark=mark & 0xFFFFFFFF))
    visit.tell(f"{where}: the connection's mark becomes {mark & 0xFFFFFFFF:#x}", rule.at)


def untracked(target: NoTrack | Zone, rule: NfRule, where: str, visit: Visit) -> Stop | None:
    """xt_CT.c ``xt_ct_target``: only a packet that has neither connection nor template; a zone is carried by a template, which raw's later rules see."""
    if visit.tracked is not None:
        return None
    if isinstance(target, NoTrack):
        visit.tracked = Tracked("UNTRACKED")
        visit.tell(f"{where}: the packet is not tracked", rule.at)
        return None
    visit.zone = target
    visit.tracked = Tracked("NEW", Connection(NO_FLOW, NO_FLOW, zone=ConntrackZone(target.number or 0, target.direction)))
    return None


def proxied(target: TransparentProxy, rule: NfRule, where: str, visit: Visit) -> Stop | None:
    """xt_TPROXY.c ``tproxy_tg4``: TCP and UDP only; whether somebody listens there is the caller's question. An answer is for who asked, whose socket is an
    ordinary one, or is no opening for the proxy's: it is lost. The socket of a packet that br_netfilter passes to the hook is lost where the bridge gives it to
    IP (``skb_orphan`` of net/ipv4/ip_input.c ``ip_rcv_core``)."""
    if visit.packet.protocol not in (TCP, UDP):
        return Stop(Judgement.DROPPED, f"dropped by {where}: TPROXY takes TCP and UDP only", rule.at)
    if (visit.tracked is not None and visit.tracked.reply) or visit.packet.tcp_flags & ANSWER == ANSWER:
        return Stop(Judgement.DROPPED, f"dropped by {where}: TPROXY has no transparent socket for an answer", rule.at)
    visit.packet = visit.packet.with_mark((visit.packet.mark & ~target.mask) ^ target.mark)
    if visit.at.physical_in:
        visit.tell(f"{where}: the packet comes over a bridge, which loses the local socket on port {target.port}", rule.at)
        return ACCEPTED
    visit.assumptions.append(taken_by_proxy(visit.sets.namespace, target.port))
    visit.at = visit.at._replace(socket=(target.address, target.port))
    visit.connections.proxied.add(flow_of(visit.packet))
    visit.tell(f"{where}: goes to the local socket on port {target.port}", rule.at)
    return ACCEPTED


def translated(target: Translate | Masquerade | Redirect | NetworkMap, rule: NfRule, where: str, visit: Visit) -> Stop | None:
    """Decides this side of the connection; the packet itself is changed at the end of the hook."""
    connection = visit.connection
    if connection is None:
        return None
    destination = visit.hook in (Hook.PREROUTING, Hook.OUTPUT)
    before = connection.reply.inverse
    if isinstance(target, Masquerade) and before.source == 0:
        return ACCEPTED
    addresses = addresses_of(target, before, destination, visit)
    if addresses == "none":
        return without_address(rule, where, visit)
    wanted = before
    if isinstance(addresses, tuple):
        value = pick(addresses, rule, where, visit)
        wanted = wanted.sent_to(value, wanted.destination_port) if destination else wanted.sent_from(value, wanted.source_port)
    shift = target if isinstance(target, Translate) and target.base is not None and wanted.protocol in WITH_PORTS else None
    if shift is not None and destination:
        wanted = shifted(wanted, shift, visit)
    elif not isinstance(target, NetworkMap):
        wanted = with_port(wanted, target.ports, target.random, destination, connection, visit)
    visit.change_connection(bind(connection, destination, wanted, visit.connections))
    visit.tell(f"{where}: {words(before, wanted, destination, visit)}", rule.at)
    return ACCEPTED


def shifted(wanted: Flow, target: Translate, visit: Visit) -> Flow:
    """The tuple with the port that is as far into the range as the old one is behind the base; of one that was picked at random any."""
    old = wanted.destination_port
    port = target.shifted(old) if old < PICKED else visit.oracle.pick((target.ports or (0, 0xFFFF),), old)
    return wanted._replace(destination_port=port)


def without_address(rule: NfRule, where: str, visit: Visit) -> Stop:
    """No address is known that the packet could be translated to."""
    reason = f"dropped by {where}: the device has no address to translate to"
    lost = visit.sets.namespace.missing.get("ip-addr")
    if lost is None:
        return Stop(Judgement.DROPPED, reason, rule.at)
    return Stop(Judgement.UNKNOWN, f"whether the packet is {reason} is not known ({lost})", rule.at, settle=lost)


def words(before: Flow, after: Flow, destination: bool, visit: Visit) -> str:
    """What is translated."""
    side = "destination" if destination else "source"
    address = Address(visit.packet.family, after.destination if destination else after.source)
    port = after.destination_port if destination else after.source_port
    old = before.destination_port if destination else before.source_port
    brackets = f"[{address}]" if address.family == 6 else str(address)
    if port >= PICKED:
        return f"the {side} becomes {address}, with a port that is picked at random"
    return f"the {side} becomes {brackets}:{port}" if port != old else f"the {side} becomes {address}"


def addresses_of(
    target: Translate | Masquerade | Redirect | NetworkMap, flow: Flow, destination: bool, visit: Visit
) -> tuple[int, int] | str | None:
    """The addresses that a target translates to; None when the address stays, ``none`` when there is none to take."""
    match target:
        case Translate(_, addresses):
            return addresses
        case NetworkMap(to):
            mask = network_mask(to.family, to.length)
            value = to.value | ((flow.destination if destination else flow.source) & ~mask)
            return value, value
        case Masquerade():
            packet, at = visit.packet, visit.at
            hop = packet.destination if at.next_hop is None or packet.family == 6 else at.next_hop
            found = visit.surroundings.source_for(at.out_device, hop)
        case Redirect():
            here = visit.hook is Hook.OUTPUT
            found = LOCALHOST[visit.packet.family] if here else visit.surroundings.first_address(visit.at.in_device)
    return "none" if found is None else (found, found)


def pick(addresses: tuple[int, int], rule: NfRule, where: str, visit: Visit) -> int:
    """One address of a range: the kernel's choice by a hash (``find_best_ips_proto``)."""
    low, high = addresses
    if low == high:
        return low
    count = high - low + 1
    if count > FEW:
        visit.assumptions.append(
            f"{where} translates to one of {count} addresses; {Address(visit.packet.family, low)} stands for all"
        )
        return low
    return low + visit.oracle.choose(count, f"{visit.place}: {where} picks one of {count} addresses", rule.at)


def with_port(
    wanted: Flow, ports: tuple[int, int] | None, random: bool, destination: bool, connection: Connection, visit: Visit
) -> Flow:
    """The tuple with the port that it gets (nf_nat_core.c ``get_unique_tuple``, ``nf_nat_l4proto_unique_tuple``).

    A port that is in the range, or that no range is given for, stays unless ``--random`` or ``--random-fully`` is said. Else a destination gets
    the first port of the range, at random any; without a range it stays. A source gets any of the range, without one any of its class, as
    an ICMP identifier does. That a port which stays may clash with a connection from elsewhere is ``unique``'s part, for what the walk knows."""
    ping = wanted.protocol in (ICMP, ICMPV6)
    if wanted.protocol not in WITH_PORTS and (destination or not ping):
        return wanted
    old = wanted.destination_port if destination else wanted.source_port
    if ports is None and (destination or not random):
        return wanted
    if ports is None:
        port = visit.oracle.pick(class_of(old, ping, visit), old)
    elif ports[0] == ports[1]:
        port = ports[0]
    elif not random and visit.oracle.within(old, (ports,)) and not used(connection, wanted, visit.connections):
        port = old
    else:
        port = visit.oracle.pick((ports,), old) if random or not destination else ports[0]
    return wanted.sent_to(wanted.destination, port) if destination else wanted.sent_from(wanted.source, port)


CLASSES = (((1, 511), ((0, 511),)), ((600, 1023), ((512, 1023),)), ((1024, 65535), ((1024, 65535),)))
"""Where a source port may go, for those that it is among: ports below 512 and 1024 keep what they may stand for."""


def class_of(port: int, ping: bool, visit: Visit) -> Ranges:
    """The ports that one may be exchanged for; any of an identifier."""
    if ping:
        return ((0, 65535),)
    return next((target,) for target, held in CLASSES if visit.oracle.within(port, held))
