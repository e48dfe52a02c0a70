"""Tunnel ports of Open vSwitch: whose far end and key the port or the flow says, and which port takes what arrives.

After ofproto/tunnel.c (``tnl_port_send``, ``tnl_find``) and vswitchd/vswitch.xml (options of tunnels). The outer packet is the node's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address, address
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.network import Interface
from analyzer.model.service_types import service_of
from analyzer.solve.packet import UDP
from analyzer.solve.walk import links, tunnels
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.ovs import switch as ovs
from analyzer.solve.walk.ovs.tables import Tables
from analyzer.solve.walk.ovs.values import Values
from analyzer.solve.walk.state import Delivered, Endings, Frame, Walk

UDP_PORTS = {"geneve": 6081, "vxlan": 4789, "stt": 7471, "lisp": 4341, "gtpu": 2152}
TUNNELLED_BYTES = {"geneve": 30, "vxlan": 30, "gre": 18, "erspan": 30, "ip6gre": 18}
GRE = 47
KEY_BITS = {"geneve": 24, "vxlan": 24}


def encapsulated(walk: Walk, space: Space, port: SwitchPortFact, frame: Frame, values: Values) -> Endings:
    """A frame leaves by a tunnel port."""
    remote = far_end(port, values)
    if remote is None:
        return walk.drop(space.scope, f"the flow gives tunnel port {port.name} of {space.place} no far end", port.at)
    key = key_of(port, values)
    options = 8 if any(name.startswith("tun_metadata") and value for name, value in values.items()) else 0
    udp = port.kind in UDP_PORTS
    number = udp_port(port)
    neighbours_alike(walk, space, port)
    what = f"{port.name} sends the frame in {port.kind} {key} to {remote}" + (f" port {number}" if udp else "")
    walk.tell(space.scope, "encapsulate", what, port.at, links.packet_of(frame))
    extra = TUNNELLED_BYTES.get(port.kind, 30) + options
    protocol, service = UDP if udp else GRE, service_of(port)
    outer = tunnels.outer_packet(frame, remote, local_of(port, values), True, protocol, number, extra, service)
    if port.option("df_default") == "false":
        outer = outer._replace(fragments=True)
    carried = {name: value for name, value in values.items() if name.startswith("tun_metadata")}

    def opened(end: Delivered) -> Endings:
        return taken_out(walk, port, end, frame, key, carried)

    return tunnels.carried(walk, space.scope, outer, opened)


def neighbours_alike(walk: Walk, space: Space, port: SwitchPortFact) -> None:
    """The datapath in user space keeps the neighbours of its tunnels itself (lib/tnl-neigh-cache.c), of which no dump is read."""
    found = space.switching.port(port.name)
    if found is not None and found[0].switch.datapath == "netdev":
        walk.assume(f"Open vSwitch's own table of neighbours (tnl/neigh/show) on {space.place} says what the kernel's says")


def far_end(port: SwitchPortFact, values: Values) -> Address | None:
    """The remote address: the port's own, or the flow's."""
    text = port.option("remote_ip")
    if text and text != "flow":
        return address(text)
    if values.get("tun_dst"):
        return Address(4, values["tun_dst"])
    return Address(6, values["tun_ipv6_dst"]) if values.get("tun_ipv6_dst") else None


def local_of(port: SwitchPortFact, values: Values) -> int:
    """The local address: the port's own, or the flow's; 0: as the route says."""
    text = port.option("local_ip")
    if text and text != "flow":
        return address(text).value
    return values.get("tun_src", 0) or values.get("tun_ipv6_src", 0)


def key_of(port: SwitchPortFact, values: Values) -> int:
    """The key of what is sent: ``out_key``, else ``key``; ``flow``: that of the flow."""
    text = port.option("out_key") or port.option("key")
    number = values.get("tun_id", 0) if text == "flow" else int(text, 0) if text else 0
    return number & ((1 << KEY_BITS.get(port.kind, 32)) - 1)


def udp_port(port: SwitchPortFact) -> int:
    """The UDP port that a tunnel uses; 0: none."""
    text = port.option("dst_port")
    return int(text) if text.isdecimal() else UDP_PORTS.get(port.kind, 0)


def taken_out(walk: Walk, sender: SwitchPortFact, end: Delivered, frame: Frame, key: int, carried: Values) -> Endings:
    """``tnl_port_receive``: the port that fits best takes the inner frame into its switch; else a device of the kernel may."""
    outer, space = end.at.packet, walk.space(end.scope)
    found = max(fitting(space, sender, end, key), key=lambda item: item[0], default=None)
    source = Address(outer.family, outer.source)
    if found is None:
        if sender.kind == "vxlan":
            return tunnels.open_vxlan(walk, end, key, frame, False)
        text = f"no {sender.kind} port of Open vSwitch on {end.scope} takes key {key} from {source}"
        return walk.drop(end.scope, text, space.switching.at)
    _, tables, port = found
    walk.tell(end.scope, "decapsulate", f"{port.name} takes the frame out", port.at, links.packet_of(frame))
    names = ("tun_src", "tun_dst") if outer.family == 4 else ("tun_ipv6_src", "tun_ipv6_dst")
    values = {**carried, "tun_id": key, names[0]: outer.source, names[1]: outer.destination}
    here = Interface(end.scope, port.name)
    return ovs.enter(walk, space, tables, port, tunnels.entering(frame, end, here), values)


def fitting(
    space: Space, sender: SwitchPortFact, end: Delivered, key: int
) -> Iterator[tuple[tuple[bool, bool, bool], Tables, SwitchPortFact]]:
    """The ports that take a tunnel's packet, each with how closely it fits (``tnl_find``)."""
    outer = end.at.packet
    source, destination = Address(outer.family, outer.source), Address(outer.family, outer.destination)
    for tables in space.switching.every:
        for port in tables.switch.ports.values():
            if port.kind != sender.kind or udp_port(port) != outer.destination_port:
                continue
            remote, local = port.option("remote_ip"), port.option("local_ip")
            own = port.option("in_key") or port.option("key")
            exact_remote = bool(remote) and remote != "flow"
            exact_local = bool(local) and local != "flow"
            if (exact_remote and address(remote) != source) or (exact_local and address(local) != destination):
                continue
            if own != "flow" and (int(own, 0) if own else 0) != key:
                continue
            yield (own != "flow", exact_local, exact_remote), tables, port
