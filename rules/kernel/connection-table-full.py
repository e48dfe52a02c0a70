"""A node's table of connections is nearly full.

## What it finds
`nf_conntrack_count` above nine tenths of `nf_conntrack_max`.

## Why it matters
When the table is full, the kernel drops packets of new connections ("nf_conntrack: table full, dropping packet"): connections fail at random.

## Example
    net.netfilter.nf_conntrack_count = 130900
    net.netfilter.nf_conntrack_max = 131072

## How to mend
Raise `nf_conntrack_max` (kube-proxy: `conntrack.maxPerCore`), or find who opens so many connections.

## Sources
nf_conntrack_alloc (net/netfilter/nf_conntrack_core.c); kubernetes/kubernetes#71261, node-problem-detector's network_problem.sh.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        count = root.sysctls.get("net.netfilter.nf_conntrack_count")
        limit = root.sysctls.get("net.netfilter.nf_conntrack_max") or root.sysctls.get("net.nf_conntrack_max")
        if count is None or limit is None or not (count.value.isdecimal() and limit.value.isdecimal()):
            continue
        used, most = int(count.value), int(limit.value)
        if most and used * 10 > most * 9:
            yield RULE.finding(
                count.at,
                f"{root.scope.node} tracks {used} connections of at most {most}",
                related=[(limit.at, "the limit")],
                help=f"on {root.scope.node}: sysctl -w {limit.key}={most * 2}; for kube-proxy set conntrack.maxPerCore",
                severity=Severity.ERROR if used >= most else Severity.WARNING,
            )


RULE = Rule("connection-table-full", Severity.WARNING, __doc__, check)
