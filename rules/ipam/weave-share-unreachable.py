"""A part of Weave's addresses belongs to a peer that is not reached any more.

## What it finds
Peers in the ring of `weave report` or `weave status ipam` that the reporting peer does not know ("unreachable!") and that own addresses; an error where somebody waits for addresses meanwhile. Peers that own nothing are left out.

## Why it matters
Nobody else may give out those addresses. Nodes that come and go leave their parts behind, until no peer has addresses left and pods hang in ContainerCreating.

## Example
    3a:5e:0b:00:00:03(n3)    262144 IPs (25.0% of total) - unreachable!

## How to mend
Where the node is gone for good: `weave rmpeer NAME` on one of the others, once. Where it is there: see why it is not reached (TCP and UDP 6783, UDP 6784).

## Sources
weaveworks/weave site/operational-guide/tasks.md (Remove a peer), ipam/status.go; weaveworks/weave#2797, #3171.
"""

from collections.abc import Iterator

from analyzer.query.systems.weave import Router, shares
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    told: set[str] = set()
    for router in network.routers.values():
        yield from lost(router, told)


def lost(router: Router, told: set[str]) -> Iterator[Finding]:
    """The parts of peers that are not reached, each peer once for all reports."""
    found = shares(router)
    total = sum(part.size for parts in found.values() for part in parts)
    waiting = [name for ring in router.rings for name in ring.waiting]
    for peer, parts in sorted(found.items()):
        own = sum(part.size for part in parts)
        if own and not any(part.known for part in parts) and peer not in told:
            told.add(peer)
            name = f"{peer}{f' ({parts[0].nickname})' if parts[0].nickname else ''}"
            yield RULE.finding(
                parts[0].at,
                f"{own} of {total} addresses belong to peer {name}, which {router.node} does not reach: nobody gives them out"
                + (f"; {len(waiting)} wait for an address, the first is {waiting[0]}" if waiting else ""),
                help=f"weave rmpeer {peer}, where the node is gone for good",
                severity=Severity.ERROR if waiting else Severity.WARNING,
            )


RULE = Rule("weave-share-unreachable", Severity.WARNING, __doc__, check)
