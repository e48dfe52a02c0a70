"""Whether a sender hears that its packets are too long for their way: the kernel's ICMP error, walked back to it.

After ``ip_forward`` (net/ipv4/ip_forward.c: ICMP_FRAG_NEEDED), ``ip6_forward`` (ICMPV6_PKT_TOOBIG) and ``__icmp_send``, whose source is the one that the route
back chooses. Where the error comes, TCP sends shorter packets (``tcp_v4_mtu_reduced``), and others learn it from the next send. Where it does not, what is long
hangs and what is short passes: a black hole (RFC 2923). Devices and bridges drop without a word.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.network import Interface
from analyzer.solve.packet import ICMP, ICMPV6, Packet
from analyzer.solve.walk import internet
from analyzer.solve.walk.state import Delivered, Dropped, Left, Oversized, Undecided, Walk, best
from analyzer.source import Scope

QUOTED = 556
KINDS = {4: (ICMP, 3, 4, "fragmentation needed"), 6: (ICMPV6, 2, 0, "packet too big")}


def heard(walk: Walk, sender: Scope | Interface, end: Oversized) -> str:
    """Words for what the sender hears of a packet that was too long. ``walk`` has the connection that its short packets made."""
    if end.own:
        return "its sender is told at once (EMSGSIZE), and may send shorter ones"
    if not end.told:
        return f"nobody tells the sender, since no IP layer drops it: what is longer than {end.limit} bytes hangs, what is shorter passes"
    protocol, kind, code, words = KINDS[end.packet.family]
    error = Packet(end.packet.family, 0, end.packet.source, protocol, 0, 0, kind, code, size=QUOTED)
    ending = best(internet.sent(walk, walk.space(end.scope), error, end.packet))
    what = f"the ICMP error ({words}, MTU {end.limit}) of {end.scope}"
    match ending:
        case Delivered(scope) if scope == sender:
            return f"{what} comes back to the sender, which may send shorter ones"
        case Left() if isinstance(sender, Interface):
            return f"{what} goes back to the sender, which may send shorter ones"
        case Undecided(reason):
            return f"it is not known whether {what} comes back: {reason}"
        case Dropped(reason):
            why = reason
        case _:
            why = f"it goes elsewhere than to {Address(end.packet.family, end.packet.source)}"
    return f"{what} does not come back ({why}): what is longer hangs, what is shorter passes"
