"""What OVN-Kubernetes writes on nodes (ovn-org/ovn-kubernetes go-controller/pkg/util/subnet_annotations.go)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from analyzer.addresses import Prefix
from analyzer.model.network import Network
from analyzer.query.refusals import network_in
from analyzer.source import Span

SUBNETS = "k8s.ovn.org/node-subnets"
NETWORK = "default"


def node_subnets(network: Network) -> Iterator[tuple[Prefix, Span, str]]:
    """The pod networks of nodes in the cluster's own network, each with its place and whose it is: a list, in older versions one text."""
    for node in network.cluster.nodes.values():
        text = node.annotations.get(SUBNETS, "")
        for item in told(text) if text else ():
            found = network_in(item)
            if found is not None:
                yield found, node.place("metadata", "annotations", SUBNETS), f"Node {node.name}"


def told(text: str) -> list[Any]:
    """The networks of the default network in the annotation; nothing where it cannot be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    value = found.get(NETWORK) if isinstance(found, dict) else None
    return value if isinstance(value, list) else [value]
