"""Whether rules cover another one whoever else there is: of manifests, most pods and namespaces of the cluster may be in another repository."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.model.network import Network
from analyzer.policy.terms import AnyOf, InBlocks, LabelIn, Named, Peer
from analyzer.policy.tiers import Rule
from analyzer.query.near_labels import flat
from analyzer.query.policy_findings import captured


def covered_anywhere(network: Network, rule: Rule, covers: Iterable[Rule]) -> bool:
    """Whether what covers a rule here covers it with pods that are not in the input, too: each of its peers is narrower, test by test, than one of theirs.
    Blocks hold addresses, which are all there."""
    if captured(network):
        return True
    theirs = [peer for cover in covers for peer in peers(cover.peer)]
    return all(
        any(isinstance(test, InBlocks) for test in one) or any(narrower(one, other) for other in theirs)
        for one in peers(rule.peer)
    )


def peers(peer: Peer) -> list[list[Peer]]:
    """The tests that must all hold, of each of the peers."""
    return [flat(term) for term in (peer.terms if isinstance(peer, AnyOf) else (peer,))]


def narrower(one: list[Peer], other: list[Peer]) -> bool:
    """Whether whoever meets some tests meets others."""
    return all(any(implies(mine, theirs) for mine in one) for theirs in other)


def implies(one: Peer, other: Peer) -> bool:
    """Whether whoever meets one test meets another."""
    match one, other:
        case LabelIn(), LabelIn():
            return (one.of, one.key) == (other.of, other.key) and one.values <= other.values
        case Named(), Named():
            return one.of is other.of and one.names <= other.names
        case _:
            return one == other
