"""The TTL or hop limit that a host's own packets start with.

A route's ``hoplimit`` wins; else IPv4 takes ``net.ipv4.ip_default_ttl`` (``ip_select_ttl`` of net/ipv4/ip_output.c, ``ip4_dst_hoplimit`` of include/net/route.h), IPv6 the
``hop_limit`` of the device that the packet leaves by (``ip6_dst_hoplimit`` of net/ipv6/output_core.c). What was not captured is as the kernel has it: 64. A program may ask
for another (IP_TTL), which no capture tells. Whether a tunnel's packet has a TTL of its own, takes the inner one or the default hangs on the kind of tunnel, and is not followed.
"""

from __future__ import annotations

from analyzer.model.network import Namespace

USUAL, LARGEST = 64, 255
"""IPDEFTTL and IPV6_DEFAULT_HOPLIMIT."""
SHORT = 32
"""With less, a tunnel's packet may not come to its far end."""


def first_ttl(space: Namespace, family: int, device: str) -> int:
    """What a packet starts with that leaves by a device, where the route says nothing."""
    conf = "net.ipv6.conf"
    keys = (
        [f"{conf}.{device.replace('.', '/')}.hop_limit", f"{conf}.default.hop_limit"]
        if family == 6
        else ["net.ipv4.ip_default_ttl"]
    )
    texts = ((space.sysctl(key) or "").split() for key in keys)
    value = next((int(words[0]) for words in texts if words and words[0].isdecimal() and len(words[0]) < 4), USUAL)
    return min(max(value, 1), LARGEST)


def of_routes(space: Namespace, family: int) -> frozenset[int]:
    """The hop limits that the routes of a namespace set."""
    tables = space.routes.get(family, {}).values()
    return frozenset(route.hop_limit for table in tables for route in table if route.hop_limit)


def short(space: Namespace, family: int) -> bool:
    """Whether what the namespace sends may start with so small a TTL that a tunnel's packet is lost on its way."""
    return min((*of_routes(space, family), *(first_ttl(space, family, device) for device in space.links)), default=USUAL) < SHORT


def enough(space: Namespace) -> str:
    """What is open of a tunnel's packets then."""
    return f"a tunnel's packet from {space.scope}, which starts packets with a small TTL, has enough of its TTL"
