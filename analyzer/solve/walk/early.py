"""Native nft chains of a device whose frames something else than its host takes, and which no hook of IP sees then (net/core/dev.c ``nf_ingress``, ``nf_hook_egress``)."""

from __future__ import annotations

from analyzer.facts.links import LinkFact
from analyzer.model.early_chains import chains_of, lets_pass
from analyzer.model.network import Interface
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.state import HookPacket
from analyzer.solve.walk.state import Endings, Frame, Walk

SETTLE = "rules of native nft chains are not walked"


def unread(walk: Walk, space: Space, at: Interface, link: LinkFact, frame: Frame, hook: str) -> Endings | None:
    """Asks whether the chains of a port, or of a device with others over it, let a packet pass; None: they do."""
    if not isinstance(frame.load, HookPacket) or not (link.master or walk.index.uppers.get(at)):
        return None
    for fact in chains_of(space.namespace, frame.load.packet.family, at.device, hook):
        words = lets_pass(space.namespace, fact)
        if not walk.oracle.test(words, fact.at, SETTLE):
            return walk.undecided(
                words.replace("lets the packet pass unchanged", "may drop or change the packet"), fact.at, SETTLE
            )
    return None
