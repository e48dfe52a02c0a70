"""The cluster as it would be after edits: each edit is a function from objects to objects; nothing of the input is changed.

An object that an edit makes or alters has the edit as its place (``(label shop/web app=x):1``), but what came from a file keeps its places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analyzer.facts.kubernetes import ConfigMapFact, EndpointsFact, NodeFact, ObjectFact, OtherObjectFact, PodFact, ServiceFact
from analyzer.model.cluster import Cluster
from analyzer.parsers import read
from analyzer.parsers.kubernetes import PARSER
from analyzer.policy.world import controller_of, pod_template
from analyzer.query.whatif.edits import Apply, Delete, Edit, EditError, Label, Move, NewPod, NodeRun, Object, Scale, place_of
from analyzer.source import Gap

Objects = list[ObjectFact]
IN_TEMPLATE = ("spec", "template", "metadata", "labels")
IN_JOB_TEMPLATE = ("spec", "jobTemplate", *IN_TEMPLATE)


@dataclass(frozen=True, slots=True)
class Edited:
    """The cluster after the edits, and what of the applied texts could not be read."""

    cluster: Cluster
    gaps: tuple[Gap, ...] = ()


def edited(cluster: Cluster, edits: Iterable[Edit]) -> Edited:
    """Makes the edits in their order; those of node state are left to ``node_edits``. EditError where an edit does not fit the input."""
    objects, gaps = list(objects_of(cluster)), []
    for edit in edits:
        if isinstance(edit, Apply):
            found = list(read(PARSER, edit.source))
            gaps += [item for item in found if isinstance(item, Gap)]
            objects = applied(objects, [item for item in found if isinstance(item, ObjectFact)], edit)
        elif not isinstance(edit, NodeRun):
            objects = made(objects, edit)
    return Edited(cluster_of(objects, cluster), tuple(gaps))


def made(objects: Objects, edit: Delete | Label | Scale | Move | NewPod) -> Objects:
    """Makes one edit. A namespace that has no object, but that things are in, gets one."""
    if not isinstance(edit, NewPod) and edit.target.is_of("Namespace"):
        objects = with_namespace(objects, edit.target)
    match edit:
        case Delete(target):
            gone = {id(item) for item in with_content(objects, targets(objects, target))}
            return [item for item in objects if id(item) not in gone]
        case Label(target, labels):
            return labelled(objects, target, labels)
        case Scale(target, replicas):
            return scaled(objects, target, replicas, edit)
        case Move(target, namespace):
            moving = {id(item) for item in with_content(objects, targets(objects, target)) if item.namespace}
            return [moved(item, namespace) if id(item) in moving else item for item in objects]
        case NewPod(namespace, name, pod_labels):
            if any(isinstance(item, PodFact) and (item.namespace, item.name) == (namespace, name) for item in objects):
                raise EditError(f"{edit}: there is a pod of this name in the input")
            return [*objects, new_pod(namespace, name, pod_labels, edit)]


def objects_of(cluster: Cluster) -> Iterator[ObjectFact]:
    """All objects."""
    for group in (cluster.nodes, cluster.pods, cluster.services, cluster.config_maps):
        yield from group.values()
    for slices in cluster.endpoints.values():
        yield from slices
    yield from cluster.others


def cluster_of(objects: Iterable[ObjectFact], before: Cluster) -> Cluster:
    """The cluster of the objects; the ranges that were stated stay."""
    nodes: dict[str, NodeFact] = {}
    pods: dict[tuple[str, str], PodFact] = {}
    services: dict[tuple[str, str], ServiceFact] = {}
    endpoints: dict[tuple[str, str], list[EndpointsFact]] = {}
    maps: dict[tuple[str, str], ConfigMapFact] = {}
    others: list[OtherObjectFact] = []
    for item in objects:
        match item:
            case NodeFact():
                nodes[item.name] = item
            case PodFact():
                pods[item.namespace, item.name] = item
            case ServiceFact():
                services[item.namespace, item.name] = item
            case EndpointsFact():
                endpoints.setdefault((item.namespace, item.service), []).append(item)
            case ConfigMapFact():
                maps[item.namespace, item.name] = item
            case OtherObjectFact():
                others.append(item)
            case _:
                pass
    slices = {key: tuple(found) for key, found in sorted(endpoints.items())}
    kinds = before.known | {item.kind for item in others} | {kind for kind, found in (("Pod", pods), ("Node", nodes)) if found}
    return replace(
        before,
        nodes=dict(sorted(nodes.items())),
        pods=dict(sorted(pods.items())),
        services=dict(sorted(services.items())),
        endpoints=slices,
        config_maps=dict(sorted(maps.items())),
        others=tuple(others),
        known=kinds,
    )


def applied(objects: Objects, found: Objects, edit: Edit) -> Objects:
    """The objects with those that are applied; each in the place of the one of its name."""
    if not found:
        raise EditError(f"{edit}: there is no Kubernetes object in it")
    fresh: dict[tuple[str, str, str, str], Objects] = {}
    for item in found:
        fresh.setdefault(key_of(item), []).append(item)
    result: Objects = []
    for item in objects:
        key = key_of(item)
        if key not in fresh:
            result.append(item)
        elif fresh[key]:
            result += fresh[key]
            fresh[key] = []
    return [*result, *(item for group in fresh.values() for item in group)]


def key_of(item: ObjectFact) -> tuple[str, str, str, str]:
    """What makes two texts one object: the group without its version, kind, namespace and name."""
    return item.api_version.rpartition("/")[0], item.kind, item.namespace, item.name


def targets(objects: Objects, target: Object) -> Objects:
    """The objects of a name; EditError where there are none."""
    found = [
        item for item in objects if item.name == target.name and item.namespace == target.namespace and target.is_of(item.kind)
    ]
    if not found:
        raise EditError(f"there is no {target} in the input{near(objects, target)}")
    return found


def near(objects: Objects, target: Object) -> str:
    """What the name may have meant."""
    same = sorted(f"{item.kind}/{item.namespace}/{item.name}" for item in objects if item.name == target.name)
    return f": did you mean {' or '.join(dict.fromkeys(same[:3]))}?" if same else ""


def with_content(objects: Objects, found: Objects) -> Iterator[ObjectFact]:
    """The objects, with all that is in them where they are namespaces, and the pods and sets that they made where they are workloads."""
    namespaces = {item.name for item in found if item.kind == "Namespace"}
    these = {id(item) for item in found}
    owned: dict[tuple[str, str, str], Objects] = {}
    for item in objects:
        for owner in owners(item):
            owned.setdefault((item.namespace, *owner), []).append(item)
        if id(item) in these or item.namespace in namespaces:
            yield item
    waiting = [(item.namespace, item.kind, item.name) for item in found]
    while waiting:
        for item in owned.pop(waiting.pop(), ()):
            waiting.append((item.namespace, item.kind, item.name))
            yield item


def owners(item: ObjectFact) -> Iterator[tuple[str, str]]:
    """Whose an object is: what its owner reference says, and the Deployment that a ReplicaSet's name is made of."""
    owner = item.owner if isinstance(item, PodFact) else controller_of(item)
    if owner is not None:
        yield owner
        suffix = item.labels.get("pod-template-hash", "")
        if isinstance(item, PodFact) and owner[0] == "ReplicaSet" and suffix and owner[1].endswith(f"-{suffix}"):
            yield "Deployment", owner[1].removesuffix(f"-{suffix}")


