"""Where a broadcast frame goes: the interfaces that share a layer-2 network, worked out over veths, bridges, VLANs, redirects and tunnels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from analyzer.addresses import Address
from analyzer.facts.links import Bond, Bridge, Geneve, LinkFact, OtherKind, Vlan, Vrf, Vxlan, in_datapath
from analyzer.facts.neighbours import BridgeVlanFact
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.network import Interface
from analyzer.model.switches import switch_port
from analyzer.source import Scope
from analyzer.transfer.flooding import answers_itself, kept_back
from analyzer.transfer.proxying import answered
from analyzer.transfer.space import Context
from analyzer.transfer.stacked import hears, siblings
from analyzer.transfer.traffic_control import redirected

LIMIT = 20_000
Step = tuple[str, Interface, int]
"""What a frame does, where, and its VLAN tag."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The interfaces whose hosts see the frame, in the order of their finding, and the devices by which it leaves the capture. ``came``: each step
    with the one before it; the first has none. ``kept_back``: a bridge did not flood it to every port.
    ``proxies``: tunnel devices that answer questions themselves."""

    hosts: tuple[Interface, ...]
    outside: tuple[Interface, ...]
    unknown: tuple[str, ...] = ()
    came: Mapping[Step, Step | None] = field(default_factory=dict, compare=False, repr=False)
    kept_back: bool = False
    proxies: tuple[str, ...] = ()

    def step(self, stage: str, at: Interface) -> Step | None:
        """The step at an interface, with its VLAN tag."""
        untagged = (stage, at, 0)
        return untagged if untagged in self.came else next((step for step in self.came if step[:2] == (stage, at)), None)


class Crossing(NamedTuple):
    """A frame comes in at a bridge by a port, and leaves by another; by none: it is for the bridge's host."""

    bridge: Interface
    port_in: str
    port_out: str


SWITCH_DEVICE = "ovs-system"  # the datapath of Open vSwitch: the master of its ports, and no bridge


def is_bridge(context: Context, at: Interface) -> bool:
    """Whether an interface is a bridge."""
    link = context.link(at)
    if link is None or at.device == SWITCH_DEVICE:
        return False
    if link.kind is None:
        ports = [context.space(at.scope).links[port] for port in context.ports.get(at, ())]
        return bool(ports) and "MASTER" not in link.flags and not any(map(slave, ports))
    return isinstance(link.kind, Bridge)


def slave(link: LinkFact) -> bool:
    """Whether a link is a bond's."""
    return "SLAVE" in link.flags or link.master_kind == "bond"


def bridge_of(context: Context, at: Interface) -> Interface | None:
    """The bridge that an interface is a port of."""
    master = context.master(at.scope, at.device)
    found = Interface(at.scope, master) if master else None
    return found if found is not None and is_bridge(context, found) else None


def bond_of(context: Context, at: Interface) -> Interface | None:
    """The bond that an interface belongs to."""
    master, link = context.master(at.scope, at.device), context.link(at)
    if master is None or link is None or bridge_of(context, at) is not None:
        return None
    above = context.link(Interface(at.scope, master))
    return (
        Interface(at.scope, master)
        if above is not None and not isinstance(above.kind, Vrf) and (slave(link) or isinstance(above.kind, Bond))
        else None
    )


def flows_of(context: Context, at: Interface) -> SwitchPortFact | None:
    """The port that an interface is, of a switch of Open vSwitch whose flows are known."""
    return switch_port(context.space(at.scope).switches, at.device)


def inner_hosts(context: Context, at: Interface) -> list[Interface]:
    """The own ports into the host of the switch that a device is a port of, where its flows are known."""
    port = flows_of(context, at)
    ports = context.space(at.scope).switches[port.bridge].ports if port is not None and not port.kind else {}
    return [Interface(at.scope, name) for name, other in ports.items() if other.kind == "internal"]


def is_switch(link: LinkFact) -> bool:
    """Whether a link is a port of Open vSwitch."""
    return in_datapath(link) or (isinstance(link.kind, OtherKind) and link.kind.name == "openvswitch")


