"""Neighbour discovery of IPv6 in the language: the question and the answer are packets that pass the netfilter hooks of both hosts, and of
the bridges between them that show their packets to netfilter (br_netfilter_hooks.c).

While they are under way the packet itself is saved, as in a tunnel. Conntrack leaves them UNTRACKED (nf_conntrack_icmpv6_error).
``("asked", "device target index")`` is the whole exchange of a device with one of the hosts on its network, which comes back when the
answer does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from analyzer.model.link_filters import SENT, acting, words
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, single
from analyzer.source import Scope
from analyzer.transfer.answering import Host, wire
from analyzer.transfer.bridge import called
from analyzer.transfer.bridge_filters import entering, going_up, leaving
from analyzer.transfer.cilium.programs import answers as programmed
from analyzer.transfer.ir import (
    KEEP,
    UNTRACKED,
    Assign,
    Choose,
    Copy,
    Decapsulate,
    Drop,
    Encapsulate,
    End,
    Field,
    If,
    In,
    Transfer,
    Unknown,
)
from analyzer.transfer.reach import Crossing, Reach, crossings, flood
from analyzer.transfer.refusing import refuses, uncertain, way
from analyzer.transfer.remembering import remember
from analyzer.transfer.space import Context, by_value, call, everything, seq, unless

ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
ALL_NODES = 0x333300000001
GROUP = 0xFF0200000000000000000001FF000000
NEAR = 255
"""The hop limit without which a host takes no neighbour discovery (ndisc.c ``ndisc_rcv``): a rule may have changed it."""
OUTSIDER = 0
"""The MAC of a host that is not in the capture."""
TAKEN = If(In(Field.TTL, single(NEAR)), KEEP, End(Drop(f"neighbour discovery with another hop limit than {NEAR} is not taken")))
Visit = tuple[Scope, Transfer]
"""What happens to a packet in a namespace."""


def solicited(context: Context, at: Interface, host: Host, value: int) -> Transfer:
    """The answer of a host for an address that it holds: in IPv4 (ARP) by itself, in IPv6 where the hooks let both packets pass."""
    known = Assign(Field.DESTINATION_MAC, host.mac)
    found = wire(context, at)
    if context.family == 4:
        return known
    if programmed(context, at) is not None:
        return End(Unknown(f"how neighbour discovery of {at.scope} gets to the endpoint behind {at} is not followed"))
    if programmed(context, host.at) is not None:
        lost = End(Unknown(f"what the rules of {at.scope} do about the answer of the program at {host.at} is not followed"))
        return lost if refuses(context, at.scope) else known
    noted = learnt(context, at, host)
    if not uncertain(context, at, found.reach, host.at):
        return seq(noted, known)
    return seq(call(at.scope, "asked", f"{at.device} {value} {found.hosts.index(host)}"), noted, known)


def learnt(context: Context, at: Interface, host: Host) -> Transfer:
    """A host that is asked notes who asks (ndisc_recv_ns), where it could not be sure of the answer if it asked."""
    own, learnable = mac_of(context, at), wire(context, host.at).learnable
    held = [fact.address.value for fact in context.held.get(at, ())]
    noted = {value: remember(context, host.at, value, own, own) for value in held if own in learnable.get(value, ())}
    return (
        by_value(Field.SOURCE, {value: noted.get(value, KEEP) for value in held}, noted.get(own_local(held), KEEP))
        if noted
        else KEEP
    )


def asked_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The solicitation there and the advertisement back."""
    device, value, index = detail.rsplit(" ", 2)
    at, target = Interface(scope, device), int(value)
    found = wire(context, at)
    host = found.hosts[int(index)]
    there, back = way(context, found.reach, host.at), way(context, flood(context, ("frame", host.at, 0)), at)
    if there is None or back is None:
        return End(Unknown(f"the way of neighbour discovery between {at} and {host.at} is not known"))
    asking = (sends(context, at), (at.scope, from_mac(context, at)), *passes(context, there), hears(context, host.at, there))
    answering = (sends(context, host.at), *passes(context, back), hears(context, at, back))
    answer = turned(target, host.mac)
    return seq(question(context, at, target), visits(asking), answer, visits(answering), *restored(context, at))


