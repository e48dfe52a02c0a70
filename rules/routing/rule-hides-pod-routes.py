"""A routing rule sends a node's own packets to a table without the pods' routes.

## What it finds
A rule that stands before the main table, selects by one of the node's own addresses, and looks up a table that has a default route but lacks routes to
pods that the main table has.

## Why it matters
What the node answers or sends from that address to its pods leaves by the table's gateway. Cloud agents (nm-cloud-setup, rule 30400) and VPNs add such rules.

## Example
    30400:  from 192.168.0.11 lookup 30400     # table 30400 has only: default via 192.168.0.1 dev eth0

## How to mend
Remove the rule (disable the agent that adds it), or copy the pods' routes into the table.

## Sources
rancher/rke2#1053, projectcalico/calico#4662; fib_rules.c.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        own = {fact.address for fact in root.addresses} | {
            route.source for routes in root.routes.get(4, {}).values() for route in routes if route.source is not None
        }
        for rule in root.rules.get(4, ()):
            source = rule.source
            if (
                rule.priority >= 32766
                or rule.action != "lookup"
                or not isinstance(rule.table, int)
                or rule.table in (254, 255, 253)
            ):
                continue
            if source is None or rule.inverted or rule.mark is not None or not any(source.covers(address) for address in own):
                continue
            if missing := hidden(root, rule.table):
                yield RULE.finding(
                    rule.at,
                    f"packets from {source} look up table {rule.table}, which has a default route but not {missing[0]}"
                    + (f" and {len(missing) - 1} more routes" if len(missing) > 1 else ""),
                    help=f"ip rule del from {source} lookup {rule.table}, or copy the pods' routes into table {rule.table}",
                )


def hidden(root: Namespace, table: int) -> list[str]:
    """Routes of the main table, other than defaults and uplink networks, that the table's default route would take over."""
    own = root.routes.get(4, {}).get(table, ())
    if not any(route.destination.length == 0 and route.kind == "unicast" for route in own):
        return []
    uplinks = {hop.device for route in own for hop in route.next_hops}
    known = {route.destination for route in own}
    return [
        str(route.destination)
        for route in root.routes.get(4, {}).get(254, ())
        if route.destination.length and route.destination not in known and not uplinks & {hop.device for hop in route.next_hops}
    ]


RULE = Rule("rule-hides-pod-routes", Severity.ERROR, __doc__, check)
