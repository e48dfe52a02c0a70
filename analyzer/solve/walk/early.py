"""Native nft chains of a device whose frames something else than its host takes, and which no hook of IP sees then (net/core/dev.c ``nf_ingress``, ``nf_hook_egress``)."""

from __future__ import annotations

from analyzer.facts.links import LinkFact
from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.early_chains import chains_of, lets_pass, read
from analyzer.model.network import Interface
from analyzer.solve.walk import reverse
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.state import Hook, HookPacket, Judgement
from analyzer.solve.walk.netfilter.visit import Visit
from analyzer.solve.walk.nft.chains import walk_native
from analyzer.solve.walk.nft.tables import NativeChain, NativeTable
from analyzer.solve.walk.state import Endings, Frame, Walk

SETTLE = "rules of native nft chains are not walked"


def passed(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame, hook: str) -> Frame | Endings:
    """A frame past the chains of a port, or of a device with others over it: what is not decided is asked."""
    if not isinstance(frame.load, HookPacket) or not (link.master or walk.index.uppers.get(at)):
        return frame
    family = frame.load.packet.family
    for fact in chains_of(space.namespace, family, at.device, hook):
        table = None if frame.vlan and hook == "egress" else table_of(walk, space, fact, family)
        after = asked(walk, space, fact, frame) if table is None else decided(walk, space, fact, table, frame)
        if not isinstance(after, Frame):
            return after
        frame = after
    return frame


def table_of(walk: Walk, space: Space, fact: NftChainFact, family: int) -> NftTableFact | None:
    """The table of a chain that is decided, found once."""
    key, known = ("early", space.scope, family, fact.family, fact.table, fact.name), walk.index.known
    if key not in known:
        known[key] = read(space.namespace, fact, family)
    found = known[key]
    return found if isinstance(found, NftTableFact) else None


def asked(walk: Walk, space: Space, fact: NftChainFact, frame: Frame) -> Frame | Endings:
    """Whether a chain that is open lets the packet pass."""
    words = lets_pass(space.namespace, fact)
    if walk.oracle.test(words, fact.at, SETTLE):
        return frame
    return walk.undecided(words.replace("lets the packet pass unchanged", "may drop or change the packet"), fact.at, SETTLE)


def decided(walk: Walk, space: Space, fact: NftChainFact, table: NftTableFact, frame: Frame) -> Frame | Endings:
    """What a chain's rules do to the packet."""
    load, chain = frame.load, table.chains[fact.name]
    assert isinstance(load, HookPacket)
    assert chain.base is not None
    family = load.packet.family
    around, known, sets = reverse.surroundings(walk, space, family), walk.connections_of(space.scope), space.hooks(family).sets
    visit = Visit(space.place, Hook.PREROUTING, load.packet, load.between("", ""), load.tracked, sets, around, known, walk.oracle)
    stop = walk_native(NativeChain(NativeTable(table), chain, chain.base), visit)
    walk.tell_all(tuple(visit.hops))
    walk.assume_all(tuple(visit.assumptions))
    if stop.judgement is Judgement.UNKNOWN:
        return walk.undecided(stop.reason, stop.at, stop.settle)
    if stop.judgement is not Judgement.ACCEPTED:
        return walk.drop(space.scope, f"{space.place}: {stop.reason}", stop.at)
    return frame if visit.packet is load.packet else frame.carrying(load.with_packet(visit.packet), frame.prerouted)
