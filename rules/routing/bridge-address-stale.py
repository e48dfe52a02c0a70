"""The pods' bridge has no address, or one outside the node's pod network.

## What it finds
A bridge to which pods are attached, with no IPv4 address, or with an address outside `Node.spec.podCIDRs` of the node or with another prefix than its pods.

## Why it matters
The bridge is the pods' gateway. After a node joins anew with another pod network, the bridge keeps the old address and the CNI fails with
"cni0 already has an IP address different from".

## Example
    cni0: inet 10.244.3.1/24        # and the node's podCIDR is 10.244.1.0/24

## How to mend
`ip link delete cni0` and recreate the node's pods.

## Sources
kubernetes/kubernetes#67183, containernetworking/plugins#366.
"""

from collections.abc import Iterator

from analyzer.query.state import pods_on, roots
from analyzer.rule import Address, Finding, Interface, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if "ip-addr" in root.missing:
            continue
        for bridge, pods in sorted(bridges(network, root).items()):
            held = [fact for fact in root.addresses if fact.device == bridge and fact.address.family == 4]
            link = root.links[bridge]
            if not held:
                yield RULE.finding(
                    link.at,
                    f"{bridge} on {root.scope.node} has no IPv4 address, and {len(pods)} pods use it as their gateway",
                    certain=False,
                )
                continue
            node = network.cluster.nodes.get(root.scope.node)
            wanted = [prefix for prefix in node.pod_cidrs if prefix.family == 4] if node else []
            if node and wanted and not any(prefix.covers(fact.address) for prefix in wanted for fact in held):
                yield RULE.finding(
                    held[0].at,
                    f"{bridge} on {root.scope.node} has {held[0].address}, outside the node's pod network {wanted[0]}",
                    related=[(node.place("spec", "podCIDRs", 0), f"the pod network of {root.scope.node}")],
                    help=f"ip link delete {bridge}, then recreate the node's pods",
                )


def bridges(network: Network, root: Namespace) -> dict[str, list[Address]]:
    """The bridges of pods on a node, with those pods' addresses whose gateway is the host."""
    result: dict[str, list[Address]] = {}
    for pod in pods_on(network, root.scope.node):
        for link in root.links.values():
            peer = network.peers.get(Interface(root.scope, link.name))
            bridged = link.master_kind in (None, "bridge") and link.master in root.links
            if peer is not None and peer.scope == pod.scope and link.master and bridged:
                result.setdefault(link.master, []).extend(pod.addresses)
    return result


RULE = Rule("bridge-address-stale", Severity.ERROR, __doc__, check)
