"""Nodes of one cluster use different CNI networks.

## What it finds
Nodes whose winning CNI configuration has another network name or another main plugin than most nodes'.

## Why it matters
Pods of those nodes get addresses and routes of another network: the others do not reach them.

## Example
    n1, n2: 10-flannel.conflist (cbr0, flannel)      n3: 05-bridge.conf (mynet, bridge)

## How to mend
Install the same configuration on every node.

## Sources
CNI specification section 1; containerd/go-cni.
"""

from collections import Counter
from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    winners = {node: next((item for item in files.configs if not item.problem), None) for node, files in network.files.items()}
    kinds = {
        node: (item.name, str(item.plugins[0].get("type", "")) if item.plugins else "") for node, item in winners.items() if item
    }
    if len(set(kinds.values())) < 2:
        return
    usual = min(Counter(kinds.values()).items(), key=lambda pair: (-pair[1], pair[0]))[0]
    example = next(node for node in sorted(kinds) if kinds[node] == usual)
    for node in sorted(kinds):
        item, other = winners[node], winners[example]
        if kinds[node] != usual and item and other:
            yield RULE.finding(
                item.at,
                f"{node} uses the CNI network {kinds[node][0]!r} ({kinds[node][1]}), most nodes use {usual[0]!r} ({usual[1]})",
                related=[(other.at, f"as on {example}")],
                help="install the same CNI configuration on every node",
            )


RULE = Rule("cni-configs-differ", Severity.ERROR, __doc__, check, follows=("several-cni-configs",))
