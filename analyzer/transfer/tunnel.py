"""Tunnels in the language: the packet becomes the payload of another, which the namespace of the tunnel's socket sends, and is taken out where that arrives.

What tells tunnels of one port apart (the VNI, the sending device's kind) travels in the payload's IN_INTERFACE as the number of a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Geneve, LinkFact, Tunnel, Vxlan, Wireguard
from analyzer.facts.neighbours import ForwardingFact
from analyzer.model.gaps import unlisted
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, single
from analyzer.source import Scope, Span
from analyzer.transfer import ip_tunnels, wireguard
from analyzer.transfer.ir import (
    KEEP,
    Alt,
    Assign,
    Decapsulate,
    End,
    Field,
    If,
    In,
    Opaque,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter.services import in_a_tunnel
from analyzer.transfer.other_version import outer as around_other
from analyzer.transfer.ovs.ports import arrivals
from analyzer.transfer.reach import at_endpoint, bridge_of, flood, group_members, is_group, teachers
from analyzer.transfer.remembering import hear, if_heard
from analyzer.transfer.shut_out import let_in
from analyzer.transfer.sizes import wrapped
from analyzer.transfer.space import OF_TUNNEL, Context, by_value, call, drop, goto, seq, unless

UDP, MANY = 17, 32
EVERY_PORT: Ranges = ((1, 65535),)
BARE = " without a checksum"
"""Of packets of VXLAN over IPv6 that have no UDP checksum, which not every device takes (``udp6_csum_init``)."""
LOCAL_PORTS = (32768, 60999)
"""ip_local_port_range, as the kernel has it by default (net/ipv4/af_inet.c)."""
PLAIN = "it is sent to the port of a tunnel, and is no packet of one"
FORGOTTEN = (Field.STATE, Field.STATUS, Field.DIRECTION, Field.PHYSICAL_IN, Field.PHYSICAL_OUT)


def outer(
    context: Context,
    at: Interface,
    label: str,
    protocol: int,
    port: int,
    local: Address | None,
    remote: Address,
    place: Span | None,
) -> Transfer:
    """Puts the packet into another for the remote end and sends that."""
    scope = context.network.sockets.get(at, at.scope)
    fields: list[tuple[Field, Ranges]] = [(Field.DESTINATION, single(remote.value)), (Field.PROTOCOL, single(protocol))]
    if port:
        fields += [(Field.SOURCE_PORT, source_ports(context, at)), (Field.DESTINATION_PORT, single(port))]
    if local is not None and local.value and local.family == remote.family:
        fields.append((Field.SOURCE, single(local.value)))
    bound = local is not None and bool(local.value)
    own = KEEP if bound else call(scope, "choose source")
    marked = Assign(Field.IN_INTERFACE, context.names.number(label))
    scrubbed = KEEP if scope == at.scope else Assign(Field.MARK, 0)
    link = context.link(at)
    kind = link.kind if link is not None else None
    around = wrapped(context, tuple(fields), kind, remote, fragmented(context, link, remote), place)
    written = kind.service if isinstance(kind, Vxlan | Tunnel | Geneve) else ""
    around = in_a_tunnel(around, written, context, str(at))
    on = seq(own, goto(scope, "send", "" if bound else "unbound"))
    if remote.family != context.family:
        on = around_other(on)
    asked = let_in(context, at, scope, local, remote)
    return seq(asked, scrubbed, *(Assign(name, 0) for name in FORGOTTEN), marked, around, on)


def source_ports(context: Context, at: Interface) -> Ranges:
    """The source ports of a tunnel's UDP packets (udp_flow_src_port of include/net/udp.h, vxlan_xmit_one, geneve_xmit_skb); WireGuard sends
    from its own."""
    link = context.link(at)
    match link.kind if link is not None else None:
        case Vxlan(source_ports=(low, high)):
            low, high = (low, high) if low < high else local_ports(context, at.scope)
            return ((low, max(low, high - 1)),)
        case Wireguard() if (known := wireguard.listening(context, at)) is not None:
            return single(known)
        case _:
            return EVERY_PORT


def local_ports(context: Context, scope: Scope) -> tuple[int, int]:
    """ip_local_port_range of a namespace."""
    words = (context.space(scope).sysctl("net.ipv4.ip_local_port_range") or "").split()
    if len(words) == 2 and all(word.isdecimal() and len(word) < 6 for word in words):
        return int(words[0]), int(words[1])
    context.granted(scope, "sysctl")
    return LOCAL_PORTS


def fragmented(context: Context, link: LinkFact | None, remote: Address) -> tuple[bool, bool]:
    """Whether the outer packets may be cut into fragments: of packets that must not be cut, and of those that may. Those of IP tunnels are not with ``pmtudisc``, and
    else as the packet inside, where ``ignore-df`` does not say otherwise; those of VXLAN and Geneve are, without ``df``, but over IPv6 ip6_fragment drops them
    (``skb->ignore_df`` is lost)."""
    six = context.family == 6
    match link.kind if link is not None else None:
        case Tunnel() as kind:
            return kind.may_be_cut and (six or kind.ignores_fragmenting), kind.may_be_cut
        case Vxlan(dont_fragment="set") | Geneve(dont_fragment="set"):
            return False, False
        case Vxlan(dont_fragment="inherit") | Geneve(dont_fragment="inherit"):
            return False, remote.family == 4 and not six
        case Vxlan() | Geneve():
            return remote.family == 4, remote.family == 4
        case _:
            return True, True


def vxlan(context: Context, at: Interface, kind: Vxlan) -> Transfer:
    """drivers/net/vxlan vxlan_xmit: the entry of the frame's MAC, else the entries for all MACs, else the remote address, else a drop."""
    if kind.external or kind.identifier is None:
        return End(Unknown(f"the VXLAN device {at} takes its remote ends from elsewhere (external)"))
    if kind.marked:
        words = f"{at} takes the packet's mark along (gbp), which is not followed"
        return If(In(Field.MARK, single(0)), vxlan(context, at, replace(kind, marked=False)), End(Unknown(words)))
    context.granted(at.scope, "bridge-fdb")
    facts = [fact for fact in context.space(at.scope).forwarding if fact.device == at.device and fact.destination is not None]
    entries = context.once(("entries", at), partial(entries_of, context, at))
    rows = {mac: entered(context, at, mac, len(entries)) for mac in entries}
    every: list[tuple[Address, int | None, Span | None]] = [
        (fact.destination, fact.port, fact.at) for fact in facts if not fact.mac and fact.destination is not None
    ]
    given, missing = kind.remote or kind.group, {*context.space(at.scope).missing, *context.space(at.scope).assumed}
    if not every and given is not None and given.value and "bridge-fdb" in missing:
        every = [(given, None, None)]
    rest = flooded(context, at, kind, every)
    learnt = {mac: row for mac, row in heard(context, at, kind, rest) if mac not in rows} if kind.learning and not every else {}
    return by_value(Field.DESTINATION_MAC, {**rows, **learnt}, rest)


