"""What lies between captured hosts in the language: shared layer-2 networks, and routers that were not captured.

A router is taken to know the way to captured nodes on other networks. What it does with packets to pods, and to nodes of the network they come from,
is not known; packets to addresses that nobody in the capture has leave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import NamedTuple, cast

from analyzer.addresses import Address
from analyzer.facts.links import Ipvlan, LinkFact, Macvlan, Vlan
from analyzer.model.gaps import ROUTING, could_concern
from analyzer.model.network import Interface, Namespace, Network, Segment
from analyzer.model.routing import told_by_routes
from analyzer.model.wires import hosted, loose, may_meet, may_take, not_known, taking_not_known, undescribed, wired_macs
from analyzer.ranges import Ranges, normalised, union
from analyzer.source import Gap, Scope
from analyzer.transfer.bridge import GROUP
from analyzer.transfer.ir import KEEP, Assign, End, Field, If, In, Leave, Transfer, Unknown
from analyzer.transfer.reach import flood, inner_hosts
from analyzer.transfer.sizes import taken
from analyzer.transfer.space import OF_TUNNEL, Context, by_value, call, dispatch, drop, goto, seq
from analyzer.transfer.stacked import forgotten

Groups = dict[frozenset[int], list[tuple[Interface, Address]]]
"""The holders of addresses by the networks that their wires lead to."""


def outside(context: Context, at: Interface) -> Transfer:
    """Onto a layer-2 network that is not captured: the member with the frame's MAC, else a router."""
    segment = context.network.segment_of.get(at)
    rows: dict[int, Transfer] = {}
    for member in segment.members if segment else ():
        if member != at:
            arrive, macs = context.once(("arriving", member), partial(arriving, context, member))
            for mac in macs:
                rows.setdefault(mac, arrive)
    if segment is not None:
        context.assume(segment.assumption)
    for mac, unsure in takers(context, at):
        rows.setdefault(mac, unsure)
    whoever = End(Unknown(f"who takes what is in a frame to all that leaves by {at} is not followed"))
    owned = owners_of(context)
    flooded = If(In(Field.DESTINATION, union(owned.held, owned.assigned)), whoever, drop(f"a frame to all leaves by {at}"))
    return by_value(Field.DESTINATION_MAC, rows, If(GROUP, flooded, routed(context, at)))


def arriving(context: Context, member: Interface) -> tuple[Transfer, tuple[int, ...]]:
    """How frames arrive at a member of a network, and those to which MACs do."""
    own = context.link(member)
    fits = taken(own, str(member)) if own is not None else KEEP
    arrive = seq(fits, Assign(Field.MARK, 0), forgotten(), goto(member.scope, "receive", member.device))
    hosts = (*flood(context, ("receive", member, 0)).hosts, *inner_hosts(context, member), *tagged(context, member))
    links = (context.link(host) for host in hosts)
    return arrive, tuple(dict.fromkeys(link.mac for link in links if link is not None and link.mac is not None))


def takers(context: Context, at: Interface) -> Iterator[tuple[int, Transfer]]:
    """The MACs of devices elsewhere that an interface's frames may reach, or not."""
    if "takers" not in context.made:
        made: dict[frozenset[int], list[tuple[int, Interface]]] = {}
        for mac, holders in wired_macs(context.network).items():
            for holder in holders:
                made.setdefault(networks(context, holder), []).append((mac, holder))
        context.made["takers"] = made
    groups = cast(dict[frozenset[int], list[tuple[int, Interface]]], context.made["takers"])
    own = networks(context, at)
    for others, found in groups.items():
        for mac, holder in found if not own & others else ():
            if may_take(context.network, at, holder):
                yield mac, End(Unknown(taking_not_known(at, holder)))


def tagged(context: Context, member: Interface) -> Iterator[Interface]:
    """The devices on the wire of an uplink that frames reach with a VLAN tag."""
    if any(isinstance(link.kind, Vlan) for upper in context.uppers.get(member, ()) if (link := context.link(upper)) is not None):
        wire = context.network.wires.get(member)
        yield from (at for at, other in context.network.wires.items() if other is wire)


