"""A routing daemon has a route to pods whose next hop it cannot reach.

## What it finds
The best route of a network that came by BGP and is `unreachable` in BIRD's table, and networks whose routes in FRR's are all `inactive`. Another route of the same network that is better, or as good, is no such case.

## Why it matters
The kernel drops packets for that network ("unreachable"), or has no route for it. It happens where a peer in another subnet keeps the next hop of a third
router, and where the interface to the next hop's network is down.

## Example
    10.66.3.0/26   unreachable [Mesh_10_30_0_13 06:10:14 from 10.30.0.13] * (100/-) [i]

## How to mend
Give the node a route to the next hop; or let the peer put itself in its place (`nextHopMode: Self`, no `keepOriginalNextHop`), or use a pool with IPIP or VXLAN between subnets.

## Sources
BIRD's manual, `gateway direct|recursive`; projectcalico/calico BGPPeer `nextHopMode`; FRR zebra/zebra_nhg.c (nexthop_active).
"""

from collections.abc import Iterator

from analyzer.query.systems.sessions import DaemonTableFact, Router
from analyzer.rule import Finding, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for router in network.routers.values():
        for table in router.tables:
            if not table.part:
                yield from unreachable(router, table)


def unreachable(router: Router, table: DaemonTableFact) -> Iterator[Finding]:
    """The networks of a table that only lead nowhere."""
    by_network: dict[Prefix, list[int]] = {}
    for index, route in enumerate(table.routes):
        by_network.setdefault(route.prefix, []).append(index)
    for prefix, indices in by_network.items():
        routes = [table.routes[index] for index in indices]
        best = [route for route in routes if route.best]
        lost = [route for route in best if route.source == "bgp" and route.kind == "unreachable"]
        dead = [
            route
            for route in routes
            if route.source == "bgp" and route.next_hops and not any(hop.usable for hop in route.next_hops)
        ]
        if (best and len(lost) == len(best)) or (not best and dead and len(dead) == len(routes)):
            route = (lost or dead)[0]
            by = f" (told by {route.peer})" if route.peer is not None else ""
            yield RULE.finding(
                route.at, f"{router.node}: the next hop of {prefix}{by} is not reached: packets for it are dropped"
            )


RULE = Rule("bgp-next-hop-unreachable", Severity.ERROR, __doc__, check)
