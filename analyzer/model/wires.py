"""What frames may reach without a router: the devices of a host, its bridges and its pods behind each interface that leads outside the capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.facts.links import AddressFact, Ipvlan, LinkFact, Macvlan, OtherKind, Vlan
from analyzer.facts.neighbours import ForwardingFact, NeighbourFact
from analyzer.facts.routes import RouteFact
from analyzer.memory import Same
from analyzer.model.datapaths import switched
from analyzer.model.merging import is_bridge_port
from analyzer.model.network import Interface, Namespace, Network, Wire
from analyzer.source import Scope

Spaces = Mapping[Scope, Namespace]
HEARD = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE"})
CONFIGURED = frozenset({"permanent", "static", "extern_learn", "sticky"})


@dataclass(frozen=True, slots=True)
class Paths:
    """What joins devices: the devices over each, the ports of each bridge by its namespace, the other ends of pairs, and the own ports of switches.
    ``hosts`` are the nodes that have an address themselves."""

    spaces: Spaces
    above: Mapping[Interface, list[Interface]]
    ports: Mapping[Interface, list[Interface]]
    peers: Mapping[Interface, Interface]
    by_device: Mapping[Interface, list[AddressFact]]
    hosts: Mapping[Address, set[str]]


def paths(spaces: Spaces, peers: Mapping[Interface, Interface], lower: Mapping[Interface, Interface]) -> Paths:
    """What joins the devices of the capture."""
    above: dict[Interface, list[Interface]] = {}
    for upper, under in sorted(lower.items()):
        above.setdefault(under, []).append(upper)
    ports: dict[Interface, list[Interface]] = {}
    for scope, space in spaces.items():
        for name in space.ports:
            if (bridge := bridge_of(space, name)) is not None:
                ports.setdefault(Interface(scope, bridge), []).append(Interface(scope, name))
    by_device: dict[Interface, list[AddressFact]] = {}
    hosts: dict[Address, set[str]] = {}
    for scope, space in spaces.items():
        for fact in space.addresses:
            by_device.setdefault(Interface(scope, fact.device), []).append(fact)
            if not scope.namespace:
                hosts.setdefault(fact.address, set()).add(scope.node)
    return Paths(spaces, above, ports, peers, by_device, hosts)


def bridge_of(space: Namespace, device: str) -> str | None:
    """The bridge that a device is a port of."""
    port, link = space.ports.get(device), space.links.get(device)
    if port is None or link is None or not port.master:
        return None
    return port.master if is_bridge_port(link, space.links.get(port.master)) else None


def is_pair_end(link: LinkFact) -> bool:
    """Whether a link is an end of a veth pair, by its kind or its ``@if``."""
    if isinstance(link.kind, OtherKind):
        return link.kind.name in ("veth", "netkit")
    return link.kind is None and link.peer_index is not None and (link.peer_index != link.index or link.netnsid is not None)


def stacked(spaces: Spaces, upper: Interface) -> bool:
    """Whether a device sends its frames through the one under it as they are (a tunnel does not)."""
    link = spaces[upper.scope].links.get(upper.device)
    return link is not None and (link.kind is None or isinstance(link.kind, Vlan | Macvlan | Ipvlan))


def inner_ports(space: Namespace, device: str) -> Iterator[str]:
    """The own ports into the host of the switch that a device is a port of."""
    for switch in space.switches.values():
        if switch.flows is not None and device in switch.ports and switch.ports[device].kind == "":
            yield from (name for name, port in switch.ports.items() if port.kind == "internal")


def shareable(fact: AddressFact) -> Prefix | None:
    """The network of an address, where others can be on it: no host, link-local or loopback network."""
    width = WIDTH[fact.address.family]
    if not 0 < fact.length < width or fact.peer is not None or fact.scope_name in ("link", "host"):
        return None
    prefix = prefix_of(fact.address, fact.length)
    link_local = (0xA9FE, 16) if prefix.family == 4 else (0xFE80 >> 6, 10)
    return None if prefix.value >> (width - link_local[1]) == link_local[0] else prefix


def has_address(space: Namespace, device: str) -> bool:
    """Whether the host has an address on a device that others can be on a network with."""
    return any(fact.device == device and shareable(fact) is not None for fact in space.addresses)


def leads_on(space: Namespace, device: str) -> bool:
    """Whether a default route leaves by a device, in whatever table: that of an interface for pods' own sources is in one of its own."""
    return device in default_devices(Same(space.routes))


Routes = Same[Mapping[int, Mapping[int, tuple[RouteFact, ...]]]]
"""The routes of a namespace by family and table."""


