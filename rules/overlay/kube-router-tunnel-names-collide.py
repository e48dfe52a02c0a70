"""kube-router would make one tunnel for two nodes.

## What it finds
Two nodes whose addresses are the same digits when the dots are left out, such as 10.1.11.2 and 10.11.1.2, in a cluster with kube-router's overlay.

## Why it matters
kube-router names a tunnel by a hash of the node's address without its dots: both nodes get one device, and traffic to one of them goes to the other.

## Example
    n1: 10.1.11.2          n2: 10.11.1.2

## How to mend
Give one of the two another address, or use the overlay for neither (`--enable-overlay=false`).

## Sources
cloudnativelabs/kube-router pkg/tunnels/linux_tunnels.go (GenerateTunnelName).
"""

from collections.abc import Iterator

from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    router = any(item.system == "kube-router" for item in network.cluster.settings)
    if not router or any(
        item.value == "false" for key in ("overlay", "router") for item in settings(network, "kube-router", key)
    ):
        return
    seen: dict[str, tuple[str, str]] = {}
    for name, node in sorted(network.cluster.nodes.items()):
        address = next((found for kind, found in node.addresses if kind == "InternalIP"), None)
        if address is None:
            continue
        digits = str(address).replace(".", "").replace(":", "")
        other = seen.setdefault(digits, (name, str(address)))
        if other[0] != name and other[1] != str(address):
            yield RULE.finding(
                node.place("status", "addresses"),
                f"{address} of {name} and {other[1]} of {other[0]} give kube-router one tunnel name: both are {digits} without separators",
                help="give one of the two nodes another address",
            )


RULE = Rule("kube-router-tunnel-names-collide", Severity.ERROR, __doc__, check)
