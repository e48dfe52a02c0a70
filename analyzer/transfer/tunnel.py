"""Tunnels in the language: the packet becomes the payload of another, which the namespace of the tunnel's socket sends, and is taken out where that arrives.

What tells tunnels of one port apart (the VNI, the sending device's kind) travels in the payload's IN_INTERFACE as the number of a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, Vxlan, Wireguard
from analyzer.model.network import Interface
from analyzer.source import Scope
from analyzer.transfer import ip_tunnels, wireguard
from analyzer.transfer.carried import BARE, UDP, at_devices, devices, listening, outer
from analyzer.transfer.ir import Decapsulate, End, Field, If, Transfer, Unknown
from analyzer.transfer.ovs.ports import arrivals
from analyzer.transfer.space import OF_TUNNEL, Context, by_value, drop, goto, seq

PLAIN = "it is sent to the port of a tunnel, and is no packet of one"


def geneve(context: Context, at: Interface, kind: Geneve) -> Transfer:
    """drivers/net/geneve.c."""
    if kind.external or kind.remote is None or kind.identifier is None:
        return End(Unknown(f"the Geneve device {at} takes its remote ends from elsewhere (external)"))
    bare = BARE if kind.remote.family == 6 and kind.zero_checksums[0] else ""
    return outer(context, at, f"geneve {kind.identifier}{bare}", UDP, kind.port, None, kind.remote, None)


def arrival(context: Context, scope: Scope, otherwise: Transfer) -> Transfer:
    """A packet for the host itself: tunnels take theirs, else ``otherwise``."""
    ports: dict[int, list[Socket]] = {}
    for at, link in devices(context, scope):
        match link.kind:
            case Vxlan(identifier=int(identifier), port=port) if of_family(link.kind, context.family):
                own = Socket(f"vni {identifier}", at, None, link.kind.zero_checksums[1])
            case Geneve(identifier=int(identifier), port=port, remote=Address() as remote) if remote.family == context.family:
                own = Socket(f"geneve {identifier}", at, remote.value, link.kind.zero_checksums[1])
            case Wireguard() if (known := listening(context, at)) is not None:
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
