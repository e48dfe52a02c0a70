"""Romana would refuse its topology, or leave nodes out of it.

## What it finds
A topology that is no JSON, with values of other types, networks that are none, have a name that is there twice or lie inside each other, a `block_mask` that its network does not have room for, unknown
networks, networks with two topologies, tenants with other characters than letters, digits, `_` and `-`, hosts without a name, and more groups than a network can be cut into; also groups that get less
than a block. As warnings: hosts among groups and groups among hosts, networks without a topology, hosts that are no node or whose address is another node's, and nodes whose labels are those of no group.

## Why it matters
The daemon refuses the topology as a whole: no pod gets an address. Where groups get less than a block, blocks of two hosts share addresses. A node outside all groups has no blocks, and its pods stay in ContainerCreating.

## Example
    {"networks": [{"name": "net1", "cidr": "10.112.0.0/24", "block_mask": 16}], "topologies": [{"networks": ["net2"], "map": []}]}

## How to mend
Correct the value and apply the topology (`romana topology update`, or restart the daemon with its `--initial-network`). Label the node as its group's `assignment` says.

## Sources
romana/core common/client/ipam.go (setTopology, parseMap, parse, bitsForGroupElements, allocateIP, addHost), common/api/ipam.go, listener (syncNodes).
"""

from collections.abc import Iterator

from analyzer.query.systems.romana import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("romana-config-refused", Severity.ERROR, __doc__, check)
