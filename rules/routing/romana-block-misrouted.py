"""Romana's blocks are not where its nodes send packets for them.

## What it finds
In Romana's list of blocks: blocks that share addresses, blocks of hosts that it does not know, and blocks in none of the networks of its topology; hosts whose address is no node's. And for each captured node: a block of another host that
its routing table `romana`, or another one, leads to another node, or has no route for but the default one. Blocks without a pod are left out, and hosts behind a router, to which
Romana's agent adds no route, are told as possible.

## Why it matters
Pods in such a block are not reached from that node, or packets for them arrive at a node that drops them.

## Example
    {"cidr": "10.112.1.0/29", "host": "host2"}          # and n1's table 10: 10.112.1.0/29 via 192.168.0.3

## How to mend
Restart romana-agent on the node; correct the host's address (`romana host`); where hosts are in several subnets, let a router publish the blocks, or start the agents with `--multihop-blocks`.

## Sources
romana/core agent/routes.go (createRouteToBlock), common/api/ipam.go, common/client/ipam.go.
"""

from collections.abc import Iterator
from itertools import pairwise

from analyzer.query.ipam.borrowed import RomanaBlockFact, RomanaHostFact
from analyzer.query.plan import ranges
from analyzer.query.state import roots
from analyzer.query.systems.sessions import holders
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

LOCAL = 255


def check(network: Network) -> Iterator[Finding]:
    blocks = sorted((fact for fact in network.ipam if isinstance(fact, RomanaBlockFact)), key=lambda fact: fact.prefix)
    hosts = {fact.name: fact for fact in network.ipam if isinstance(fact, RomanaHostFact)}
    yield from stated(network, blocks, hosts)
    held = holders(network) if blocks else {}
    for fact in hosts.values():
        if held and fact.address not in held and "Node" in network.cluster.known:
            words = f"host {fact.name} has the address {fact.address}, which no node has"
            yield RULE.finding(fact.at, words, severity=Severity.WARNING, certain=False)
    for root in roots(network) if blocks else ():
        for block in blocks:
            host = hosts.get(block.host)
            if (
                block.taken
                and host is not None
                and held.get(host.address, root.scope.node) != root.scope.node
                and "ip-route/4" not in root.missing
            ):
                yield from routed(held, root, block, host)


def stated(network: Network, blocks: list[RomanaBlockFact], hosts: dict[str, RomanaHostFact]) -> Iterator[Finding]:
    """What is wrong in the list by itself."""
    networks = [item.prefix for item in ranges(network, "pod") if item.system == "romana"]
    for one, two in pairwise(blocks):
        if one.prefix.overlaps(two.prefix):
            words = f"block {two.prefix} of {two.host} shares addresses with block {one.prefix} of {one.host}"
            yield RULE.finding(two.at, words, related=[(one.at, "the other block")])
    for block in blocks:
        if hosts and block.host not in hosts:
            yield RULE.finding(block.at, f"block {block.prefix} belongs to host {block.host}, which Romana does not know")
        if networks and not any(one.covers(block.prefix) for one in networks):
            yield RULE.finding(block.at, f"block {block.prefix} is in no network of the topology")


def routed(held: dict[Address, str], root: Namespace, block: RomanaBlockFact, host: RomanaHostFact) -> Iterator[Finding]:
    """Where one node sends packets for a block of another host."""
    found = [
        route
        for table, routes in root.routes.get(4, {}).items()
        if table != LOCAL
        for route in routes
        if route.destination.length and route.destination.covers(block.prefix)
    ]
    route = max(found, key=lambda item: item.destination.length, default=None)
    if route is None:
        near = any(
            route.destination.length and route.destination.covers(host.address) and route.scope_name == "link"
            for route in root.routes.get(4, {}).get(254, ())
        )
        words = f"{root.scope.node} has no route to {block.prefix}, a block of {block.host} ({host.address})"
        yield RULE.finding(block.at, words, certain=near and not root.gaps.get("ip-route"))
        return
    gateways = {hop.via for hop in route.next_hops if hop.via is not None}
    strangers = sorted(
        gateway for gateway in gateways if gateway != host.address and held.get(gateway) not in (None, held.get(host.address))
    )
    if strangers:
        yield RULE.finding(
            route.at,
            f"{root.scope.node} sends packets for {block.prefix}, a block of {block.host}, to {strangers[0]}, which is {held[strangers[0]]}",
            related=[(block.at, f"block {block.prefix} belongs to {block.host}"), (host.at, f"{block.host} has {host.address}")],
        )


RULE = Rule("romana-block-misrouted", Severity.ERROR, __doc__, check)