@lru_cache(maxsize=1024)
def default_devices(routes: Routes) -> frozenset[str | None]:
    """The devices by which default routes leave."""
    return frozenset(hop.device for route in every(routes) if is_default(route) for hop in route.next_hops)


@lru_cache(maxsize=1024)
def to_routers(routes: Routes) -> frozenset[str | None]:
    """The devices by which routes lead to other hosts that pass packets on."""
    return frozenset(hop.device for route in every(routes) for hop in route.next_hops if hop.via is not None)


def leads_to_node(known: Paths, at: Interface) -> bool:
    """Whether a route by a device is for an address that another node has itself: what is at its other end is no pod."""
    return any(known.hosts.get(one, set()) - {at.scope.node} for one in asked_for(known, at))


def asked_for(known: Paths, at: Interface) -> Iterator[Address]:
    """The addresses that routes by a device are for, or lead to next: who has them is asked for there."""
    for route in every(Same(known.spaces[at.scope].routes)):
        for hop in route.next_hops if route.kind == "unicast" else ():
            if hop.device == at.device and hop.via is not None:
                yield hop.via
            elif hop.device == at.device and route.destination.length == WIDTH[route.destination.family]:
                yield Address(route.destination.family, route.destination.value)


def facing(known: Paths, found: Mapping[Interface, Wire]) -> Iterator[tuple[Interface, Interface, str]]:
    """Pairs of uplinks without networks of which each leads to an address of the other's node, or of the other itself, and to no other's."""
    bare = {at for at, wire in found.items() if at in wire.exits and not networks(wire) and not at.scope.namespace}
    by_node: dict[str, list[Interface]] = {}
    for at in sorted(bare):
        by_node.setdefault(at.scope.node, []).append(at)
    beyond = {at: {other for one in asked_for(known, at) for other in holding(known, by_node, at, one)} for at in sorted(bare)}
    mutual = {at: [other for other in sorted(others) if at in beyond[other]] for at, others in beyond.items()}
    for at, others in mutual.items():
        if len(others) == 1 and mutual[others[0]] == [at] and at < others[0]:
            yield at, others[0], f"routes of {at} lead to {others[0].scope}, and routes of {others[0]} to {at.scope}"


def holding(known: Paths, by_node: Mapping[str, list[Interface]], at: Interface, target: Address) -> Iterator[Interface]:
    """The uplinks at which an address answers: that which has it where it is link-local, else all of its node."""
    local = target.family == 6 and target.value >> (WIDTH[6] - 10) == 0xFE80 >> 6
    for node in sorted(known.hosts.get(target, set()) - {at.scope.node}):
        for other in by_node.get(node, ()):
            if not local or any(fact.address == target for fact in known.by_device.get(other, ())):
                yield other


def every(routes: Routes) -> Iterator[RouteFact]:
    """The routes of all tables."""
    return (route for by_table in routes.value.values() for table in by_table.values() for route in table)


def is_default(route: RouteFact) -> bool:
    """Whether a route is for everything."""
    return route.destination.length == 0


def may_be_a_pods(space: Namespace, device: str) -> bool:
    """Whether a port of a bridge may be what a pod hangs on that was not captured: the end of a pair, where the default route does not leave by
    the bridge."""
    link, bridge = space.links.get(device), bridge_of(space, device)
    return link is not None and bridge is not None and is_pair_end(link) and not leads_on(space, bridge)


def is_uplink(known: Paths, at: Interface) -> bool:
    """Whether an interface that leads outside may lead to other hosts. The end of a pair without an address, or on a bridge that is its pods'
    gateway, is a pod's."""
    space = known.spaces[at.scope]
    link, bridge, peer = space.links[at.device], bridge_of(space, at.device), known.peers.get(at)
    if not is_pair_end(link) or (peer is not None and switched(known.spaces, peer)):
        return True
    if bridge is not None:
        return leads_on(space, bridge) or not has_address(space, bridge)
    beyond = leads_on(space, at.device) or at.device in to_routers(Same(space.routes)) or leads_to_node(known, at)
    return bool(known.above.get(at)) or has_address(space, at.device) or beyond


def reached(known: Paths, start: Interface, across: bool = True) -> Iterator[Interface]:
    """The devices that the frames of an interface which leads outside may get to: those over it, its bridge with what is on that, the own
    ports of its switch. ``across``: also the bridge of what may be a pod's."""
    queue, seen = [start], {start}
    while queue:
        current = queue.pop(0)
        yield current
        if current == start and not across and may_be_a_pods(known.spaces[start.scope], start.device):
            continue
        for further in next_to(known, current):
            if further not in seen and further.device in known.spaces[further.scope].links:
                seen.add(further)
                queue.append(further)


