"""IP in IP, SIT and GRE in the language: to which far end a device sends, and which device takes a packet that came.

After ``ip_tunnel_lookup`` (net/ipv4/ip_tunnel.c), ``ipip6_tunnel_lookup`` (net/ipv6/sit.c), ``ip6_tnl_lookup`` (net/ipv6/ip6_tunnel.c) and ``ip6gre_tunnel_lookup`` of Linux
6.1. What a packet of a tunnel says besides its addresses (key, checksum, sequence number) is a label of its payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.links import LinkFact, Tunnel
from analyzer.model.network import Interface
from analyzer.model.registered import FALLBACK
from analyzer.source import Scope
from analyzer.transfer.carried import at_devices, of_scope, outer
from analyzer.transfer.ir import Decapsulate, Drop, End, Field, Transfer, Unknown
from analyzer.transfer.space import Context, by_value, drop, seq

GRE = 47
WITHIN = {4: 4, 6: 41}
LISTS = {
    (4, 4): (("ipip",), ("sit",)),
    (4, 41): (("sit",),),
    (4, 47): (("gre",), ("gretap",)),
    (6, 4): (("ip6tnl",),),
    (6, 41): (("ip6tnl",),),
    (6, 47): (("ip6gre",), ("ip6gretap",)),
}
"""The kinds of devices that an IP version and a protocol are for."""


class Sent(NamedTuple):
    """What a packet of a tunnel says of itself: its key, whether it has a checksum and a sequence number, and whether it carries a frame."""

    key: str | None
    checksum: bool
    numbered: bool
    frame: bool

    def label(self, protocol: int) -> str:
        """The name that travels with the payload."""
        words = f"tunnel {protocol}"
        words += f" key {self.key}" if self.key is not None else ""
        return words + " checksum" * self.checksum + " numbered" * self.numbered + " frame" * self.frame


class Asked(NamedTuple):
    """What is known of a packet that arrived: its ends, and the device by which it came, each only where some tunnel asks for it."""

    remote: Address | None
    local: Address | None
    by: str | None


def sent_by(kind: Tunnel) -> Sent:
    """What the packets of a device say."""
    return Sent(kind.key_sent, kind.checksums[1], kind.numbered[1], kind.frames)


def tunnel(context: Context, at: Interface, kind: Tunnel) -> Transfer:
    """``ip_tunnel_xmit``: to the far end, for a device without one to the next hop."""
    if kind.external or kind.kind.startswith(("erspan", "ip6erspan", "vti")):
        return End(Unknown(f"the tunnel {at} of kind {kind.kind} takes its far ends from elsewhere, or is not modelled"))
    if not kind.frames and context.family not in kind.carries:
        return drop(f"{at} carries no packets of IPv{context.family}")
    if (refused := refused_ends(context, at, kind)) is not None:
        return refused
    protocol = GRE if "gre" in kind.kind else WITHIN[context.family]
    label = sent_by(kind).label(protocol)
    if (remote := end(kind.remote)) is not None:
        return outer(context, at, label, protocol, 0, kind.local, remote, None)
    if "gre" in kind.kind and not kind.frames:
        own = end(kind.local)
        return drop(f"{at} has no far end") if own is None else outer(context, at, label, protocol, 0, own, own, None)
    if kind.family == 4 and context.family == 6:
        return drop(f"{at} has no far end for packets of IPv6")
    if kind.family == 6 and context.family == 4:
        return drop(f"{at} has no far end for packets of IPv4")
    known = sorted({own.value for own in context.network.owners if own.family == context.family})
    rows = {value: outer(context, at, label, protocol, 0, kind.local, Address(context.family, value), None) for value in known}
    return by_value(Field.NEXT_HOP, rows, End(Unknown(f"the remote end of {at} is not a node of the capture")))


def refused_ends(context: Context, at: Interface, kind: Tunnel) -> Transfer | None:
    """IPv6's tunnels have an own address to send from, and do not lead to their own host (``ip6_tnl_xmit_ctl``)."""
    if kind.family == 4:
        return None
    local, remote = end(kind.local), end(kind.remote)
    if local is None or (remote is None and "gre" in kind.kind):
        return drop(f"{at} sends nothing: it lacks an end")
    scope = context.network.sockets.get(at, at.scope)
    own = {fact.address for fact in context.space(scope).addresses}
    if local in own and (remote not in own or kind.local_remote):
        return None
    words = f"{at} may send from {local} to {remote}"
    missing = context.space(scope).missing.get("ip-addr")
    return End(Drop(f"{words}: one must be its host's, and the other not") if missing is None else Unknown(f"{words}: {missing}"))


