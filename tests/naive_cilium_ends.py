"""Who is at the ends of a packet by the labels of Cilium, and its selectors, read plainly: see ``naive_cilium``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from tests.naive_policy import (
    NO,
    OPEN,
    YES,
    Answers,
    End,
    Object,
    both,
    is_host,
    is_pod,
    labels_of,
    namespace_of,
    node_of,
)

Labels = dict[str, str]
NAMESPACE, ACCOUNT = "io.kubernetes.pod.namespace", "io.cilium.k8s.policy.serviceaccount"
CLUSTER, SPACE_LABELS = "io.cilium.k8s.policy.cluster", "io.cilium.k8s.namespace.labels."
NEVER_COUNTED = re.compile(r"(?!app\.kubernetes\.io)(kubernetes\.io|k8s\.io|pod-template-hash|controller-revision-hash)")
UNKNOWN = "node:?"
COUNTED_BY_SOME = re.compile(r"statefulset\.kubernetes\.io/pod-name|topology\.kubernetes\.io")


class Cilium(NamedTuple):
    """The objects, with the settings of ``cilium-config`` (None: no such ConfigMap is given)."""

    objects: list[Object]
    config: dict[str, str] | None

    def setting(self, key: str, default: str) -> str:
        return (self.config or {}).get(key, default)

    def switch(self, key: str) -> Answers:
        return OPEN if self.config is None else YES if self.config.get(key) == "true" else NO

    def of_kind(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]


class Side(NamedTuple):
    """One end as the other sees it. ``places`` are the labels it may have: a node may be the subject's own or another."""

    end: End
    labels: Labels
    places: tuple[Labels, ...]


# Who is there


def space_labels(cilium: Cilium, name: str) -> Labels:
    given = next((item for item in cilium.of_kind("Namespace") if item["metadata"]["name"] == name), None)
    return {**(labels_of(given) if given else {}), "kubernetes.io/metadata.name": name}


def own_labels(cilium: Cilium, end: End) -> Labels:
    """The labels of an end that do not depend on who looks, each with its source."""
    if end.object is None:
        return {"reserved:world": "", f"reserved:world-ipv{ip_address(end.outside).version}": ""}
    if is_host(end):
        return node_labels(cilium, end) if cilium.switch("enable-node-selector-labels") != NO else {}
    found = {f"k8s:{key}": value for key, value in labels_of(end.object).items() if not NEVER_COUNTED.match(key)}
    space = namespace_of(end.object)
    found |= {f"k8s:{SPACE_LABELS}{key}": value for key, value in space_labels(cilium, space).items()}
    account = end.object["spec"].get("serviceAccountName") or "default"
    return found | {
        f"k8s:{NAMESPACE}": space,
        f"k8s:{ACCOUNT}": account,
        f"k8s:{CLUSTER}": cilium.setting("cluster-name", "default"),
    }


def node_labels(cilium: Cilium, end: End) -> Labels:
    """The labels of the node that an end is; ``UNKNOWN`` where it is not given."""
    node = node_named_in(cilium, node_of(end))
    return {f"node:{key}": value for key, value in labels_of(node).items()} if node is not None else {UNKNOWN: ""}


def node_named_in(cilium: Cilium, name: str) -> Object | None:
    return next((item for item in cilium.of_kind("Node") if item["metadata"]["name"] == name), None)


def seen(cilium: Cilium, end: End, subject: End) -> Side:
    """An end as the subject sees it: a node is the own one or another, and both where that is not known."""
    own = own_labels(cilium, end)
    if not is_host(end):
        return Side(end, own, ({},))
    mine, theirs = {"reserved:host": ""}, {"reserved:remote-node": ""}
    if not node_of(end) or not node_of(subject):
        return Side(end, own, (mine, theirs))
    return Side(end, own, (mine if node_of(end) == node_of(subject) else theirs,))


def addresses_of(cilium: Cilium, end: End) -> list[str]:
    if end.object is None:
        return [end.outside]
    status = end.object.get("status") or {}
    if end.object["kind"] == "Node":
        return [item["address"] for item in status.get("addresses", [])]
    own = [item["ip"] for item in status.get("podIPs", [])]
    node = node_named_in(cilium, node_of(end))
    return own or (addresses_of(cilium, End(node)) if node is not None and is_host(end) else [])


