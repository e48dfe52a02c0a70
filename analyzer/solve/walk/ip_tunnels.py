"""IP in IP, SIT and GRE: to which far end a device sends, and which device takes a packet that came.

After net/ipv4/{ip_tunnel,ipip,ip_gre}.c and net/ipv6/{sit,ip6_tunnel,ip6_gre}.c of Linux 6.1. The kernel's lists of devices by their ends are gone through in the
order of ``ip_tunnel_lookup``, ``ipip6_tunnel_lookup``, ``ip6_tnl_lookup`` and ``ip6gre_tunnel_lookup``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from analyzer.addresses import Address
from analyzer.facts.links import LinkFact, Tunnel
from analyzer.model.network import Interface
from analyzer.model.registered import FALLBACK
from analyzer.solve.packet import Packet
from analyzer.solve.walk import links, shut_out, tunnels
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.state import Delivered, Endings, Frame, Walk
from analyzer.source import Scope

GRE = 47
WITHIN = {4: 4, 6: 41}
"""The protocol of packets that are put into others as they are."""
HEARING = {(4, 4): ("ipip", "sit"), (4, 41): ("sit",), (6, 4): ("ip6tnl",), (6, 41): ("ip6tnl",)}
"""The kinds of devices that take packets of an IP version and a protocol, in the order in which they are asked (``tunnel4_handlers``)."""

Device = tuple[Interface, LinkFact, Tunnel]


def encapsulate(walk: Walk, space: Space, at: Interface, kind: Tunnel, frame: Frame) -> Endings:
    """``ip_tunnel_xmit``, ``ip6_tnl_xmit``: to the far end, or, where there is none, to the next hop of the packet inside."""
    link = space.links[at.device]
    inner = links.packet_of(frame)
    if inner is None and not kind.frames:
        return walk.drop(at.scope, f"{at} carries no questions for neighbours", link.at, True)
    if kind.external:
        return walk.undecided(f"{at} takes its tunnel's far end from the route (external)", link.at, "the encap of the routes")
    if inner is not None and not kind.frames and inner.family not in kind.carries:
        return walk.drop(at.scope, f"{at} carries no packets of IPv{inner.family}", link.at)
    remote = far_end(kind, frame, inner)
    if remote is None:
        return walk.drop(at.scope, f"{at} has no far end for the packet", link.at)
    walk.tell(at.scope, "encapsulate", f"{at.device} sends the packet in {kind.kind} to {remote}", link.at, inner)
    scope = walk.index.network.sockets.get(at, at.scope)
    outer = around(kind, frame, inner, remote, scope == at.scope)
    refused = shut_out.foreign(walk, at, scope, outer) if kind.family == 4 else unready(walk, at, scope, kind, remote)
    return refused if refused is not None else tunnels.carried(walk, scope, outer, lambda end: opened(walk, end, kind, frame))


def around(kind: Tunnel, frame: Frame, inner: Packet | None, remote: Address, same: bool) -> Packet:
    """The packet that goes to the far end."""
    protocol = GRE if "gre" in kind.kind or inner is None else WITHIN[inner.family]
    local = kind.local.value if kind.local else 0
    outer = tunnels.outer_packet(frame, remote, local, same, protocol, 0, kind.header, kind.service)
    inside = inner is None or inner.family == 6 or inner.fragments or kind.ignores_fragmenting
    return outer._replace(fragments=kind.may_be_cut and inside)


def far_end(kind: Tunnel, frame: Frame, inner: Packet | None) -> Address | None:
    """The far end of a packet. GRE puts its own end there where it has no other and no neighbour entry says one (``ipgre_header``)."""
    if kind.remote is not None and kind.remote.value:
        return kind.remote
    if inner is None or (kind.family == 6 and inner.family == 4):
        return None
    if "gre" in kind.kind and not kind.frames:
        return kind.local if kind.local is not None and kind.local.value else None
    load = frame.load
    hop = load.next_hop if isinstance(load, HookPacket) and load.next_hop is not None else inner.destination
    if kind.family == inner.family:
        return Address(kind.family, hop)
    return Address(4, hop) if 1 < hop < 1 << 32 else None


def unready(walk: Walk, at: Interface, scope: Scope, kind: Tunnel, remote: Address) -> Endings | None:
    """IPv6's tunnels send from an own address only, which must be given, and to none of the host's own (``ip6_tnl_xmit_ctl``)."""
    space = walk.space(scope)
    local, place = kind.local, space.address_at(at.device)
    if local is None or not local.value or ("gre" in kind.kind and not one_of(kind)[0]):
        return walk.drop(at.scope, f"{at} sends nothing: it lacks an end", place)
    missing = space.namespace.missing.get("ip-addr")
    wrong = None
    if local not in space.own:
        wrong = f"{at} sends from {local}, which no interface of {space.place} has"
    elif remote in space.own and not kind.local_remote:
        wrong = f"{at} sends to {remote}, which is its own host's"
    if wrong is None:
        return None
    if missing is not None:
        return walk.undecided(f"whether {wrong} is not known: {missing}", place, f"ip_-d_addr of {space.place}")
    return walk.drop(at.scope, wrong, place)


def opened(walk: Walk, end: Delivered, sender: Tunnel, frame: Frame) -> Endings:
    """The device that fits takes the packet inside, where it takes such packets at all."""
    packet = end.at.packet
    found = taking(walk, end, sender)
    if found is None:
        source, destination = Address(packet.family, packet.source), Address(packet.family, packet.destination)
        text = f"no {sender.kind} device of {end.scope} takes a packet from {source} to {destination}"
        return walk.drop(end.scope, text, tunnels.nearest(walk, end.scope))
    at, link, kind = found
    if kind.external:
        return walk.undecided(f"{at} takes any packets of {kind.kind} (external): what follows is not known", link.at)
    if (refused := refusing(walk, end, sender, kind)) is not None:
        return walk.drop(at.scope, f"{at} {refused}", link.at)
    walk.tell(at.scope, "decapsulate", f"{at.device} takes the packet out", link.at, links.packet_of(frame))
    return links.arrive(walk, at, tunnels.entering(frame, end, at))


def refusing(walk: Walk, end: Delivered, sender: Tunnel, kind: Tunnel) -> str | None:
    """Why the device that a packet is for drops it (``ip_tunnel_rcv``, ``__ip6_tnl_rcv``, ``ip6_tnl_rcv_ctl``)."""
    packet = end.at.packet
    inner = {4: 4, 41: 6}.get(packet.protocol)
    if inner is not None and inner not in kind.carries:
        return f"takes no packets of IPv{inner}"
    if sender.checksums[1] != kind.checksums[0]:
        return "takes packets with a checksum only" if kind.checksums[0] else "takes no packets with a checksum"
    if kind.numbered[0] and not sender.numbered[1]:
        return "takes packets with a sequence number only"
    source = Address(6, packet.source)
    if packet.family == 6 and source in walk.space(end.scope).own and not kind.local_remote:
        return f"takes no packets from {source}, its own host's"
    return None


def taking(walk: Walk, end: Delivered, sender: Tunnel) -> Device | None:
    """The device that a packet is for."""
    packet = end.at.packet
    if packet.protocol == GRE:
        kinds: tuple[str, ...] = (sender.kind,)
    else:
        kinds = HEARING.get((packet.family, packet.protocol), ())
    for name in kinds:
        known = [one for one in devices(walk, end.scope) if one[2].kind == name]
        if (found := looked_up(end, known, sender)) is not None:
            return found
    return None


def devices(walk: Walk, scope: Scope) -> Iterator[Device]:
    """The IP tunnels whose packets a namespace gets, those first that were made first."""
    found = [(walk.index.link(one), one) for one in walk.index.tunnels.get(scope, ())]
    known = [(link, one) for link, one in found if link is not None]
    for link, one in sorted(known, key=lambda item: (item[0].index or 0, item[0].name)):
        if isinstance(link.kind, Tunnel):
            yield one, link, link.kind


def looked_up(end: Delivered, known: list[Device], sender: Tunnel) -> Device | None:
    """By the ends; a device over the one by which the packet came is taken at once, the first other one where there is none such."""
    if known and known[0][2].kind == "sit":
        return looked_up_sit(end, known)
    up = [one for one in known if one[1].up and not one[2].external]
    candidate: Device | None = None
    for some in by_ends(end, up, sender):
        for one in some:
            if one[2].device is not None and one[2].device == end.device:
                return one
            candidate = candidate or one
    return candidate or next((one for one in known if one[1].up and one[2].external), None) or fallback(known)


def fallback(known: Iterable[Device]) -> Device | None:
    """The driver's own device (``fb_tunnel_dev``)."""
    return next((one for one in known if one[0].device in FALLBACK and one[1].up), None)


