"""A rule of the raw table drops packets to pods or services before anything else sees them.

## What it finds
`raw PREROUTING` rules that drop by destination address, where the address is a pod's, a service's or a node's.

## Why it matters
The raw table comes before connection tracking and translation. Docker 28 protects its containers' addresses there: `-d <address> ! -i <bridge> -j DROP`; an
address that a pod has too is cut off.

## Example
    -A PREROUTING -d 10.244.0.5/32 ! -i docker0 -j DROP

## How to mend
Remove the stale rule; do not let Docker and the CNI share a network.

## Sources
moby/moby#49518, #48392.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import chain, drops, exact_destination
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    owners = {address: f"pod {pod.name}" for pod in network.attachments for address in pod.addresses}
    owners |= {
        address: f"service {key[0]}/{key[1]}"
        for key, service in network.cluster.services.items()
        for address in service.cluster_addresses
    }
    for root in roots(network):
        for _, found in chain(root, "raw", "PREROUTING"):
            for rule in found.rules:
                target = exact_destination(rule)
                if target is not None and drops(rule) and (victim := owners.get(target)):
                    yield RULE.finding(
                        rule.at,
                        f"raw PREROUTING rule {rule.number} on {root.scope.node} drops packets to {target}, which is {victim}",
                        help=f"iptables -t raw -D PREROUTING {rule.number}",
                        certain=len(rule.matches) == 1,
                    )


RULE = Rule("raw-table-drops-pods", Severity.ERROR, __doc__, check)
