"""A block of Calico's is not where it should be, or belongs to nobody.

## What it finds
Blocks in no pool (an error, when pools were captured); blocks of nodes that do not exist; block affinities that name another node than the block, or a block that is not there; addresses that a
node borrowed from another's block although borrowing is off (`strictAffinity`).

## Why it matters
Routes lead to the node that the affinity names: packets for pods elsewhere are dropped there. Blocks of nodes that are gone are addresses that nobody can use.

## Example
    IPAMBlock 10.9.0.0/26          # and the pools are 192.168.0.0/16

## How to mend
`calicoctl ipam check`, `calicoctl ipam release`, `calicoctl node cleanup`; or add the pool again.

## Sources
projectcalico/calico libcalico-go/lib/ipam; projectcalico/calico#4471, #6486.
"""

from collections.abc import Iterator

from analyzer.query.ipam.records import Block, blocks
from analyzer.query.refusals import network_in, objects, spec_of
from analyzer.query.systems.calico import GROUP, pools
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = list(blocks(network))
    known = list(pools(network))
    nodes = set(network.cluster.nodes)
    for block in found:
        if known and not any(pool.prefix.covers(block.prefix) for pool in known):
            yield RULE.finding(block.fact.place("spec", "cidr"), f"block {block.prefix} is in no pool")
        if nodes and block.node and block.node not in nodes and "Node" in network.cluster.known:
            yield RULE.finding(
                block.fact.place("spec", "affinity"),
                f"block {block.prefix} belongs to node {block.node}, which does not exist",
                help="calicoctl node cleanup, calicoctl ipam release",
                severity=Severity.WARNING,
                certain=False,
            )
    yield from borrowed(network, found)
    yield from affinities(network, found)


def borrowed(network: Network, found: list[Block]) -> Iterator[Finding]:
    """Addresses of pods on other nodes than the block's, where that is off."""
    strict = any(
        spec_of(fact).get("strictAffinity") is True
        for kind in ("IPAMConfig", "IPAMConfiguration")
        for fact in objects(network, kind, GROUP)
    )
    for block in found if strict else ():
        for item in block.records:
            if item.node and block.node and item.node != block.node:
                yield RULE.finding(
                    item.at,
                    f"{item.address} is used on node {item.node}, and its block belongs to {block.node}: borrowing is off",
                )


def affinities(network: Network, found: list[Block]) -> Iterator[Finding]:
    """Affinities without their block, or with another node's."""
    by_prefix = {block.prefix: block for block in found}
    for fact in objects(network, "BlockAffinity", GROUP) if found else ():
        spec = spec_of(fact)
        prefix, state = network_in(spec.get("cidr")), spec.get("state")
        if prefix is None or state not in (None, "confirmed") or str(spec.get("deleted")).lower() == "true":
            continue
        block = by_prefix.get(prefix)
        if block is None:
            yield RULE.finding(
                fact.place("spec", "cidr"),
                f"node {spec.get('node')} has an affinity for {prefix}, which is no block",
                severity=Severity.WARNING,
            )
        elif block.node != str(spec.get("node")):
            yield RULE.finding(
                fact.place("spec", "node"),
                f"node {spec.get('node')} has an affinity for {prefix}, and the block belongs to {block.node or 'nobody'}",
                related=[(block.fact.place("spec", "affinity"), f"block {prefix}")],
            )


RULE = Rule("calico-block-misplaced", Severity.ERROR, __doc__, check)