def with_namespace(objects: Objects, target: Object) -> Objects:
    """The objects with that of a namespace."""
    known = any(item.kind == "Namespace" and item.name == target.name for item in objects)
    return objects if known or not any(item.namespace == target.name for item in objects) else [*objects, namespace(target.name)]


def labelled(objects: Objects, target: Object, labels: Mapping[str, str | None]) -> Objects:
    """Sets labels: of a workload those of its template and of its pods."""
    found = targets(objects, target)
    marked = {id(item) for item in found}
    if any(pod_template(item) for item in found if isinstance(item, OtherObjectFact)):
        marked |= {id(item) for item in with_content(objects, found)}
    return [with_labels(item, labels) if id(item) in marked else item for item in objects]


def namespace(name: str) -> OtherObjectFact:
    """A namespace that things are in, as the API server has it."""
    at = place_of(Label(Object("Namespace", "", name), {}))
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    return OtherObjectFact(at=at, api_version="v1", kind="Namespace", name=name, document=document)


def with_labels(item: ObjectFact, labels: Mapping[str, str | None]) -> ObjectFact:
    """An object with labels set; of what has a pod template, those of the template."""
    if isinstance(item, OtherObjectFact) and pod_template(item) is not None:
        path = IN_JOB_TEMPLATE if item.kind == "CronJob" else IN_TEMPLATE
        return replace(item, document=altered(item.document, path, labels))
    kept = {key: value for key, value in {**item.labels, **labels}.items() if value is not None}
    return replace(item, labels=kept, document=altered(item.document, ("metadata", "labels"), labels))


def altered(document: Mapping[str, Any], path: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """A document with values set at a path, taken away where they are None; what is on the way is made anew, all else shared."""
    inner = document.get(path[0]) if path else None
    if path:
        return {**document, path[0]: altered(inner if isinstance(inner, Mapping) else {}, path[1:], values)}
    return {key: value for key, value in {**document, **values}.items() if value is not None}


def scaled(objects: Objects, target: Object, replicas: int, edit: Edit) -> Objects:
    """A workload with another number of pods: of pods that are there the last go, or more come that are like the first."""
    found = targets(objects, target)
    if not any(isinstance(item, OtherObjectFact) and pod_template(item) is not None for item in found):
        raise EditError(f"{target} has no pod template: only a workload can be scaled")
    pods = sorted((item for item in with_content(objects, found) if isinstance(item, PodFact)), key=lambda item: item.name)
    gone = {id(item) for item in pods[replicas:]}
    new = [like(pods[0], f"{target.name}-new-{number}", edit) for number in range(1, replicas - len(pods) + 1)] if pods else []
    marked = {id(item) for item in found}
    kept = [with_replicas(item, replicas) if id(item) in marked else item for item in objects if id(item) not in gone]
    return [*kept, *new]


def with_replicas(item: ObjectFact, replicas: int) -> ObjectFact:
    """A workload with the number."""
    key = "parallelism" if item.kind in ("Job", "CronJob") else "replicas"
    path = ("spec", "jobTemplate", "spec") if item.kind == "CronJob" else ("spec",)
    return replace(item, document=altered(item.document, path, {key: replicas}))


def like(pod: PodFact, name: str, edit: Edit) -> PodFact:
    """A pod that is like another, not yet on a node and without an address."""
    document = altered(pod.document, ("metadata",), {"name": name})
    return replace(pod, at=place_of(edit), name=name, node="", addresses=(), document=document, places={})


def moved(item: ObjectFact, namespace: str) -> ObjectFact:
    """An object in another namespace; the namespace's own object stays."""
    return replace(item, namespace=namespace, document=altered(item.document, ("metadata",), {"namespace": namespace}))


def new_pod(namespace: str, name: str, labels: Mapping[str, str], edit: Edit) -> PodFact:
    """A pod that runs nowhere yet."""
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return PodFact(
        at=place_of(edit),
        api_version="v1",
        kind="Pod",
        name=name,
        namespace=namespace,
        labels=dict(labels),
        document={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}},
    )
