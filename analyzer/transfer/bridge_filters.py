"""The chains of the families arp and bridge in the language: what they do to frames in bridges, and to questions for neighbours.

A packet passes a bridge's chains as those of other families (``transfer/nft/tables.py``), with the ports as its devices (net/bridge/br_input.c, br_forward.c). ARP, which is
no packet of its own here, is judged by the rules when the network is lowered (``link_filters.judged``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.facts.netfilter import NftChainFact
from analyzer.model.link_filters import ANSWER, REQUEST, Asked, Judged, Refused, decided, judged, words
from analyzer.model.network import Interface
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Assign, Copy, Drop, End, Field, Transfer
from analyzer.transfer.nft.tables import Native, entered
from analyzer.transfer.reach import Crossing, Reach, crossings, flood
from analyzer.transfer.space import Context, barred, number, seq, unless


def passed(context: Context, bridge: Interface, hook: str, came: Transfer, goes: str, after: str) -> Transfer:
    """The chains of bridges at a hook: ``came`` sets the port by which the frame came, ``goes`` is the one by which it goes; ``after`` is the device
    that it is taken to have come by later on."""
    scope, names = bridge.scope, context.names
    space = context.space(scope)
    if not space.nft_chains:
        return KEEP
    found = [
        entered(scope, Native(table, table.chains[fact.name], base))
        for fact, table in decided(space, hook)
        if (base := table.chains[fact.name].base) is not None
    ]
    open_ones = barred(context, scope, "bridge", (hook,))
    if not found:
        return open_ones
    out = Assign(Field.OUT_INTERFACE, names.number(goes) if goes else 0)
    restored = (Assign(Field.IN_INTERFACE, names.number(after) if after else 0), Assign(Field.OUT_INTERFACE, 0))
    return seq(came, out, *found, *restored, open_ones)


def by_port(context: Context, port: str) -> Transfer:
    """The frame came by a port; empty: its own host sent it, or it is on its way out."""
    return Assign(Field.IN_INTERFACE, context.names.number(port) if port else 0)


def entering(context: Context, bridge: Interface, port: str) -> Transfer:
    """NF_BR_PRE_ROUTING."""
    return passed(context, bridge, "prerouting", by_port(context, port), "", bridge.device)


def going_up(context: Context, bridge: Interface) -> Transfer:
    """NF_BR_LOCAL_IN, where the port is among what the packet has."""
    return passed(context, bridge, "input", Copy(Field.IN_INTERFACE, Field.PHYSICAL_IN), "", bridge.device)


def leaving(context: Context, bridge: Interface, came: str | None, port: str) -> Transfer:
    """NF_BR_FORWARD or NF_BR_LOCAL_OUT, and NF_BR_POST_ROUTING."""
    hook, after = ("forward", bridge.device) if came is not None else ("output", "")
    first = passed(context, bridge, hook, by_port(context, came or ""), port, after)
    return seq(first, passed(context, bridge, "postrouting", by_port(context, ""), port, after))


def filters(context: Context) -> bool:
    """Whether chains of bridges or of ARP may do more than accept, anywhere."""
    if "filters" not in context.made:
        spaces = context.network.namespaces.values()
        found = any(chain.family in ("arp", "bridge") and not chain.inert for space in spaces for chain in space.nft_chains)
        context.made["filters"] = found
    return bool(context.made["filters"])


def exchanged(
    context: Context,
    at: Interface,
    host: Interface,
    there: Iterable[Crossing],
    back: Iterable[Crossing],
    question: Asked,
    answer: Asked,
) -> Judged:
    """What the chains between an interface and a host do to a question and its answer: whether one is open does not matter where another drops it."""
    doubt: NftChainFact | None = None
    for found in (*visits(context, at, host, there, question), *visits(context, host, at, back, answer)):
        if isinstance(found, Refused):
            return found
        doubt = doubt or found
    return doubt


def exchanged_on(
    context: Context, at: Interface, reach: Reach, host: Interface, mac: int, target: int | None, sender: int | None
) -> Judged:
    """What becomes of a question for an address (None: one of many) of a host that has this MAC, and of its answer."""
    found = context.made.get(("reach", host))
    if not isinstance(found, Reach):
        found = context.made["reach", host] = flood(context, ("frame", host, 0))
    there, back = crossings(context, reach, reach.step("receive", host)), crossings(context, found, found.step("receive", at))
    link = context.link(at)
    own = link.mac or 0 if link is not None else 0
    question, answer = Asked(REQUEST, sender or 0, target, own, 0), Asked(ANSWER, target, sender or 0, mac, own)
    return exchanged(context, at, host, there or (), back or (), question, answer)


def visits(
    context: Context, sender: Interface, receiver: Interface, between: Iterable[Crossing], asked: Asked
) -> Iterator[Judged]:
    """What each chain on the way does."""
    yield judged(context.space(sender.scope), "arp", ("output",), asked._replace(out_device=sender.device))
    framed = asked._replace(source_mac=asked.sender_mac, destination_mac=None)
    if context.ports.get(sender):
        own = framed._replace(out_device=None)
        yield judged(context.space(sender.scope), "bridge", ("output", "postrouting"), own)
    for bridge, came, goes in between:
        space = context.space(bridge.scope)
        yield judged(space, "bridge", ("prerouting",), framed._replace(in_device=came))
        if not goes:
            yield judged(space, "bridge", ("input",), framed._replace(in_device=came))
            continue
        through = framed._replace(in_device=came, out_device=goes)
        yield judged(space, "bridge", ("forward",), through)
        yield judged(space, "bridge", ("postrouting",), framed._replace(out_device=goes))
        if number(context.switch(bridge.scope, "net.bridge.bridge-nf-call-arptables")):
            yield judged(space, "arp", ("forward",), asked._replace(in_device=came, out_device=goes))
    yield judged(context.space(receiver.scope), "arp", ("input",), asked._replace(in_device=receiver.device))


def of_outsiders(context: Context, at: Interface, own: int, target: int | None, sender: int | None) -> Judged:
    """What the asker's own chains do to a question that somebody outside the capture answers, and to the answer."""
    space = context.space(at.scope)
    question, answer = Asked(REQUEST, sender or 0, target, own, 0), Asked(ANSWER, target, sender or 0, None, own)
    found = [judged(space, "arp", ("output",), question._replace(out_device=at.device))]
    if context.ports.get(at):
        framed = question._replace(source_mac=own, out_device=None)
        found.append(judged(space, "bridge", ("output", "postrouting"), framed))
    found.append(judged(space, "arp", ("input",), answer._replace(in_device=at.device)))
    return next((one for one in found if isinstance(one, Refused)), next((one for one in found if one is not None), None))


def neighbours(context: Context, at: Interface) -> list[int]:
    """The gateways by an interface: whom it may ask for, whether they were captured or not."""
    tables = context.space(at.scope).routes.get(context.family, {}).values()
    hops = (hop for routes in tables for route in routes for hop in route.next_hops if hop.device == at.device)
    return sorted({hop.via.value for hop in hops if hop.via is not None})


def settled(context: Context, scope: Scope, found: Judged, then: Transfer) -> Transfer:
    """What follows where ARP passes the chains."""
    match found:
        case Refused(text, at):
            return End(Drop(text), at)
        case NftChainFact():
            return seq(unless(words(found, context.space(scope)), KEEP), then)
        case None:
            return then