def end(address: Address | None) -> Address | None:
    """An end that is given."""
    return address if address is not None and address.value else None


class Taking(NamedTuple):
    """Whose packets are taken out: a namespace's, of a protocol, by devices of these kinds."""

    scope: Scope
    protocol: int
    lists: tuple[tuple[str, ...], ...]


def arrivals(context: Context, scope: Scope) -> dict[int, Transfer]:
    """By protocol: the payload goes on at the device that the packet is for."""
    rows: dict[int, Transfer] = {}
    for (family, protocol), lists in LISTS.items():
        known = [one for kinds in lists for one in tunnels_of(context, scope, kinds)] if family == context.family else []
        if any(link.up for _, link, _ in known):
            rows[protocol] = by_device(context, Taking(scope, protocol, lists), known)
    return rows


Device = tuple[Interface, LinkFact, Tunnel]


def tunnels_of(context: Context, scope: Scope, kinds: tuple[str, ...]) -> Iterator[Device]:
    """The devices of some kinds whose packets a namespace gets, in the order in which they were made."""
    found = ((at, context.link(at)) for at in of_scope(context, scope))
    known = [(link.index or 0, at, link, link.kind) for at, link in found if link is not None and isinstance(link.kind, Tunnel)]
    return ((at, link, kind) for _, at, link, kind in sorted(known, key=lambda item: item[:2]) if kind.kind in kinds)


def by_device(context: Context, taking: Taking, known: list[Device]) -> Transfer:
    """By the device by which the packet came, where some tunnel is over one, and then by its source."""
    over = sorted({kind.device for _, _, kind in known if kind.device is not None})
    rows = {context.names.number(name): by_remote(context, taking, known, name) for name in over}
    return by_value(Field.IN_INTERFACE, rows, by_remote(context, taking, known, None))


def by_remote(context: Context, taking: Taking, known: list[Device], by: str | None) -> Transfer:
    """By the packet's source and then its destination. Of the devices those matter that have that far end, or none."""
    of_one: dict[Address | None, list[Device]] = {None: []}
    for one in known:
        of_one.setdefault(end(one[2].remote), []).append(one)

    def by_local(remote: Address | None) -> Transfer:
        may = of_one[None] if remote is None else [*of_one[remote], *of_one[None]]
        owns = {own for _, _, kind in may if (own := end(kind.local)) is not None}
        rows = {own.value: by_label(context, taking, may, Asked(remote, own, by)) for own in owns}
        return by_value(Field.DESTINATION, rows, by_label(context, taking, may, Asked(remote, None, by)))

    rows = {remote.value: by_local(remote) for remote in of_one if remote is not None}
    return by_value(Field.SOURCE, rows, by_local(None))


def by_label(context: Context, taking: Taking, known: list[Device], asked: Asked) -> Transfer:
    """By what the packet says besides."""
    rows: dict[int, Transfer] = {}
    for sent in sayings(context, taking.protocol, known):
        found: Device | None = None
        for kinds in taking.lists:
            if taking.protocol != GRE or sent.frame == kinds[0].endswith("tap"):
                found = found or look_up([one for one in known if one[2].kind in kinds], asked, sent)
        if found is not None:
            rows[context.names.number(sent.label(taking.protocol))] = at_device(context, taking, sent, asked, found)
    lost = drop(f"no tunnel device of {taking.scope} takes the packet")
    return seq(Decapsulate(marked=True), by_value(Field.IN_INTERFACE, rows, lost))


