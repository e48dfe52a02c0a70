"""Open vSwitch: a frame enters by a port, its pipeline says by which it leaves; NORMAL, patch ports, and the ports into the host.

After ofproto/ofproto-dpif-xlate.c (``xlate_normal``, ``compose_output_action``, ``patch_port_output``). MACs are learned during a walk, as a
bridge's are.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import hardware_text
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.network import Interface
from analyzer.solve.walk import links
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.ovs import tunnels as ovs_tunnels
from analyzer.solve.walk.ovs.actions import Emission, Passage
from analyzer.solve.walk.ovs.tables import Tables
from analyzer.solve.walk.ovs.values import Values, frame_of, into_switch, values_of
from analyzer.solve.walk.state import Endings, Frame, Walk
from analyzer.source import Span

TUNNELS = frozenset({"geneve", "vxlan", "gre", "stt", "lisp", "gtpu", "erspan", "ip6gre", "srv6", "bareudp"})
FLOODING = frozenset({"FLOOD", "ALL"})
DEEP = 72


def enter(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, values: Values | None = None) -> Endings:
    """A frame comes in by a port. ``values``: what it brings from a tunnel or from another switch."""
    switch, number = tables.switch, tables.number_of(port)
    if number is None:
        words = f"the number of port {port.name} of {switch.name} on {space.place} was not captured"
        return walk.undecided(words, port.at, f"ovs-ofctl show {switch.name}")
    if switch.unread:
        text = f"{len(switch.unread)} lines of the flows of {switch.name} that were not understood are about other packets"
        if not walk.oracle.test(text, switch.unread[0].at, switch.unread[0].reason):
            return walk.undecided(f"it is not known whether {text}", switch.unread[0].at, switch.unread[0].reason)
    if walk.depth > DEEP:
        return walk.drop(space.scope, f"the frame loops through {switch.name} of {space.place}", switch.at)
    what = f"the frame enters {switch.name} by {port.name}"
    walk.tell(space.scope, "bridge", what, port.at, links.packet_of(frame))
    fields = {**values_of(frame, number), **(values or {}), "in_port": number}
    passage = Passage(walk, space.scope, tables, frame, fields)
    emissions = passage.run("0")
    walk.depth += 1
    try:
        return left(walk, space, tables, port, frame, passage, emissions)
    finally:
        walk.depth -= 1


def left(
    walk: Walk,
    space: Space,
    tables: Tables,
    port: SwitchPortFact,
    frame: Frame,
    passage: Passage,
    emissions: list[Emission],
) -> Endings:
    """What becomes of the copies; without one, why there is none."""
    if not emissions:
        switch = tables.switch
        reason = f"{switch.name} of {space.place} drops the packet: {passage.told or 'no flow takes it'}"
        return walk.drop(space.scope, reason, passage.place or switch.at)
    return links.branches(walk, (copy(walk, space, tables, port, frame, one) for one in emissions))


def copy(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, one: Emission) -> Endings:
    """One copy, by its port."""
    switch = tables.switch
    if one.unknown:
        return walk.undecided(f"{switch.name} of {space.place}: {one.unknown}", one.at, "what the controller does")
    leaving = frame_of(one.values, frame)
    if one.port == "NORMAL":
        return normal(walk, space, tables, port, leaving, one)
    if one.port in FLOODING:
        return links.branches(walk, everywhere(walk, space, tables, leaving, one))
    if one.port == "IN_PORT":
        return out(walk, space, tables, port, leaving, one.values, one.at)
    number = tables.number(one.port)
    target = None if number is None else tables.port_of.get(number)
    if target is None:
        if tables.switch.ports and all(item.number is None for item in switch.ports.values() if item.name != switch.name):
            words = f"which port of {switch.name} on {space.place} has the number {one.port} was not captured"
            return walk.undecided(words, one.at, f"ovs-ofctl show {switch.name}")
        return walk.drop(space.scope, f"{switch.name} of {space.place} has no port {one.port}", one.at)
    if number == one.values.get("in_port"):
        # compose_output_action: a packet does not go back to its own port, unless to IN_PORT.
        text = f"{switch.name} of {space.place} does not send the packet back to {target.name}, by which it came"
        return walk.drop(space.scope, text, one.at)
    return out(walk, space, tables, target, leaving, one.values, one.at)


def out(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, values: Values, at: Span | None) -> Endings:
    """Out of a port: into the host, another switch, a tunnel, or along the wire."""
    switch = tables.switch
    walk.tell(space.scope, "bridge", f"{switch.name} sends the frame out of {port.name}", at, links.packet_of(frame))
    if port.kind == "patch":
        return patched(walk, space, port, frame, values)
    if port.kind in TUNNELS:
        return ovs_tunnels.encapsulated(walk, space, port, frame, values)
    here = Interface(space.scope, port.name)
    if port.kind == "internal":
        return links.from_switch(walk, here, frame)
    if port.kind:
        return walk.undecided(f"what the port {port.name} of type {port.kind} does is not modelled", port.at)
    return links.transmit(walk, here, frame)


def patched(walk: Walk, space: Space, port: SwitchPortFact, frame: Frame, values: Values) -> Endings:
    """To the peer of a patch port, which has to name this one."""
    peer = port.option("peer")
    found = space.switching.port(peer)
    if found is None:
        other = space.switching.blind(peer)
        if other:
            return walk.undecided(
                f"the flows of {other} on {space.place} were not captured", port.at, f"ovs-ofctl dump-flows {other}"
            )
        return walk.drop(
            space.scope, f"the peer {peer or '(none)'} of patch port {port.name} on {space.place} is not there", port.at
        )
    beyond, other_port = found
    if other_port.option("peer") != port.name:
        text = f"patch port {peer} of {space.place} has the peer {other_port.option('peer')}, not {port.name}"
        return walk.drop(space.scope, text, other_port.at)
    number = beyond.number_of(other_port)
    return enter(walk, space, beyond, other_port, frame, into_switch(values, number if number is not None else 0))


def normal(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, one: Emission) -> Endings:
    """``xlate_normal``: a learning switch with VLANs."""
    switch, number = tables.switch, vlan_in(port, frame.vlan)
    if number is None:
        text = f"port {port.name} of {switch.name} on {space.place} does not take frames of VLAN {frame.vlan}"
        return walk.drop(space.scope, text, port.at, frame.to_all)
    at = Interface(space.scope, f"{switch.name} (switch)")
    walk.learned[at, frame.source, number] = port.name
    known = None if frame.to_all else walk.learned.get((at, frame.destination, number))
    target = switch.ports.get(known) if known is not None else None
    inside = frame._replace(vlan=number)
    if target is None:
        return links.branches(walk, flooded(walk, space, tables, port, inside, one))
    if target is port:
        text = f"{switch.name} of {space.place} has {hardware_text(frame.destination)} at {port.name}, by which the frame came"
        return walk.drop(space.scope, text, one.at)
    return to_port(walk, space, tables, target, inside, one)


def flooded(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, one: Emission) -> Iterator[Endings]:
    """Every port of the VLAN but the one that the frame came by."""
    for other in tables.switch.ports.values():
        if other is not port and vlan_out(other, frame.vlan) is not None:
            yield to_port(walk, space, tables, other, frame, one)


def to_port(walk: Walk, space: Space, tables: Tables, port: SwitchPortFact, frame: Frame, one: Emission) -> Endings:
    """Out of a port, with the tag that it has there."""
    tag = vlan_out(port, frame.vlan)
    if tag is None:
        text = f"port {port.name} of {tables.switch.name} on {space.place} is not in VLAN {frame.vlan}"
        return walk.drop(space.scope, text, port.at)
    values = {**one.values, "vlan_tci": 0x1000 | tag if tag else 0}
    return out(walk, space, tables, port, frame._replace(vlan=tag), values, one.at)


def everywhere(walk: Walk, space: Space, tables: Tables, frame: Frame, one: Emission) -> Iterator[Endings]:
    """FLOOD and ALL: every port but the one that the packet came by, whatever its VLANs."""
    for other in tables.switch.ports.values():
        if tables.number_of(other) != one.values.get("in_port"):
            yield out(walk, space, tables, other, frame, one.values, one.at)


def vlan_in(port: SwitchPortFact, vlan: int) -> int | None:
    """The VLAN of a frame that comes in (``input_vid_to_vlan``); None: it is not taken."""
    mode = port.vlan_mode or ("access" if port.tag is not None else "trunk")
    if mode == "access":
        return (port.tag or 0) if not vlan else None
    if not vlan and mode.startswith("native"):
        return port.tag or 0
    return vlan if not port.trunks or vlan in port.trunks or (mode.startswith("native") and vlan == port.tag) else None


def vlan_out(port: SwitchPortFact, vlan: int) -> int | None:
    """The tag that a frame of a VLAN leaves with (``output_normal``); None: the port is not in the VLAN."""
    mode = port.vlan_mode or ("access" if port.tag is not None else "trunk")
    if mode == "access":
        return 0 if vlan == (port.tag or 0) else None
    if mode == "native-untagged" and vlan == port.tag:
        return 0
    return vlan if not port.trunks or vlan in port.trunks or vlan == port.tag else None
