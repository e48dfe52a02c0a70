"""Two nodes have the same pod network, or parts of one.

## What it finds
`spec.podCIDRs` of two Nodes, `spec.ipam.podCIDRs` of two CiliumNodes, or `k8s.ovn.org/node-subnets` of two Nodes, that overlap; where nothing is stated, the networks of pods' bridges (`cni0`) on two nodes; `FLANNEL_SUBNET` in `/run/flannel/subnet.env` of two nodes that overlap, or that is not the Node's pod network.

## Why it matters
Both nodes give out the same addresses, and the other nodes can send to only one of them: half of the traffic is lost.

## Example
    n1: podCIDR: 10.244.1.0/24        n2: podCIDR: 10.244.1.0/24

## How to mend
Remove one of the nodes from the cluster, delete `/run/flannel/subnet.env` and the pods' bridge on it, and let it join anew.

## Sources
flannel-io/flannel#1224, #1550, coreos/bugs#2223.
"""

from collections.abc import Iterator

from analyzer.query.networks_of_nodes import of_nodes
from analyzer.query.ovn_annotations import node_subnets
from analyzer.query.plan import OnLink, node_of, on_link, prefix
from analyzer.query.state import BRIDGES
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

REMEDY = "let one of the nodes join the cluster anew, without its old subnet.env and bridge"


def check(network: Network) -> Iterator[Finding]:
    stated = [(item.prefix, item.at, item.said) for item in of_nodes(network, blocks=False)]
    files = list(subnet_files(network))
    if not stated and not files:
        yield from overlaps(
            [(item.prefix, item.at, f"{item.interface.device} on {item.interface.scope}") for item in bridges(network)]
        )
    yield from overlaps(stated)
    yield from overlaps(list(node_subnets(network)))
    yield from overlaps([(item, at, f"subnet.env of {node}") for item, at, node in files])
    for item, at, name in files:
        node = node_of(network, name)
        mine = [one for one in node.pod_cidrs if one.family == item.family] if node else []
        if node is not None and mine and not any(one.covers(item) for one in mine):
            yield RULE.finding(
                at,
                f"flannel on {name} uses {item}, but the pod network of Node {node.name} is {mine[0]}",
                related=[(node.place("spec", "podCIDRs", 0), f"{mine[0]}")],
                help=f"on {name}: remove /run/flannel/subnet.env and the pods' bridge, restart flannel and recreate the pods",
            )


def bridges(network: Network) -> list[OnLink]:
    """The networks of the nodes' bridges for pods."""
    return [item for item in on_link(network) if item.interface.device in BRIDGES]


def subnet_files(network: Network) -> Iterator[tuple[Prefix, Span, str]]:
    """The subnets in flannel's files, with the nodes."""
    for name, files in sorted(network.files.items()):
        for key, value in files.subnet_file.values if files.subnet_file else ():
            found = prefix(value) if key in ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET") else None
            if found is not None and files.subnet_file is not None:
                yield found, files.subnet_file.at, name


def overlaps(items: list[tuple[Prefix, Span, str]]) -> Iterator[Finding]:
    """Pairs that overlap, found side by side once the networks are sorted."""
    ranked = sorted(items, key=lambda item: (item[0].family, item[0].value, -item[0].last, item[1]))
    for position, (wide, place, owner) in enumerate(ranked):
        for other, at, name in ranked[position + 1 :]:
            if not wide.overlaps(other):
                break
            if name != owner:
                yield RULE.finding(
                    at,
                    f"the pod network {other} of {name} overlaps {wide} of {owner}",
                    related=[(place, f"{wide} of {owner}")],
                    help=REMEDY,
                )


RULE = Rule("node-pod-networks-overlap", Severity.ERROR, __doc__, check, follows=("flannel-subnet-file-stale",))
