"""What lies between captured hosts and was not captured: shared layer-2 networks, routers, Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Ipvlan, LinkFact, Macvlan, OtherKind, Vlan, in_datapath
from analyzer.model.network import Interface, Segment
from analyzer.model.wires import may_meet, may_take, not_known, taking_not_known, wired_macs
from analyzer.solve.walk import internet, links, silence
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.state import Endings, Frame, Left, Question, Walk
from analyzer.source import Span


def onto_segment(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """A frame leaves the host; the other captured members of its layer-2 network see it, and whoever else is there."""
    segment = walk.index.network.segment_of.get(at)
    crossing = links.crossed(frame, True)
    if segment is not None:
        walk.assume(segment.assumption)
        if not frame.to_all:
            exact = next((one for one in walk.index.with_mac(segment, frame.destination) if one != at), None)
            if exact is not None:
                walk.tell(at.scope, "link", f"{at} reaches {exact}", None, links.packet_of(frame))
                return across(walk, exact, crossing)
            return to_everybody(walk, at, silence.taking(walk, segment, crossing), crossing)
    return to_everybody(walk, at, silence.hearing(walk, segment, crossing) if segment else (), crossing)


def to_everybody(walk: Walk, at: Interface, hearing: Sequence[Interface], frame: Frame) -> Endings:
    """A frame that every member sees, and the world outside. Nothing comes of those that do nothing about it (all but ``hearing``): what they drop says nothing
    where the frame goes on to the world outside too."""
    ways = (across(walk, one, frame) for one in hearing if one != at)
    return [*links.branches(walk, ways), Left(at, frame.load, tuple(walk.hops), True, frame.vlan)]


def across(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """A frame comes in from a shared network: one that is longer than the MTU is not taken."""
    link = walk.index.link(at)
    refused = links.longer(walk, at, link, frame, 4) if link is not None else None
    return refused if refused is not None else links.arrive(walk, at, frame)


def leave(walk: Walk, at: Interface, next_hop: Address, packet: HookPacket, route: Route) -> Endings:
    """Nobody in the capture answers for the next hop: somebody outside has it."""
    network = walk.index.network
    destination = Address(packet.packet.family, packet.packet.destination)
    if (
        holder := next((one for one in network.owners.get(next_hop, ()) if may_meet(network, at, one, next_hop)), None)
    ) is not None:
        return walk.undecided(not_known(at, holder, next_hop), route.fact.at, f"what {at} and {holder} are connected to")
    if next_hop in network.owners and next_hop != destination:
        holder = network.owners[next_hop][0]
        return walk.drop(at.scope, f"nobody answers for {next_hop} on {at}; {holder} has it", route.fact.at)
    holders = network.owners.get(destination, ())
    if not holders:
        return outside(walk, at, next_hop, destination, packet, route)
    if next_hop == destination and network.fabric and holders[0].scope.namespace:
        words = f"whether the network of {network.fabric} leads from {at} to {destination}, the address of a pod, is not known"
        return walk.undecided(words, route.fact.at, f"what {network.fabric} has assigned to the nodes' interfaces")
    if next_hop == destination:
        return walk.drop(at.scope, f"nobody answers for {destination} on {at}; {holders[0]} has it", route.fact.at)
    roots = [one for one in holders if not one.scope.namespace and leads_out(walk, one) and not shared(walk, at, one)]
    if not roots:
        words = f"the router {next_hop} was not captured: how it reaches {destination} is not known"
        return walk.undecided(words, route.fact.at, f"the routes of {next_hop}")
    walk.assume(f"the router {next_hop}, which was not captured, leads to {destination} of {roots[0]}")
    walk.tell(at.scope, "link", f"by the router {next_hop} to {roots[0]}", route.fact.at, packet.packet)
    arriving = HookPacket(packet.packet._replace(mark=0, ttl=packet.packet.ttl - 1))
    return internet.receive(walk, walk.space(roots[0].scope), roots[0].device, arriving)


def outside(walk: Walk, at: Interface, next_hop: Address, destination: Address, packet: HookPacket, route: Route) -> Endings:
    """A packet to an address that no captured interface has: it leaves, unless the API says whose it is."""
    claim = walk.index.claimed.get(destination)
    who, captured = walk.index.claimed.get(next_hop, ("", True))
    if claim is None and not captured:
        words = f"{who}, which has {next_hop}, was not captured: where it sends packets to {destination} is not known"
        return walk.undecided(words, route.fact.at, f"the state of {who}")
    if claim is None:
        walk.tell(at.scope, "leave", f"{packet.packet} leaves by {at.device} to {next_hop}", route.fact.at, packet.packet)
        return [Left(at, packet, tuple(walk.hops))]
    who, captured = claim
    if captured and next_hop == destination:
        return walk.drop(at.scope, f"nobody answers for {destination} on {at}: {who} does not have its address", route.fact.at)
    if captured:
        words = f"the router {next_hop} was not captured: where it sends packets to {destination}, which {who} should have, is not known"
        return walk.undecided(words, route.fact.at, f"the routes of {next_hop}")
    return walk.undecided(f"{who}, which has {destination}, was not captured", route.fact.at, f"the state of {who}")


def unclaimed(
    walk: Walk, at: Interface, next_hop: Address, packet: HookPacket, route: Route, mac: int, said_at: Span | None
) -> Endings:
    """A frame to a MAC that no captured interface of the same network has."""
    network = walk.index.network
    if (taker := next((one for one in on_wires(walk, mac) if may_take(network, at, one)), None)) is not None:
        return walk.undecided(taking_not_known(at, taker), said_at or route.fact.at, f"what {at} and {taker} are connected to")
    holders = network.owners.get(next_hop, ())
    if not holders:
        return leave(walk, at, next_hop, packet, route)
    text = f"no interface in the capture has {hardware_text(mac)}, to which {at} sends what is for {next_hop}; {holders[0]} has that address"
    return walk.drop(at.scope, text, said_at)


def on_wires(walk: Walk, mac: int) -> list[Interface]:
    """The devices with this MAC on wires that lead outside the capture."""
    found = walk.index.known.get(("macs on wires",))
    if found is None:
        found = walk.index.known["macs on wires",] = wired_macs(walk.index.network)
    return cast(dict[int, list[Interface]], found).get(mac, [])


def shared(walk: Walk, one: Interface, two: Interface) -> bool:
    """Whether two interfaces are on one layer-2 network: what a router would do between them is not known."""
    return bool({id(found) for found in segments_of(walk, one)} & {id(found) for found in segments_of(walk, two)})


def segments_of(walk: Walk, at: Interface) -> list[Segment]:
    """The layer-2 networks that an interface, the device under it or a port of it is on."""
    under = walk.index.network.lower.get(at)
    places = [at, *ports_of(walk, at), *([under, *ports_of(walk, under)] if under else [])]
    found = walk.index.network.segment_of
    return [found[place] for place in places if place in found]


def ports_of(walk: Walk, at: Interface) -> list[Interface]:
    """The ports of a bridge or bond."""
    return [Interface(at.scope, port) for port in walk.space(at.scope).ports.get(at.device, ())]


def leads_out(walk: Walk, at: Interface) -> bool:
    """Whether an interface, the device under it (not that of a tunnel), or a port of it leads outside the capture, and has a carrier: without one no frame of a
    router comes in there, and how it would reach the address otherwise is not known."""
    link = walk.index.link(at)
    under = walk.index.network.lower.get(at) if link is None or isinstance(link.kind, Vlan | Macvlan | Ipvlan) else None
    places = [at, *ports_of(walk, at), *([under] if under is not None else [])]
    return any(place in walk.index.network.outside and carried(walk.index.link(place)) for place in places)


def carried(link: LinkFact | None) -> bool:
    """Whether an interface is not known to be without a carrier."""
    return link is None or link.carrier


def switched(space: Space, device: str) -> bool:
    """Whether a device is a port of Open vSwitch, or the switch's own port into the host."""
    link = space.links.get(device)
    if link is None:
        return False
    inside = isinstance(link.kind, OtherKind) and link.kind.name == "openvswitch" and device != "ovs-system"
    return inside or in_datapath(link)