def entries_of(context: Context, at: Interface) -> Mapping[int, ForwardingFact]:
    """The entry of each single MAC that says behind which far end it is: the first."""
    facts = (fact for fact in context.space(at.scope).forwarding if fact.device == at.device and fact.mac)
    known = [fact for fact in facts if fact.destination is not None and fact.destination.value]
    return {fact.mac: fact for fact in reversed(known)}


def entered(context: Context, at: Interface, mac: int, count: int) -> Transfer:
    """To the far end of a MAC's entry; of many entries each is made where frames to it get there."""
    return call(at.scope, "far end", f"{at.device} {mac}") if count > MANY else far_stage(context, at.scope, f"{at.device} {mac}")


def far_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame of a VXLAN device to the far end of its MAC's entry."""
    device, mac = detail.rsplit(" ", 1)
    at = Interface(scope, device)
    entries = context.once(("entries", at), partial(entries_of, context, at))
    link, fact = context.link(at), entries.get(int(mac))
    if link is None or not isinstance(link.kind, Vxlan) or fact is None or fact.destination is None:
        return End(Unknown(f"{at} has no entry for the frame's MAC"))
    return to_endpoint(context, at, link.kind, fact.destination, fact.port, fact.at)


def heard(context: Context, at: Interface, kind: Vxlan, otherwise: Transfer) -> Iterator[tuple[int, Transfer]]:
    """The MACs that a device which asks nobody may have heard, each with where it then sends (vxlan_snoop)."""
    link = context.link(at)
    own = link.mac if link is not None else None
    for far in teachers(context, at):
        address = endpoint(context, far)
        for mac in macs_behind(context, far):
            unheard = f"no frame of another packet has told {at} behind which far end {hardware_text(mac)} is"
            if address is None or own is None or bridge_of(context, at) is not None:
                yield mac, unless(unheard, otherwise)
            else:
                then = to_endpoint(context, at, kind, address, None, link.at if link is not None else None)
                yield mac, if_heard(context, at, mac, own, then, If(Opaque(unheard), otherwise, then))