def by_ends(end: Delivered, known: list[Device], sender: Tunnel) -> Iterator[list[Device]]:
    """The devices that fit a packet, in the order of the kernel's lists: both ends, then one, then none."""
    packet = end.at.packet
    source, destination = Address(packet.family, packet.source), Address(packet.family, packet.destination)
    key = sender.key_sent
    ends: list[tuple[Address | None, Address | None]] = [(source, destination), (source, None), (None, destination)]
    if known and known[0][2].kind == "ip6tnl":
        ends[1], ends[2] = ends[2], ends[1]
    for remote, local in ends:
        yield [one for one in known if one_of(one[2]) == (remote, local) and fits(one[2], key)]
    yield [one for one in known if one_of(one[2]) == (None, None) and number(one[2].key) == number(key)]


def fits(kind: Tunnel, key: str | None) -> bool:
    """``ip_tunnel_key_match``; IPv6's GRE compares numbers only."""
    return number(kind.key) == number(key) and (kind.family == 6 or (kind.key is None) == (key is None))


def number(key: str | None) -> int:
    """A key as a number, as which none is 0."""
    return 0 if key is None else int(IPv4Address(key)) if "." in key else int(key, 0)


def one_of(kind: Tunnel) -> tuple[Address | None, Address | None]:
    """The ends of a device."""
    remote, local = kind.remote, kind.local
    return (remote if remote is not None and remote.value else None), (local if local is not None and local.value else None)


def looked_up_sit(end: Delivered, known: list[Device]) -> Device | None:
    """Of those with the same ends the last one made; not one over another device. Of those without ends the last one made alone is asked."""
    packet = end.at.packet
    source, destination = Address(packet.family, packet.source), Address(packet.family, packet.destination)
    latest = known[::-1]
    for ends in ((source, destination), (source, None), (None, destination)):
        for one in latest:
            if one_of(one[2]) == ends and one[1].up and one[2].device in (None, end.device):
                return one
    last = next((one for one in latest if one_of(one[2]) == (None, None)), None)
    return last if last is not None and last[1].up else None
