"""Calico's address management says of itself that it is inconsistent, or that a pool is full.

## What it finds
In the output of `calicoctl ipam check`: addresses that are in use and not taken (an error: they are given out again), addresses that are taken and not in use, in-use addresses outside every pool, handles without addresses
and the other way round, and blocks of nodes that do not exist; in that of `calicoctl ipam show`: pools without a free address. Blocks that are full are no problem: a node takes another. Where
IPAMHandles were captured with their blocks: handles that hold addresses of a block which does not have them.

## Why it matters
An address that is in use and not recorded goes to a second pod; leaked ones use up the pool, until pods hang in ContainerCreating.

## Example
    Found 2 in-use IPs that are in active IP pools but have no corresponding IPAM allocation.

## How to mend
`calicoctl ipam check --show-problem-ips -o report.json`, then `calicoctl datastore migrate lock`, `calicoctl ipam release --from-report=report.json`, unlock. Recreate pods whose address is not recorded.

## Sources
projectcalico/calico calicoctl/calicoctl/commands/ipam/check.go, show.go; libcalico-go/lib/backend/model/ipam_handle.go; docs.tigera.io calicoctl ipam check.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.ipam.borrowed import IpamProblemFact, PoolUseFact, StatedBlockFact
from analyzer.query.ipam.records import blocks
from analyzer.query.refusals import network_in, objects, spec_of
from analyzer.query.systems.calico import GROUP
from analyzer.rule import Finding, Network, Rule, Severity

WORDS = {
    "leaked": ("address is taken, and nothing uses it", "addresses are taken, and nothing uses them", Severity.WARNING),
    "outside": ("address is in use, and no pool has it", "addresses are in use, and no pool has them", Severity.WARNING),
    "unrecorded": (
        "address is in use, and not taken: it will be given to another pod too",
        "addresses are in use, and not taken: they will be given to others too",
        Severity.ERROR,
    ),
    "handle-unused": ("handle holds no address", "handles hold no address", Severity.NOTE),
    "handle-missing": ("handle that blocks name does not exist", "handles that blocks name do not exist", Severity.WARNING),
}


def check(network: Network) -> Iterator[Finding]:
    for fact in network.ipam:
        match fact:
            case IpamProblemFact(kind=kind, count=count):
                one, several, severity = WORDS[kind]
                yield RULE.finding(fact.at, f"{count} {one if count == 1 else several}", severity=severity)
            case PoolUseFact(block=False, total=total, used=used) if used >= total > 0:
                yield RULE.finding(fact.at, f"pool {fact.prefix} has no address left: all {total} are taken")
            case StatedBlockFact(owner=owner) if owner and "Node" in network.cluster.known and owner not in network.cluster.nodes:
                yield RULE.finding(
                    fact.at,
                    f"block {fact.prefix} belongs to node {owner}, which does not exist",
                    severity=Severity.WARNING,
                    certain=False,
                )
            case _:
                continue
    yield from handles(network)


def handles(network: Network) -> Iterator[Finding]:
    """Handles whose count for a block is not what the block has. Only blocks that were captured are compared."""
    held: dict[str, dict[str, int]] = {}
    for block in blocks(network):
        held[str(block.prefix)] = {}
        for item in block.records:
            name = item.holder.lower()
            held[str(block.prefix)][name] = held[str(block.prefix)].get(name, 0) + 1
    for fact in objects(network, "IPAMHandle", GROUP) if held else ():
        spec = spec_of(fact)
        counts = spec.get("block")
        for text, count in sorted(counts.items()) if isinstance(counts, Mapping) and not spec.get("deleted") else ():
            prefix = network_in(text)
            known = held.get(str(prefix)) if prefix is not None else None
            name = str(spec.get("handleID") or fact.name).lower()
            if known is not None and isinstance(count, int) and count > known.get(name, 0):
                yield RULE.finding(
                    fact.place("spec", "block", text),
                    f"handle {name} holds {count} addresses of block {prefix}, which has {known.get(name, 0)} of it",
                    severity=Severity.WARNING,
                    certain=False,
                )


RULE = Rule("calico-ipam-inconsistent", Severity.ERROR, __doc__, check)
