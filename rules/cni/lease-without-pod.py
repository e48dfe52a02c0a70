"""host-local holds addresses for containers that no longer exist.

## What it finds
Leases in /var/lib/cni/networks whose address no captured pod of the node has; and two leases of one address in different networks.

## Why it matters
Leaked leases use up the node's range: new pods fail with "no IP addresses available in range set".

## Example
    /var/lib/cni/networks/cbr0/10.244.1.17       # no pod of the node has 10.244.1.17

## How to mend
Remove the leaked files after checking that no sandbox has the container id in them.

## Sources
containernetworking/plugins#252, #332, containerd/cri#948, k3s-io/k3s#5885.
"""

from collections.abc import Iterator

from analyzer.query.plan import PodFact
from analyzer.query.state import pods_on
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for node, files in sorted(network.files.items()):
        held = {fact.address for scope, inside in network.namespaces.items() if scope.node == node for fact in inside.addresses}
        wanted = {address for pod in network.cluster.pods.values() if runs_on(network, pod, node) for address in pod.addresses}
        known = any(True for _ in pods_on(network, node)) or any(lease.address in wanted for lease in files.leases)
        held |= wanted
        leaked = [lease for lease in files.leases if lease.address not in held]
        if known and leaked:
            yield RULE.finding(
                leaked[0].at,
                f"{len(leaked)} of {len(files.leases)} leases on {node} belong to no captured pod, the first is {leaked[0].address} in network {leaked[0].network!r}",
                related=[(lease.at, f"{lease.address}") for lease in leaked[1:4]],
                help="remove the files whose container no longer exists",
                certain=False,
            )
        seen: dict[object, str] = {}
        for lease in files.leases:
            if lease.address in seen and seen[lease.address] != lease.network:
                yield RULE.finding(
                    lease.at,
                    f"{lease.address} is leased on {node} in the networks {seen[lease.address]!r} and {lease.network!r}",
                    severity=Severity.ERROR,
                )
            seen[lease.address] = lease.network


def runs_on(network: Network, pod: PodFact, node: str) -> bool:
    """Whether a pod with addresses of its own is on a captured node."""
    return not pod.host_network and network.node_names.get(pod.node, pod.node) == node


RULE = Rule("lease-without-pod", Severity.WARNING, __doc__, check)
