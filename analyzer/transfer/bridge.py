"""Linux bridges in the language (net/bridge/br_input.c, br_forward.c, br_netfilter_hooks.c): the FDB, flooding, ports, VLANs, br_netfilter.

``("bridge", port)`` is a frame that came in by a port, ``("bridge filter", bridge)`` one that br_netfilter shows to PREROUTING,
``("bridge filtered", port)`` one that has passed it, ``("bridged", "bridge port")`` one that was not for the bridge's own host
(port ``-``: the host sent it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from analyzer.addresses import hardware_text
from analyzer.facts.links import Bridge, Vlan
from analyzer.facts.neighbours import ForwardingFact
from analyzer.model.hardware import stands_in
from analyzer.model.link_filters import acting
from analyzer.model.network import Interface
from analyzer.ranges import normalised, single
from analyzer.source import Scope
from analyzer.transfer.bridge_filters import entering, going_up, leaving
from analyzer.transfer.bridge_table import FIXED, elsewhere, entries
from analyzer.transfer.ir import (
    DNAT_STATUS,
    KEEP,
    SNAT_STATUS,
    All,
    Alt,
    Assign,
    Bits,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Return,
    Transfer,
    Unknown,
)
from analyzer.transfer.lookup import own_values
from analyzer.transfer.reach import bridge_of, filtering, flood, inner_vlan, may_pass, vlans_of
from analyzer.transfer.sizes import sent
from analyzer.transfer.space import Context, by_value, call, drop, goto, number, seq, unless
from analyzer.transfer.stacked import macs_above, upper_rows
from analyzer.transfer.traffic_control import filters

GROUP = Bits(Field.DESTINATION_MAC, 1 << 40, 1 << 40)


def port_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame that came in by a port."""
    at = Interface(scope, detail)
    bridge = bridge_of(context, at)
    if bridge is None:
        return goto(scope, "host", detail)
    fact = context.space(scope).ports.get(detail)
    if fact is not None and fact.state in ("disabled", "blocking", "listening"):
        return drop(f"the port {at} of {bridge.device} is {fact.state}")
    came = seq(
        entering(context, bridge, detail),
        enters(context, bridge, detail),
        Assign(Field.IN_INTERFACE, context.names.number(bridge.device)),
        Assign(Field.PHYSICAL_IN, context.names.number(detail)),
        Assign(Field.PHYSICAL_OUT, 0),
        Assign(Field.OUT_INTERFACE, 0),
    )
    match called(context, bridge):
        case True:
            return seq(came, goto(scope, "bridge filter", bridge.device))
        case False:
            return seq(came, own(context, bridge, detail))
        case None:
            missing = context.space(scope).missing["sysctl"]
            words = f"{scope}: bridged packets do not pass iptables (bridge-nf-call-iptables; {missing})"
            return seq(came, unless(words, KEEP), own(context, bridge, detail))


def enters(context: Context, bridge: Interface, port: str) -> Transfer:
    """Whether the bridge takes the frame, and its VLAN there."""
    return seq(tagged(context, bridge, port), unlocked(context, bridge, port))


def unlocked(context: Context, bridge: Interface, port: str) -> Transfer:
    """A locked port takes the frames of MACs that have an entry there (BR_PORT_LOCKED in net/bridge/br_input.c ``br_handle_frame_finish``)."""
    space = context.space(bridge.scope)
    fact = space.ports.get(port)
    if fact is None or not fact.locked:
        return KEEP
    refused = End(Drop(f"{bridge.scope} {port} is locked, and the frame's source has no entry there"), fact.at)
    if "bridge-fdb" in (*space.missing, *space.assumed):
        return unless(f"the table of {bridge} has the frame's source at {port}", KEEP)
    numbers: dict[int, list[int]] = {}
    for entry in entries(context, bridge):
        if entry.device == port and entry.flags.isdisjoint(("permanent", "locked")):
            numbers.setdefault(entry.vlan or 0, []).append(entry.mac)
    rows = {vlan: In(Field.SOURCE_MAC, normalised((mac, mac) for mac in macs)) for vlan, macs in numbers.items()}
    if not filtering(context, bridge):
        return If(rows[0], KEEP, refused) if 0 in rows else refused
    return by_value(Field.VLAN, {vlan: If(known, KEEP, refused) for vlan, known in rows.items()}, refused)