def macs_behind(context: Context, at: Interface) -> list[int]:
    """The MACs of the hosts that frames which come out of a device get to."""
    links = (context.link(host) for host in flood(context, ("receive", at, 0)).hosts)
    return [link.mac for link in links if link is not None and link.mac is not None]


def hearing(context: Context, at: Interface) -> Transfer:
    """What a device that learns, and asks nobody, notes of a frame."""
    link = context.link(at)
    if link is None or not isinstance(link.kind, Vxlan) or not link.kind.learning:
        return KEEP
    if any(fact.device == at.device and not fact.mac for fact in context.space(at.scope).forwarding):
        return KEEP
    macs = [mac for far in teachers(context, at) for mac in macs_behind(context, far)]
    return by_value(Field.SOURCE_MAC, {mac: hear(context, at, mac) for mac in macs}, KEEP) if macs else KEEP


def flooded(context: Context, at: Interface, kind: Vxlan, every: list[tuple[Address, int | None, Span | None]]) -> Transfer:
    """A frame whose MAC has no entry goes to every default remote: it matters at the one behind which the MAC is."""
    if any(is_group(address) for address, _, _ in every):
        return to_group(context, at, kind)
    if not every:
        if why := unlisted(context.space(at.scope), "bridge-fdb"):
            return End(Unknown(f"whether {at} has a forwarding entry for the frame's MAC is not known: {why}"))
        return drop(f"the forwarding table of {at} has no entry for the frame's MAC")
    rows: dict[int, Transfer] = {}
    for address, port, place in every:
        goes = to_endpoint(context, at, kind, address, port, place)
        for device in at_endpoint(context, address, kind.identifier):
            for host in flood(context, ("receive", device, 0)).hosts:
                link = context.link(host)
                if link is not None and link.mac is not None:
                    rows.setdefault(link.mac, goes)
    return by_value(Field.DESTINATION_MAC, rows, to_endpoint(context, at, kind, *every[0]))


def to_group(context: Context, at: Interface, kind: Vxlan) -> Transfer:
    """A frame whose MAC has no entry and that goes to a multicast group: it matters at the member behind which the MAC is. Whose frames a
    member has seen it answers directly (vxlan_snoop); a device that does not learn sends to the group each time."""
    rows: dict[int, Transfer] = {}
    for member in group_members(context, at, kind):
        far = context.link(member)
        address = endpoint(context, member) if kind.learning else None
        heard = seq(Assign(Field.MARK, 0), *(Assign(name, 0) for name in FORGOTTEN), at_devices(context, member.scope, [member]))
        goes = heard if address is None else to_endpoint(context, at, kind, address, None, far.at if far is not None else None)
        for host in flood(context, ("receive", member, 0)).hosts:
            link = context.link(host)
            if link is not None and link.mac is not None:
                rows.setdefault(link.mac, goes)
    return by_value(Field.DESTINATION_MAC, rows, drop(f"no member of the group of {at} has the frame's MAC"))


