"""A workload's selector matches the pods of another workload too.

## What it finds
A Deployment, ReplicaSet, ReplicationController or StatefulSet whose selector matches the pod template of another workload of its namespace. Two DaemonSets that share
labels, one for each kind of node, are left out: nothing counts their pods by labels. So are workloads of no replicas.

## Why it matters
What counts the workload's pods by its selector counts the other's too: a HorizontalPodAutoscaler takes its averages over both, `kubectl logs` and `kubectl exec` pick a pod of
either, and a service or a policy cannot tell them apart by these labels. ReplicaSets and pods that lose their owner are taken over by the wrong one.

## Example
    selector: {matchLabels: {app: shop}}      # in the Deployments web and api, whose pods both have app: shop

## How to mend
Give each workload a label of its own, in its selector and in its template. A selector cannot be changed later (apps/v1): the workload is deleted and made anew.

## Sources
Kubernetes documentation "Deployments" (Selector: do not overlap labels or selectors with other controllers); pkg/controller/podautoscaler/replica_calculator.go (lists pods by the
selector of the scale subresource); pkg/controller/controller_ref_manager.go (adoption of what matches and has no owner). A canary with a label of its own in both selectors does not overlap.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.workloads import ADDED, Template, every_workload, listed, mapping
from analyzer.rule import Finding, Network, Rule, Severity

KINDS = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
Labels = Mapping[str, str]


def check(network: Network) -> Iterator[Finding]:
    there = [
        item
        for item in every_workload(network.cluster)
        if item.owner.kind in (*KINDS, "DaemonSet", "Job", "CronJob") and item.replicas != 0
    ]
    by_label: dict[tuple[str, str, str], list[Template]] = {}
    for item in there:
        for key, value in item.labels.items():
            by_label.setdefault((item.namespace, key, value), []).append(item)
    for one in there:
        for other in selected(one, by_label):
            if not (one in selected(other, by_label) and one.owner.at < other.owner.at):
                yield found(one, other)


def found(one: Template, other: Template) -> Finding:
    """What is to be said of a workload whose selector matches another's pods."""
    return RULE.finding(
        one.owner.place("spec", "selector"),
        f"the selector of {one} matches the pods of {other} too",
        related=[(other.owner.place(*other.path[:-1], "metadata", "labels"), f"the pods of {other}")],
        help="give each a label of its own, in its selector and in its template",
    )


def selected(one: Template, by_label: Mapping[tuple[str, str, str], list[Template]]) -> list[Template]:
    """The other workloads whose pods a workload's selector matches, by the rarest of its labels."""
    labels = wanted_labels(one)
    if one.owner.kind not in KINDS or not labels or labels.keys() & ADDED:
        return []
    near = min((by_label.get((one.namespace, *pair), []) for pair in sorted(labels.items())), key=len)
    return [other for other in near if other.owner is not one.owner and fits(one, labels, other.labels)]


def wanted_labels(one: Template) -> Labels:
    """The labels that a workload's selector asks for with their values; a ReplicationController's own are its template's where it gives none."""
    selector = mapping(mapping(one.owner.document.get("spec")).get("selector"))
    if one.owner.kind == "ReplicationController":
        return {str(key): str(value) for key, value in selector.items()} or one.labels
    return {str(key): str(value) for key, value in mapping(selector.get("matchLabels")).items()}


def fits(one: Template, labels: Labels, other: Labels) -> bool:
    """Whether the selector matches some labels."""
    selector = mapping(mapping(one.owner.document.get("spec")).get("selector"))
    more = [] if one.owner.kind == "ReplicationController" else listed(selector.get("matchExpressions"))
    return labels.items() <= other.items() and all(holds(mapping(item), other) for item in more)


def holds(item: Mapping[str, object], labels: Labels) -> bool:
    """Whether an expression is true of labels (apimachinery pkg/labels, Requirement.Matches); one that cannot be read is not."""
    key, values = str(item.get("key")), listed(item.get("values"))
    match item.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values and key not in ADDED
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels and key not in ADDED
        case _:
            return False


RULE = Rule("workload-selectors-overlap", Severity.WARNING, __doc__, check)