def flood(context: Context, start: Step, asking: bool = False) -> Reach:
    """All that a frame reaches which leaves by (``frame``) or arrives at (``receive``) an interface. The number is its VLAN tag (0: none).
    ``asking``: the frame is a question for a neighbour, and goes only where bridges flood such."""
    waiting: deque[Step] = deque((start,))
    came: dict[Step, Step | None] = {start: None}
    hosts, outside, unknown = dict[Interface, None](), dict[Interface, None](), dict[str, None]()
    less, proxies = False, tuple[str, ...]()
    while waiting and len(came) < LIMIT:
        step = waiting.popleft()
        if asking and step[0] == "frame" and (words := answered(context, step[1])) is not None:
            proxies += words
            continue
        if asking and (itself := answers_itself(context, step)):
            unknown[itself] = None
        goes = onward(context, step)
        hosts |= goes.hosts
        outside |= goes.outside
        unknown |= goes.unknown
        for further in goes.steps:
            if asking and kept_back(context, step, further):
                less = True
            elif further not in came:
                came[further] = step
                waiting.append(further)
    return Reach(tuple(hosts), tuple(outside), tuple(unknown), came, less, proxies)


class Onward(NamedTuple):
    """What a step of a frame leads to: the next ones, and what it adds to a ``Reach``."""

    steps: tuple[Step, ...]
    hosts: dict[Interface, None]
    outside: dict[Interface, None]
    unknown: dict[str, None]


def onward(context: Context, step: Step) -> Onward:
    """What a step leads to; of those who receive worked out once, as every member of a network floods to all others."""
    key = ("onward", step)
    known = context.made.get(key)
    if isinstance(known, Onward):
        return known
    hosts, outside, unknown = dict[Interface, None](), dict[Interface, None](), dict[str, None]()
    found = Onward(tuple(onwards(context, step, hosts, outside, unknown)), hosts, outside, unknown)
    if step[0] == "receive":
        context.made[key] = found
    return found


def crossings(context: Context, reach: Reach, goal: Step | None) -> tuple[Crossing, ...] | None:
    """The bridges on the way to a step of a frame, in their order; None: it does not get there."""
    if goal is None:
        return None
    step, found = goal, list[Crossing]()
    while (before := reach.came[step]) is not None:
        bridge = bridge_of(context, before[1]) if before[0] == "receive" else None
        if bridge is not None and bridge.scope == step[1].scope:
            found.append(Crossing(bridge, before[1].device, "" if step[1] == bridge else step[1].device))
        step = before
    return tuple(reversed(found))


def onwards(
    context: Context, step: Step, hosts: dict[Interface, None], outside: dict[Interface, None], unknown: dict[str, None]
) -> Iterator[Step]:
    """One step of a frame."""
    stage, at, tag = step
    link = context.link(at)
    if link is None or not link.carrier:
        return
    if stage == "flood":
        yield from ports_of(context, at, None, tag)
        return
    hook = "ingress" if stage == "receive" else "egress"
    if (other := redirected(context, at, hook)) is not None:
        yield (*other, tag)
    elif stage == "receive":
        yield from arriving(context, at, link, tag, hosts, unknown)
    else:
        yield from leaving(context, at, link, tag, outside, unknown)


def arriving(
    context: Context, at: Interface, link: LinkFact, tag: int, hosts: dict[Interface, None], unknown: dict[str, None]
) -> Iterator[Step]:
    """A frame that arrives at an interface."""
    if (port := flows_of(context, at)) is not None:
        unknown.setdefault(f"{port.bridge} of {at.scope} answers for others by its flows")
        return
    if (bridge := bridge_of(context, at)) is not None:
        vlan = inner_vlan(context, bridge, at.device, tag)
        if vlan is not None:
            yield ("receive", bridge, tag)
            yield from ports_of(context, bridge, at.device, vlan)
        return
    if (bond := bond_of(context, at)) is not None:
        yield ("receive", bond, tag)
        return
    if is_switch(link) and at in context.network.peers:
        yield from across_switch(context, at, tag)
        return
    if not tag:
        hosts.setdefault(at)
    for upper in context.uppers.get(at, ()):
        kind = above.kind if (above := context.link(upper)) else None
        if isinstance(kind, Vlan) and kind.identifier == tag:
            yield ("receive", upper, 0)
        elif hears(kind):
            yield ("receive", upper, tag)