def outsider(context: Context, at: Interface, reach: Reach) -> Transfer:
    """The answer of a host that is not in the capture, beyond the first device by which the question leaves it."""
    known = Assign(Field.DESTINATION_MAC, OUTSIDER)
    if context.family == 4 or not reach.outside:
        return known
    left = reach.step("frame", reach.outside[0])
    there = crossings(context, reach, left)
    back = way(context, flood(context, ("receive", reach.outside[0], left[2] if left else 0)), at)
    if there is None or back is None or not any(refuses(context, scope) for scope in scopes(at, (*there, *back))):
        return known
    gateways = {
        hop.via.value: of_outsider(context, at, there, back, hop.via.value)
        for routes in context.space(at.scope).routes.get(6, {}).values()
        for route in routes
        for hop in route.next_hops
        if hop.via is not None and hop.device == at.device
    }
    rest = of_outsider(context, at, there, back, None)
    return If(In(Field.DIRECTION, single(1)), known, by_value(Field.NEXT_HOP, gateways, rest))


def of_outsider(
    context: Context, at: Interface, there: tuple[Crossing, ...], back: tuple[Crossing, ...], value: int | None
) -> Transfer:
    """The exchange about one gateway, or about the packet's own destination (None), which only the saved packet has."""
    asking, answer = question(context, at, value or 0), turned(value or 0, OUTSIDER)
    again: Transfer = Assign(Field.NEXT_HOP, value or 0)
    if value is None:
        words = f"the rules on the way treat neighbour discovery of every address beyond {at} alike"
        asking = seq(asking, Choose(Field.DESTINATION, ((GROUP, GROUP | 0xFFFFFF),), unknown=words))
        answer = seq(answer, Choose(Field.SOURCE, everything(128), unknown=words))
        again = Copy(Field.NEXT_HOP, Field.DESTINATION)
    sent = visits((sends(context, at), (at.scope, from_mac(context, at)), *passes(context, there)))
    heard = visits((*passes(context, back), hears(context, at, back)))
    return seq(asking, sent, TAKEN, answer, heard, *restored(context, at), again, Assign(Field.DESTINATION_MAC, OUTSIDER))


def restored(context: Context, at: Interface) -> tuple[Transfer, ...]:
    """The packet is back, with its mark."""
    return Decapsulate(), Copy(Field.MARK, Field.SOURCE_MAC), Assign(Field.SOURCE_MAC, mac_of(context, at))


def scopes(at: Interface, between: Iterable[Crossing]) -> Iterator[Scope]:
    """The namespaces that an exchange with a host outside passes."""
    yield from (at.scope, *(one.bridge.scope for one in between))


def question(context: Context, at: Interface, value: int) -> Transfer:
    """The solicitation, from the packet's own source where that is the device's, else from the device's link-local address (ndisc_solicit)."""
    own = [fact.address.value for fact in context.held.get(at, ())]
    asking = by_value(Field.SOURCE, {address: asked(address, value) for address in own}, asked(own_local(own), value))
    return seq(Copy(Field.SOURCE_MAC, Field.MARK), asking)


def own_local(own: Sequence[int]) -> int:
    """The link-local one of an interface's addresses, else its first."""
    return next((address for address in own if address >> 118 == 0x3FA), own[0] if own else 0)


def asked(source: int, value: int) -> Transfer:
    """The solicitation from an address."""
    fields: tuple[tuple[Field, Ranges], ...] = (
        (Field.SOURCE, single(source)),
        (Field.DESTINATION, single(GROUP | value & 0xFFFFFF)),
        (Field.PROTOCOL, single(ICMPV6)),
        (Field.ICMP_TYPE, single(SOLICITATION)),
        (Field.TTL, single(NEAR)),
        (Field.STATE, single(UNTRACKED)),
    )
    return seq(Encapsulate(fields), Assign(Field.MARK, 0))


def turned(value: int, mac: int) -> Transfer:
    """The advertisement."""
    return seq(
        Copy(Field.NEXT_HOP, Field.SOURCE),
        Assign(Field.SOURCE, value),
        Copy(Field.DESTINATION, Field.NEXT_HOP),
        Assign(Field.ICMP_TYPE, ADVERTISEMENT),
        Assign(Field.TTL, NEAR),
        Assign(Field.DESTINATION_MAC, 0),
        Assign(Field.SOURCE_MAC, mac),
        Assign(Field.MARK, 0),
    )


