"""How a packet enters and leaves a switch of Open vSwitch in the language: ports of the host, patch ports, tunnels, NORMAL.

What a tunnel carries beside the packet (its key, OVN's ports) stands in fields of the payload that mean nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.addresses import Address, address
from analyzer.facts.openflow import Load
from analyzer.facts.openvswitch import FlowFact, SwitchPortFact
from analyzer.model.network import Interface
from analyzer.model.service_types import service_of
from analyzer.model.switches import switch_port
from analyzer.ranges import Ranges, single
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Assign, Decapsulate, Drop, End, Field, If, In, Transfer, Unknown
from analyzer.transfer.netfilter.services import in_a_tunnel
from analyzer.transfer.other_version import outer
from analyzer.transfer.ovs.knowledge import ETHERNET_TYPE, Known, Value, frozen
from analyzer.transfer.ovs.spots import CAME, Spot, flows_of, place
from analyzer.transfer.reach import flood
from analyzer.transfer.sizes import wrapped
from analyzer.transfer.space import Context, by_value, call, goto, seq
from analyzer.transfer.stacked import forgotten

if TYPE_CHECKING:
    from analyzer.transfer.ovs.pipeline import Lowering, Now

UDP = 17
UDP_PORTS = {"geneve": 6081, "vxlan": 4789}
KNOWN_TUNNELS = frozenset(UDP_PORTS)
EVERY_PORT: Ranges = ((1, 65535),)
OF_SWITCH = ("reg", "tun_", "ct_", "metadata", "conj_id")
LABEL = "switch "
TUNNELLED, OPTION = 30, 8
"""What a tunnel puts around a packet without the outer IP header, and OVN's option (geneve.h)."""


def entered(context: Context, scope: Scope, port: SwitchPortFact, known: Known) -> Transfer:
    """A packet comes in by a port, with what is known of it."""
    bridge = port.bridge
    flows = flows_of(context, scope, bridge)
    number = flows.numbers.get(port.name)
    if number is None:
        return End(Unknown(f"the number of port {port.name} of {bridge} on {scope} was not captured"), port.at)
    if flows.switch.unread:
        return End(Unknown(f"lines of the flows of {bridge} on {scope} were not understood"), flows.switch.unread[0].at)
    start = {"eth_type": ETHERNET_TYPE[context.family], **known, "in_port": number}
    return place(context, scope, Spot(bridge, "0", frozen(start)))


def out(lowering: Lowering, port: str, now: Now) -> Transfer:
    """Out of a port, or by one of the words for several."""
    flows, own = lowering.flows, now.known.get("in_port", 0)
    if not isinstance(own, int) and port in ("IN_PORT", "NORMAL", "FLOOD", "ALL", "TABLE"):
        return by_port(lowering, port, now)
    if port == "IN_PORT":
        found = flows.by_number.get(own) if isinstance(own, int) else None
        words = "the port that the packet came by is not known"
        return lowering.unknown(words, now) if found is None else leave(lowering, found, now)
    if port in ("NORMAL", "FLOOD", "ALL"):
        return normal(lowering, now)
    if port == "TABLE":
        return lowering.resubmitted("", "0", (), now)
    number = flows.number(port)
    target = flows.by_number.get(number) if number is not None else None
    if target is None:
        return End(Drop(f"{flows.switch.name} of {lowering.scope} has no port {port}"), now.at)
    words = f"{flows.switch.name} of {lowering.scope} does not send the packet back to {target.name}, by which it came"
    back, away = End(Drop(words), now.at), leave(lowering, target, now)
    if isinstance(own, int) or number is None:
        return back if number == own else away
    return If(In(CAME, single(number)), back, away)


def by_port(lowering: Lowering, port: str, now: Now) -> Transfer:
    """What depends on the port that the packet came by, for each of them."""
    words = "the port that the packet came by is not known"
    if now.known.get("in_port", 0) is not CAME:
        return lowering.unknown(words, now)
    numbers = lowering.flows.by_number
    rows = {number: out(lowering, port, now._replace(known={**now.known, "in_port": number})) for number in numbers}
    return by_value(CAME, rows, lowering.unknown(words, now))


def leave(lowering: Lowering, port: SwitchPortFact, now: Now) -> Transfer:
    """Out of one port."""
    context, scope = lowering.context, lowering.scope
    match port.kind:
        case "internal":
            return seq(forgotten(), goto(scope, "switch up", port.name))
        case "patch":
            return patched(context, scope, port, now.known)
        case "":
            return seq(forgotten(), goto(scope, "frame", port.name))
        case kind if kind in KNOWN_TUNNELS:
            return tunnelled(context, scope, port, now)
        case kind:
            return End(Unknown(f"what the port {port.name} of type {kind} does is not modelled"), port.at)


