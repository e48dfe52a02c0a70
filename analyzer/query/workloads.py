"""What manifests ask for: the pods and pod templates of the input with their containers and ports, services, and what routes to services.

Values of documents may be of any type: what is not of the type that the API has is passed over here, and told by the rules about schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact, PodFact, ServiceFact, ServicePort
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.world import MADE_BY, pod_template, replicas_of, templates
from analyzer.source import Span

__all__ = [
    "PROTOCOLS",
    "Key",
    "ObjectFact",
    "OtherObjectFact",
    "PodFact",
    "Port",
    "ServiceFact",
    "ServicePort",
    "Template",
    "by_steps",
    "captured",
    "is_number",
    "listed",
    "mapping",
    "matches",
    "others",
    "pods",
    "pods_wanted",
    "populated",
    "selected",
    "workload",
    "workloads",
]

Key = str | int
# What controllers add to the labels of a template (pkg/controller/statefulset, deployment, job, daemon).
ADDED = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
PROTOCOLS = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a container declares; ``host_port`` 0 where none is asked for."""

    container: str
    name: str
    number: int
    protocol: str
    host_port: int
    host_address: str
    at: Span


@dataclass(frozen=True)
class Template:
    """A pod, or the pods that a workload would make. ``path`` leads to the pod's specification in ``owner``; ``replicas``: how many there will be
    (None: one on each node)."""

    owner: ObjectFact
    path: tuple[Key, ...]
    labels: Mapping[str, str]
    replicas: int | None

    @property
    def namespace(self) -> str:
        """The namespace, ``default`` where none is said."""
        return self.owner.namespace or "default"

    def __str__(self) -> str:
        return f"{self.owner.kind} {self.namespace}/{self.owner.name}"

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """The pod's specification."""
        found: Any = self.owner.document
        for key in self.path:
            found = mapping(found).get(str(key))
        return mapping(found)

    def place(self, *path: Key) -> Span:
        """The place of a value in the pod's specification, or of the nearest around it."""
        return self.owner.place(*self.path, *path)

    @property
    def host_network(self) -> bool:
        """Whether it shares its node's network."""
        return self.spec.get("hostNetwork") is True

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """The ports of the containers that run beside each other: the init containers that go on running (``restartPolicy: Always``) too."""
        return tuple(self.ports_of("containers")) + tuple(self.ports_of("initContainers"))

    def ports_of(self, key: str) -> Iterator[Port]:
        """The ports of a list of containers."""
        for number, container in enumerate(listed(self.spec.get(key))):
            if key == "initContainers" and mapping(container).get("restartPolicy") != "Always":
                continue
            for index, item in enumerate(listed(mapping(container).get("ports"))):
                port = mapping(item)
                if is_number(port.get("containerPort")):
                    yield Port(
                        str(mapping(container).get("name") or ""),
                        str(port.get("name") or ""),
                        port["containerPort"],
                        str(port.get("protocol") or "TCP"),
                        port["hostPort"] if is_number(port.get("hostPort")) else 0,
                        str(port.get("hostIP") or ""),
                        self.place(key, number, "ports", index),
                    )


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def is_number(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def pods_wanted(network: Network) -> tuple[Template, ...]:
    """The pods that are not finished, and the workloads whose pods are not in the input."""
    return (*pods(network.cluster), *workloads(network.cluster))


def pods(cluster: Cluster) -> Iterator[Template]:
    """The pods that are not finished."""
    for _, fact in sorted(cluster.pods.items()):
        if not fact.finished:
            yield Template(fact, ("spec",), fact.labels, 1)


def workloads(cluster: Cluster) -> Iterator[Template]:
    """The workloads, without those whose pods are in the input."""
    made = {(fact.namespace, *fact.owner) for fact in cluster.pods.values() if fact.owner}
    for item in templates(cluster):
        if not any((item.namespace, kind, item.name) in made for kind in (item.kind,)) and not by_steps(item, made):
            yield workload(item)


def by_steps(item: OtherObjectFact, made: set[tuple[str, str, str]]) -> bool:
    """Whether pods of the input were made by what the workload made: a Deployment's ReplicaSet is named after it."""
    steps = [kind for kind, owner in MADE_BY.items() if owner == item.kind]
    return any(
        namespace == item.namespace and kind in steps and name.rpartition("-")[0] == item.name for namespace, kind, name in made
    )


def workload(item: OtherObjectFact) -> Template:
    """The pods that a workload would make."""
    template = pod_template(item) or {}
    labels = mapping(mapping(template.get("metadata")).get("labels"))
    before: tuple[Key, ...] = ("spec", "jobTemplate") if item.kind == "CronJob" else ()
    replicas = None if item.kind == "DaemonSet" else replicas_of(item)
    texts = {str(key): value for key, value in labels.items() if isinstance(value, str)}
    return Template(item, (*before, "spec", "template", "spec"), texts, replicas)


def by_namespace(wanted: Iterable[Template]) -> dict[str, list[Template]]:
    """The pods of each namespace."""
    found: dict[str, list[Template]] = {}
    for item in wanted:
        found.setdefault(item.namespace, []).append(item)
    return found


def selected(service: ServiceFact, wanted: Mapping[str, list[Template]]) -> list[Template]:
    """The pods, given by namespace, that a service's selector matches; none where it has no selector."""
    here, selector = wanted.get(service.namespace or "default", []), service.selector
    return [item for item in here if matches(selector, item)] if selector else []


def matches(selector: Mapping[str, str], item: Template) -> bool:
    """Whether a selector matches a pod, or some pod of a workload: labels that controllers add to each pod are taken to fit."""
    return all(item.labels.get(key) == value or (key in ADDED and item.path != ("spec",)) for key, value in selector.items())


def populated(network: Network, namespace: str) -> bool:
    """Whether the input holds pods of the namespace, so that a selector that matches none of them is likely to be wrong and not only early."""
    return any(item.namespace == (namespace or "default") for item in pods_wanted(network))


def others(network: Network, *kinds: str) -> Iterator[OtherObjectFact]:
    """The further objects of some kinds."""
    return (item for item in network.cluster.others if item.kind in kinds)


def captured(network: Network) -> bool:
    """Whether the input is of a running cluster, whose own objects say what its services lead to."""
    return bool({"EndpointSlice", "Endpoints"} & network.cluster.known)
