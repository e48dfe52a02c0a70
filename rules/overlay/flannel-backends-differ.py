"""Nodes have different backends of flannel: they do not see each other.

## What it finds
Nodes whose annotation `backend-type` is another than most nodes', or than `net-conf.json` says; and nodes without `kube-subnet-manager: "true"` among others that have it.

## Why it matters
flanneld passes over nodes with another backend: there are no routes and no tunnel entries between them, in either direction.

## Example
    n1, n2: flannel.alpha.coreos.com/backend-type: vxlan          n3: host-gw

## How to mend
Restart flanneld on the nodes that have the old backend.

## Sources
flannel-io/flannel pkg/subnet/kube/kube.go (nodeToLease), pkg/backend/vxlan/vxlan_network.go (handleSubnetEvents).
"""

from collections import Counter
from collections.abc import Iterator

from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Network, Rule, Severity

PREFIX = "flannel.alpha.coreos.com/"


def check(network: Network) -> Iterator[Finding]:
    kinds = {
        name: node.annotations[f"{PREFIX}backend-type"]
        for name, node in sorted(network.cluster.nodes.items())
        if f"{PREFIX}backend-type" in node.annotations
    }
    told = settings(network, "flannel", "backend")
    usual = (
        told[0].value if told else min(Counter(kinds.values()).items(), key=lambda pair: (-pair[1], pair[0]), default=("", 0))[0]
    )
    for name, kind in kinds.items():
        node = network.cluster.nodes[name]
        if kind != usual:
            source = told[0].said_by if told else "most nodes"
            yield RULE.finding(
                node.place("metadata", "annotations", f"{PREFIX}backend-type"),
                f"{name} has flannel's backend {kind}, {source} {'says' if told else 'have'} {usual}",
                related=[(told[0].at, f"{told[0].said_by} says {usual}")] if told else [],
                help=f"restart flanneld on {name}",
            )
        elif node.annotations.get(f"{PREFIX}kube-subnet-manager") != "true" and any(
            other.annotations.get(f"{PREFIX}kube-subnet-manager") == "true" for other in network.cluster.nodes.values()
        ):
            yield RULE.finding(
                node.place("metadata", "annotations"),
                f'{name} lacks {PREFIX}kube-subnet-manager: "true": the other nodes pass over it',
            )


RULE = Rule("flannel-backends-differ", Severity.ERROR, __doc__, check)
