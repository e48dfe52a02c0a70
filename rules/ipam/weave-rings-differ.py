"""Weave's peers do not agree on who owns which addresses.

## What it finds
Of several captured `weave report`s: other ranges (`IPALLOC_RANGE`), and addresses that one peer has as its own or as somebody's, and another as somebody else's; in one report, parts that lie outside the range or on each other, and a
ring on which the peers have not agreed yet; a range that is not the one that the manifest states; and pods with an address that their node's peer does not own.

## Why it matters
All nodes share one layer-2 network: two peers that give out the same addresses make two pods with one address, and packets reach either.

## Example
    "Token": "10.40.0.0", "Peer": "3a:5e:0b:00:00:01"          # and in another node's report: "Peer": "3a:5e:0b:00:00:02"

## How to mend
Peers that never met made a ring each: stop weave on all nodes of one part, remove `/var/lib/weave/weave-netdata.db` there, start it again with the right peers, and recreate the pods. One `IPALLOC_RANGE` for all.

## Sources
weaveworks/weave ipam/ring/ring.go (checkInvariants, ErrDifferentSeeds, ErrDifferentRange), site/tasks/ipam/troubleshooting-ipam.md.
"""

from collections.abc import Iterator
from itertools import pairwise

from analyzer.query.plan import ranges
from analyzer.query.systems.weave import Ring, rings, size
from analyzer.rule import Address, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = list(rings(network))
    for ring in found:
        yield from alone(ring)
        yield from stated(network, ring)
        yield from strangers(network, ring)
    for other in found[1:]:
        yield from apart(found[0], other)


def alone(ring: Ring) -> Iterator[Finding]:
    """What is wrong in one report."""
    if not ring.fact.settled:
        yield RULE.finding(
            ring.fact.at, f"{ring.node}: the peers have not agreed on a ring: no pod gets an address", severity=Severity.WARNING
        )
    for part, after in pairwise(ring.parts):
        if part.first is not None and after.first is not None and part.first.value + part.size > after.first.value:
            yield RULE.finding(
                after.at,
                f"{ring.node}: the part of the ring from {after.first} on lies on that from {part.first} on",
                related=[(part.at, "the other part")],
            )
    last = ring.fact.network.last
    for part in ring.parts:
        if part.first is not None and not (ring.fact.network.covers(part.first) and part.first.value + part.size - 1 <= last):
            yield RULE.finding(
                part.at, f"{ring.node}: the part of the ring from {part.first} on is not within {ring.fact.network}"
            )


def stated(network: Network, ring: Ring) -> Iterator[Finding]:
    """Another range than the manifest states for Weave."""
    wanted = [item for item in ranges(network, "pod") if item.system == "weave"]
    if wanted and all(item.prefix != ring.fact.network for item in wanted):
        yield RULE.finding(
            ring.fact.at,
            f"{ring.node}: the ring is of {ring.fact.network} ({size(ring.fact.network)} addresses), and {wanted[0].prefix} is stated",
            related=[(wanted[0].at, wanted[0].said_by)],
            certain=False,
        )


def strangers(network: Network, ring: Ring) -> Iterator[Finding]:
    """Pods of the node whose address its peer does not own. An address may stay with a peer that handed its part on."""
    for pod in network.pods_of.get(ring.node, ()):
        for address in pod.addresses:
            part = ring.owner(address)
            if part is not None and ring.fact.peer and part.peer != ring.fact.peer:
                yield RULE.finding(
                    part.at,
                    f"pod {pod.name} on {ring.node} has {address}, which belongs to peer {part.nickname or part.peer}",
                    severity=Severity.WARNING,
                    certain=False,
                )


def apart(one: Ring, two: Ring) -> Iterator[Finding]:
    """The first thing in which two reports differ. Parts move between peers while the reports are made: only whole peers that are there in one and not in the other are certain."""
    if one.fact.network != two.fact.network:
        words = f"{one.node} has the range {one.fact.network}, and {two.node} {two.fact.network}"
        yield RULE.finding(one.fact.at, words, related=[(two.fact.at, f"the range of {two.node}")])
        return
    for part in one.parts:
        other = two.owner(part.first or Address(4, 0))
        if other is not None and other.peer != part.peer:
            never_met = {item.peer for item in one.parts}.isdisjoint(item.peer for item in two.parts)
            yield RULE.finding(
                part.at,
                f"{part.first} belongs to {part.nickname or part.peer} as {one.node} sees it, and to {other.nickname or other.peer} as {two.node} does",
                related=[(other.at, f"the ring of {two.node}")],
                certain=never_met,
            )
            return


RULE = Rule("weave-rings-differ", Severity.ERROR, __doc__, check)