def tagged(context: Context, bridge: Interface, port: str) -> Transfer:
    """The VLAN of the frame inside the bridge."""
    if not filtering(context, bridge):
        return KEEP
    refuse = drop(f"the port {bridge.scope} {port} is not in the frame's VLAN")
    facts = vlans_of(context, bridge, port)
    allowed = In(Field.VLAN, normalised((fact.first, fact.last) for fact in facts))
    untagged = inner_vlan(context, bridge, port, 0)
    start = refuse if untagged is None else Assign(Field.VLAN, untagged)
    return If(In(Field.VLAN, single(0)), start, If(allowed, KEEP, refuse))


def called(context: Context, bridge: Interface) -> bool | None:
    """Whether bridged packets pass the IP hooks; None: not known. Without the switch br_netfilter is not loaded."""
    link, key = context.link(bridge), "iptables" if context.family == 4 else "ip6tables"
    kind = link.kind if link is not None else None
    if isinstance(kind, Bridge) and (kind.nf_call_iptables if context.family == 4 else kind.nf_call_ip6tables):
        return True
    space = context.space(bridge.scope)
    value = context.switch(bridge.scope, f"net.bridge.bridge-nf-call-{key}")
    if value is not None:
        return number(value) != 0
    return None if "sysctl" in space.missing else False


def filter_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """PREROUTING for what has come in by any port of a bridge (br_nf_pre_routing); a packet whose destination was changed is routed
    (br_nf_pre_routing_finish)."""
    bridge = Interface(scope, detail)
    rows: dict[int, Transfer] = {
        context.names.number(port): goto(scope, "bridge filtered", port) for port in context.ports.get(bridge, ())
    }
    lost = End(Unknown(f"the port of {bridge} by which the frame came is not in the capture"))
    by_port = by_value(Field.PHYSICAL_IN, rows, lost)
    up = goto(scope, "bridge up", detail)
    link = context.link(bridge)
    own_mac = of_macs((link.mac if link is not None else None, *macs_above(context, bridge)))
    return seq(call(scope, "hook", "PREROUTING"), translated(context, bridge), If(own_mac, up, by_port))


def filtered_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame of a port that has passed PREROUTING."""
    bridge = bridge_of(context, Interface(scope, detail))
    return goto(scope, "host", detail) if bridge is None else own(context, bridge, detail)


def translated(context: Context, bridge: Interface) -> Transfer:
    """A packet whose destination is now another address goes up to the host, which routes it (daddr_was_changed): one that was translated
    here, not to a port of the same address, or the answer to one whose source was."""
    mac = getattr(context.link(bridge), "mac", None) or 0
    routed = call(bridge.scope, "bridge routed", f"{bridge.device} {mac}")
    rows: dict[int, Transfer] = {
        value: If(In(Field.ORIGINAL_DESTINATION, single(value)), KEEP, routed)
        for value in own_values(context, bridge.scope)
        if value >> (context.width - 8) != 127
    }
    forth = All((In(Field.DIRECTION, single(0)), Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS)))
    back = All((In(Field.DIRECTION, single(1)), Bits(Field.STATUS, SNAT_STATUS, SNAT_STATUS)))
    return If(forth, by_value(Field.DESTINATION, rows, routed), If(back, routed, KEEP))


def routed_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Sets the frame's destination again where the packet's new one is not behind the bridge."""
    device, _, mac = detail.partition(" ")
    up = seq(Assign(Field.DESTINATION_MAC, int(mac)), Assign(Field.OUT_INTERFACE, 0), End(Return()))
    stays = seq(call(scope, "resolved", f"{device} quiet"), Assign(Field.OUT_INTERFACE, 0), End(Return()))
    if context.family == 4 and number(context.setting(scope, device, "forwarding") or "1") == 0:
        return up
    same = In(Field.OUT_INTERFACE, single(context.names.number(device)))
    return seq(call(scope, "route input"), If(same, stays, up))