def patched(context: Context, scope: Scope, port: SwitchPortFact, known: Known) -> Transfer:
    """To the peer of a patch port."""
    peer = switch_port(context.space(scope).switches, port.option("peer"))
    if peer is None or peer.option("peer") != port.name:
        if peer is None and any(port.option("peer") in switch.ports for switch in context.space(scope).switches.values()):
            return End(Unknown(f"the flows behind patch port {port.name} of {scope} were not captured"), port.at)
        return End(Drop(f"the peer {port.option('peer') or '(none)'} of patch port {port.name} on {scope} does not fit"), port.at)
    kept = {name: value for name, value in known.items() if not name.startswith(OF_SWITCH) and name != "in_port"}
    return entered(context, scope, peer, kept)


def normal(lowering: Lowering, now: Now) -> Transfer:
    """NORMAL: the port behind which the MAC is; where that is not known, and several could be, nobody knows."""
    context, scope, flows = lowering.context, lowering.scope, lowering.flows
    if any(port.tag is not None or port.trunks or port.vlan_mode for port in flows.switch.ports.values()):
        return lowering.unknown("NORMAL with VLANs of ports is not followed", now)
    own = now.known.get("in_port", 0)
    rows: dict[int, Transfer] = {}
    beyond: list[SwitchPortFact] = []
    for number, port in flows.by_number.items():
        if number == own:
            continue
        macs, outside = behind(context, scope, port)
        for mac in macs:
            rows.setdefault(mac, leave(lowering, port, now))
        if outside:
            beyond.append(port)
    if len(beyond) == 1:
        rest = leave(lowering, beyond[0], now)
    elif beyond:
        rest = lowering.unknown("by which port NORMAL sends a frame to a MAC that no captured interface has is not known", now)
    else:
        rest = End(Drop(f"no port of {flows.switch.name} on {scope} leads to the frame's MAC"), now.at)
    return by_value(Field.DESTINATION_MAC, rows, rest)


def behind(context: Context, scope: Scope, port: SwitchPortFact) -> tuple[list[int], bool]:
    """The MACs behind a port, and whether there is more that was not captured."""
    at = Interface(scope, port.name)
    link = context.link(at)
    if port.kind == "internal":
        return ([link.mac] if link is not None and link.mac is not None else []), False
    if port.kind:
        return [], True
    reach = flood(context, ("frame", at, 0))
    links = (context.link(host) for host in reach.hosts)
    return [one.mac for one in links if one is not None and one.mac is not None], bool(reach.outside or reach.unknown)


def tunnelled(context: Context, scope: Scope, port: SwitchPortFact, now: Now) -> Transfer:
    """Out of a tunnel port: the packet becomes the payload of one that the node itself sends."""
    remote, key, carried = far_end(port, now.known), key_of(port, now.known), now.known.get("tun_metadata0", 0)
    if remote is None:
        return End(Unknown(f"the far end of tunnel port {port.name} of {scope} is not known"), port.at)
    if not isinstance(key, int) or not isinstance(carried, int) or carried >> 32:
        return End(Unknown(f"what tunnel port {port.name} of {scope} carries beside the packet is not followed"), port.at)
    number = udp_port(port)
    fields: list[tuple[Field, Ranges]] = [
        (Field.DESTINATION, single(remote.value)),
        (Field.PROTOCOL, single(UDP)),
        (Field.SOURCE_PORT, EVERY_PORT),
        (Field.DESTINATION_PORT, single(number)),
    ]
    local = port.option("local_ip")
    bound = bool(local) and local != "flow"
    if bound:
        fields.append((Field.SOURCE, single(address(local).value)))
    extra = TUNNELLED + (OPTION if carried else 0)
    beside = (
        Assign(Field.NEXT_HOP, key),
        Assign(Field.PHYSICAL_IN, carried >> 16),
        Assign(Field.PHYSICAL_OUT, carried & 0xFFFF),
        Assign(Field.IN_INTERFACE, context.names.number(LABEL + port.kind)),
    )
    cut = port.option("df_default") == "false"
    around = wrapped(context, tuple(fields), extra, remote, (cut, cut), port.at)
    around = in_a_tunnel(around, service_of(port), context, f"{port.name} of {scope}")
    cleared = tuple(Assign(name, 0) for name in (Field.STATE, Field.STATUS, Field.DIRECTION))
    own = KEEP if bound else call(scope, "choose source")
    on = seq(own, goto(scope, "send", "" if bound else "unbound"))
    return seq(*cleared, *beside, around, on if remote.family == context.family else outer(on))


def far_end(port: SwitchPortFact, known: Known) -> Address | None:
    """The remote address of a tunnel port."""
    text = port.option("remote_ip")
    if text and text != "flow":
        return address(text)
    given = known.get("tun_dst", 0)
    return Address(4, given) if isinstance(given, int) and given else None


