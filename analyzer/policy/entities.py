"""Who can be an end of a flow: pods (of the cluster, or that a workload would make), nodes, and addresses outside.

A workload without captured pods stands for its pods: its template gives their labels and ports (``Entity.replicas`` of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address, Prefix
from analyzer.policy.terms import Kind
from analyzer.source import Span


class NamedPort(NamedTuple):
    """A port that a pod's containers declare under a name."""

    name: str
    protocol: int
    port: int


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """One end of a flow; compared by identity of the object.

    ``name`` is ``ns/pod``, ``ns/name[Deployment]`` for the pods that a workload would make, ``node:name``, or an address.
    ``labels`` are the pod's or the node's; ``node_labels`` those of the node that a HOST entity is, or runs on, None where the node is not
    known. ``blocks`` are the addresses of an OUTSIDE entity, of each family, all of which policies treat alike. Without any
    ``addresses`` it is not known which a pod or a node has. ``replicas``: how many pods it stands for, where it stands for several.
    ``ports`` have names for policies and services, ``served`` for services only (of pods in their node's network).
    ``asked``: the service by which it is reached, where a flow goes through one. ``made``: labels that controllers will give the pods and whose values
    nobody knows yet, with whether they do so for sure.
    """

    name: str
    kind: Kind
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    account_labels: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    node_labels: Mapping[str, str] | None = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    blocks: tuple[Prefix, ...] = ()
    ports: tuple[NamedPort, ...] = ()
    served: tuple[NamedPort, ...] = ()
    workload: tuple[str, str] = ("", "")
    host_network: bool = False
    replicas: int = 1
    asked: str = ""
    made: Mapping[str, bool] = field(default_factory=dict)
    at: Span | None = field(default=None, repr=False)

    @property
    def pod_name(self) -> str:
        """The name without the namespace."""
        return self.name.partition("/")[2] if self.namespace else self.name.removeprefix("node:")


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow towards a destination's port, after services have been resolved. For ICMP the port is ``type * 256 + code``."""

    family: int
    protocol: int
    port: int
    source_port: int = 40000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sender asks for when it asks for a service: an entity that has the service's address, and the flow to the service's own port."""

    entity: Entity
    flow: Flow