def own(context: Context, bridge: Interface, port: str) -> Transfer:
    """To the bridge's host, or on to another port."""
    up = goto(bridge.scope, "bridge up", f"{bridge.device}")
    on = goto(bridge.scope, "bridged", f"{bridge.device} {port}")
    mine = {link.mac for at in (bridge, Interface(bridge.scope, port)) if (link := context.link(at)) is not None}
    mine |= macs_above(context, bridge)
    others = set(local(context, bridge)) - mine
    return If(of_macs(mine), up, If(of_macs(others), foreign(context, bridge), If(GROUP, Alt((up, on)), on)))


def of_macs(macs: Iterable[int | None]) -> Match:
    """Whether the frame is for one of the MACs."""
    return In(Field.DESTINATION_MAC, normalised((mac, mac) for mac in macs if mac is not None))


def foreign(context: Context, bridge: Interface) -> Transfer:
    """A frame for a MAC that the bridge's host has, but not where the frame came in: it is passed up as another host's (br_pass_frame_up), where
    devices over the bridge may take it."""
    link = context.link(bridge)
    if context.uppers.get(bridge) or (link is not None and stands_in(link.mac)):
        return End(Unknown(f"what the host of {bridge} does with a frame for another MAC than the bridge's is not known"))
    return drop(
        f"the frame is for a MAC that {bridge} has for another of its ports: its host does not take it (PACKET_OTHERHOST)"
    )


def local(context: Context, bridge: Interface) -> dict[int, str]:
    """The MACs that are the bridge's host's (``permanent`` entries of its table, the bridge's own, those of its ports), each with the port to which
    the host's own frames for it go; empty: nowhere (br_dev_xmit)."""
    found: dict[int, str] = {}
    ports = context.ports.get(bridge, ())
    for fact in entries(context, bridge):
        if "permanent" in fact.flags and (fact.vlan is None or filtering(context, bridge)):
            found.setdefault(fact.mac, fact.device if fact.device in ports else "")
    fixed = {fact.mac for fact in entries(context, bridge) if fact.flags & FIXED}
    for device in (*ports, bridge.device):
        link = context.link(Interface(bridge.scope, device))
        if link is not None and link.mac is not None and link.mac not in fixed:
            found.setdefault(link.mac, device if device in ports else "")
    return found


def up_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The bridge's host has the frame; the hooks of br_netfilter count as its PREROUTING (ip_sabotage_in)."""
    bridge = Interface(scope, detail)
    here: Transfer = goto(scope, "input route", detail)
    if not called(context, bridge):
        here = seq(filters(context, scope, detail, "ingress"), goto(scope, "ip receive", detail))
    uppers = ((upper, link.kind) for upper in context.uppers.get(bridge, ()) if (link := context.link(upper)) is not None)
    tagged: dict[int, Transfer] = {
        kind.identifier: seq(Assign(Field.VLAN, 0), goto(upper.scope, "receive", upper.device))
        for upper, kind in uppers
        if isinstance(kind, Vlan)
    }
    lost = drop(f"{bridge} has no VLAN device for the frame's tag")
    return seq(
        leaves(context, bridge, detail),
        going_up(context, bridge),
        If(In(Field.VLAN, single(0)), upper_rows(context, bridge, None, here), by_value(Field.VLAN, tagged, lost)),
    )


