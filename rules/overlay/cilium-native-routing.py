"""Cilium routes pods without a tunnel, and its settings leave some of them out.

## What it finds
A `cilium-config` with `routing-mode: native` (or `tunnel: disabled`) whose `ipv4-native-routing-cidr` does not hold a pod network of the cluster; or with
`auto-direct-node-routes` while the nodes' addresses are in different networks of the captured nodes.

## Why it matters
Cilium masquerades what goes to addresses outside the native routing CIDR: pods of other nodes then see the node's address, and NetworkPolicies by pod do not match. Direct routes to nodes
behind a router cannot be installed, and pods there are not reached.

## Example
    routing-mode: native
    ipv4-native-routing-cidr: 10.0.0.0/16          # the pods are in 10.244.0.0/16

## How to mend
Set `ipv4-native-routing-cidr` to a network that holds all pods; without a common layer-2 network use the tunnel, or let the routers learn the pod networks (BGP).

## Sources
cilium/cilium#26588, #24618, #31124; Cilium, Routing (Native-Routing).
"""

from collections.abc import Iterator

from analyzer.query.plan import node_networks, prefix
from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for (_, name), config in sorted(network.cluster.config_maps.items()):
        if name != "cilium-config":
            continue
        values = {key: located.value.strip() for key, located in config.data.items()}
        if values.get("routing-mode") == "native" or values.get("tunnel") == "disabled":
            places = {key: located.at for key, located in config.data.items()}
            yield from left_out(network, values, places)
            yield from not_direct(network, values, places)


def left_out(network: Network, values: dict[str, str], places: dict[str, Span]) -> Iterator[Finding]:
    """Pod networks that Cilium masquerades."""
    key = next((key for key in ("ipv4-native-routing-cidr", "native-routing-cidr") if values.get(key)), None)
    wide = prefix(values[key]) if key is not None else None
    if key is None or wide is None or values.get("enable-ipv4-masquerade", "true") != "true":
        return
    for item in network.cluster.ranges:
        if item.purpose == "pod" and item.prefix.family == 4 and not wide.covers(item.prefix):
            yield RULE.finding(
                places[key],
                f"{key} {wide} does not hold the pod network {item.prefix} ({item.said_by}): packets to its pods are masqueraded",
                related=[(item.at, "the pod network")],
                help=f"set {key} to a network that holds {item.prefix}",
            )
            return


def not_direct(network: Network, values: dict[str, str], places: dict[str, Span]) -> Iterator[Finding]:
    """Nodes that are not on one network while routes lead directly from node to node."""
    key = "auto-direct-node-routes"
    if values.get(key) != "true" or values.get("direct-routing-skip-unreachable") == "true":
        return
    stated = [
        (node, address)
        for _, node in sorted(network.cluster.nodes.items())
        for kind, address in node.addresses
        if kind == "InternalIP"
    ]
    for item in node_networks(network):
        far = [
            (node, address)
            for node, address in stated
            if address.family == item.prefix.family == 4 and not item.prefix.covers(address)
        ]
        if item.address in {address for _, address in stated} and far:
            node, address = far[0]
            yield RULE.finding(
                places[key],
                f"{item.interface.scope.node} is on {item.prefix}, and {node.name} ({address}) is not: there is no direct route between them",
                related=[
                    (item.at, f"the network of {item.interface.scope.node}"),
                    (node.place("status", "addresses"), f"{node.name}"),
                ],
                help="use the tunnel, or direct-routing-skip-unreachable with routers that know the pods",
            )
            return


RULE = Rule("cilium-native-routing", Severity.ERROR, __doc__, check)
