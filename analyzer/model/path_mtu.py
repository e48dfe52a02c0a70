"""The path MTUs that a host has learnt: what routers told it of the way to one destination (``struct fib_nh_exception``), as ``ip route get`` shows it.

They are for packets that the host sends itself; for those that it forwards only with ip_forward_use_pmtu, and in IPv6 never (``ip_dst_mtu_maybe_forward`` of
include/net/ip.h, ``ip6_dst_mtu_maybe_forward`` of include/net/ip6_route.h). They expire, after ten minutes by default (net.ipv4.route.mtu_expires).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from analyzer.model.network import Namespace
from analyzer.source import Span


class PathMtu(NamedTuple):
    """How many bytes the way to a destination carries, and where that is said."""

    limit: int
    at: Span


def learnt(space: Namespace, device: str, family: int, own: bool) -> Mapping[int, PathMtu]:
    """The path MTUs by destination, of packets by a device that the host sends itself (``own``) or forwards."""
    if not space.route_answers or not (own or uses_for_others(space, family)):
        return {}
    return {
        fact.destination.value: PathMtu(fact.mtu, fact.at)
        for fact in space.route_answers
        if fact.mtu and fact.in_interface is None and fact.destination.family == family and fact.next_hop.device == device
    }


def uses_for_others(space: Namespace, family: int) -> bool:
    """Whether what is forwarded is held against path MTUs too."""
    return family == 4 and (space.sysctl("net.ipv4.ip_forward_use_pmtu") or "0").split()[:1] == ["1"]


def assumption(space: Namespace, destination: str, limit: int) -> str:
    """What is taken for granted of a path MTU."""
    return f"the path MTU {limit} to {destination}, which {space.scope} has learnt, has not expired"
