"""A node has no pod network of its own, or the cluster's has no more to give.

## What it finds
A Node without `spec.podCIDRs` where other Nodes have one or flannel is in use; more Nodes than the cluster's pod network has blocks of the nodes' size (`--node-cidr-mask-size`).

## Why it matters
flannel and other plugins that take the node's network from the API do not start: `node "n3" pod cidr not assigned`. Pods stay in ContainerCreating.

## Example
    kind: Node
    spec: {}        # and n1, n2 have podCIDR

## How to mend
`--allocate-node-cidrs=true` and `--cluster-cidr` of the controller manager; a larger cluster network, or smaller blocks.

## Sources
flannel-io/flannel#728, #1344, #1688, kubernetes/kubernetes#114560; pkg/controller/nodeipam/ipam/cidrset.
"""

from collections.abc import Iterator

from analyzer.query.plan import annotated, of_one_node, ranges
from analyzer.query.systems.kubernetes import allocations
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    nodes = list(network.cluster.nodes.values())
    having = [node for node in nodes if node.pod_cidrs]
    flannel = annotated(network, "flannel.alpha.coreos.com/")
    for node in nodes:
        if not node.pod_cidrs and (having or flannel):
            yield RULE.finding(
                node.place("spec"),
                f"Node {node.name} has no pod network (spec.podCIDRs), and {len(having)} other nodes have one",
                related=[(one.place("spec", "podCIDRs", 0), f"Node {one.name} has {one.pod_cidrs[0]}") for one in having[:1]],
                help="see the controller manager's log; set --allocate-node-cidrs and a --cluster-cidr that is large enough",
                certain=flannel or len(having) * 2 > len(nodes),
            )
    yield from exhausted(network)


def exhausted(network: Network) -> Iterator[Finding]:
    """Whether there are more nodes than blocks."""
    nodes = list(network.cluster.nodes.values())
    told = {item.network.prefix for item in allocations(network)}  # node-networks-exhausted has the sizes of these.
    for item in ranges(network, "pod"):
        if of_one_node(item) or item.prefix in told:
            continue
        lengths = {one.length for node in nodes for one in node.pod_cidrs if item.prefix.covers(one)}
        if len(lengths) != 1:
            continue
        size = lengths.pop()
        blocks = 1 << (size - item.prefix.length)
        if len(nodes) > blocks:
            yield RULE.finding(
                item.at,
                f"the pod network {item.prefix} has {blocks} blocks of /{size}, and there are {len(nodes)} nodes",
                help="use a larger cluster network, or a larger --node-cidr-mask-size",
            )


RULE = Rule("node-without-pod-network", Severity.ERROR, __doc__, check, follows=("node-networks-exhausted",))
