"""What manifests ask for: the pods and pod templates of the input with their containers and ports, services, and what routes to services.

Values of documents may be of any type: what is not of the type that the API has is passed over here, and told by the rules about schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from analyzer.facts.kubernetes import Located, ObjectFact, OtherObjectFact, PodFact, ServiceFact, ServicePort
from analyzer.model.cluster import Cluster
from analyzer.model.embedded import part_of
from analyzer.model.network import Network
from analyzer.policy.world import MADE_BY, pod_template, replicas_of, templates
from analyzer.query.once import Identity, Whole
from analyzer.query.state import sorted_pods
from analyzer.source import Span

__all__ = [
    "PROTOCOLS",
    "Key",
    "Located",
    "ObjectFact",
    "OtherObjectFact",
    "PodFact",
    "Port",
    "ServiceFact",
    "ServicePort",
    "Template",
    "by_steps",
    "captured",
    "every_workload",
    "is_number",
    "listed",
    "mapping",
    "matches",
    "others",
    "part_of_text",
    "pods",
    "pods_wanted",
    "populated",
    "wanted",
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
    within: Template = field(compare=False, repr=False)
    path: tuple[Key, ...]

    @property
    def at(self) -> Span:
        """The place of the port."""
        return self.within.place(*self.path)


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
                        self,
                        (key, number, "ports", index),
                    )


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def is_number(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def pods_wanted(network: Network) -> tuple[Template, ...]:
    """The pods that are not finished, and the workloads whose pods are not in the input."""
    return wanted_in(Whole(network)).every


class Wanted:
    """What ``pods_wanted`` gives, by namespace, and what selectors match of it."""

    def __init__(self, every: tuple[Template, ...]) -> None:
        self.every = every
        self.by_namespace: dict[str, list[Template]] = {}
        self.known: dict[tuple[str, frozenset[tuple[str, str]]], list[Template]] = {}
        for item in every:
            self.by_namespace.setdefault(item.namespace, []).append(item)

    def selected(self, service: ServiceFact) -> list[Template]:
        """The pods that a service's selector matches; none where it has no selector."""
        selector, namespace = service.selector, service.namespace or "default"
        if not selector:
            return []
        key = (namespace, frozenset(selector.items()))
        if key not in self.known:
            self.known[key] = [item for item in self.by_namespace.get(namespace, ()) if matches(selector, item)]
        return self.known[key]


def wanted(network: Network) -> Wanted:
    """The pods that are wanted, with memories for all who ask."""
    return wanted_in(Whole(network))


@lru_cache(maxsize=1)
def wanted_in(whole: Whole) -> Wanted:
    """The same, once for all who ask."""
    cluster = whole.network.cluster
    return Wanted((*pods(cluster), *workloads(cluster)))


def pods(cluster: Cluster) -> Iterator[Template]:
    """The pods that are not finished."""
    for fact in sorted_pods(Identity(cluster)):
        if not fact.finished:
            yield Template(fact, ("spec",), fact.labels, 1)


def workloads(cluster: Cluster) -> Iterator[Template]:
    """The workloads, without those whose pods are in the input."""
    made = {(fact.namespace, *fact.owner) for fact in cluster.pods.values() if fact.owner}
    for item in templates(cluster):
        if (item.namespace, item.kind, item.name) not in made and not by_steps(item, made):
            yield workload(item)


def every_workload(cluster: Cluster) -> Iterator[Template]:
    """The workloads, those whose pods are in the input too; not what they made themselves, as a Deployment its ReplicaSets."""
    return map(workload, templates(cluster))


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


def matches(selector: Mapping[str, str], item: Template) -> bool:
    """Whether a selector matches a pod, or some pod of a workload: labels that controllers add to each pod are taken to fit."""
    if item.path == ("spec",):
        return selector.items() <= item.labels.items()
    return all(item.labels.get(key) == value or key in ADDED for key, value in selector.items())


def populated(network: Network, namespace: str) -> bool:
    """Whether the input holds pods of the namespace, so that a selector that matches none of them is likely to be wrong and not only early."""
    return (namespace or "default") in wanted(network).by_namespace


def others(network: Network, *kinds: str) -> Iterator[OtherObjectFact]:
    """The further objects of some kinds."""
    return (item for item in network.cluster.others if item.kind in kinds)


def part_of_text(network: Network, text: Located, begin: int, end: int) -> Span:
    """The place of some characters of a ConfigMap's text."""
    return part_of(text.value, text.at, network.sources.get(text.at.path), begin, end)


def captured(network: Network) -> bool:
    """Whether the input is of a running cluster, whose own objects say what its services lead to."""
    return bool({"EndpointSlice", "Endpoints"} & network.cluster.known) and not by_hand(network.cluster)


def by_hand(cluster: Cluster) -> bool:
    """Whether somebody wrote all endpoints of the input, as manifests have them for services without a selector: a cluster has those of others too."""
    services = (cluster.services.get(key) for key, group in cluster.endpoints.items() if group)
    return not cluster.nodes and bool(cluster.endpoints) and all(one is not None and not one.selector for one in services)
