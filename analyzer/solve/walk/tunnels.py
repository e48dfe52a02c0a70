"""Tunnels: the outer packet of a frame or packet, its own walk, and what comes out at the far end.

After drivers/net/vxlan/vxlan_core.c, net/ipv4/ip_tunnel_core.c and drivers/net/wireguard; other kinds stand in ip_tunnels.py and geneve.py.
The connection of the inner packet is forgotten, its mark is kept within one namespace (``skb_scrub_packet``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Geneve, Vxlan
from analyzer.model.gaps import unlisted
from analyzer.model.network import Interface
from analyzer.model.service_types import outer_service
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk import internet, leaving, links, shut_out
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.state import HEADER, Delivered, Dropped, Ending, Endings, Frame, Undecided, Walk
from analyzer.source import Scope, Span

SOURCE_PORT = 49152
Opened = Callable[[Delivered], Endings]


def encapsulate_vxlan(walk: Walk, space: Space, at: Interface, kind: Vxlan, frame: Frame) -> Endings:
    """``vxlan_xmit``: the destinations of the inner MAC, else those of the all-zero entry."""
    link = space.links[at.device]
    if kind.external or kind.identifier is None:
        text = f"{at} takes its tunnel's far end from whoever sends (external)"
        return walk.undecided(text, link.at, "the program or the routes that set the tunnel of each packet")
    load = links.packet_of(frame)
    if kind.marked and load is not None and load.mark:
        return walk.undecided(f"{at} takes the packet's mark along (gbp), which is not followed", link.at)
    if (refused := shut_out.unasked(walk, space, at, kind, frame)) is not None:
        return refused
    walk.taken_for_granted(space, "bridge-fdb")
    targets = list(destinations(walk, space, at, kind, frame)) or list(maybe_heard(walk, at, kind, frame))
    if not targets:
        mac = hardware_text(frame.destination)
        if why := unlisted(space.namespace, "bridge-fdb"):
            return walk.undecided(
                f"whether {at} has a forwarding entry for {mac} is not known: {why}",
                link.at,
                f"bridge fdb show dev {at.device} of {space.place}",
            )
        return walk.drop(at.scope, f"{at} has no forwarding entry for {mac} and none for all", link.at)
    return links.branches(
        walk, (vxlan_to(walk, at, kind, frame, remote, port, number, place) for remote, port, number, place in targets)
    )


def destinations(
    walk: Walk, space: Space, at: Interface, kind: Vxlan, frame: Frame
) -> Iterator[tuple[Address, int, int, Span | None]]:
    """Far ends, with port, VNI and the entry's place."""
    number = kind.identifier or 0
    facts = () if frame.to_all else space.tunnelled.get((at.device, frame.destination), ())
    if not facts and not frame.to_all and kind.learning and (at, frame.destination) in walk.remotes:
        yield walk.remotes[at, frame.destination], kind.port, number, None
        return
    facts = facts or space.tunnelled.get((at.device, 0), ())
    for fact in facts:
        if fact.destination is not None:
            yield fact.destination, fact.port or kind.port, fact.vni or number, fact.at
    given = kind.remote or kind.group
    if not facts and given is not None and {"bridge-fdb"} & (space.namespace.missing.keys() | space.namespace.assumed.keys()):
        yield given, kind.port, number, space.address_at(at.device)


def maybe_heard(walk: Walk, at: Interface, kind: Vxlan, frame: Frame) -> Iterator[tuple[Address, int, int, Span | None]]:
    """The far end that a device which learns may have heard a MAC behind, in frames of other packets (``vxlan_snoop``)."""
    for found in walk.index.tunnels.values() if kind.learning and not frame.to_all else ():
        for other in found:
            link = walk.index.link(other)
            if link is None or not isinstance(link.kind, Vxlan) or other == at or link.kind.identifier != kind.identifier:
                continue
            address = link.kind.local or own_address(walk, other, link.kind)
            if address is None or not sends_to(walk, other, at) or not has_behind(walk, other, frame.destination):
                continue
            text = f"no frame of another packet has told {at} behind which far end {hardware_text(frame.destination)} is"
            if not walk.oracle.test(text, link.at, f"bridge fdb show dev {at.device} of {walk.space(at.scope).place}"):
                yield address, kind.port, kind.identifier or 0, None
            return


def sends_to(walk: Walk, one: Interface, other: Interface) -> bool:
    """Whether a VXLAN device has an entry for the host of another."""
    held = {walk.index.network.sockets.get(other, other.scope)}
    entries = (fact.destination for fact in walk.space(one.scope).namespace.forwarding if fact.device == one.device)
    owners = walk.index.network.owners
    return any(owner.scope in held for address in entries if address is not None for owner in owners.get(address, ()))


