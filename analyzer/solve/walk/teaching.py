"""Neighbours that chains of ARP or of bridges keep a host from asking for, and that it may know all the same: who answers a question notes who asked
(net/ipv4/arp.c ``arp_process``, ``neigh_event_ns``), and a question of another flow may have passed. The walk starts with the entries that were captured;
where such a question would have made one, whether it did is open.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.model.link_filters import REQUEST, Asked, Refused, judged
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import Query, Route
from analyzer.solve.walk.route_lookup import look_up
from analyzer.solve.walk.state import Answered, Known, Question, Walk

OUTSIDER = 0


def barred(walk: Walk, load: Question) -> None:
    """Notes that a chain drops a question or its answer."""
    walk.index.known["barred", load.asker, load.target] = True


def is_barred(walk: Walk, at: Interface, target: Address) -> bool:
    """Whether a chain drops what an interface asks for an address, or an answer."""
    return ("barred", at, target) in walk.index.known


def untaught(walk: Walk, at: Interface, target: Address) -> bool:
    """Whether no question of another flow has told an interface where an address is."""
    text = f"no question of {target} that passes the chains has told {at} where it is"
    return walk.oracle.test(text, None, f"whether ip neigh show dev {at.device} of {walk.space(at.scope).place} lists {target}")


def questions(walk: Walk, space: Space, at: Interface, target: Address) -> Iterator[tuple[Interface, Address]]:
    """The questions by which the holders of an address may teach an interface: for their gateways, and for what the asker's host has."""
    own = [address for address in space.own if address.family == 4 and address.value >> 24 != 127]
    for scope in dict.fromkeys(owner.scope for owner in walk.index.network.owners.get(target, ())):
        holder = walk.space(scope)
        for device, link in holder.links.items() if scope != at.scope else ():
            if link.up and device != "lo":
                tables = holder.namespace.routes.get(4, {}).values()
                hops = (hop for table in tables for route in table for hop in route.next_hops if hop.device == device)
                near = [address for address in own if on_link(walk, holder, device, address, target)]
                asked = dict.fromkeys((*sorted({hop.via for hop in hops if hop.via is not None and hop.via.family == 4}), *near))
                yield from ((Interface(scope, device), address) for address in asked)


def on_link(walk: Walk, space: Space, device: str, address: Address, sender: Address) -> bool:
    """Whether a host asks by a device for an address itself."""
    found = look_up(walk, space, Query(4, address.value, sender.value))
    return isinstance(found, Route) and any(way.device == device and way.via is None for way in found.ways)


def from_outside(walk: Walk, space: Space, at: Interface, target: Address) -> bool:
    """Whether a host outside that has the address may have asked."""
    for fact in space.addresses.get(at.device, ()):
        if fact.address.family == 4 and target not in walk.index.network.owners:
            question = Asked(REQUEST, target.value, fact.address.value, None, None, in_device=at.device)
            if not isinstance(judged(space.namespace, "arp", ("input",), question), Refused):
                return True
    return False


def packet_of(sender: Address, target: Address) -> Packet:
    """A packet that makes its sender ask for the next hop."""
    return Packet(4, sender.value, target.value, 0)


def learned(known: Known, at: Interface, target: Address) -> Answered | None:
    """What a question of another has told an interface of an address."""
    found = known.macs.get((at, target))
    return Answered(*found) if found is not None else None
