"""The length of packets on their way: what fits, what is cut into fragments, and how long the packets of tunnels are.

After ``ip_finish_output`` and ``ip_exceeds_mtu`` (net/ipv4/ip_output.c, ip_forward.c) and ``is_skb_forwardable`` (include/linux/netdevice.h). The language does not
count: lengths are only ever held against the MTUs of the capture, so that one length stands for all between two of these.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, LinkFact, Tunnel, Vxlan, Wireguard
from analyzer.ranges import Ranges, single
from analyzer.source import Span
from analyzer.transfer.ir import FRAGMENTS, KEEP, Assign, Drop, Encapsulate, End, Field, If, In, Transfer
from analyzer.transfer.space import Context, dispatch

HEADERS = {4: 20, 6: 40}
VLAN_HEADER = 4
"""What a frame may be longer than the MTU of the device that it comes to."""


def longer(limit: int) -> In:
    """Packets that are longer than so many bytes."""
    return In(Field.LENGTH, ((limit + 1, FRAGMENTS - 1), (FRAGMENTS + limit + 1, 2 * FRAGMENTS - 1)))


def sent(limit: int | None, what: str, at: Span | None) -> Transfer:
    """A packet leaves by a device or route that carries so many bytes: it fits, is cut into fragments that do, or is dropped."""
    if not limit:
        return KEEP
    cut = Assign(Field.LENGTH, FRAGMENTS + limit)
    large = If(
        In(Field.LENGTH, ((FRAGMENTS, 2 * FRAGMENTS - 1),)),
        cut,
        End(Drop(f"the packet does not fit into the MTU {limit} of {what}"), at),
    )
    return If(longer(limit), large, KEEP)


def uncut(context: Context) -> Transfer:
    """Who forwards a packet of IPv6 does not cut it."""
    if context.family == 4:
        return KEEP
    starts = [0, *(limit + 1 for limit in thresholds(context))]
    ends = [*(start - 1 for start in starts[1:]), FRAGMENTS - 1]
    rows = [
        ((FRAGMENTS + low, FRAGMENTS + high), Assign(Field.LENGTH, low)) for low, high in zip(starts, ends, strict=True) if high
    ]
    return If(In(Field.LENGTH, ((FRAGMENTS, 2 * FRAGMENTS - 1),)), dispatch(Field.LENGTH, rows, KEEP), KEEP)


def taken(link: LinkFact, what: str) -> Transfer:
    """A frame comes to a device of another host, or to the port of a bridge: longer ones are not taken."""
    if not link.mtu:
        return KEEP
    return If(
        longer(link.mtu + VLAN_HEADER), End(Drop(f"{what} takes {link.mtu} bytes, and the packet is longer"), link.at), KEEP
    )


def overhead(kind: object) -> int:
    """What a tunnel puts around a packet, without the outer IP header."""
    match kind:
        case Vxlan() | Geneve():
            return 30
        case Wireguard():
            return 40
        case int(more):
            return more
        case Tunnel():
            return kind.header
        case _:
            return 0


def tunnels_more(kind: object) -> bool:
    """Whether a device puts packets into others."""
    return isinstance(kind, Vxlan | Geneve | Wireguard | Tunnel)


def wrapped(
    context: Context,
    fields: tuple[tuple[Field, Ranges], ...],
    kind: object,
    remote: Address,
    cut: tuple[bool, bool],
    place: Span | None,
) -> Transfer:
    """The packet becomes the payload of one with these fields, which is longer; ``cut``: whether that one may be cut into fragments, for a packet that must not be cut, and
    for one that may."""
    more, cuts = overhead(kind) + HEADERS[remote.family], thresholds(context)
    starts = [1, *(cut - more + 1 for cut in cuts if cut > more)]
    ends = [*(start - 1 for start in starts[1:]), FRAGMENTS - 1]
    rows = [
        ((flag + low, flag + high), Encapsulate((*fields, (Field.LENGTH, single(FRAGMENTS * base + low + more))), place))
        for flag, base in zip((0, FRAGMENTS), cut, strict=True)
        for low, high in zip(starts, ends, strict=True)
    ]
    return If(In(Field.LENGTH, single(0)), Encapsulate(fields, place), dispatch(Field.LENGTH, rows, Encapsulate(fields, place)))


def thresholds(context: Context) -> tuple[int, ...]:
    """The lengths that packets are held against, and those that become them in one more tunnel; worked out once."""
    found = context.made.get("thresholds")
    if not isinstance(found, tuple):
        spaces = context.network.namespaces.values()
        links = [link for space in spaces for link in space.links.values()]
        limits = {link.mtu + more for link in links if link.mtu for more in (0, VLAN_HEADER)}
        limits |= {
            route.mtu
            for space in spaces
            for some in space.routes.values()
            for table in some.values()
            for route in table
            if route.mtu
        }
        limits |= {fact.mtu for space in spaces for fact in space.route_answers if fact.mtu}
        tunnels = {overhead(link.kind) + header for link in links if tunnels_more(link.kind) for header in HEADERS.values()}
        if any(space.switches for space in spaces):
            tunnels |= {30 + option + header for option in (0, 8) for header in HEADERS.values()}
        limits |= {limit - more for limit in limits for more in tunnels}
        found = context.made["thresholds"] = tuple(sorted(limit for limit in limits if 0 < limit < FRAGMENTS // 2))
    return found