def from_mac(context: Context, at: Interface) -> Transfer:
    """The frame of the solicitation."""
    return seq(Assign(Field.SOURCE_MAC, mac_of(context, at)), Assign(Field.DESTINATION_MAC, ALL_NODES))


def mac_of(context: Context, at: Interface) -> int:
    """An interface's MAC; 0: it has none."""
    link = context.link(at)
    return link.mac if link is not None and link.mac is not None else 0


def visits(found: Iterable[Visit]) -> Transfer:
    """What happens in one namespace after the other: the mark stays in its namespace (skb_scrub_packet)."""
    parts: list[Transfer] = []
    before: Scope | None = None
    for scope, what in found:
        parts += [what] if before in (None, scope) else [Assign(Field.MARK, 0), what]
        before = scope
    return seq(*parts)


def devices(incoming: int, outgoing: int, port_in: int = 0, port_out: int = 0) -> Transfer:
    """The devices that a hook sees."""
    return seq(
        Assign(Field.IN_INTERFACE, incoming),
        Assign(Field.OUT_INTERFACE, outgoing),
        Assign(Field.PHYSICAL_IN, port_in),
        Assign(Field.PHYSICAL_OUT, port_out),
    )


def hook(scope: Scope, name: str) -> Transfer:
    """A hook, for what is not tracked."""
    return call(scope, "hook", f"{name} asking")


def sends(context: Context, at: Interface) -> Visit:
    """The hooks of the host that sends by a device."""
    own = devices(0, context.names.number(at.device))
    return at.scope, seq(own, hook(at.scope, "OUTPUT"), hook(at.scope, "POSTROUTING"), *by_bridge(context, at))


def by_bridge(context: Context, at: Interface) -> Iterator[Transfer]:
    """The chains of a bridge that its own host sends by: by which port is not said here, and so what they do is open."""
    space = context.space(at.scope)
    for chain in acting(space, "bridge", SENT) if context.ports.get(at) else ():
        yield unless(words(chain, space), KEEP)


def passes(context: Context, between: Iterable[Crossing]) -> Iterator[Visit]:
    """The hooks of the bridges on the way: PREROUTING, and where the frame goes on to another port, FORWARD and POSTROUTING."""
    for bridge, came, goes in between:
        scope, number = bridge.scope, context.names.number
        own, port, out = number(bridge.device), number(came), number(goes) if goes else 0
        seen = seq(devices(own, 0, port), hook(scope, "PREROUTING"))
        last = going_up(context, bridge)
        if goes:
            forwarded = seq(devices(own, own, port, out), hook(scope, "FORWARD"))
            seen = seq(seen, forwarded, Assign(Field.IN_INTERFACE, 0), hook(scope, "POSTROUTING"))
            last = leaving(context, bridge, came, goes)
        yield scope, seq(entering(context, bridge, came), where_called(context, bridge, seen), last)


def where_called(context: Context, bridge: Interface, seen: Transfer) -> Transfer:
    """What netfilter does, where the bridge shows it its packets."""
    shown = called(context, bridge)
    if shown is None:
        missing = context.space(bridge.scope).missing["sysctl"]
        return unless(f"{bridge.scope}: bridged packets do not pass iptables (bridge-nf-call-iptables; {missing})", KEEP)
    return seen if shown else KEEP


def hears(context: Context, host: Interface, between: tuple[Crossing, ...]) -> Visit:
    """The hooks of the host that the packet is for; what its bridge showed to PREROUTING is not shown there again (ip_sabotage_in)."""
    own, last = context.names.number(host.device), between[-1] if between else None
    if last is not None and not last.port_out and called(context, last.bridge):
        return host.scope, seq(devices(own, 0, context.names.number(last.port_in)), hook(host.scope, "INPUT"), TAKEN)
    return host.scope, seq(devices(own, 0), hook(host.scope, "PREROUTING"), hook(host.scope, "INPUT"), TAKEN)