def has_behind(walk: Walk, at: Interface, mac: int) -> bool:
    """Whether a MAC is that of a tunnel device, or may be behind the bridge that it is a port of."""
    link, master = walk.index.link(at), walk.space(at.scope).master_of(at.device)
    return (link is not None and link.mac == mac) or (master is not None and walk.index.times(mac) > 0)


def vxlan_to(
    walk: Walk, at: Interface, kind: Vxlan, frame: Frame, remote: Address, port: int, number: int, place: Span | None
) -> Endings:
    """One copy, to one far end."""
    scope = walk.index.network.sockets.get(at, at.scope)
    what = f"{at.device} sends the frame to {hardware_text(frame.destination)} in VXLAN {number} to {remote} port {port}"
    walk.tell(at.scope, "encapsulate", what, place, links.packet_of(frame))
    local = kind.local.value if kind.local and kind.local.family == remote.family else 0
    outer = outer_packet(frame, remote, local, scope == at.scope, UDP, port, 30, kind.service)
    outer = outer._replace(fragments=cut_on_the_way(kind, frame, remote))

    def opened(end: Delivered) -> Endings:
        return open_vxlan(walk, end, number, frame, remote.family == 6 and kind.zero_checksums[0])

    if (refused := shut_out.foreign(walk, at, scope, outer) or shut_out.too_long(walk, at, scope, frame, outer)) is not None:
        return refused
    if remote.value >> 28 == 14 if remote.family == 4 else remote.value >> 120 == 0xFF:
        return to_group(walk, at, kind, frame)
    return carried(walk, scope, outer, opened)


def cut_on_the_way(kind: Vxlan | Geneve, frame: Frame, remote: Address) -> bool:
    """Whether the UDP packet of a VXLAN or Geneve device may be cut into fragments: not where ``df`` sets Don't Fragment, or takes over that of the packet inside. Over
    IPv6 it never is: the packet inside has lost its ``skb->ignore_df`` (skb_scrub_packet), without which ip6_fragment of net/ipv6/ip6_output.c drops what is too long."""
    inner = links.packet_of(frame)
    inherited = kind.dont_fragment == "inherit" and inner is not None and (inner.family == 6 or not inner.fragments)
    return remote.family == 4 and kind.dont_fragment != "set" and not inherited


def outer_packet(
    frame: Frame, remote: Address, local: int, same: bool, protocol: int, port: int, extra: int, service: str = ""
) -> Packet:
    """The outer packet: its payload is the inner packet and ``extra`` bytes; ``service`` is its type as it is written."""
    inner = links.packet_of(frame)
    size = None if inner is None or inner.size is None else inner.size + HEADER[inner.family] + extra
    mark = inner.mark if inner is not None and same else 0
    source_port = SOURCE_PORT if protocol == UDP else 0
    ports = source_port, port if protocol == UDP else 0
    outside = outer_service(service, inner.service if inner is not None else 0)
    return Packet(remote.family, local, remote.value, protocol, *ports, size=size, mark=mark, service=outside)


def carried(walk: Walk, scope: Scope, outer: Packet, opened: Opened) -> Endings:
    """Walks the outer packet; each delivery is opened. A listening socket and the one of its connection have hashes of their own
    (``sk_txhash``), and so the later answers' packets have another source port than the first's."""
    if walk.later and outer.source_port == SOURCE_PORT:
        outer = outer._replace(source_port=SOURCE_PORT + 1)
    result: Endings = []
    mark = len(walk.hops)
    endings = outside_of(walk, scope, outer)
    arrives = any(isinstance(ending, Delivered) for ending in endings)
    for ending in endings:
        if arrives and isinstance(ending, Dropped):
            continue  # one of the copies of a frame that a switch floods, where another copy arrives
        if isinstance(ending, Delivered):
            walk.hops[mark:] = ending.hops[mark:] if not walk.quiet else ()
            result += opened(ending)
        else:
            result.append(lost(ending, outer))
    del walk.hops[mark:]
    return result


def outside_of(walk: Walk, scope: Scope, outer: Packet) -> Endings:
    """Sends the outer packet. It looks like the one before it (of a question for a neighbour, or of another frame): that is no loop,
    but an outer packet that its own tunnel carries is one."""
    key = (scope, "(carried)", walk.reply, outer)
    if key in walk.seen:
        return walk.drop(
            scope, f"the packet loops: the tunnel carries its own packets to {Address(outer.family, outer.destination)}"
        )
    before = walk.seen
    walk.seen = {key, *(one for one in before if one[1] == "(carried)")}
    doubt = leaving.too_short(walk, walk.space(scope), outer.family)
    endings = internet.originate(walk, scope, outer, carries=True) if doubt is None else doubt
    walk.seen = before
    return endings


