"""Kubernetes objects, YAML and JSON: one by one, in ``List`` objects, several documents in a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import OtherObjectFact, RepeatedKeyFact
from analyzer.parsers import Parser
from analyzer.parsers._block_yaml import Shapes
from analyzer.parsers._documents import Document, Key, below, kind_of_items
from analyzer.parsers._kubernetes_objects import READERS, common, namespaced
from analyzer.parsers._view import View, shown
from analyzer.source import Gap, Source, Span

# A mapping of YAML may begin with ``{``, too, but not with a quoted key, and a template with ``{{`` or ``{%``.
JSON = re.compile(r"\s*(\{\s*([\"}]|\Z)|\[)")
# No string of JSON goes over lines, so that this ends a document of YAML, whatever stands before it (kubectl reads such files).
NEXT = "\n---"
# Kinds that live in a namespace: a manifest that names none means ``default``, as kubectl does.
NAMESPACED = frozenset(
    {
        "CiliumNetworkPolicy",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Ingress",
        "Job",
        "NetworkPolicy",
        "ReplicaSet",
        "ReplicationController",
        "ServiceAccount",
        "StatefulSet",
    }
)


def read(source: Source, shapes: Shapes | None = None) -> Iterator[Fact | Gap]:
    """The objects of the text in order. ``shapes``: those of objects that were met in other texts."""
    waiting: list[Gap] = []
    for item in documents(source, shapes):
        if isinstance(item, Gap):
            waiting.append(item)
            continue
        yield from repeated(waiting) if is_object(item.value) else waiting
        waiting.clear()
        yield from objects(source, item.value, item.places)
    yield from waiting


def is_object(value: Any) -> bool:
    """Whether a document says what it is, as Kubernetes' objects do."""
    return isinstance(value, dict) and not any(untold(value, key) for key in ("apiVersion", "kind"))


def repeated(gaps: list[Gap]) -> Iterator[Fact | Gap]:
    """Keys that stand twice in an object are no gap: what counts is known (sigs.k8s.io/yaml ``YAMLToJSON``: the later)."""
    for item in gaps:
        yield RepeatedKeyFact(at=item.at, reason=item.reason, first=item.first) if item.first is not None else item


def together() -> Callable[[Source], Iterator[Fact | Gap]]:
    """Reads sources of one capture, whose objects have shapes in common."""
    return partial(read, shapes=Shapes())


def documents(source: Source, shapes: Shapes | None) -> Iterator[Document | Gap]:
    """The documents of the text, JSON or YAML."""
    if JSON.match(source.text) and NEXT not in source.text:
        from analyzer.parsers._json_documents import documents

        return documents(source)
    from analyzer.parsers._yaml import documents as of_yaml

    return of_yaml(source, shapes)


def objects(source: Source, value: Any, places: Mapping[tuple[Key, ...], Span]) -> Iterator[Fact | Gap]:
    """An object, or those of a list."""
    if value is None:
        return
    if isinstance(value, list):
        yield from listed(source, value, places, ())
    elif not isinstance(value, dict):
        yield Gap(places[()], f"no Kubernetes object, but {shown(value)}", source.kind)
    elif isinstance(value.get("object"), dict) and set(value) == {"type", "object"}:  # kubectl get --output-watch-events
        yield from objects(source, value["object"], below(places, ("object",)))
    elif isinstance(value.get("items"), list) and str(value.get("kind", "List")).endswith("List"):
        if "kind" not in value:
            yield Gap(
                places[()], "the list breaks off: its kind, which stands behind the items, is missing", source.kind, lost=True
            )
        yield from listed(
            source, value["items"], places, ("items",), str(value.get("kind", "")), str(value.get("apiVersion", ""))
        )
    else:
        yield from one(source, value, places)


def listed(
    source: Source,
    items: list[Any],
    places: Mapping[tuple[Key, ...], Span],
    path: tuple[Key, ...],
    kind: str = "",
    version: str = "",
) -> Iterator[Fact | Gap]:
    """The objects of a list, each with its own places."""
    for index, item in enumerate(items):
        if isinstance(item, dict) and path:
            item = {**kind_of_items(kind, version), **item}
        yield from objects(source, item, below(places, (*path, index)))


def one(source: Source, value: dict[str, Any], places: Mapping[tuple[Key, ...], Span]) -> Iterator[Fact | Gap]:
    """One object: its fact, and the gaps of the fields that could not be read."""
    view = View(value, places, source.kind, [])
    if wrong := [words for key in ("apiVersion", "kind") if (words := untold(value, key))]:
        yield Gap(places[()], f"no Kubernetes object: {' and '.join(wrong)}", source.kind)
        return
    if value["kind"] == "List" and value.get("items") is not None:
        view.wrong(f"items must be a list, not {shown(value['items'])}", "items")
    group = value["apiVersion"].rpartition("/")[0]
    reader = READERS.get((group, value["kind"]))
    shared = common(view)
    if value["kind"] in NAMESPACED:
        shared = namespaced(shared)
    found = list(reader(view, shared)) if reader else [OtherObjectFact(**shared)]
    yield from found
    yield from view.gaps


def untold(value: dict[str, Any], key: str) -> str:
    """Why a value does not say what kind of object it is; empty where it does."""
    if isinstance(value.get(key), str):
        return ""
    return f"it has no {key}" if value.get(key) is None else f"its {key} must be a text, not {shown(value[key])}"


PARSER = Parser(
    kind="kubernetes",
    read=read,
    names=(r"k8s/.+\.(ya?ml|json)", r"k8s-(?!metrics-)\S+\.ya?ml", r"kubectl_(-\S+_)*get_\S+"),
    content=re.compile(r"^(-\s+|  |\{\s*)?\"?apiVersion\"?:\s*\S|^[\[{][\s\S]*\"apiVersion\"\s*:\s*\"", re.MULTILINE),
    per="cluster",
    together=together,
    kept=True,
)