def endpoint(context: Context, at: Interface) -> Address | None:
    """The address that a VXLAN device sends from: its own, else the first of the device under it."""
    link, under = context.link(at), context.network.lower.get(at)
    if link is not None and isinstance(link.kind, Vxlan) and link.kind.local is not None and link.kind.local.value:
        return link.kind.local
    given = link.kind.remote or link.kind.group if link is not None and isinstance(link.kind, Vxlan) else None
    inside = context if given is None or given.family == context.family else context.other
    facts = inside.held.get(under, ()) if under is not None else ()
    return next((fact.address for fact in facts), None)


def to_endpoint(context: Context, at: Interface, kind: Vxlan, address: Address, port: int | None, place: Span | None) -> Transfer:
    """One remote end."""
    label = f"vni {kind.identifier}{BARE if address.family == 6 and kind.zero_checksums[0] else ''}"
    return outer(context, at, label, UDP, port or kind.port, kind.local, address, place)


def geneve(context: Context, at: Interface, kind: Geneve) -> Transfer:
    """drivers/net/geneve.c."""
    if kind.external or kind.remote is None or kind.identifier is None:
        return End(Unknown(f"the Geneve device {at} takes its remote ends from elsewhere (external)"))
    bare = BARE if kind.remote.family == 6 and kind.zero_checksums[0] else ""
    return outer(context, at, f"geneve {kind.identifier}{bare}", UDP, kind.port, None, kind.remote, None)


def devices(context: Context, scope: Scope) -> Iterator[tuple[Interface, LinkFact]]:
    """The tunnel devices that are up and whose socket is in the namespace."""
    links = ((at, context.link(at)) for at in of_scope(context, scope))
    return ((at, link) for at, link in links if link is not None and link.up)


def of_scope(context: Context, scope: Scope) -> Sequence[Interface]:
    """The tunnel devices whose socket is in the namespace."""

    def made() -> dict[Scope, list[Interface]]:
        found: dict[Scope, list[Interface]] = {}
        for at, owner in context.network.sockets.items():
            found.setdefault(owner, []).append(at)
        return found

    return context.once("tunnels by namespace", made).get(scope, ())


def arrival(context: Context, scope: Scope, otherwise: Transfer) -> Transfer:
    """A packet for the host itself: tunnels take theirs, else ``otherwise``."""
    ports: dict[int, list[Socket]] = {}
    for at, link in devices(context, scope):
        match link.kind:
            case Vxlan(identifier=int(identifier), port=port) if of_family(link.kind, context.family):
                own = Socket(f"vni {identifier}", at, None, link.kind.zero_checksums[1])
            case Geneve(identifier=int(identifier), port=port, remote=Address() as remote) if remote.family == context.family:
                own = Socket(f"geneve {identifier}", at, remote.value, link.kind.zero_checksums[1])
            case Wireguard() if (known := wireguard.listening(context, at)) is not None:
                ports.setdefault(known, []).extend(Socket(name, at) for name in wireguard.labels(context, at))
                continue
            case _:
                continue
        ports.setdefault(port, []).append(own)
    rows_of: dict[int, Transfer] = {port: by_source(context, scope, found) for port, found in ports.items()}
    rows_of |= {port: seq(Decapsulate(), goto(scope, "cilium overlay", at.device)) for port, at in of_programs(context, scope)}
    rows_of |= arrivals(context, scope)
    rows_of = {**dict.fromkeys(set_elsewhere(context, scope), If(OF_TUNNEL, otherwise, drop(PLAIN))), **rows_of}
    by_port = by_value(Field.DESTINATION_PORT, rows_of, otherwise)
    rows = ip_tunnels.arrivals(context, scope)
    if rows_of:
        rows[UDP] = by_port
    return by_value(Field.PROTOCOL, rows, otherwise)