def next_to(known: Paths, at: Interface) -> Iterator[Interface]:
    """The devices beside one."""
    space = known.spaces[at.scope]
    yield from (upper for upper in known.above.get(at, ()) if stacked(known.spaces, upper))
    yield from (Interface(at.scope, name) for name in inner_ports(space, at.device))
    if (bridge := bridge_of(space, at.device)) is not None:
        yield Interface(at.scope, bridge)
    yield from known.ports.get(at, ())
    if at in known.peers:
        yield known.peers[at]


def wires(known: Paths, edge: Iterable[Interface]) -> dict[Interface, Wire]:
    """The wire of every device from which frames may leave the capture."""
    result: dict[Interface, Wire] = {}
    for start in sorted(edge):
        if start not in result:
            members = tuple(reached(known, start))
            ends = tuple(sorted(at for at in members if at in edge))
            prefixes = tuple(sorted({prefix for at in members for _, prefix in addresses_of(known, at)}))
            wire = Wire(tuple(at for at in ends if is_uplink(known, at)), ends, prefixes)
            result.update(dict.fromkeys(members, wire))
    return result


def addresses_of(known: Paths, at: Interface) -> Iterator[tuple[Address, Prefix]]:
    """The addresses of a device, with their networks."""
    for fact in known.by_device.get(at, ()):
        if (prefix := shareable(fact)) is not None:
            yield fact.address, prefix


def witnessed(known: Paths, found: Mapping[Interface, Wire]) -> Iterator[tuple[Interface, Interface, str]]:
    """Pairs of uplinks of which a table says that the one has heard what is behind the other: a bridge's, or one of neighbours."""
    if len({wire.exits for wire in found.values() if wire.exits}) < 2:
        return
    at_mac = behind(known, found)
    for scope, space in known.spaces.items():
        entries: tuple[ForwardingFact | NeighbourFact, ...] = (*space.forwarding, *space.neighbours)
        for fact in entries:
            here = Interface(scope, fact.device or "")
            there = at_mac.get(fact.mac or 0)
            if there is None or here not in found or not heard(fact):
                continue
            one, two = exit_of(here, fact, found[here]), exit_of(there, None, found[there])
            if one is not None and two is not None and found[here] is not found[there]:
                yield one, two, f"{here} has heard {there}"


def heard(fact: ForwardingFact | NeighbourFact) -> bool:
    """Whether an entry was learnt from what was heard."""
    if isinstance(fact, ForwardingFact):
        return not fact.flags & CONFIGURED and fact.destination is None and not fact.own
    return not fact.proxy and bool(fact.states & HEARD)


def exit_of(at: Interface, fact: ForwardingFact | NeighbourFact | None, wire: Wire) -> Interface | None:
    """The uplink that what is heard at an interface comes by; None: it may be one of several."""
    if isinstance(fact, ForwardingFact) and at in wire.exits:
        return at
    return wire.exits[0] if len(wire.exits) == 1 else None


def behind(known: Paths, found: Mapping[Interface, Wire]) -> dict[int, Interface]:
    """The device on a wire that has a MAC which no other one of the capture has, but those over it and under it."""
    holders: dict[int, list[Interface]] = {}
    for scope, space in known.spaces.items():
        for name, link in space.links.items():
            if link.mac:
                holders.setdefault(link.mac, []).append(Interface(scope, name))
    return {
        mac: one[0]
        for mac, one in holders.items()
        if one[0] in found and all(found.get(a) is found.get(b) for a, b in pairwise(one))
    }


def may_meet(network: Network, at: Interface, holder: Interface, target: Address) -> bool:
    """Whether what an interface asks for an address may reach its holder by what was not captured between them. Networks of which neither has
    an address in the other's are taken to be apart."""
    one, two = network.wires.get(at), network.wires.get(holder)
    if one is not None and unnumbered(network, at, one, holder):
        return True
    hidden = one is not None and two is None and loose(network, holder)
    if one is not None and two is None and (hidden or undescribed(network, holder) or unpaired(network, one)):
        near = at.scope.node == holder.scope.node and at.scope.namespace != holder.scope.namespace
        return near or (hidden and bool(one.exits) and at.scope.node != holder.scope.node)
    if one is None or two is None or one is two or joined(network, one, two):
        return False
    if one.exits and two.exits:
        return not (networks(one) and networks(two)) or any(prefix.covers(target) for prefix in one.prefixes)
    return any(a.scope.node == b.scope.node and a.scope.namespace != b.scope.namespace for a in one.ends for b in two.ends)


