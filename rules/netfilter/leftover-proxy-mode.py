"""A node holds rules of two modes of kube-proxy.

## What it finds
The interface kube-ipvs0 (mode ipvs) together with per-service chains of mode iptables, or the table kube-proxy of mode nftables together with either.

## Why it matters
The rules of the mode that is no longer running are stale: they translate to endpoints that are gone, or reject services that have endpoints by now.

## Example
    kube-ipvs0: <BROADCAST,NOARP> …        # and -A KUBE-SVC-… in iptables-save

## How to mend
`kube-proxy --cleanup` on the node, then restart kube-proxy in the mode that is wanted. `kube-ipvs0` being DOWN and NOARP is normal.

## Sources
kubernetes/kubernetes#102314, #109286, #107662, cloudnativelabs/kube-router#278.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import chains
from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        modes: dict[str, Span] = {}
        if "kube-ipvs0" in root.links:
            modes["ipvs"] = root.links["kube-ipvs0"].at
        of_services = (found for _, found in chains(root, "nat", wanted=lambda name: name.startswith("KUBE-SVC-")))
        if (first_of_all := next((found for found in of_services if len(found.rules)), None)) is not None:
            modes["iptables"] = first_of_all.at
        for table in root.nft_chains:
            if table.table == "kube-proxy":
                modes.setdefault("nftables", table.at)
        if len(modes) > 1:
            first, *others = sorted(modes)
            yield RULE.finding(
                modes[first],
                f"{root.scope.node} holds rules of kube-proxy's modes {' and '.join(sorted(modes))}",
                related=[(modes[other], f"mode {other}") for other in others],
                help="kube-proxy --cleanup, then restart kube-proxy",
            )


RULE = Rule("leftover-proxy-mode", Severity.WARNING, __doc__, check)
