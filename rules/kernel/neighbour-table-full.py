"""The kernel's neighbour table is nearly full.

## What it finds
More neighbour entries in all network namespaces of a node than nine tenths of `net.ipv4.neigh.default.gc_thresh3` (IPv4) or `net.ipv6…` (IPv6). Permanent entries
and those that a control plane manages (`extern_learn`) are not counted, as the kernel does not count them.

## Why it matters
The table is one for the whole kernel. When it is full, no new neighbour can be resolved ("neighbour table overflow"), on the node and in every pod.

## Example
    net.ipv4.neigh.default.gc_thresh3 = 1024     # and 1010 entries

## How to mend
Raise gc_thresh1 to 3 in `/etc/sysctl.d` of the node.

## Sources
neigh_alloc (net/core/neighbour.c); kubernetes/kops#4533.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

COUNTED_NOT = frozenset({"PERMANENT", "NOARP"})


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for family, protocol in ((4, "ipv4"), (6, "ipv6")):
            fact = root.sysctls.get(f"net.{protocol}.neigh.default.gc_thresh3")
            if fact is None or not fact.value.isdecimal():
                continue
            spaces = [space for scope, space in network.namespaces.items() if scope.node == root.scope.node]
            count = sum(counted(space, family) for space in spaces)
            if count * 10 > int(fact.value) * 9:
                yield RULE.finding(
                    fact.at,
                    f"{root.scope.node} has {count} IPv{family} neighbours, and {fact.key} lets it have {fact.value}",
                    note=f"counted in {len(spaces)} network namespaces; those that were not captured come on top",
                    help=f"on {root.scope.node}: sysctl -w {fact.key}={max(int(fact.value) * 4, 4096)}",
                    severity=Severity.ERROR if count >= int(fact.value) else Severity.WARNING,
                )


def counted(space: Namespace, family: int) -> int:
    """The entries that count against the limit."""
    entries = (fact for fact in space.neighbours if fact.address.family == family and not fact.proxy)
    return sum(not fact.states & COUNTED_NOT and not fact.external for fact in entries)


RULE = Rule("neighbour-table-full", Severity.WARNING, __doc__, check)