def sayings(context: Context, protocol: int, known: list[Device]) -> Iterator[Sent]:
    """What packets may say that some of the devices could take: by their keys, and anything where one takes all."""
    every = context.once(("labels of tunnels", protocol), partial(labels, context, protocol))
    open_ones = any(kind.external or at.device in FALLBACK for at, link, kind in known if link.up)
    numbers = sorted(every) if open_ones else sorted({as_number(kind.key) for _, _, kind in known})
    return (sent for number in numbers for sent in every.get(number, ()))


def labels(context: Context, protocol: int) -> Mapping[int, list[Sent]]:
    """What packets of tunnels may say, in the whole network, by their keys."""
    links = [link for space in context.network.namespaces.values() for link in space.links.values() if link.up]
    kinds = {link.kind for link in links if isinstance(link.kind, Tunnel)}
    said = {sent_by(kind) for kind in kinds if ("gre" in kind.kind) == (protocol == GRE)}
    found: dict[int, list[Sent]] = {}
    for sent in sorted(said, key=lambda sent: sent.label(protocol)):
        found.setdefault(as_number(sent.key), []).append(sent)
    return found


def at_device(context: Context, taking: Taking, sent: Sent, asked: Asked, found: Device) -> Transfer:
    """The device takes the payload, or drops it (``ip_tunnel_rcv``, ``ip6_tnl_rcv_ctl``)."""
    at, link, kind = found
    if kind.external:
        return End(Unknown(f"{at} takes any packets of its kind (external)"), link.at)
    inner = {4: 4, 41: 6}.get(taking.protocol)
    wrong = inner is not None and inner not in kind.carries
    wrong = wrong or kind.checksums[0] != sent.checksum or (kind.numbered[0] and not sent.numbered)
    if kind.family == 6 and not kind.local_remote:
        wrong = wrong or asked.remote in {fact.address for fact in context.space(taking.scope).addresses}
    return End(Drop(f"{at} takes no such packets"), link.at) if wrong else at_devices(context, taking.scope, [at])


def look_up(known: list[Device], asked: Asked, sent: Sent) -> Device | None:
    """The device that a packet is for, by the kernel's lists: one over the device by which the packet came first, else the first of the closest."""
    if not known:
        return None
    kind = known[0][2].kind
    if kind == "sit":
        return look_up_sit(known, asked)
    up = [one for one in known if one[1].up and not one[2].external]
    fitting = [(place, one) for one in up if (place := place_of(one[2], asked, sent)) is not None]
    fitting.sort(key=lambda item: item[0])
    over = [one for _, one in fitting if one[2].device is not None and one[2].device == asked.by]
    rest = [one for one in known if one[1].up and one[2].external]
    rest += [one for one in up if one[0].device in FALLBACK]
    return next(iter([*over, *(one for _, one in fitting), *rest]), None)


def place_of(kind: Tunnel, asked: Asked, sent: Sent) -> int | None:
    """In which of the lists a device is found: both ends, one, none; None: it does not fit."""
    remote, local = end(kind.remote), end(kind.local)
    if remote not in (None, asked.remote) or local not in (None, asked.local) or as_number(kind.key) != as_number(sent.key):
        return None
    if (remote or local) and kind.family == 4 and (kind.key is None) != (sent.key is None):
        return None
    one_end = (2, 1) if kind.kind == "ip6tnl" else (1, 2)
    return 0 if remote and local else one_end[0] if remote else one_end[1] if local else 3


def as_number(key: str | None) -> int:
    """A key's value; none is 0 (``tpi->key``)."""
    if key is None:
        return 0
    return int(IPv4Address(key)) if "." in key else int(key, 0)


def look_up_sit(known: list[Device], asked: Asked) -> Device | None:
    """The last one made of the closest, none over another device; of those without ends the very last one, if it is up."""
    found: dict[int, Device] = {}
    for one in known:
        remote, local = end(one[2].remote), end(one[2].local)
        place = 0 if remote and local else 1 if remote else 2 if local else 3
        fits = remote in (None, asked.remote) and local in (None, asked.local)
        if fits and (place == 3 or (one[1].up and one[2].device in (None, asked.by))):
            found[place] = one
    best = found[min(found)] if found else None
    return best if best is not None and best[1].up else None
