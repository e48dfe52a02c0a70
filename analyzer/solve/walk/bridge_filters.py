"""The chains of the families arp and bridge, in the walk: what they do to questions for neighbours, and to frames in bridges.

ARP is judged by the rules themselves (``link_filters.judged``); a packet, neighbour discovery of IPv6 among them, is taken through a bridge's chains as
through others (``solve/walk/nft/chains.py``), with the ports as its devices (net/bridge/br_input.c, br_forward.c: NF_BR_PRE_ROUTING and NF_BR_LOCAL_IN have the port by which
it came, NF_BR_FORWARD both, NF_BR_LOCAL_OUT and NF_BR_POST_ROUTING the one by which it goes).
"""

from __future__ import annotations

from analyzer.facts.netfilter import NftChainFact
from analyzer.model.link_filters import ANSWER, REQUEST, SETTLE, Asked, Judged, Refused, decided, judged, open_chain, words
from analyzer.solve.walk import reverse, teaching
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import Hook, HookPacket
from analyzer.solve.walk.netfilter.state import Judgement
from analyzer.solve.walk.netfilter.visit import ACCEPTED, Visit
from analyzer.solve.walk.nft.chains import walk_native
from analyzer.solve.walk.nft.tables import NativeChain, NativeTable
from analyzer.solve.walk.state import Endings, Frame, Question, Walk


def passed(walk: Walk, space: Space, hook: str, frame: Frame, came: str, goes: str) -> Frame | Endings:
    """The frame past the chains of bridges at a hook, where it came by one port and goes by another."""
    if not space.namespace.nft_chains:
        return frame
    load = frame.load
    if isinstance(load, Question) and load.packet is None:
        asked = asked_of(walk, load)._replace(
            in_device=came, out_device=goes, source_mac=frame.source, destination_mac=frame.destination
        )
        verdict = judged(space.namespace, "bridge", (hook,), asked)
        if isinstance(verdict, Refused):
            teaching.barred(walk, load)
        return settled(walk, space, verdict) or frame
    packet = frame.filtered
    after = filtered(walk, space, hook, packet, frame.source, came, goes) if packet is not None else None
    if after is not None and not isinstance(after, HookPacket):
        return after
    doubt = settled(walk, space, open_chain(space.namespace, "bridge", (hook,)))
    return doubt or (frame if after is None or after is packet else frame.carrying(after, frame.prerouted))


def filtered(walk: Walk, space: Space, hook: str, load: HookPacket, source: int, came: str, goes: str) -> HookPacket | Endings:
    """A packet past the chains that are decided."""
    for fact, table in decided(space.namespace, hook):
        chain = table.chains[fact.name]
        family = load.packet.family
        at = load._replace(in_device=came, out_device=goes, source_mac=source, local=False)
        around, known = reverse.surroundings(walk, space, family), walk.connections_of(space.scope)
        sets = space.hooks(family).sets
        visit = Visit(space.place, Hook(hook.upper()), load.packet, at, load.tracked, sets, around, known, walk.oracle)
        assert chain.base is not None
        stop = walk_native(NativeChain(NativeTable(table), chain, chain.base), visit)
        walk.tell_all(visit.hops)
        walk.assume_all(tuple(visit.assumptions))
        if stop.judgement is Judgement.UNKNOWN:
            return walk.undecided(stop.reason, stop.at, stop.settle)
        if stop is not ACCEPTED and stop.judgement is not Judgement.ACCEPTED:
            return walk.drop(space.scope, f"{space.place}: {stop.reason}", stop.at)
        load = load.with_packet(visit.packet)
    return load


def asked_of(walk: Walk, load: Question) -> Asked:
    """An ARP packet as who sends it makes it (net/ipv4/arp.c ``arp_create``)."""
    link = walk.index.link(load.asker)
    own, sender = link.mac or 0 if link is not None else 0, load.sender.value if load.sender else 0
    if load.answer:
        return Asked(ANSWER, load.target.value, sender, load.mac, own)
    return Asked(REQUEST, sender, load.target.value, own, 0)


def settled(walk: Walk, space: Space, found: Judged) -> Endings | None:
    """What becomes of what a chain drops, or may drop; None: it passes."""
    match found:
        case Refused(text, at):
            return walk.drop(space.scope, text, at)
        case NftChainFact():
            text = words(found, space.namespace)
            if walk.oracle.test(text, found.at, SETTLE):
                return None
            return walk.undecided(f"it is not known whether {text}", found.at, SETTLE)
        case None:
            return None