class Socket(NamedTuple):
    """A device that a port's packets are for: the label of those that it takes, from where (None: from anywhere), and whether also ``bare`` ones."""

    label: str
    at: Interface
    source: int | None = None
    bare: bool = False


def by_source(context: Context, scope: Scope, found: Sequence[Socket]) -> Transfer:
    """By the packet's source, where a device takes those of its far end only (``geneve_lookup``)."""

    def taking(source: int | None) -> Transfer:
        group: dict[int, list[Interface]] = {}
        for one in found:
            for label in (one.label, one.label + BARE) if one.bare else (one.label,):
                if one.source in (None, source):
                    group.setdefault(context.names.number(label), []).append(one.at)
        return taken_out(context, scope, group)

    return by_value(Field.SOURCE, {one.source: taking(one.source) for one in found if one.source is not None}, taking(None))


def set_elsewhere(context: Context, scope: Scope) -> Iterator[int]:
    """The ports of tunnel devices whose far ends a program sets: what is no packet of a tunnel ends there too (``vxlan_rcv``, ``geneve_udp_encap_recv``)."""
    for _, link in devices(context, scope):
        if isinstance(link.kind, Vxlan | Geneve) and of_family(link.kind, context.family):
            yield link.kind.port


def of_programs(context: Context, scope: Scope) -> Iterator[tuple[int, Interface]]:
    """The tunnel devices whose packets Cilium's programs send and take, by port."""
    if any(space.cilium is not None for space in context.network.namespaces.values()):
        for at, link in devices(context, scope):
            if isinstance(link.kind, Vxlan | Geneve) and link.kind.external and link.up:
                yield link.kind.port, at


def of_family(kind: Vxlan | Geneve, family: int) -> bool:
    """Whether a device's socket is of the IP version (``vxlan_sock_add``, ``geneve_open``: that of its addresses; both without any)."""
    known = kind.remote if isinstance(kind, Geneve) else kind.local or kind.remote or kind.group
    return known is None or known.family == family


def taken_out(context: Context, scope: Scope, group: dict[int, list[Interface]]) -> Transfer:
    """The payload goes on at the device that it is for."""
    rows = {number: at_devices(context, scope, found) for number, found in group.items()}
    lost = drop(f"no tunnel device of {scope} has the packet's identifier")
    return seq(Decapsulate(marked=True), by_value(Field.IN_INTERFACE, rows, lost))


def at_devices(context: Context, scope: Scope, found: list[Interface]) -> Transfer:
    """The device that takes a payload; of several with one identifier any. The mark stays within one namespace (__iptunnel_pull_header of
    net/ipv4/ip_tunnel_core.c), but not through WireGuard (wg_reset_packet)."""
    branches = []
    for at in found:
        link = context.link(at)
        kept = at.scope == scope and not (link is not None and isinstance(link.kind, Wireguard))
        marked = seq(not_own(at, link), KEEP if kept else Assign(Field.MARK, 0))
        cleared = seq(Assign(Field.IN_INTERFACE, 0), goto(at.scope, "receive", at.device))
        if link is not None and isinstance(link.kind, Wireguard):
            cleared = goto(at.scope, "wireguard in", at.device)
        branches.append(seq(marked, hearing(context, at), cleared))
    return branches[0] if len(branches) == 1 else Alt(tuple(branches))


def not_own(at: Interface, link: LinkFact | None) -> Transfer:
    """VXLAN and Geneve drop frames from the device's own MAC (``vxlan_set_mac``, ``geneve_rx``)."""
    if link is None or link.mac is None or not isinstance(link.kind, Vxlan | Geneve):
        return KEEP
    return If(
        In(Field.SOURCE_MAC, single(link.mac)), drop(f"{at} drops a frame from its own MAC {hardware_text(link.mac)}"), KEEP
    )