def across_switch(context: Context, at: Interface, tag: int) -> Iterator[Step]:
    """To the other ports of Open vSwitch on the node: its internal ones, and the other ends of pairs."""
    for name, link in context.space(at.scope).links.items():
        other = Interface(at.scope, name)
        if name == at.device or not is_switch(link):
            continue
        if other in context.network.peers:
            yield ("receive", context.network.peers[other], tag)
        elif isinstance(link.kind, OtherKind):
            yield ("receive", other, tag)


def leaving(
    context: Context, at: Interface, link: LinkFact, tag: int, outside: dict[Interface, None], unknown: dict[str, None]
) -> Iterator[Step]:
    """A frame that leaves by an interface."""
    network, port = context.network, flows_of(context, at)
    if port is not None and port.kind:
        unknown.setdefault(f"{port.bridge} of {at.scope} answers for others by its flows")
    elif is_switch(link) and port is None:
        yield from across_switch(context, at, tag)
    elif at in network.peers:
        yield ("receive", network.peers[at], tag)
        if at in network.outside:
            outside.setdefault(at)
    elif is_bridge(context, at):
        yield from ports_of(context, at, None, inner_vlan(context, at, at.device, tag) or 0)
    elif isinstance(link.kind, Vlan) and at in network.lower:
        yield ("frame", network.lower[at], link.kind.identifier)
    elif hears(link.kind) and at in network.lower:
        yield from (("receive", one, tag) for one in siblings(context, at, link.kind))
        yield ("frame", network.lower[at], tag)
    elif isinstance(link.kind, Vxlan):
        yield from (("receive", other, tag) for other in remotes(context, at, link.kind))
    elif isinstance(link.kind, Geneve) and link.kind.remote is not None:
        yield from (("receive", one, tag) for one in at_endpoint(context, link.kind.remote, link.kind.identifier, Geneve))
    elif at in network.outside:
        outside.setdefault(at)
        segment = network.segment_of.get(at)
        yield from (("receive", other, tag) for other in (segment.members if segment else ()) if other != at)
    elif isinstance(link.kind, Bond) or "MASTER" in link.flags:
        yield from (("frame", Interface(at.scope, port), tag) for port in context.ports.get(at, ())[:1])
    elif isinstance(link.kind, OtherKind) and link.kind.name == "veth":
        unknown.setdefault(f"the other end of {at} is not in the capture")


def filtering(context: Context, bridge: Interface) -> bool:
    """Whether a bridge filters VLANs."""
    link = context.link(bridge)
    return link is not None and isinstance(link.kind, Bridge) and bool(link.kind.vlan_filtering)


def vlans_of(context: Context, bridge: Interface, port: str) -> tuple[BridgeVlanFact, ...]:
    """A port's VLANs; the bridge's default one where the list was not captured."""
    space, link = context.space(bridge.scope), context.link(bridge)
    if port in space.vlans or link is None or "bridge-vlan" not in (*space.missing, *space.assumed):
        return space.vlans.get(port, ())
    number = link.kind.default_vlan if isinstance(link.kind, Bridge) and link.kind.default_vlan is not None else 1
    return (BridgeVlanFact(at=link.at, device=port, first=number, last=number, pvid=True, untagged=True),)


def inner_vlan(context: Context, bridge: Interface, device: str, tag: int) -> int | None:
    """The VLAN of a frame inside a bridge (0: the bridge has none); None where the port does not let it in (br_vlan.c ``__allowed_ingress``)."""
    if not filtering(context, bridge):
        return tag
    facts = vlans_of(context, bridge, device)
    if not tag:
        return next((fact.first for fact in facts if fact.pvid), None)
    return tag if any(fact.first <= tag <= fact.last for fact in facts) else None


def outer_tag(context: Context, bridge: Interface, device: str, vlan: int) -> int | None:
    """The tag that a frame of a VLAN leaves a port with; None where the port is not in it."""
    if not filtering(context, bridge):
        return vlan
    facts = [fact for fact in vlans_of(context, bridge, device) if fact.first <= vlan <= fact.last]
    return (0 if any(fact.untagged for fact in facts) else vlan) if facts else None


def ports_of(context: Context, bridge: Interface, came: str | None, vlan: int) -> Iterator[Step]:
    """The ports that a bridge floods to."""
    for port in context.ports.get(bridge, ()):
        tag = outer_tag(context, bridge, port, vlan)
        if tag is not None and may_pass(context, bridge.scope, came, port):
            yield ("frame", Interface(bridge.scope, port), tag)


