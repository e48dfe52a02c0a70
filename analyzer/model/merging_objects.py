"""Several texts of one object become one, with a gap where they contradict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from analyzer.facts.kubernetes import ObjectFact
from analyzer.source import Gap

O = TypeVar("O", bound=ObjectFact)  # noqa: E741
# What the API server and controllers write anew without a change of meaning.
PASSING = frozenset(
    {"resourceVersion", "managedFields", "generation", "uid", "selfLink", "creationTimestamp", "annotations", "ownerReferences"}
)
# What of a pod's specification says nothing about networks.
BESIDE_NETWORKS = frozenset(
    {
        "image",
        "imagePullPolicy",
        "imagePullSecrets",
        "lifecycle",
        "livenessProbe",
        "priorityClassName",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationGracePeriodSeconds",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tolerations",
        "volumeMounts",
        "volumes",
    }
)
# Groups of kinds that can be about networks: Kubernetes' own, and those with such a word. Of others nothing is read.
OF_NETWORKS = re.compile(
    r"(?:[a-z]*|apps|batch|extensions|policy|.*(?:net|k8s|vpc|calico|cilium|antrea|istio|ovn|cni|gateway|route|whereabouts|kube-?adm|weave|amazonaws|submariner|alibaba|openshift|operator|linkerd|kuma|consul|nsx).*)"
)
NOT_OF_NETWORKS = frozenset({"kustomize.config.k8s.io", "builtin"})


def merged_objects(facts: Iterable[O], doubles: list[ObjectFact]) -> tuple[list[O], list[Gap]]:
    """Each object once, however many texts hold it: of texts that differ one is used, a gap names the first difference and both places, and the others
    are added to ``doubles``.

    The subsets of one Endpoints object are several facts of one document. What has no name (a node's component configuration, ``generateName``) is an
    object of its own in each document.
    """
    gaps: list[Gap] = []
    texts: dict[tuple[str, str, str, str | int], list[list[O]]] = {}
    for fact in facts:
        group = texts.setdefault((fact.api_version, fact.kind, fact.namespace, fact.name or id(fact.document)), [])
        if group and group[-1][0].document is fact.document:
            group[-1].append(fact)
        else:
            group.append([fact])
    kept = [fact for group in texts.values() for fact in (group[0] if len(group) == 1 else used(group, gaps, doubles))]
    return kept, gaps


def used(texts: list[list[O]], gaps: list[Gap], doubles: list[ObjectFact]) -> list[O]:
    """The text of an object that is used: of manifests that differ the last, as ``kubectl apply`` of the files in their order leaves it (a later configuration
    takes the place of the one before); of what an API server told the first, as nobody can say which is newer."""
    first, *rest = texts
    if not any(object_contradiction(first[0], other[0]) for other in rest):
        return first
    chosen = next((text for text in reversed(texts) if not told_by_server(text[0])), first)
    chosen = first if told_by_server(first[0]) else chosen
    for text in texts:
        if found := object_contradiction(chosen[0], text[0]):
            gaps += found
            doubles.append(text[0])
    return chosen


def told_by_server(fact: ObjectFact) -> bool:
    """Whether a text is an API server's, which has an identity, or a version, in its metadata."""
    metadata = fact.document.get("metadata")
    return isinstance(metadata, Mapping) and bool(metadata.get("uid") or metadata.get("resourceVersion"))


def object_contradiction(first: ObjectFact, other: ObjectFact) -> list[Gap]:
    """A gap where two texts state one object differently."""
    path = difference(first.document, other.document) if of_networks(other) else None
    if path is None:
        return []
    name = f"{other.kind} {other.namespace + '/' if other.namespace else ''}{other.name}"
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
    text = f"{name}: {where or 'what it says'} here is not the same as at {first.place(*path)}; that one is used"
    return [Gap(other.place(*path), text, "kubernetes")]


def of_networks(fact: ObjectFact) -> bool:
    """Whether an object can say anything about networks, by its group or because it makes pods; of others it does not matter which text is used."""
    group, spec = fact.api_version.rpartition("/")[0], fact.document.get("spec")
    makes_pods = isinstance(spec, Mapping) and "template" in spec
    return makes_pods or (group not in NOT_OF_NETWORKS and OF_NETWORKS.fullmatch(group) is not None)


def difference(one: Any, two: Any, path: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """The path of the first value in which two documents differ, in the order of their keys; None where they say the same. What passes by
    itself is left out, but for the addresses of a pod and a node."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        pairs: list[tuple[str | int, Any, Any]] = [(key, one.get(key), two.get(key)) for key in dict.fromkeys((*one, *two))]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = list(zip(range(len(one)), one, two, strict=True))
    else:
        return None if one == two else path
    for key, left, right in pairs:
        if not passing(path, key) and left != right and (found := difference(left, right, (*path, key))) is not None:
            return found
    return None


def passing(path: tuple[str | int, ...], key: str | int) -> bool:
    """Whether a value changes without a change of what is wanted."""
    if path == ("status",):
        return key not in ("podIP", "podIPs", "addresses", "loadBalancer")
    if key in BESIDE_NETWORKS and "spec" in path:
        return True
    return path == ("metadata",) and key in PASSING