# Selectors


def split(key: str) -> tuple[str, str]:
    """A key's source, "any" where none is written, and the rest."""
    source, colon, rest = key.partition(":")
    return (source, rest) if colon else ("any", key)


def found_in(labels: Labels, key: str) -> str | None:
    """The value of a label; source "any" is every source."""
    source, rest = split(key)
    for label, value in labels.items():
        if label.split(":", 1)[1] == rest and source in ("any", label.split(":", 1)[0]):
            return value
    return None


def requirements(selector: Object) -> Iterator[tuple[str, str, list[str]]]:
    for key, value in (selector.get("matchLabels") or {}).items():
        yield key, "In", [value]
    for item in selector.get("matchExpressions") or []:
        yield item["key"], item["operator"], item.get("values") or []


def holds(key: str, operator: str, values: list[str], labels: Labels) -> bool:
    value = found_in(labels, key)
    if operator == "In":
        return value is not None and value in values
    if operator == "NotIn":
        return value is None or value not in values
    return (value is not None) == (operator == "Exists")


def selects(cilium: Cilium, selector: Object, labels: Labels, part_of_identity: bool = True) -> Answers:
    """A selector against one set of labels. Labels that are there in some versions or settings only may be there or not; each requirement is
    asked by itself."""
    found = []
    for key, operator, values in requirements(selector):
        rest = split(key)[1]
        variants = [labels]
        if part_of_identity and COUNTED_BY_SOME.match(rest):
            variants.append({label: value for label, value in labels.items() if label != f"k8s:{rest}"})
        if part_of_identity and cilium.switch("enable-node-selector-labels") == OPEN:
            variants.append({label: value for label, value in labels.items() if not label.startswith("node:")})
        about_pods = rest in (NAMESPACE, ACCOUNT, CLUSTER) or rest.startswith(SPACE_LABELS)
        if UNKNOWN in labels and split(key)[0] in ("any", "node") and not about_pods:
            found.append(OPEN)
        elif part_of_identity and rest == CLUSTER and cilium.config is None and f"k8s:{NAMESPACE}" in labels:
            found.append(OPEN if operator in ("In", "NotIn") else answer(operator == "Exists"))
        else:
            found.append(frozenset(holds(key, operator, values, variant) for variant in variants))
    return both(*found)


def answer(value: bool) -> Answers:
    return YES if value else NO


def keys(selector: Object) -> list[str]:
    return [key for key, _, _ in requirements(selector)]


def endpoint(cilium: Cilium, selector: Object, side: Side, space: str) -> Answers:
    """A selector of endpoints in a rule of a policy of the namespace ("": of the cluster)."""
    written = keys(selector)
    if any(key.startswith("reserved:") for key in written) or any(split(key)[1] == NAMESPACE for key in written):
        chosen = selector
    elif not space:
        chosen = selector | {
            "matchExpressions": [*(selector.get("matchExpressions") or []), {"key": f"k8s:{NAMESPACE}", "operator": "Exists"}]
        }
    elif any(split(key)[1].startswith(SPACE_LABELS) for key in written):
        chosen = selector
    else:
        chosen = selector | {"matchLabels": {**(selector.get("matchLabels") or {}), f"k8s:{NAMESPACE}": space}}
    found = in_any_place(side, lambda labels: selects(cilium, chosen, labels))
    if is_pod(side.end) or any(key.startswith("reserved:") for key in written):
        return found
    return beyond_pods(cilium, chosen, side)


def beyond_pods(cilium: Cilium, chosen: Object, side: Side) -> Answers:
    """What is no pod has no labels that a selector could ask for. One that asks for none, as it only excludes, holds for it in releases, which is
    said to be a fault of theirs (cilium issue 46949); the label of the cluster, which nothing outside has, is asked for with a setting."""
    if any(operator in ("In", "Exists") for _, operator, _ in requirements(chosen)):
        return NO
    return NO if side.end.object is None and cilium.setting("policy-default-local-cluster", "false") == "true" else OPEN


def in_any_place(side: Side, ask) -> Answers:  # type: ignore[no-untyped-def]
    """The answers for all the labels that an end may have."""
    return frozenset(value for place in side.places for value in ask({**side.labels, **place}))
