"""What asks for pods: workloads with their templates, and pods that nothing captured has made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from analyzer.facts.kubernetes import NodeFact, ObjectFact, PodFact
from analyzer.model.embedded import Path
from analyzer.model.network import Network
from analyzer.query.once import Whole
from analyzer.query.state import pods_by_name
from analyzer.source import Span

TEMPLATE: Mapping[str, Path] = {
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that are asked for. ``count``: how many at a time (of a DaemonSet: one on each node; of a CronJob and a Job that has ended: none); ``pods``: those that are there. ``annotations``
    and ``spec`` are the template's; ``path`` leads from the object to the template, and ``fact`` is the object."""

    kind: str
    namespace: str
    name: str
    count: int
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    fact: ObjectFact = field(compare=False, repr=False)
    path: Path = ()
    pods: tuple[PodFact, ...] = ()

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def host_network(self) -> bool:
        """Whether its pods use their nodes' addresses."""
        return self.spec.get("hostNetwork") is True

    def annotation_place(self, key: str) -> Span:
        """The place of an annotation."""
        return self.fact.place(*self.path, "metadata", "annotations", key)


def workloads(network: Network) -> tuple[Workload, ...]:
    """All that asks for pods, by namespace, kind and name. A pod whose owner was captured belongs to that; finished pods ask for nothing."""
    return found_in(Whole(network))


@lru_cache(maxsize=1)
def found_in(whole: Whole) -> tuple[Workload, ...]:
    """The same, once for all who ask."""
    network = whole.network
    made = {(item.namespace or "default", item.kind, item.name): item for item in network.cluster.others if item.kind in TEMPLATE}
    pods: dict[tuple[str, str, str], list[PodFact]] = {}
    found = []
    for pod in pods_by_name(network):
        owner = owner_of(pod, made)
        if owner is not None:
            pods.setdefault(owner, []).append(pod)
        elif not pod.finished:
            found.append(of_pod(pod))
    for key, item in made.items():
        if not owned(item, made):
            found.append(of_workload(item, tuple(pods.get(key, ())), sum(map(untainted, network.cluster.nodes.values()))))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.kind, one.name)))


def owned(item: ObjectFact, made: Mapping[tuple[str, str, str], ObjectFact]) -> bool:
    """Whether another captured workload has made this one."""
    return any(key in made for key in owners(item))


def owners(item: ObjectFact) -> Iterator[tuple[str, str, str]]:
    """The owners that an object names."""
    references = mapping(item.document.get("metadata")).get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, Mapping):
            yield item.namespace or "default", str(reference.get("kind")), str(reference.get("name"))


def owner_of(pod: PodFact, made: Mapping[tuple[str, str, str], ObjectFact]) -> tuple[str, str, str] | None:
    """The outermost captured workload that a pod belongs to; a ReplicaSet that is not there stands for its Deployment."""
    for key in owners(pod):
        for _ in range(3):
            above = next((one for one in owners(made[key]) if one in made), None) if key in made else None
            if above is None:
                break
            key = above
        if key in made:
            return key
        namespace, kind, name = key
        deployment = (namespace, "Deployment", name.rpartition("-")[0])
        if kind == "ReplicaSet" and deployment in made:
            return deployment
    return None


def of_pod(pod: PodFact) -> Workload:
    """A pod by itself."""
    spec = mapping(pod.document.get("spec"))
    return Workload("Pod", pod.namespace, pod.name, 1, pod.annotations, pod.labels, spec, pod, (), (pod,))


def of_workload(item: ObjectFact, pods: tuple[PodFact, ...], nodes: int) -> Workload:
    """A workload: 1 pod where it does not say how many (apps/v1 and batch/v1 defaults)."""
    spec = mapping(item.document.get("spec"))
    template: Any = item.document
    for part in TEMPLATE[item.kind]:
        template = mapping(template).get(str(part))
    if item.kind == "CronJob":
        spec = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    key = "parallelism" if item.kind in ("Job", "CronJob") else "replicas"
    number = spec.get(key)
    count = number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else 1
    status = mapping(item.document.get("status"))
    if item.kind == "CronJob" or (item.kind == "Job" and (status.get("completionTime") or status.get("succeeded"))):
        count = 0
    metadata = mapping(mapping(template).get("metadata"))
    return Workload(
        item.kind,
        item.namespace or "default",
        item.name,
        wanted_on(item, nodes) if item.kind == "DaemonSet" else count,
        texts(metadata.get("annotations")),
        texts(metadata.get("labels")),
        mapping(mapping(template).get("spec")),
        item,
        TEMPLATE[item.kind],
        pods,
    )


def untainted(node: NodeFact) -> bool:
    """Whether a node takes any pod."""
    return not mapping(node.document.get("spec")).get("taints")


def wanted_on(item: ObjectFact, nodes: int) -> int:
    """On how many nodes a DaemonSet wants a pod: as its status says, else on all that take any pod, unless its template narrows that."""
    told = mapping(item.document.get("status")).get("desiredNumberScheduled")
    if isinstance(told, int) and not isinstance(told, bool):
        return told
    spec = mapping(mapping(mapping(item.document.get("spec")).get("template")).get("spec"))
    return 0 if spec.get("nodeSelector") or spec.get("affinity") else nodes


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def texts(value: object) -> Mapping[str, str]:
    """The texts of a mapping."""
    return {str(key): item for key, item in mapping(value).items() if isinstance(item, str)}