def lost(ending: Ending, outer: Packet) -> Ending:
    """What became of an outer packet that did not arrive."""
    match ending:
        case Dropped():
            return ending._replace(reason=f"the tunnel packet {outer} is lost: {ending.reason}", ignored=False)
        case Undecided():
            return ending
        case _:
            target = Address(outer.family, outer.destination)
            text = f"the tunnel packet {outer} leaves the capture: {target} was not captured"
            return Undecided(text, None, f"the state of {target}", ending.hops)


def open_vxlan(walk: Walk, end: Delivered, number: int, frame: Frame, bare: bool) -> Endings:
    """``vxlan_rcv``: the device of the socket's namespace with this VNI and port takes the inner frame. ``bare``: over IPv6 without a checksum, which
    its socket must be set to take (``udp6_csum_init``)."""
    packet = end.at.packet
    for one in walk.index.tunnels.get(end.scope, ()):
        link = walk.index.link(one)
        kind = link.kind if link else None
        if isinstance(kind, Vxlan) and link is not None and link.up and fits(kind, packet):
            if kind.external:
                return walk.undecided(f"{one} takes any VXLAN (external): what follows is not known", link.at)
            if bare and not kind.zero_checksums[1]:
                return walk.drop(one.scope, f"{one} takes no packets without a UDP checksum (noudp6zerocsumrx)", link.at)
            if kind.identifier == number:
                return taken_out(walk, end, one, kind, frame)
    seen = Address(packet.family, packet.destination)
    text = f"no VXLAN device of {end.scope} has VNI {number} and port {packet.destination_port}: the tunnel packet to {seen} is dropped"
    return walk.drop(end.scope, text, nearest(walk, end.scope))


def fits(kind: Vxlan, packet: Packet) -> bool:
    """Whether a device's socket is of the packet's family and port."""
    known = kind.local or kind.remote or kind.group
    return kind.port == packet.destination_port and (known is None or known.family == packet.family)


def nearest(walk: Walk, scope: Scope) -> Span | None:
    """A tunnel device of a namespace, to point at."""
    found = (walk.index.link(one) for one in walk.index.tunnels.get(scope, ()))
    return next((link.at for link in found if link is not None), None)


def taken_out(walk: Walk, end: Delivered, at: Interface, kind: Vxlan, frame: Frame) -> Endings:
    """The inner frame comes in at the far device; a learning device notes where its sender is (``vxlan_snoop``)."""
    link = walk.index.link(at)
    if link is not None and link.mac == frame.source:
        return walk.drop(at.scope, f"{at} drops a frame from its own MAC {hardware_text(frame.source)}", link.at)
    if kind.learning:
        walk.remotes[at, frame.source] = Address(end.at.packet.family, end.at.packet.source)
    walk.tell(at.scope, "decapsulate", f"{at.device} takes the frame out", link.at if link else None, links.packet_of(frame))
    return links.arrive(walk, at, entering(frame, end, at))


def entering(frame: Frame, end: Delivered, at: Interface) -> Frame:
    """The inner frame in the far namespace."""
    load = frame.filtered
    if load is None:
        return frame
    mark = end.at.packet.mark if end.scope == at.scope else 0
    return frame.carrying(HookPacket(load.packet._replace(mark=mark)), False)


def to_group(walk: Walk, at: Interface, kind: Vxlan, frame: Frame) -> Endings:
    """A multicast group: the other captured members hear the frame."""
    walk.assume(f"the network carries multicast to {kind.group or kind.remote} between the members of VXLAN {kind.identifier}")
    others = [
        (one, link.kind)
        for found in walk.index.tunnels.values()
        for one in found
        if one != at and (link := walk.index.link(one)) is not None and link.up and isinstance(link.kind, Vxlan)
    ]
    same = [(one, other) for one, other in others if same_group(kind, other)]

    def copies() -> Iterator[Endings]:
        for one, other in same:
            source = kind.local or own_address(walk, at, kind)
            packet = Packet(source.family if source else 4, source.value if source else 0, 0, UDP)
            yield taken_out(walk, Delivered(one.scope, one.device, HookPacket(packet)), one, other, links.crossed(frame, True))

    if not same:
        return walk.drop(at.scope, f"nobody in the capture listens to {kind.group} in VXLAN {kind.identifier}")
    return links.branches(walk, copies())


def same_group(one: Vxlan, two: Vxlan) -> bool:
    """Whether two devices are members of one multicast overlay."""
    return (one.identifier, one.port, one.group or one.remote) == (two.identifier, two.port, two.group or two.remote)


def own_address(walk: Walk, at: Interface, kind: Vxlan) -> Address | None:
    """The address of the device under a tunnel, of the IP version of its far ends."""
    given = kind.remote or kind.group
    family = given.family if given is not None else 4
    under = walk.index.network.lower.get(at)
    facts = walk.space(under.scope).addresses.get(under.device, ()) if under else ()
    return next((fact.address for fact in facts if fact.address.family == family), None)