def routed(context: Context, at: Interface) -> Transfer:
    """A frame to a MAC that no captured interface has. Where a captured one has the next hop's address, nobody takes it."""
    open_ended: dict[int, Transfer] = {
        address.value: End(Unknown(not_known(at, holder, address)))
        for holder, address in reversed(elsewhere(context, at))
        if may_meet(context.network, at, holder, address)
    }
    open_ended |= unread_answers(context)
    nobody = drop(
        f"no interface on the network of {at} takes what is for the next hop, which another interface of the capture has"
    )
    gone = End(Leave(at.scope, f"an address that nobody in the capture has is reached beyond {at}"))
    leave: Transfer = If(OF_TUNNEL, End(Unknown(f"the packet of a tunnel leaves the capture by {at}")), gone)
    lost, behind = claimed(context, at)
    leave = (
        by_value(Field.NEXT_HOP, {value: way for value, way in behind.items() if value not in lost}, leave) if behind else leave
    )
    owned = owners_of(context)
    rows = {value: by_router(context, at, Address(context.family, value)) for value in owned.nodes} | behind
    single_ones = [((value, value), row) for value, row in rows.items()]
    runs = [((low, high), call(at.scope, "behind routers", f"{at.device} {low} {high}")) for low, high in owned.pods]
    beyond = dispatch(Field.DESTINATION, sorted((*single_ones, *runs), key=itemgetter(0)), leave)
    ways: Transfer = If(In(Field.NEXT_HOP, owned.held), nobody, by_value(Field.NEXT_HOP, lost, beyond))
    ways = by_value(Field.NEXT_HOP, open_ended, ways) if open_ended else ways
    if not owned.assigned:
        return ways
    cloud = End(Unknown(f"whether the network of {context.network.fabric} leads from {at} to a pod's address is not known"))
    return If(In(Field.NEXT_HOP, owned.assigned), cloud, ways)


def unread_answers(context: Context) -> dict[int, Transfer]:
    """The addresses of hosts of whose routes a line was not understood: it could be the one by which they answer for them. Worked out once."""
    found = context.made.get("unread answers")
    if found is None:
        made: dict[int, Transfer] = {}
        doubtful = {scope: gaps for scope, space in context.network.namespaces.items() if (gaps := about_routes(space))}
        for address, owners in context.network.owners.items() if doubtful else ():
            for holder in owners if address.family == context.family else ():
                for gap in doubtful.get(holder.scope, ()):
                    if could_concern(context.network.sources, gap, address):
                        text = f"whether {holder} answers for {address} is not known: {gap.at} was not understood: {gap.reason}"
                        made[address.value] = End(Unknown(text), gap.at)
        found = context.made["unread answers"] = made
    return cast(dict[int, Transfer], found)


def about_routes(space: Namespace) -> tuple[Gap, ...]:
    """The lines about routes that were not understood."""
    return tuple(gap for kind in ROUTING for gap in space.gaps.get(kind, ()))


def behind_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Pods' addresses, from one to another, behind routers that were not captured: made where packets to them get there."""
    device, low, high = detail.rsplit(" ", 2)
    at, values = Interface(scope, device), range(int(low), int(high) + 1)
    return by_value(Field.DESTINATION, {one: by_router(context, at, Address(context.family, one)) for one in values}, KEEP)


class Owned(NamedTuple):
    """The addresses that the capture has: those of nodes, those that pods alone have, those that next hops do not lead out to, and those that a cloud's network
    has assigned."""

    nodes: tuple[int, ...]
    pods: Ranges
    held: Ranges
    assigned: Ranges


def owners_of(context: Context) -> Owned:
    """Whose the addresses are, worked out once."""
    found = context.made.get("owned")
    if not isinstance(found, Owned):
        nodes: list[int] = []
        pods, held, assigned = list[tuple[int, int]](), list[tuple[int, int]](), list[tuple[int, int]]()
        for address, owners in context.network.owners.items():
            if address.family == context.family:
                own = (address.value, address.value)
                (assigned if context.network.fabric and owners[0].scope.namespace else held).append(own)
                if all(owner.scope.namespace for owner in owners):
                    pods.append(own)
                else:
                    nodes.append(address.value)
        found = context.made["owned"] = Owned(tuple(nodes), normalised(pods), normalised(held), normalised(assigned))
    return found