def key_of(port: SwitchPortFact, known: Known) -> Value:
    """The key of what is sent."""
    text = port.option("out_key") or port.option("key")
    if text == "flow":
        value = known.get("tun_id", 0)
        return value & 0xFFFFFF if isinstance(value, int) else value
    return int(text, 0) & 0xFFFFFF if text else 0


def udp_port(port: SwitchPortFact) -> int:
    """The UDP port of a tunnel."""
    text = port.option("dst_port")
    return int(text) if text.isdecimal() else UDP_PORTS.get(port.kind, 0)


def arrivals(context: Context, scope: Scope) -> dict[int, Transfer]:
    """By UDP port: the payload goes on at the tunnel port that fits the packet's addresses and key (``tnl_find``)."""
    ports = [
        port
        for switch in context.space(scope).switches.values()
        if switch.flows is not None
        for port in switch.ports.values()
        if port.kind in KNOWN_TUNNELS
    ]
    return {
        number: taken_out(context, scope, [port for port in ports if udp_port(port) == number])
        for number in sorted(set(map(udp_port, ports)))
    }


def taken_out(context: Context, scope: Scope, ports: list[SwitchPortFact]) -> Transfer:
    """The ports of one UDP port: those with exact addresses before those that take any."""
    lost = seq(Decapsulate(), End(Drop(f"no tunnel port of Open vSwitch on {scope} takes a packet from there")))
    result = lost
    for port in sorted(ports, key=closeness):
        remote, local = port.option("remote_ip"), port.option("local_ip")
        taken: Transfer = goto(scope, "switch tunnel", port.name)
        taken = seq(Decapsulate(), taken)
        for text, field in ((remote, Field.SOURCE), (local, Field.DESTINATION)):
            if text and text != "flow":
                value = address(text)
                taken = If(In(field, single(value.value)), taken, result) if value.family == context.family else result
        result = taken
    return result


def closeness(port: SwitchPortFact) -> tuple[bool, bool]:
    """How closely a port looks at who sends."""
    return tuple(bool(port.option(name)) and port.option(name) != "flow" for name in ("local_ip", "remote_ip"))  # type: ignore[return-value]


def tunnel_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A payload at a tunnel port (``PORT``, ``PORT key`` or ``PORT key high``): what came beside it becomes known, one value after the other."""
    name, *told = detail.split(" ")
    port = switch_port(context.space(scope).switches, name)
    assert port is not None
    field = (Field.NEXT_HOP, Field.PHYSICAL_IN, Field.PHYSICAL_OUT)[len(told)] if len(told) < 3 else None
    if field is not None:
        rows: dict[int, Transfer] = {
            value: goto(scope, "switch tunnel", f"{detail} {value}") for value in expected(context, field)
        }
        return by_value(field, rows, End(Drop(f"no flow of {port.bridge} on {scope} knows what came through {name}")))
    key, high, low = map(int, told)
    own = port.option("in_key") or port.option("key")
    if own != "flow" and (int(own, 0) if own else 0) != key:
        return End(Drop(f"tunnel port {name} of {scope} does not take key {key}"), port.at)
    known: Known = {"tun_id": key, "tun_metadata0": high << 16 | low, "tun_src": 1, "tun_dst": 1}
    cleared = tuple(
        Assign(one, 0) for one in (Field.NEXT_HOP, Field.PHYSICAL_IN, Field.PHYSICAL_OUT, Field.IN_INTERFACE, Field.MARK)
    )
    return seq(*cleared, entered(context, scope, port, known))


def expected(context: Context, field: Field) -> list[int]:
    """What may come beside a packet: what the flows of any switch send or test of it."""
    names = {
        Field.NEXT_HOP: ("metadata", "tun_id"),
        Field.PHYSICAL_IN: ("reg14",),
        Field.PHYSICAL_OUT: ("reg15",),
    }[field]
    key = ("switch expects", field)
    found = context.made.get(key)
    if not isinstance(found, list):
        values = {0}
        for space in context.network.namespaces.values():
            for switch in space.switches.values():
                values |= {test.value for flow in switch.flows or () for test in flow.match if test.field in names}
                values |= written_values(switch.flows or (), names)
        found = context.made[key] = sorted(value for value in values if value < 1 << 24)
    return found


def written_values(flows: Sequence[FlowFact], names: tuple[str, ...]) -> set[int]:
    """What flows write into these fields, and into what tunnels carry."""
    found: set[int] = set()
    for flow in flows:
        for action in flow.actions:
            if isinstance(action, Load):
                if action.field in names:
                    found.add(action.value)
                elif action.field == "tun_metadata0":
                    found |= {action.value >> 16 & 0xFFFF, action.value & 0xFFFF}
    return found
