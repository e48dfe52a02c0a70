"""What all tunnels have in common, in the language: the packet around another, and the device at which what a packet carries goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Geneve, LinkFact, Tunnel, Vxlan, Wireguard
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, single
from analyzer.source import Scope, Span
from analyzer.transfer.ir import KEEP, Alt, Assign, Field, If, In, Transfer
from analyzer.transfer.netfilter.services import in_a_tunnel
from analyzer.transfer.other_version import outer as around_other
from analyzer.transfer.reach import flood, teachers
from analyzer.transfer.remembering import hear
from analyzer.transfer.shut_out import let_in
from analyzer.transfer.sizes import wrapped
from analyzer.transfer.space import Context, by_value, call, drop, goto, seq

UDP = 17
EVERY_PORT: Ranges = ((1, 65535),)
BARE = " without a checksum"
"""Of packets of VXLAN over IPv6 that have no UDP checksum, which not every device takes (``udp6_csum_init``)."""
LOCAL_PORTS = (32768, 60999)
"""ip_local_port_range, as the kernel has it by default (net/ipv4/af_inet.c)."""
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
        case Wireguard() if (known := listening(context, at)) is not None:
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


def listening(context: Context, at: Interface) -> int | None:
    """The port of a WireGuard device: its own, or as its peers know it."""
    said = context.space(at.scope).wireguard.get(at.device)
    if said is not None and said.port:
        return said.port
    own = {address for address, owners in context.network.owners.items() if any(owner.scope == at.scope for owner in owners)}
    spaces = context.network.namespaces.values()
    return next((fact.port for space in spaces for fact in space.wireguard_peers if fact.endpoint in own and fact.port), None)


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


def hearing(context: Context, at: Interface) -> Transfer:
    """What a device that learns, and asks nobody, notes of a frame."""
    link = context.link(at)
    if link is None or not isinstance(link.kind, Vxlan) or not link.kind.learning:
        return KEEP
    if any(fact.device == at.device and not fact.mac for fact in context.space(at.scope).forwarding):
        return KEEP
    macs = [mac for far in teachers(context, at) for mac in macs_behind(context, far)]
    return by_value(Field.SOURCE_MAC, {mac: hear(context, at, mac) for mac in macs}, KEEP) if macs else KEEP


def macs_behind(context: Context, at: Interface) -> list[int]:
    """The MACs of the hosts that frames which come out of a device get to."""
    links = (context.link(host) for host in flood(context, ("receive", at, 0)).hosts)
    return [link.mac for link in links if link is not None and link.mac is not None]
