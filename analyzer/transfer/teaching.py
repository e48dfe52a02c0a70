"""Neighbours that chains of ARP or of bridges keep a host from asking for, and that it may know all the same, in the language: who answers a question notes
who asked (net/ipv4/arp.c ``arp_process``, ``neigh_event_ns``), and a question of another flow may have passed. Whether one did is open.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.model.link_filters import REQUEST, Asked, Judged, Refused, asked_by_outsider, judged
from analyzer.model.network import Interface
from analyzer.ranges import contains, normalised
from analyzer.source import Scope
from analyzer.transfer.answering import Host, Wire, answers_four, host_at, keeps_silent, senders, wire
from analyzer.transfer.bridge_filters import neighbours, visits
from analyzer.transfer.ir import KEEP, Alt, Assign, Field, If, In, Opaque, Transfer
from analyzer.transfer.lookup import Way, routing
from analyzer.transfer.reach import crossings
from analyzer.transfer.space import Context, by_value, goto, own_network, seq, span_of, unless


def unless_taught(asked: Wire, target: int, otherwise: Transfer) -> Transfer:
    """What follows where a chain drops the question for an address, or every answer: another question may have told where it is."""
    macs = dict.fromkeys(teachers(asked, target))
    if not macs:
        return otherwise
    ways = tuple(Assign(Field.DESTINATION_MAC, mac) for mac in macs)
    return If(Opaque(words(asked, target)), otherwise, ways[0] if len(ways) == 1 else Alt(ways))


def words(asked: Wire, target: int) -> str:
    """That nobody has told."""
    return f"no question of {Address(4, target)} that passes the chains has told {asked.at} where it is"


def teachers(asked: Wire, target: int) -> Iterator[int]:
    """The MACs of those who may ask from an address, and whose question gets to the interface and is answered there."""
    context, me = asked.context, host_at(asked.context, asked.at)
    owners = context.network.owners.get(Address(4, target), ()) if context.family == 4 and me is not None else ()
    for scope in dict.fromkeys(owner.scope for owner in owners if owner.scope != asked.at.scope):
        for device in context.space(scope).links if target in senders(context, scope) else ():
            other = host_at(context, Interface(scope, device))
            if other is not None and me is not None and any(heard(asked, me, other, target)):
                yield other.mac


def heard(asked: Wire, me: Host, other: Host, sender: int) -> Iterator[bool]:
    """Whether what another asks for each of its gateways and of my addresses tells me where it is."""
    context, theirs = asked.context, wire(asked.context, other.at)
    there = crossings(context, theirs.reach, theirs.reach.step("receive", me.at))
    near = (value for value in sorted(me.targets) if on_link(context, other.at, value, sender))
    for value in (*neighbours(context, other.at), *near) if there is not None else ():
        if (value in me.targets or contains(me.proxied, value)) and theirs.sender(sender, value) == sender:
            question = Asked(REQUEST, sender, value, other.mac, 0)
            passes = not any(isinstance(one, Refused) for one in visits(context, other.at, me.at, there or (), question))
            yield passes and answers_four(context, me.at, value, sender) is True


def on_link(context: Context, at: Interface, value: int, sender: int) -> bool:
    """Whether a host asks by an interface for an address itself."""
    found = routing(context, at.scope).look_up(value, sender)
    return isinstance(found, Way) and any(hop.device == at.device and hop.via is None for hop in found.hops)


def told_from_outside(context: Context, at: Interface, target: int) -> bool:
    """Whether a host outside that has the address may have asked."""
    return Address(4, target) not in context.network.owners and any(
        not isinstance(judged(context.space(at.scope), "arp", ("input",), question), Refused)
        for fact in context.held.get(at, ())
        for question in [Asked(REQUEST, target, fact.address.value, None, None, in_device=at.device)]
    )


def doubts_outside(context: Context, at: Interface) -> bool:
    """Whether chains of ARP may keep who sends from outside from asking for an interface's MAC."""
    return context.family == 4 and any(unheard(context, at).values())


def unheard(context: Context, at: Interface) -> dict[tuple[int, bool], bool]:
    """Whether a question for each of an interface's addresses, from its network and from beyond a router, may stay without an answer."""
    space, device = context.space(at.scope), context.master(at.scope, at.device) or at.device
    own, link = context.held.get(Interface(at.scope, device), ()), context.link(Interface(at.scope, device))
    tables = space.routes.get(4, {}).values()
    ways = (hop for table in tables for route in table if not route.destination.length for hop in route.next_hops)
    gateways = {hop.via.value for hop in ways if hop.device == device and hop.via is not None and hop.via.family == 4}
    beyond = min(gateways) if len(gateways) == 1 else None
    mac = link.mac if link is not None else None

    def doubt(value: int, sender: int | None) -> bool:
        judgement: Judged = asked_by_outsider(space, device, value, mac, sender) if space.nft_chains else None
        return judgement is not None or keeps_silent(context, Interface(at.scope, device), value, sender)

    return {
        (fact.address.value, near): doubt(fact.address.value, None if near else beyond) for fact in own for near in (False, True)
    }


def outside_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet from outside comes to a device in a frame for this host, whose MAC its sender knows or not."""
    device = detail
    at, on = Interface(scope, device), goto(scope, "from wire", device)
    found = unheard(context, at)
    own = context.held.get(Interface(scope, context.master(scope, device) or device), ())

    def known(value: int) -> Transfer:
        away, near = (doubted(at, value, found[value, side]) for side in (False, True))
        return away if away == near else If(In(Field.SOURCE, normalised(span_of(own_network(fact)) for fact in own)), near, away)

    values = [fact.address.value for fact in own]
    return seq(by_value(Field.DESTINATION, {value: known(value) for value in values}, known(values[0])), on)


def doubted(at: Interface, own: int, doubt: bool) -> Transfer:
    """Whether the sender knows the MAC of one of the addresses."""
    text = f"who sends from outside by {at} knows the MAC of {Address(4, own)}, for which it may get no answer when it asks"
    return unless(text, KEEP) if doubt else KEEP
