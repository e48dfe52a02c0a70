"""kube-proxy's rules translate to an address that is no endpoint of the service, or lack one.

## What it finds
In mode iptables: a chain KUBE-SEP-… that a service's chain leads to, whose DNAT target is in none of the EndpointSlices.

## Why it matters
A share of the connections goes to an address where the pod is gone.

## Example
    -A KUBE-SEP-TCD3IFXQZW3ZEZQU -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:8080      # no slice has 10.244.0.3

## How to mend
Restart kube-proxy on the node and look into its log for a restore that fails.

## Sources
kubernetes/kubernetes#109811, #78421; pkg/proxy/iptables/proxier.go.
"""

import re
from collections.abc import Iterator

from analyzer.query.state import chains, destination_of, roots
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

TARGET = re.compile(r"-A KUBE-SEP-\S+ [^\n]*--to-destination (\S+?)(?::\d+)?(?=\s)")


def check(network: Network) -> Iterator[Finding]:
    cluster = network.cluster
    if not cluster.known & {"EndpointSlice", "Endpoints"}:
        return
    wanted = {endpoint.address for groups in cluster.endpoints.values() for group in groups for endpoint in group.endpoints}
    sound: set[str] = set()
    for root in roots(network):
        if all_known(network, root, wanted):
            continue
        for family in (4, 6):
            for ruleset, found in chains(root, "nat", family):
                if not found.name.startswith("KUBE-SEP-") or found.content in sound:
                    continue
                targets = [(rule, target) for rule in found.rules if (target := destination_of(rule, family)) is not None]
                stale = [(rule, target) for rule, target in targets if target not in wanted]
                if found.content and not stale:
                    sound.add(found.content)
                for rule, target in stale:
                    yield RULE.finding(
                        rule.at,
                        f"{root.scope.node} ({ruleset.backend}) translates {rule.comment or found.name} to {target}, which no EndpointSlice has",
                        help=f"restart kube-proxy on {root.scope.node}",
                    )


def all_known(network: Network, root: Namespace, wanted: set[Address]) -> bool:
    """Whether every target in the text is wanted, told without reading the rules: a node may have a hundred thousand."""
    sources = (source for source in network.sources.values() if source.scope == root.scope and source.kind == "iptables-save")
    targets = {found for source in sources for found in TARGET.findall(source.text)}
    return targets <= {written for address in wanted for written in (str(address), f"[{address}]")}


RULE = Rule("stale-endpoint", Severity.ERROR, __doc__, check)
