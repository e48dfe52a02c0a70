"""Kubernetes objects: the fields that the analyzer reads, each object with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Located:
    """A text value and its place."""

    value: str
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedKeyFact(Fact):
    """A key that a mapping of an object has twice; its later value counts. ``first``: the earlier one. ``reason``: what is wrong, in words."""

    reason: str
    first: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFact(Fact):
    """What every object has. ``document`` is the whole object as plain dicts, lists and scalars, ``places`` the span of each
    value by its path, such as ``("spec", "ports", 0, "port")``. ``unsaid``: what a listing does not show of the object (``parsers/_kubectl_policies.py``)."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict, compare=False, repr=False)
    unsaid: frozenset[str] = frozenset()

    def place(self, *path: str | int) -> Span:
        """The place of a value, or of its nearest enclosing value that is there."""
        for end in range(len(path), -1, -1):
            if (span := self.places.get(path[:end])) is not None:
                return span
        return self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFact(ObjectFact):
    """A Node. ``addresses`` are (type, address) with type InternalIP or ExternalIP."""

    addresses: tuple[tuple[str, Address], ...] = ()
    pod_cidrs: tuple[Prefix, ...] = ()
    ready: bool | None = None
    network_unavailable: bool | None = None


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A declared port: protocol by number; ``host_port`` 0 when none."""

    container: str
    name: str
    port: int
    protocol: int
    host_port: int
    host_address: Address | None
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFact(ObjectFact):
    """A Pod. ``finished`` for Succeeded and Failed; ``terminating`` when it has a deletion timestamp."""

    node: str = ""
    addresses: tuple[Address, ...] = ()
    host_network: bool = False
    phase: str = ""
    finished: bool = False
    terminating: bool = False
    ready: bool | None = None
    ports: tuple[ContainerPort, ...] = ()
    owner: tuple[str, str] | None = None
    dns_policy: str = "ClusterFirst"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service: protocol by number, ``target`` a number or a name, ``node_port`` 0 when none."""

    name: str
    protocol: int
    port: int
    target: int | str
    node_port: int
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFact(ObjectFact):
    """A Service. ``cluster_addresses`` is empty for a headless service and for ExternalName, which has an ``external_name`` instead."""

    type: str = "ClusterIP"
    cluster_addresses: tuple[Address, ...] = ()
    headless: bool = False
    external_addresses: tuple[Address, ...] = ()
    load_balancer_addresses: tuple[Address, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] | None = None
    external_policy: str = "Cluster"
    internal_policy: str = "Cluster"
    affinity_seconds: int | None = None
    source_ranges: tuple[Prefix, ...] = ()
    publish_not_ready: bool = False
    health_check_port: int = 0
    external_name: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of an EndpointSlice or Endpoints object; ``ready`` as the API defaults it (absent: true)."""

    address: Address
    ready: bool
    serving: bool
    terminating: bool
    node: str
    target: tuple[str, str] | None
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsFact(ObjectFact):
    """An EndpointSlice, or one subset of an Endpoints object in the same shape. ``ports`` are (name, protocol, port; None: any port)."""

    service: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[tuple[str, int, int | None], ...] = ()
    mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapFact(ObjectFact):
    """A ConfigMap: its data with the place of each value."""

    data: Mapping[str, Located] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherObjectFact(ObjectFact):
    """Any other object (NetworkPolicy, Namespace, workloads, CRDs …): read through ``document`` and ``places``."""
