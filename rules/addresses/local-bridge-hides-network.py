"""A bridge that a tool made for itself has a network that pods, services or other nodes use.

## What it finds
`docker0`, `br-…`, `virbr0`, `lxdbr0`, `podman0` on a node, with a network that overlaps a pod or service network or holds another Node's address. The pods' own bridge is not meant: pods
are its ports, a CNI configuration names it, or its address is of the node's own pod network.

## Why it matters
The node sends packets for those addresses into the bridge, where nobody answers.

## Example
    docker0: inet 172.17.0.1/16        # and node n3 is 172.17.4.9

## How to mend
Give the tool another network (`bip` and `default-address-pools` in /etc/docker/daemon.json), or remove the bridge.

## Sources
projectcalico/calico#6243, #3194, cilium/cilium#38950.
"""

from collections.abc import Iterator

from analyzer.query.plan import OnLink, local_bridge, node_of, on_link, ranges
from analyzer.query.tunnels import host_ends
from analyzer.rule import Finding, Namespace, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for item in on_link(network):
        root = network.namespaces[item.interface.scope]
        if not local_bridge(item.interface.device) or of_pods(network, root, item):
            continue
        if places := hidden(network, item):
            yield RULE.finding(
                item.at,
                f"{item.interface.device} on {item.interface.scope} has {item.prefix}, which hides {places[0][1]}",
                related=places[:4],
                help=f"give {item.interface.device} another network (docker: bip in daemon.json), or remove it",
            )


def of_pods(network: Network, root: Namespace, item: OnLink) -> bool:
    """Whether the bridge is the pods' own: pods are its ports, a CNI configuration makes it, or it holds the node's own pod network."""
    device = item.interface.device
    files = network.files.get(root.scope.node)
    plugins = [plugin for config in files.configs for plugin in config.plugins] if files else []
    node = node_of(network, root.scope.node)
    return (
        any(end.device.name == device for end in host_ends(network, root))
        or any(plugin.get("bridge") == device for plugin in plugins)
        or (node is not None and any(prefix.covers(item.address) for prefix in node.pod_cidrs))
    )


def hidden(network: Network, item: OnLink) -> list[tuple[Span, str]]:
    """What else has addresses of the bridge's network."""
    nodes = [
        (node.place("status", "addresses"), f"node {node.name} ({address})")
        for node in network.cluster.nodes.values()
        for _, address in node.addresses
        if item.prefix.covers(address) and address != item.address
    ]
    plans = [
        (one.at, f"the {purpose} network {one.prefix}")
        for purpose in ("pod", "service")
        for one in ranges(network, purpose)
        if one.prefix.overlaps(item.prefix)
    ]
    return nodes + plans


RULE = Rule("local-bridge-hides-network", Severity.ERROR, __doc__, check)
