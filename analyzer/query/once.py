"""What is worked out once for all who ask: keys for memories, by which object they are of."""

from __future__ import annotations

from analyzer.model.cluster import Cluster
from analyzer.model.network import Network


class Identity:
    """A cluster as a key by which object it is."""

    __slots__ = ("cluster",)

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.cluster is other.cluster

    def __hash__(self) -> int:
        return id(self.cluster)


class Whole:
    """A network as a key by which object it is."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and self.network is other.network

    def __hash__(self) -> int:
        return id(self.network)
