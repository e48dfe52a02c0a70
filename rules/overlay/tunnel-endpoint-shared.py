"""Several nodes' tunnels use one and the same outer address, or not the one that was told to the others.

## What it finds
The annotation `flannel.alpha.coreos.com/public-ip` (or `projectcalico.org/IPv4Address`) equal on several Nodes; VXLAN devices of several nodes with one `local` address;
a `local` address that differs from the node's annotation, or that no interface of the node has.

## Why it matters
Nodes with a second interface that is the same everywhere (10.0.2.15 in Vagrant) register that one; packets between nodes then go to the sender itself or nowhere.

## Example
    flannel.alpha.coreos.com/public-ip: 10.0.2.15        # on n1 and n2

## How to mend
Tell the CNI its interface: flannel `--iface=eth1`, Calico `IP_AUTODETECTION_METHOD`, kubelet `--node-ip`.

## Sources
kubernetes/website#6870, kubernetes/kubernetes#17788, flannel-io/flannel#1978, projectcalico/calico#8607.
"""

from collections.abc import Iterator

from analyzer.query.plan import node_of
from analyzer.query.tunnels import Overlay, Vxlan, vxlans
from analyzer.rule import Finding, Network, Rule, Severity, Span

KEYS = ("flannel.alpha.coreos.com/public-ip", "projectcalico.org/IPv4Address", "projectcalico.org/IPv4VXLANTunnelAddr")
REMEDY = "tell the CNI its interface (flannel --iface, Calico IP_AUTODETECTION_METHOD) and restart it"


def check(network: Network) -> Iterator[Finding]:
    yield from shared_annotations(network)
    yield from shared_addresses(network)
    for item, kind in vxlans(network):
        yield from wrong_address(network, item, kind)


def shared_annotations(network: Network) -> Iterator[Finding]:
    """Annotations that say one address on several nodes."""
    for key in KEYS:
        found: dict[str, list[tuple[str, Span]]] = {}
        for node in network.cluster.nodes.values():
            if value := node.annotations.get(key, "").partition("/")[0]:
                found.setdefault(value, []).append((node.name, node.place("metadata", "annotations", key)))
        for value, places in sorted(found.items()):
            if len(places) > 1:
                yield RULE.finding(
                    places[1][1],
                    f"{key.partition('/')[2]} {value} stands on {len(places)} nodes: {', '.join(name for name, _ in places[:4])}",
                    related=[(at, f"the same on {name}") for name, at in [places[0], *places[2:4]]],
                    help=REMEDY,
                )


def shared_addresses(network: Network) -> Iterator[Finding]:
    """Devices of one name that send from one address on several nodes."""
    found: dict[tuple[str, object], list[Overlay]] = {}
    for item, kind in vxlans(network):
        if kind.local is not None:
            found.setdefault((item.link.name, kind.local), []).append(item)
    for (name, local), items in sorted(found.items(), key=lambda pair: pair[0][0]):
        if len(items) > 1:
            nodes = ", ".join(item.interface.scope.node for item in items[:4])
            yield RULE.finding(
                items[1].link.at,
                f"{name} sends from {local} on {len(items)} nodes: {nodes}",
                related=[(items[0].link.at, f"the same on {items[0].interface.scope.node}")],
                help=REMEDY,
            )


def wrong_address(network: Network, item: Overlay, kind: Vxlan) -> Iterator[Finding]:
    """A local address that is not the one told to the others, or that the node does not have."""
    scope = item.interface.scope
    root, node = network.namespaces[scope], node_of(network, scope.node)
    told = node.annotations.get(KEYS[0]) if node and item.link.name.startswith("flannel.") else None
    if kind.local is None:
        return
    if node is not None and told and told != str(kind.local):
        yield RULE.finding(
            node.place("metadata", "annotations", KEYS[0]),
            f"Node {node.name} tells the others that its tunnel is at {told}, but {item.link.name} sends from {kind.local}",
            related=[(item.link.at, f"local {kind.local}")],
            help=f"restart flannel on {node.name}",
        )
    if root.addresses and "ip-addr" not in root.missing and not any(fact.address == kind.local for fact in root.addresses):
        yield RULE.finding(
            item.link.at,
            f"{item.link.name} on {scope.node} sends from {kind.local}, which no interface of {scope.node} has",
            help=f"restart the CNI's agent on {scope.node}: its address changed",
            certain=not root.gaps.get("ip-addr"),
        )


RULE = Rule("tunnel-endpoint-shared", Severity.ERROR, __doc__, check)