def bridged_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The port that the frame leaves by (the detail's is ``-`` where no port brought it): that of its MAC's entry, else the one behind which the MAC is (flooding)."""
    device, _, port = detail.partition(" ")
    bridge, came = Interface(scope, device), None if port == "-" else port
    context.granted(scope, "bridge-fdb")
    filtered = came is not None and context.family == 4 and number(context.switch(scope, "net.bridge.bridge-nf-call-arptables"))
    if filtered and next(acting(context.space(scope), "arp", ("forward",)), None) is None:
        context.assume(f"arptables of {scope}, as far as it was captured, lets ARP between the ports of {device} pass")
    outside: Transfer = drop(f"no port of {bridge} leads to the frame's MAC")
    ends: dict[int, dict[str, None]] = {}
    for other in context.ports.get(bridge, ()):
        passes = may_pass(context, scope, came, other)
        if passes is False and other != came:
            continue
        behind = beyond(context, Interface(scope, other))
        for mac in behind.macs:
            if passes is not False or context.hardware[mac] > 1:
                ends.setdefault(mac, {})[other] = None
        if passes and behind.further:
            outside = forwarded(context, bridge, came, other, None)
    rest = If(GROUP, everywhere(context, bridge, came), outside)
    if not filtering(context, bridge):
        return by_value(Field.DESTINATION_MAC, rows_of(context, bridge, came, None, ends), rest)
    numbers = dict.fromkeys(fact.vlan or 0 for fact in entries(context, bridge))
    tables = {n: by_value(Field.DESTINATION_MAC, rows_of(context, bridge, came, n, ends), rest) for n in numbers}
    unheard = by_value(Field.DESTINATION_MAC, rows_of(context, bridge, came, -1, ends), rest)
    # What the host sends is in the VLAN of the bridge's own port (br_dev_xmit).
    return seq(KEEP if came is not None else tagged(context, bridge, device), by_value(Field.VLAN, tables, unheard))


class Beyond(NamedTuple):
    """What is behind a port: the MACs of the interfaces there, whether more could be, and what is taken for granted about it."""

    macs: tuple[int, ...]
    further: bool
    granted: tuple[str, ...]


def beyond(context: Context, port: Interface) -> Beyond:
    """What is behind a port, worked out once."""
    found = context.made.get(("beyond", port))
    if not isinstance(found, Beyond):
        before, context.assumptions = context.assumptions, {}
        reach = flood(context, ("frame", port, 0))
        links = (context.link(host) for host in reach.hosts)
        macs = dict.fromkeys(link.mac for link in links if link is not None and link.mac is not None)
        found = Beyond(tuple(macs), bool(reach.outside or reach.unknown), tuple(context.assumptions))
        context.assumptions = before
        context.made["beyond", port] = found
    for text in found.granted:
        context.assume(text)
    return found


def rows_of(
    context: Context, bridge: Interface, came: str | None, vlan: int | None, ends: Mapping[int, Mapping[str, None]]
) -> dict[int, Transfer]:
    """Where frames for each MAC go in a VLAN (None: the bridge has none): by the fixed entries, else to the port behind which the MAC is.
    ``ends``: the ports behind which interfaces with a MAC are."""
    fixed: dict[int, Transfer] = {}
    heard: dict[int, ForwardingFact] = {}
    for fact in entries(context, bridge):
        if "permanent" in fact.flags or fact.device == bridge.device or (fact.vlan or 0) != (vlan or 0):
            continue
        if fact.flags & FIXED and not elsewhere(context, bridge, fact, ends.get(fact.mac, {})):
            fixed.setdefault(fact.mac, forwarded(context, bridge, came, fact.device, fact))
        else:
            heard.setdefault(fact.mac, fact)
    found = {mac: towards(context, bridge, came, heard.get(mac), ends.get(mac, {}), mac) for mac in (*heard, *ends)}
    own_rows = {mac: from_host(context, bridge, port) for mac, port in local(context, bridge).items()} if came is None else {}
    return {**found, **fixed, **own_rows}


def from_host(context: Context, bridge: Interface, port: str) -> Transfer:
    """What the host sends to a MAC that it has itself: out of the port that has it."""
    if port:
        return forwarded(context, bridge, None, port, None)
    return drop(f"{bridge} takes the frame's MAC for its own and sends the frame nowhere")


def towards(
    context: Context, bridge: Interface, came: str | None, fact: ForwardingFact | None, ends: Mapping[str, None], mac: int
) -> Transfer:
    """To the port where a MAC was heard last, else flooded to the one behind which it is; not known where these could be several."""
    ports = dict.fromkeys((*([fact.device] if fact is not None else []), *ends))
    if len(ports) > 1:
        where = " or ".join(sorted(ports))
        text = f"whether {bridge} sends what is for {hardware_text(mac)} to {where} depends on where that was heard last"
        return End(Unknown(text), fact.at if fact is not None else None)
    (port,) = ports
    own_port = context.space(bridge.scope).ports.get(port)
    if fact is None and own_port is not None and (own_port.flood is False or own_port.proxy_arp):
        if own_port.learning is False:
            return End(Drop(f"{bridge} neither learns at {port} nor floods to it"), own_port.at)
        text = f"whether {bridge} has heard {hardware_text(mac)} at {port}, to which it does not flood, is not known"
        return End(Unknown(text), own_port.at)
    return forwarded(context, bridge, came, port, fact)


def everywhere(context: Context, bridge: Interface, came: str | None) -> Transfer:
    """A frame to all."""
    ports = [port for port in context.ports.get(bridge, ()) if may_pass(context, bridge.scope, came, port)]
    if not ports:
        return drop(f"{bridge} has no other port")
    return Alt(tuple(forwarded(context, bridge, came, port, None) for port in ports))


def forwarded(context: Context, bridge: Interface, came: str | None, port: str, fact: ForwardingFact | None) -> Transfer:
    """Out of a port, through FORWARD and POSTROUTING where br_netfilter has them (br_nf_forward_ip, br_nf_post_routing)."""
    passes = may_pass(context, bridge.scope, came, port)
    if context.link(Interface(bridge.scope, port)) is None:
        return End(Unknown(f"port {port} of {bridge} is no interface of the capture"), fact.at if fact else None)
    if passes is None:
        return End(
            Unknown(f"whether hairpin is on at port {port} of {bridge} is not known (bridge -d link show)"),
            fact.at if fact else None,
        )
    if not passes:
        why = "it came from there and hairpin is off" if port == came else "the port is isolated or does not forward"
        return End(drop(f"{bridge} does not send the frame to {port}: {why}").exit, fact.at if fact else None)
    if context.space(bridge.scope).nft_chains:
        return sent_out(context, bridge, came, port)
    key = ("sent out", bridge, port, came is None)
    found = context.made.get(key)
    if found is None:
        found = context.made[key] = sent_out(context, bridge, came, port)
    return cast(Transfer, found)


def sent_out(context: Context, bridge: Interface, came: str | None, port: str) -> Transfer:
    """``forwarded``, to a port that the frame may leave by."""
    goes: Transfer = goto(bridge.scope, "frame", port)
    if came is not None and called(context, bridge):
        goes = goto(bridge.scope, "bridge forward", f"{bridge.device} {port}")
    return seq(leaves(context, bridge, port), leaving(context, bridge, came, port), goes)


def forward_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The IP hooks of a bridged packet, which then must fit the port, or is cut (br_nf_dev_queue_xmit)."""
    device, _, port = detail.partition(" ")
    names, link = context.names, context.link(Interface(scope, port))
    out = Assign(Field.OUT_INTERFACE, names.number(device))
    return seq(
        out,
        Assign(Field.PHYSICAL_OUT, names.number(port)),
        call(scope, "hook", "FORWARD"),
        out if context.space(scope).virtual_servers else KEEP,
        Assign(Field.IN_INTERFACE, 0),
        call(scope, "hook", "POSTROUTING"),
        sent(link.mtu, f"{scope} {port}", link.at) if link is not None else KEEP,
        goto(scope, "frame", port),
    )


def leaves(context: Context, bridge: Interface, port: str) -> Transfer:
    """The tag that the frame leaves the port with."""
    if not filtering(context, bridge):
        return KEEP
    refuse = drop(f"the port {bridge.scope} {port} is not in the frame's VLAN")
    facts = vlans_of(context, bridge, port)
    untagged = normalised((fact.first, fact.last) for fact in facts if fact.untagged)
    tagged = normalised((fact.first, fact.last) for fact in facts)
    return If(In(Field.VLAN, untagged), Assign(Field.VLAN, 0), If(In(Field.VLAN, tagged), KEEP, refuse))
