"""Which packets have a socket of the host that they are at, and which of them a match concerns that no capture decides."""

from __future__ import annotations

from analyzer.facts.matches import Concerned
from analyzer.solve.packet import ACK, SYN, TCP, UDP
from analyzer.solve.walk.netfilter.state import Hook
from analyzer.solve.walk.netfilter.visit import Visit


def concerns(concerned: Concerned, visit: Visit) -> bool:
    """Whether a match may hold for the packet of which no capture tells whether it does."""
    packet = visit.packet
    match concerned:
        case Concerned.EVERY:
            return True
        case Concerned.OPENING:
            return packet.protocol == TCP and bool(packet.tcp_flags & SYN)
        case Concerned.OWN:
            return may_have_socket(visit)
        case Concerned.FOUND:
            return visit.at.local or packet.protocol in (TCP, UDP) or visit.at.quoted is not None


def may_have_socket(visit: Visit) -> bool:
    """Whether the packet may have a socket of this namespace (``skb->sk``): what was sent here; in INPUT, what a socket was found for before it was routed (ip_input.c
    ``ip_rcv_finish_core``, tcp_ipv4.c ``tcp_v4_early_demux`` and udp.c ``udp_v4_early_demux``, which look for connected ones), or which TPROXY gave to one."""
    if visit.at.local:
        return True
    if visit.hook is not Hook.INPUT:
        return False
    packet = visit.packet
    opens = packet.tcp_flags & (SYN | ACK) == SYN and visit.at.socket is None
    return packet.protocol == UDP or (packet.protocol == TCP and not opens)