def may_pass(context: Context, scope: Scope, came: str | None, port: str) -> bool | None:
    """Whether a bridge may send a frame out of a port (br_forward.c ``should_deliver``): hairpin (None: not shown, as without ``-d``), isolation, state."""
    ports = context.space(scope).ports
    goes, from_port = ports.get(port), ports.get(came) if came else None
    if goes is not None and goes.state in ("disabled", "blocking", "listening", "learning"):
        return False
    if port != came:
        return not (goes is not None and goes.isolated and from_port is not None and from_port.isolated)
    if goes is None or goes.hairpin is None:
        return False if "bridge-link" in context.space(scope).assumed else None
    return goes.hairpin and not goes.isolated


def remotes(context: Context, at: Interface, kind: Vxlan) -> Iterator[Interface]:
    """The VXLAN devices that a broadcast of one reaches: by the entries for all MACs, or the remote address."""
    found = [
        fact.destination
        for fact in context.space(at.scope).forwarding
        if fact.device == at.device and not fact.mac and fact.destination
    ]
    given = kind.remote or kind.group
    for address in found or ([given] if given else []):
        yield from group_members(context, at, kind) if is_group(address) else at_endpoint(context, address, kind.identifier)


def is_group(address: Address) -> bool:
    """Whether an address is a multicast group."""
    return address.value >> 28 == 14 if address.family == 4 else address.value >> 120 == 0xFF


def group_members(context: Context, at: Interface, kind: Vxlan) -> Iterator[Interface]:
    """The other members of a VXLAN's multicast group; that the network carries multicast between them is assumed."""
    group = kind.group or kind.remote
    context.assume(f"the network carries multicast to {group} between the members of VXLAN {kind.identifier}")
    for other in context.network.sockets:
        link = context.link(other)
        if other == at or link is None or not link.up or not isinstance(link.kind, Vxlan):
            continue
        own = link.kind
        if (own.identifier, own.port, own.group or own.remote) == (kind.identifier, kind.port, group):
            yield other


def at_endpoint(context: Context, address: Address, vni: int | None, kind: type[Vxlan | Geneve] = Vxlan) -> Iterator[Interface]:
    """The VXLAN (or Geneve) devices with an identifier at an endpoint."""
    scopes = {owner.scope for owner in context.network.owners.get(address, ())}
    for other, scope in context.network.sockets.items():
        link = context.link(other)
        if scope in scopes and link is not None and isinstance(link.kind, kind) and link.kind.identifier == vni:
            yield other


def teachers(context: Context, at: Interface) -> tuple[Interface, ...]:
    """The VXLAN devices whose frames get to one that learns, worked out once for all."""
    if "teachers" not in context.made:
        found: dict[Interface, list[Interface]] = {}
        for other in context.network.sockets:
            link = context.link(other)
            if link is not None and link.up and isinstance(link.kind, Vxlan):
                for heard in dict.fromkeys((*remotes(context, other, link.kind), *singly(context, other, link.kind))):
                    found.setdefault(heard, []).append(other)
        context.made["teachers"] = found
    known = cast(dict[Interface, list[Interface]], context.made["teachers"])
    return tuple(one for one in known.get(at, ()) if one != at)


def singly(context: Context, at: Interface, kind: Vxlan) -> Iterator[Interface]:
    """The VXLAN devices for which one has entries of single MACs."""
    facts = context.space(at.scope).forwarding
    for address in {fact.destination for fact in facts if fact.device == at.device and fact.mac and fact.destination}:
        yield from at_endpoint(context, address, kind.identifier)


def askers(context: Context, reach: Reach) -> tuple[Interface, ...]:
    """The hosts whose questions come by a VXLAN device that learns and does not ask them."""
    found: dict[Interface, None] = {}
    for stage, at, _ in tuple(reach.came):
        link = context.link(at)
        if stage == "frame" and link is not None and isinstance(link.kind, Vxlan) and link.kind.learning:
            for other in teachers(context, at):
                if reach.step("receive", other) is None:
                    found |= dict.fromkeys(flood(context, ("receive", other, 0)).hosts)
    return tuple(found)
