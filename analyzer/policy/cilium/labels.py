"""Labels as Cilium knows them: ``source:key``, where sources are k8s, reserved and others, and which of a pod's labels count at all.

Follows pkg/labels (GetExtendedKeyFrom), pkg/k8s/apis/cilium.io (the keys for namespaces, service accounts and clusters)
and the default filter of pkg/labelsfilter: expressions anchored at the start, the longest match wins, inclusion at equal length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.policy.terms import NOBODY, All, HasLabel, Is, Kind, LabelIn, Named, Of, Opaque, Peer, either
from analyzer.source import Span

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
CLUSTER = "io.cilium.k8s.policy.cluster"
PODS: Peer = Is(frozenset({Kind.POD}))

INCLUDED = ("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels", "app.kubernetes.io", CLUSTER, ACCOUNT)
EXCLUDED = (
    r"io\.kubernetes",
    r"kubernetes\.io",
    r".*beta\.kubernetes\.io",
    r"k8s\.io",
    r"pod-template-generation",
    r"pod-template-hash",
    r"controller-revision-hash",
    r"annotation.*",
    r"etcd_node",
)
EXCLUDED_LATER = (
    r"statefulset\.kubernetes\.io/pod-name",
    r"apps\.kubernetes\.io/pod-index",
    r"batch\.kubernetes\.io/job-completion-index",
    r"batch\.kubernetes\.io/controller-uid",
    r"controller-uid",
    r"topology\.kubernetes\.io",
)
INCLUDE = [re.compile(re.escape(item)) for item in INCLUDED]
EXCLUDE = [re.compile(item) for item in EXCLUDED]
EXCLUDE_LATER = [re.compile(item) for item in EXCLUDED_LATER]


@dataclass(frozen=True, slots=True)
class Label:
    """A key of a selector: its source (``any`` where none is written) and the rest."""

    source: str
    key: str

    @property
    def reserved(self) -> bool:
        """Whether it is one of Cilium's own."""
        return self.source == "reserved"

    @property
    def chooses_namespace(self) -> bool:
        """Whether a selector with it says itself which namespace it is about."""
        return self.source in ("any", "k8s") and self.key == NAMESPACE

    @property
    def about_namespace_labels(self) -> bool:
        """Whether it is a label of the namespace."""
        return self.source in ("any", "k8s") and self.key.startswith(NAMESPACE_LABELS)


def label_of(text: str) -> Label:
    """Reads a key; ``$host`` is an old way to write ``reserved:host``."""
    if text.startswith("$"):
        return Label("reserved", text[1:])
    source, colon, key = text.partition(":")
    return Label(source or "any", key) if colon else Label("any", text)


def counts(key: str) -> bool | None:
    """Whether a pod's label becomes part of its identity; labels that do not are not there for policies. None: that depends on the version."""
    kept = longest(INCLUDE, key)
    if longest(EXCLUDE, key) > kept:
        return False
    return None if longest(EXCLUDE_LATER, key) > kept else True


def longest(expressions: Iterable[re.Pattern[str]], key: str) -> int:
    """How long the longest match is at the start of a key; -1 where there is none."""
    return max((len(found.group()) for item in expressions if (found := item.match(key))), default=-1)


@dataclass(frozen=True, slots=True)
class LabelReader:
    """Reads tests of labels. ``cluster``: the name of this cluster; ``other_filter``: which labels count is said elsewhere.

    ``plain``: keys are the labels of an object of this kind, none of which is left out. ``nodes``: whether labels without a source are
    those of nodes as well; None: not known."""

    cluster: str | None = None
    other_filter: bool = False
    plain: Of | None = None
    nodes: bool | None = False

    def has_value(self, label: Label, values: frozenset[str], at: Span) -> Peer:
        """The label has one of the values."""
        if self.plain is not None:
            return LabelIn(self.plain, label.key, values)
        if label.source not in ("any", "k8s"):
            return foreign(label, LabelIn(Of.NODE, label.key, values), at)
        if label.key == NAMESPACE:
            return Named(Of.NAMESPACE, values)
        if label.key == ACCOUNT:
            return Named(Of.ACCOUNT, values)
        if label.key == CLUSTER and self.cluster is not None:
            return PODS if self.cluster in values else NOBODY
        if label.key == CLUSTER:
            return Opaque("whether this cluster has the name that the selector asks for", at)
        if label.about_namespace_labels:
            return LabelIn(Of.NAMESPACE, label.key.removeprefix(NAMESPACE_LABELS), values)
        pods = self.counted(label, LabelIn(Of.POD, label.key, values), at)
        return self.of_nodes_too(label, pods, LabelIn(Of.NODE, label.key, values), at)

    def is_there(self, label: Label, at: Span) -> Peer:
        """The label is there."""
        if self.plain is not None:
            return HasLabel(self.plain, label.key)
        if label.source not in ("any", "k8s"):
            return foreign(label, HasLabel(Of.NODE, label.key), at)
        if label.key in (NAMESPACE, ACCOUNT, CLUSTER):
            return PODS
        if label.about_namespace_labels:
            return HasLabel(Of.NAMESPACE, label.key.removeprefix(NAMESPACE_LABELS))
        return self.of_nodes_too(label, self.counted(label, HasLabel(Of.POD, label.key), at), HasLabel(Of.NODE, label.key), at)

    def of_nodes_too(self, label: Label, pods: Peer, nodes: Peer, at: Span) -> Peer:
        """The test of pods, and of nodes where they have identities by their labels and the key is without a source."""
        if label.source != "any" or self.nodes is False:
            return pods
        doubt = Opaque("whether Cilium's enable-node-selector-labels is on", at)
        return either((pods, nodes if self.nodes else All((nodes, doubt))))

    def counted(self, label: Label, test: Peer, at: Span) -> Peer:
        """The test of a pod's label, if labels with the key count."""
        value = None if self.other_filter else counts(label.key)
        if value is None:
            return All((test, Opaque(f"whether the label {label.key} is part of identities", at)))
        return test if value else NOBODY


def foreign(label: Label, test: Peer, at: Span) -> Peer:
    """A test of a label that no pod of Kubernetes has: ``node`` labels are those of nodes, all others are not shown by objects."""
    return test if label.source == "node" else Opaque(f"labels with source {label.source!r}, which objects do not show", at)
