"""The chains of the families arp and bridge that may do more than accept: what they do to a question for a neighbour, or to a frame, is open.

ARP passes the chains at ``input`` when a host takes it and those at ``output`` when it sends it (net/ipv4/arp.c ``arp_rcv``, ``arp_xmit``), those at
``forward`` in a bridge with bridge-nf-call-arptables. Frames pass a bridge's chains at ``prerouting`` and ``forward`` on their way through, at
``input`` on their way up, at ``output`` and ``postrouting`` on their way out (net/bridge/br_input.c, br_forward.c).
"""

from __future__ import annotations

from analyzer.facts.netfilter import NftChainFact
from analyzer.model.network import Namespace

SETTLE = "what the rules of this chain do to it"
SENT = ("output", "postrouting")


def open_chain(space: Namespace, family: str, hooks: tuple[str, ...] = ()) -> NftChainFact | None:
    """The first chain of a family, at one of the hooks, that may do more than accept."""
    for chain in space.nft_chains:
        if chain.family == family and not chain.inert and (not hooks or chain.hook.lower() in hooks):
            return chain
    return None


def words(chain: NftChainFact, space: Namespace) -> str:
    """That a chain lets what comes by pass."""
    what = "questions for neighbours, and answers," if chain.family == "arp" else "frames"
    return f"the chain {chain.family} {chain.table} {chain.name} of {space.scope} lets {what} pass unchanged"