def through_switch(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings:
    """Open vSwitch, taken for a switch that knows its ports' MACs: its flows are not read."""
    walk.assume(f"Open vSwitch of {space.place} forwards between its ports by MAC; its flows were not read")
    ports = [
        Interface(space.scope, name)
        for name in sorted(space.links)
        if name != at.device and switched(space, name) and space.links[name].up and not is_tunnel(name)
    ]
    if not frame.to_all:
        exact = [one for one in ports if frame.destination in behind(walk, space, one)]
        if exact:
            walk.tell(
                at.scope,
                "bridge",
                f"Open vSwitch takes the frame from {at.device} to {exact[0].device}",
                None,
                links.packet_of(frame),
            )
            return out_of_switch(walk, space, exact[0], frame)
    return links.branches(walk, to_ports(walk, space, at, ports, frame))


def is_tunnel(name: str) -> bool:
    """Whether a port is the switch's tunnel to other nodes."""
    return name.startswith(("genev_sys", "vxlan_sys", "gre_sys"))


def to_ports(walk: Walk, space: Space, at: Interface, ports: list[Interface], frame: Frame) -> Iterator[Endings]:
    """Every port; and the switch itself may answer, or know somebody beyond."""
    for one in ports:
        yield out_of_switch(walk, space, one, frame)
    if isinstance(frame.load, Question):
        yield [Left(at, frame.load, tuple(walk.hops), vlan=frame.vlan)]
    else:
        text = f"where Open vSwitch of {space.place} sends the frame is not known: its flows were not read"
        yield walk.undecided(text, space.address_at(at.device), "ovs-ofctl_dump-flows of the switch")


def behind(walk: Walk, space: Space, port: Interface) -> set[int | None]:
    """The MACs at a port: that of the pair's other end, or the port's own where it is the host's."""
    peer = walk.index.network.peers.get(port)
    if peer is not None:
        link = walk.index.link(peer)
        return {link.mac if link else None}
    link = space.links[port.device]
    return {link.mac} if not in_datapath(link) else set()


def out_of_switch(walk: Walk, space: Space, port: Interface, frame: Frame) -> Endings:
    """Out of a port of the switch: into the host by its own port, else along the wire."""
    link = space.links[port.device]
    if in_datapath(link):
        peer = walk.index.network.peers.get(port)
        if peer is None:
            return links.branches(walk, iter([onto_segment(walk, port, frame)]))
        return links.through_pair(walk, port, peer, frame)
    return links.arrive_up(walk, space, port, frame)
