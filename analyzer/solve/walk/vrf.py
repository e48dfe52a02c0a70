"""Sockets and VRFs: who takes what came in by a device of one, and by which table that is answered.

A socket that is bound to no device takes nothing that came in by a VRF, unless a switch says so (include/net/inet_sock.h ``inet_bound_dev_eq``,
include/net/udp.h ``udp_sk_bound_dev_eq``). TCP binds a connection that such a socket took to the VRF (``inet_request_bound_dev_if``); pings are answered by
the VRF's table (net/ipv4/icmp.c ``icmp_reply``, net/ipv6/icmp.c ``icmpv6_echo_reply``). Who sends is taken to be bound to no device.
"""

from __future__ import annotations

from analyzer.solve.packet import TCP, UDP, Packet
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Delivered, Dropped, Walk

SWITCHES = {TCP: "net.ipv4.tcp_l3mdev_accept", UDP: "net.ipv4.udp_l3mdev_accept"}
"""The switches that let sockets without a device take what comes in by a VRF; SCTP's is on."""


def accepts(space: Space, protocol: int) -> bool:
    """Whether a socket that is bound to no device takes what came in by a VRF."""
    return protocol not in SWITCHES or bool(space.switch(SWITCHES[protocol]))


def barring(space: Space, device: str, protocol: int) -> str:
    """The VRF from which sockets without a device take nothing that came in by a device; empty: there is none."""
    vrf = space.vrf_of(device)
    return vrf[0] if vrf is not None and not accepts(space, protocol) else ""


def bindings(space: Space, device: str, protocol: int) -> tuple[str, ...]:
    """What a socket may be bound to that takes what came in by a device; empty: to none."""
    vrf = space.vrf_of(device)
    bound = (device,) if vrf is None else (device, vrf[0])
    return bound if vrf is not None and not accepts(space, protocol) else ("", *bound)


def unbound(walk: Walk, space: Space, end: Delivered) -> Dropped | None:
    """Why no socket takes a packet, where the sockets were not captured: one that does has to be bound to the VRF, which is open."""
    vrf = barring(space, end.device, end.at.packet.protocol)
    if not vrf or walk.oracle.test(f"a socket of {space.place} is bound to the VRF {vrf}", None, f"ss -tunlp of {space.place}"):
        return None
    return Dropped(f"no socket of {space.place} is bound to the VRF {vrf}", hops=tuple(walk.hops))


def unknown_to(space: Space, end: Delivered) -> str:
    """Why who asked does not get an answer that came in by a VRF; empty: it does."""
    vrf = barring(space, end.device, end.at.packet.protocol)
    return f"comes in by the VRF {vrf}, to which who asked is not bound" if vrf else ""


def answering(space: Space, packet: Packet, device: str) -> str:
    """The VRF by whose table what came in by a device is answered; empty: by the host's."""
    vrf = space.vrf_of(device)
    return "" if vrf is None or (packet.protocol == UDP and accepts(space, UDP)) else vrf[0]
