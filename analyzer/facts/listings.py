"""What tables of ``kubectl get`` and texts of ``kubectl describe`` say of objects: less than the objects do, so that none of these stands for one.

What a text does not show is None (labels, names of ports) or empty (namespaces, policies of traffic), and never the API's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Fact):
    """An object by its name. ``namespace`` is empty where the text does not say it, or the kind has none."""

    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodListing(Listing):
    """A pod that has an address and a node. A table shows the first address only. ``host_address``: the node's, where the text says it."""

    node: str
    addresses: tuple[Address, ...]
    host_address: Address | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeListing(Listing):
    """A node and its internal addresses, of which a table shows the first only."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class ListedPort:
    """A port of a service: protocol by number; ``name`` is None where it is not shown. ``endpoints`` are those that are ready (address, port); None where
    they are not shown, or not all."""

    protocol: int
    port: int
    name: str | None = None
    endpoints: tuple[tuple[Address, int], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceListing(Listing):
    """A service with addresses in the cluster, of which a table shows the first only. ``internal_policy`` is empty where it is not shown."""

    cluster_addresses: tuple[Address, ...]
    ports: tuple[ListedPort, ...]
    internal_policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsListing(Listing):
    """The ready endpoints of an Endpoints object, all of them: address, port and the port's name and protocol, None where it is not shown."""

    endpoints: tuple[tuple[Address, int, str | None, int | None], ...]
