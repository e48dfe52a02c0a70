"""The pods that workloads would make, where their controllers give them labels that policies or services look at.

A StatefulSet's pods have fixed names (``NAME-ORDINAL``), and each its name and ordinal as labels (pkg/controller/statefulset/stateful_set_utils.go,
newStatefulSetPod and updateIdentity); a Job's pods have the Job's name as labels (pkg/registry/batch/job/strategy.go, generateSelector). Of other labels
the values are known only when the pods are there: the Job's of a CronJob, identities, hashes of revisions (pkg/controller/deployment/sync.go,
pkg/controller/daemon/util/daemonset_util.go CreatePodTemplate) and indexes of completions (pkg/controller/job/job_controller.go, with PodIndexLabel, since 1.28).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
HASH, REVISION, GENERATION = "pod-template-hash", "controller-revision-hash", "pod-template-generation"
JOB_IDENTITIES = ("controller-uid", "batch.kubernetes.io/controller-uid")
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
JOB_NAMES = ("job-name", "batch.kubernetes.io/job-name")
# Beyond so many, the pods of a StatefulSet stay one.
MOST = 100


def job_labels(item: OtherObjectFact, spec: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that every pod of a Job has besides its template's."""
    if item.kind != "Job" or spec.get("manualSelector") is True:
        return {}
    return dict.fromkeys(JOB_NAMES, item.name)


def unknown_labels(item: OtherObjectFact, spec: Mapping[str, Any]) -> Mapping[str, bool]:
    """The labels that a workload's pods will have with values that nobody knows yet; True: for sure, False: where the version has them."""
    if not item.api_version.startswith(("apps/", "batch/")):
        return {}
    job = mapping(mapping(spec.get("jobTemplate")).get("spec")) if item.kind == "CronJob" else spec
    match item.kind:
        case "Deployment":
            return {HASH: True}
        case "DaemonSet":
            return {REVISION: True, GENERATION: False}
        case "StatefulSet":
            return {REVISION: True, POD_NAME: True, POD_INDEX: False}
        case "Job" | "CronJob" if job.get("manualSelector") is not True:
            names = JOB_NAMES if item.kind == "CronJob" else ()
            return {**dict.fromkeys((*names, *JOB_IDENTITIES), True), **completions(job)}
        case "Job":
            return completions(job)
        case _:
            return {}


def completions(job: Mapping[str, Any]) -> Mapping[str, bool]:
    """The label of the pods of an indexed Job."""
    return {COMPLETION_INDEX: False} if job.get("completionMode") == "Indexed" else {}


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def told_apart(cluster: Cluster) -> bool:
    """Whether services or policies look at the labels by which the pods of one StatefulSet differ."""
    if any(not {POD_NAME, POD_INDEX}.isdisjoint(service.selector or ()) for service in cluster.services.values()):
        return True
    policies = (repr(item.document) for item in cluster.others if item.kind.endswith("Policy"))
    return any(POD_NAME in text or POD_INDEX in text for text in policies)


def ordinals(
    item: OtherObjectFact, spec: Mapping[str, Any], count: int, cluster: Cluster
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The names of a StatefulSet's pods (apps/v1 StatefulSetOrdinals: from ``start`` on), and what labels each has of its own; none where they are too
    many, or a name is another pod's."""
    start = spec["ordinals"].get("start", 0) if isinstance(spec.get("ordinals"), dict) else 0
    if (
        item.kind != "StatefulSet"
        or not item.api_version.startswith("apps/")
        or not 0 < count <= MOST
        or not isinstance(start, int)
    ):
        return
    numbers = range(start, start + count)
    names = [f"{item.name}-{number}" for number in numbers]
    if any((item.namespace or "default", name) in cluster.pods for name in names):
        return
    for number, name in zip(numbers, names, strict=True):
        yield name, {POD_NAME: name, POD_INDEX: str(number)}
