"""Which answers a host sends with the mark of what they answer.

The answers to pings where ``fwmark_reflect`` is set (net/ipv4/icmp.c ``icmp_reply``, ``IP4_REPLY_MARK``; net/ipv6/icmp.c ``icmpv6_echo_reply``,
``IP6_REPLY_MARK``), and those of an accepted connection where ``tcp_fwmark_accept`` is, in both families (include/net/inet_sock.h
``inet_request_mark``). All others have the mark of their socket.
"""

from __future__ import annotations

from analyzer.model.network import Namespace

ICMP, TCP, ICMPV6 = 1, 6, 58
ACCEPTED = "net.ipv4.tcp_fwmark_accept"
REFLECTED = {ICMP: "net.ipv4.fwmark_reflect", ICMPV6: "net.ipv6.fwmark_reflect", TCP: ACCEPTED}


def reflects(space: Namespace, protocol: int) -> bool:
    """Whether the answers of a protocol have the mark of what they answer."""
    key = REFLECTED.get(protocol)
    value = space.sysctl(key) if key is not None else None
    return value is not None and value.strip() not in ("", "0")
