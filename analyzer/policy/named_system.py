"""The network system that settings name: it stands among the objects, as one of a kind of its own, so that whoever reads them knows it."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster

NAMED_SYSTEM = ("analyzer/v1", "NetworkSystem")


def systems_named(cluster: Cluster) -> Iterator[OtherObjectFact]:
    """The objects by which systems are named."""
    return (item for item in cluster.others if (item.api_version, item.kind) == NAMED_SYSTEM)
