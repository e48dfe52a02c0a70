"""The cluster as wanted: Kubernetes objects by kind, and the address plan that they state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.addresses import Prefix
from analyzer.facts.clouds import CloudInterfaceFact, CloudRouteFact, NameFact, SecurityGroupFact
from analyzer.facts.kubernetes import (
    ConfigMapFact,
    EndpointsFact,
    NodeFact,
    ObjectFact,
    OtherObjectFact,
    PodFact,
    RepeatedKeyFact,
    ServiceFact,
)
from analyzer.model.listed import Listed
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Range:
    """An address range with a purpose, and where it is said: ``pod`` or ``service`` network of the cluster, ``join`` (a system's inner network)
    or ``balancer`` (addresses for load balancers). ``system`` is the network system whose own configuration says so."""

    purpose: str
    prefix: Prefix
    at: Span
    said_by: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a system's configuration (``kubernetes`` for the control plane's): which, as it is written, and where it is said."""

    system: str
    key: str
    value: str
    at: Span = field(compare=False, repr=False)
    said_by: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The objects of the capture. Pods and services by (namespace, name). ``known`` holds the kinds of objects that were captured
    (``Pod``, ``Service`` …), so that an empty list can be told from a missing one. ``doubles``: what other texts say of the same objects. ``names``, ``security_groups``, ``cloud_interfaces`` and
    ``cloud_routes`` are said outside of objects. ``repeated``: keys that objects have twice. ``listed``: what listings say of objects that are not there whole, which stand in no other field."""

    nodes: Mapping[str, NodeFact] = field(default_factory=dict)
    pods: Mapping[tuple[str, str], PodFact] = field(default_factory=dict)
    services: Mapping[tuple[str, str], ServiceFact] = field(default_factory=dict)
    endpoints: Mapping[tuple[str, str], tuple[EndpointsFact, ...]] = field(default_factory=dict)
    config_maps: Mapping[tuple[str, str], ConfigMapFact] = field(default_factory=dict)
    others: tuple[OtherObjectFact, ...] = ()
    doubles: tuple[ObjectFact, ...] = ()
    ranges: tuple[Range, ...] = ()
    known: frozenset[str] = frozenset()
    settings: tuple[Setting, ...] = ()
    names: tuple[NameFact, ...] = ()
    security_groups: tuple[SecurityGroupFact, ...] = ()
    cloud_interfaces: tuple[CloudInterfaceFact, ...] = ()
    cloud_routes: tuple[CloudRouteFact, ...] = ()
    listed: Listed = field(default_factory=Listed)
    repeated: tuple[RepeatedKeyFact, ...] = ()
