"""Routes of IPv4 by way of a router of IPv6 (``via inet6``, RFC 8950): who has the router's address is found by neighbour discovery.

NEXT_HOP is then one of 0.0.0.0/8, which no router has: a number for the router. After ``ip_neigh_for_gw`` of include/net/route.h and ``fib_nh_common``.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.neighbours import NeighbourFact
from analyzer.model.network import Interface
from analyzer.transfer.answering import Wire
from analyzer.transfer.ir import Assign, Drop, End, Field, Transfer, Unknown
from analyzer.transfer.reach import crossings
from analyzer.transfer.refusing import refuses
from analyzer.transfer.space import Context, drop

OUTSIDER = 0
UNUSABLE = frozenset({"FAILED", "INCOMPLETE", "NONE"})
FIXED = frozenset({"PERMANENT", "NOARP"})


def number(context: Context, via: Address) -> int:
    """What stands for a router of the other version in NEXT_HOP."""
    return context.names.number(f"router {via}")


def routers(context: Context, at: Interface) -> Iterator[Address]:
    """The routers of IPv6 that routes of IPv4 go by, out of a device."""
    if context.family == 4:
        hops = (hop for table in context.space(at.scope).routes.get(4, {}).values() for route in table for hop in route.next_hops)
        yield from dict.fromkeys(
            hop.via for hop in hops if hop.via is not None and hop.via.family == 6 and hop.device == at.device
        )


def rows(context: Context, found: Wire | None, at: Interface) -> dict[int, Transfer]:
    """The MACs of these routers, by what stands for them; ``found``: None where a switch's flows say who answers."""
    return {number(context, via): resolved(context, found, at, via) for via in routers(context, at)}


def resolved(context: Context, found: Wire | None, at: Interface, via: Address) -> Transfer:
    """A router's MAC: by its entry, else who has the address."""
    owners = context.network.owners.get(via, ())
    entry = next((fact for fact in context.space(at.scope).neighbours if usable(fact, at, via)), None)
    if entry is not None and entry.mac and (entry.states & FIXED or len(owners) < 2):
        if owners and not context.hardware[entry.mac]:
            return End(Drop(f"no interface of the capture has the MAC of {via}, which {owners[0]} has"), entry.at)
        return Assign(Field.DESTINATION_MAC, entry.mac, entry.at)
    lost = End(Unknown(f"who has {via}, the router of other packets than its own version's, on {at} is not followed"))
    if found is None:
        return lost
    holders = [host for host in found.hosts if holds(context, host.at, via)]
    if len(holders) > 1 or (owners and not holders and found.reach.outside):
        return lost
    if not holders:
        open_ended = found.reach.outside or found.reach.unknown
        known: Transfer = Assign(Field.DESTINATION_MAC, OUTSIDER)
        stopped = refuses(context, at.scope) or found.reach.unknown
        return (lost if stopped else known) if open_ended else drop(f"nobody on the network of {at} answers for {via}")
    between = crossings(context, found.reach, found.reach.step("receive", holders[0].at))
    scopes = (at.scope, holders[0].at.scope, *(one.bridge.scope for one in between or ()))
    if between is None or any(refuses(context, scope) for scope in scopes):
        return lost
    return Assign(Field.DESTINATION_MAC, holders[0].mac)


def holds(context: Context, at: Interface, via: Address) -> bool:
    """Whether a host answers for an address on an interface (``ndisc_recv_ns``)."""
    facts = context.space(at.scope).addresses
    return any(fact.device == at.device and fact.address == via and not fact.flags & {"tentative", "dadfailed"} for fact in facts)


def usable(fact: NeighbourFact, at: Interface, via: Address) -> bool:
    """Whether an entry says where an address is."""
    return fact.device == at.device and fact.address == via and bool(fact.mac) and not fact.proxy and not fact.states & UNUSABLE