def unnumbered(network: Network, at: Interface, wire: Wire, holder: Interface) -> bool:
    """Whether an uplink without a network may lead to one of another node that has an address on whatever device: a host answers for all of its addresses on
    every device (``arp_process`` of net/ipv4/arp.c)."""
    if (
        not hosted(network, holder)
        or at.scope.node == holder.scope.node
        or at.scope.namespace
        or not wire.exits
        or networks(wire)
    ):
        return False
    found = without_networks(Same(network)).get(holder.scope, ())
    return any(other is not wire and not joined(network, wire, other) for other in found)


def hosted(network: Network, holder: Interface) -> bool:
    """Whether a device, which leads outside by no wire itself, is a node's with an uplink that has no network."""
    return holder not in network.wires and holder.scope in without_networks(Same(network))


@lru_cache(maxsize=8)
def without_networks(network: Same[Network]) -> Mapping[Scope, tuple[Wire, ...]]:
    """The wires of each node that lead to other hosts and on which no network is known."""
    found: dict[Scope, dict[int, Wire]] = {}
    for at, wire in network.value.wires.items():
        if wire.exits and not at.scope.namespace and not networks(wire):
            found.setdefault(at.scope, {})[id(wire)] = wire
    return {scope: tuple(one.values()) for scope, one in found.items()}


def networks(wire: Wire) -> bool:
    """Whether a wire's addresses tell which network it leads to: those of single hosts do not."""
    return any(prefix.length < WIDTH[prefix.family] for prefix in wire.prefixes)


def may_take(network: Network, at: Interface, holder: Interface) -> bool:
    """Whether a frame of an interface to the MAC of another may reach it by what was not captured between them. Networks with addresses on both
    sides are taken to be apart where they share none."""
    one, two = network.wires.get(at), network.wires.get(holder)
    if one is None or two is None or one is two or joined(network, one, two):
        return False
    if one.exits and two.exits:
        return not (networks(one) and networks(two))
    return any(a.scope.node == b.scope.node and a.scope.namespace != b.scope.namespace for a in one.ends for b in two.ends)


def wired_macs(network: Network) -> dict[int, list[Interface]]:
    """The devices on wires that lead outside, by their MAC."""
    found: dict[int, list[Interface]] = {}
    for at in network.wires:
        link = network.namespaces[at.scope].links.get(at.device)
        if link is not None and link.mac:
            found.setdefault(link.mac, []).append(at)
    return found


def undescribed(network: Network, at: Interface) -> bool:
    """Whether all that is known of a device is that it is there (``ifconfig``, ``ip addr`` of one device): it may be a bridge, with ports that no
    text names."""
    space = network.namespaces[at.scope]
    link = space.links.get(at.device)
    if link is None or link.detailed or link.kind is not None or link.link_type != "ether":
        return False
    known = link.peer_index is not None or link.parent is not None or at in network.peers or at in network.outside
    ported = any(other.master == at.device for other in space.links.values())
    return not known and not ported and not link.flags & {"LOOPBACK", "POINTOPOINT", "NOARP"}


def loose(network: Network, at: Interface) -> bool:
    """Whether a pod's device is over or opposite to one that no text tells (without ``-d`` a macvlan of an uplink looks like an end of a pair)."""
    link = network.namespaces[at.scope].links.get(at.device)
    return link is not None and not link.detailed and bool(at.scope.namespace) and is_pair_end(link) and at not in network.peers


def unpaired(network: Network, wire: Wire) -> bool:
    """Whether a wire leads outside by ends of pairs alone: what is lost is the line of an interface, since no pair has one end."""
    return all(is_pair_end(network.namespaces[at.scope].links[at.device]) for at in wire.ends)


def joined(network: Network, one: Wire, two: Wire) -> bool:
    """Whether both lead to one network outside: who is there and answers is known."""
    return any(
        network.segment_of[at] is network.segment_of.get(other)
        for at in one.ends
        if at in network.segment_of
        for other in two.ends
    )


def not_known(at: Interface, holder: Interface, target: Address) -> str:
    """What is not known then."""
    return f"whether {at} reaches {holder}, which has {target}, is not known: what is between them was not captured"


def taking_not_known(at: Interface, holder: Interface) -> str:
    """What is not known of a frame then."""
    return (
        f"whether {at} reaches {holder}, which has the MAC that it sends to, is not known: what is between them was not captured"
    )