def elsewhere(context: Context, at: Interface) -> list[tuple[Interface, Address]]:
    """The addresses of devices on wires that lead outside to other networks than an interface's, or to none that is known."""
    if "on wires" not in context.made:
        made: Groups = {}
        for address, owners in context.network.owners.items():
            for holder in owners if address.family == context.family else ():
                if may_be_met(context.network, holder):
                    made.setdefault(networks(context, holder), []).append((holder, address))
        context.made["on wires"] = made
    groups = cast(Groups, context.made["on wires"])
    own = networks(context, at)
    return [item for others, found in groups.items() if not own & others for item in found]


def may_be_met(network: Network, holder: Interface) -> bool:
    """Whether there is any uplink from which a device may be met."""
    return holder in network.wires or undescribed(network, holder) or loose(network, holder) or hosted(network, holder)


def networks(context: Context, at: Interface) -> frozenset[int]:
    """The layer-2 networks outside that an interface's wire leads to."""
    wire, found = context.network.wires.get(at), context.network.segment_of
    return frozenset(id(found[end]) for end in wire.ends if end in found) if wire is not None else frozenset()


def by_router(context: Context, at: Interface, address: Address) -> Transfer:
    """To an address of a captured interface."""
    for owner in context.network.owners[address]:
        if not owner.scope.namespace and leads_out(context, owner) and not shared(context, at, owner):
            context.assume(f"the routers beyond {at}, which were not captured, lead to the captured nodes of other networks")
            arrived = (Assign(Field.MARK, 0), forgotten(), Assign(Field.VLAN, 0))
            return seq(*arrived, goto(owner.scope, "ip receive", owner.device))
    return End(Unknown(f"how the routers beyond {at}, which were not captured, reach {address} is not known"))


def claimed(context: Context, at: Interface) -> tuple[dict[int, Transfer], dict[int, Transfer]]:
    """Addresses that the API gives to pods and nodes while no captured interface has them: on the link, and behind a router."""
    on_link: dict[int, Transfer] = {}
    behind: dict[int, Transfer] = {}
    known = claims(context)
    captured = {attachment.name for attachment in context.network.attachments} if known else set[str]()
    for who, address in known:
        behind.setdefault(address.value, End(Unknown(f"where {who} is, which should have {address}, is not known")))
        if who in captured:
            on_link.setdefault(address.value, drop(f"nobody answers for {address} on {at}: {who} does not have its address"))
    return on_link, behind


def claims(context: Context) -> list[tuple[str, Address]]:
    """The addresses of pods and nodes by the API that no captured interface has, worked out once."""
    return context.once("claims", lambda: list(unheld(context)))


def unheld(context: Context) -> Iterator[tuple[str, Address]]:
    """``claims``, worked out."""
    cluster, owners = context.network.cluster, context.network.owners
    every = [(f"{pod.namespace}/{pod.name}", own) for pod in cluster.pods.values() for own in pod.addresses]
    every += [(f"node:{node.name}", own) for node in cluster.nodes.values() for _, own in node.addresses]
    hidden = {scope: space for scope, space in context.network.namespaces.items() if "ip-addr" in space.missing}
    every += [(str(scope), own) for scope, space in hidden.items() for own in told_by_routes(space.routes)]
    return ((who, own) for who, own in every if own.family == context.family and own not in owners)


def leads_out(context: Context, at: Interface) -> bool:
    """Whether an interface, the device under it or a port of it leads out of the capture, and has a carrier."""
    return any(place in context.network.outside and carried(context.link(place)) for place in places(context, at))


def carried(link: LinkFact | None) -> bool:
    """Whether an interface is not known to be without a carrier."""
    return link is None or link.carrier


def places(context: Context, at: Interface) -> list[Interface]:
    """An interface, its ports, and the device under it (not that of a tunnel) with its ports."""
    link, under = context.link(at), context.network.lower.get(at)
    if under is None or (link is not None and not isinstance(link.kind, Vlan | Macvlan | Ipvlan | None)):
        return [at, *ports(context, at)]
    return [at, *ports(context, at), under, *ports(context, under)]


def ports(context: Context, at: Interface) -> list[Interface]:
    """The ports of a bridge or bond."""
    return [Interface(at.scope, port) for port in context.ports.get(at, ())]


def shared(context: Context, one: Interface, two: Interface) -> bool:
    """Whether two interfaces are on one layer-2 network."""
    return any(first is second for first in segments(context, one) for second in segments(context, two))


def segments(context: Context, at: Interface) -> list[Segment]:
    """The layer-2 networks that an interface is on."""
    return [context.network.segment_of[place] for place in places(context, at) if place in context.network.segment_of]
