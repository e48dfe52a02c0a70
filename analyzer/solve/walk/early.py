"""Native nft chains of a bridge's port, which see frames that no hook of IP does (net/core/dev.c ``nf_ingress``)."""

from __future__ import annotations

from analyzer.model.early_chains import at_port, lets_pass
from analyzer.model.network import Interface
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.state import HookPacket
from analyzer.solve.walk.state import Endings, Frame, Walk

SETTLE = "rules of native nft chains are not walked"


def unread(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings | None:
    """Asks whether the chains let a packet pass; None: they do."""
    if not isinstance(frame.load, HookPacket):
        return None
    for fact in at_port(space.namespace, frame.load.packet.family, at.device):
        words = lets_pass(space.namespace, fact)
        if not walk.oracle.test(words, fact.at, SETTLE):
            return walk.undecided(
                words.replace("lets the packet pass unchanged", "may drop or change the packet"), fact.at, SETTLE
            )
    return None
