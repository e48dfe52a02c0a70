"""Every CNI configuration of the capture: files of nodes, NetworkAttachmentDefinitions, and what ConfigMaps will install on nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from analyzer.facts.cni import CniConfigFact as CniConfigFact
from analyzer.facts.kubernetes import ConfigMapFact, OtherObjectFact
from analyzer.model.embedded import Path, inside
from analyzer.model.network import Network
from analyzer.parsers.cni_config import list_of_plugins
from analyzer.plugins import package_constants
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.source import Source, Span

ATTACHMENT = "k8s.cni.cncf.io"
PLACEHOLDER = re.compile(r"(?<=[:\s\[,])__[A-Z0-9_]+__(?=[\s,}\]])")
FILLED_IN = re.compile(r"__[A-Z0-9_]{2,}__")
TEMPLATE = re.compile(r"\{\{|\{%|\$\{")
DEPTH = 4


class Holder(StrEnum):
    """Where a configuration stands. FILE: the one that the runtime of a node takes. PASSED_OVER: a file behind it. ATTACHMENT: a
    NetworkAttachmentDefinition. MAP: a ConfigMap whose text is written to nodes."""

    FILE = "file"
    PASSED_OVER = "passed over"
    ATTACHMENT = "attachment"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration. ``title`` names it in messages; ``calls`` are the plugins in order, each with the path of its object; ``namespace``
    that of a NetworkAttachmentDefinition; ``problem`` why it is none."""

    holder: Holder
    title: str
    name: str
    version: str
    calls: tuple[tuple[Call, Path], ...]
    places: Mapping[Path, Span] = field(compare=False, repr=False)
    at: Span = field(compare=False, repr=False)
    node: str = ""
    namespace: str = ""
    problem: str = ""

    def place(self, path: Path) -> Span:
        """The place of a value, or of the nearest around it."""
        return nearest(self.places, path, self.at)


@cache
def plugins() -> Mapping[str, Plugin]:
    """The plugins that are known, by the names of their binaries."""
    from analyzer.query.cni import plugins as package

    return {name: item for item in package_constants(package, "PLUGIN", Plugin) for name in item.types}


def configs(network: Network) -> Iterator[Config]:
    """Every configuration, files by node first."""
    for node, files in sorted(network.files.items()):
        taken = False
        for fact in files.configs:
            holder = Holder.PASSED_OVER if taken or fact.problem else Holder.FILE
            taken = taken or not fact.problem
            yield of_file(fact, node, holder)
    for item in sorted(network.cluster.others, key=lambda one: (one.namespace, one.name, one.at)):
        if item.kind == "NetworkAttachmentDefinition" and item.api_version.startswith(ATTACHMENT):
            yield from of_attachment(item, network.sources.get(item.at.path))
    for _, found in sorted(network.cluster.config_maps.items()):
        yield from of_map(found, network.sources)


def of_file(fact: CniConfigFact, node: str, holder: Holder) -> Config:
    """The configuration of a file. A file of one plugin has its fields at the top."""
    listed = ("plugins", 0) in fact.places or ("plugins",) in fact.places
    calls = [
        (Call(plugin, index, fact.name, fact.version), ("plugins", index) if listed else ())
        for index, plugin in enumerate(fact.plugins)
    ]
    inner = [pair for call, path in calls for pair in with_inner(call, path)]
    title = f"{fact.file} on {node}" if of_a_node(fact.at) else fact.file
    return Config(holder, title, fact.name, fact.version, tuple(inner), fact.places, fact.at, node, problem=fact.problem)


def of_a_node(at: Span) -> bool:
    """Whether a file lies as nodes have it; else it is one of a repository, and the folder that it is in is no node."""
    return "etc/cni/" in at.path or at.path.startswith("nodes/")


def of_attachment(item: OtherObjectFact, source: Source | None) -> Iterator[Config]:
    """The configuration of a NetworkAttachmentDefinition. Without one, a file of that name on the node is meant."""
    spec = item.document.get("spec")
    text = spec.get("config") if isinstance(spec, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        return
    at = item.place("spec", "config")
    found = inside(text, at, source)
    title = f"NetworkAttachmentDefinition {item.namespace or 'default'}/{item.name}"
    problem = found.problem or ("" if isinstance(found.value, dict) else "it is no object")
    value = found.value if isinstance(found.value, dict) else {}
    if not problem and not isinstance(value.get("type"), str) and not isinstance(value.get("plugins"), list):
        problem = "it has neither a type nor plugins"
    wrong = None if problem or value.get("type") else list_of_plugins(value)
    at = nearest(found.places, wrong.path, at) if wrong else at
    problem = wrong.words if wrong else problem
    name = value.get("name") if isinstance(value.get("name"), str) else item.name
    yield Config(
        Holder.ATTACHMENT,
        title,
        str(name),
        version_of(value),
        tuple(calls_of(value, (), str(name))),
        found.places,
        at if not found.problem else found.places.get((), at),
        namespace=item.namespace or "default",
        problem=problem,
    )


def nearest(places: Mapping[Path, Span], path: Path, otherwise: Span) -> Span:
    """The place of a value, or of the nearest around it."""
    return next((places[path[:end]] for end in range(len(path), -1, -1) if path[:end] in places), otherwise)


def of_map(fact: ConfigMapFact, sources: Mapping[str, Source]) -> Iterator[Config]:
    """The configurations among a ConfigMap's texts. A placeholder that a script fills in counts as 0; other templates are left alone."""
    for key, located in sorted(fact.data.items()):
        text = located.value
        if '"type"' not in text or not text.lstrip().startswith("{") or TEMPLATE.search(text):
            continue
        if '"cniVersion"' not in text and not key.endswith((".conf", ".conflist")):
            continue
        filled = PLACEHOLDER.sub(lambda found: "0".ljust(len(found[0])), text)
        found = inside(text, located.at, sources.get(located.at.path), filled)
        if isinstance(found.value, dict) and (calls := tuple(calls_of(found.value, (), ""))):
            name = found.value.get("name")
            yield Config(
                Holder.MAP,
                f"{key} of ConfigMap {fact.namespace}/{fact.name}",
                name if isinstance(name, str) else "",
                version_of(found.value),
                calls,
                found.places,
                located.at,
            )


def unfilled(value: Any) -> bool:
    """Whether a text among the values is one that a script fills in when it installs the file, such as ``__MTU__``."""
    if isinstance(value, dict):
        return any(unfilled(item) for item in value.values())
    if isinstance(value, list):
        return any(unfilled(item) for item in value)
    return isinstance(value, str) and FILLED_IN.search(value) is not None


def to_be_filled(text: str) -> bool:
    """Whether a text is a placeholder, or has one."""
    return FILLED_IN.search(text) is not None or TEMPLATE.search(text) is not None


def version_of(value: Mapping[str, Any]) -> str:
    """The version of the specification that is used: the highest of ``cniVersions`` and ``cniVersion`` (libcni/conf.go)."""
    listed = value.get("cniVersions")
    found = [item for item in (*(listed if isinstance(listed, list) else ()), value.get("cniVersion")) if isinstance(item, str)]
    return max(found, key=version_key, default="")


def version_key(text: str) -> tuple[int, ...]:
    """A version as numbers; an empty one is the first."""
    parts = text.split(".")
    return tuple(int(part) if part.isdecimal() and len(part) < 6 else 0 for part in parts) if text else (0, 1, 0)


def calls_of(value: Mapping[str, Any], path: Path, name: str, depth: int = 0) -> Iterator[tuple[Call, Path]]:
    """The plugins of a configuration, and those that they call."""
    version = version_of(value)
    name = value["name"] if isinstance(value.get("name"), str) else name
    listed = value.get("plugins")
    items: list[tuple[Any, Path]] = [(value, path)]
    if not value.get("type") and isinstance(listed, list):
        items = [(item, (*path, "plugins", index)) for index, item in enumerate(listed)]
    for index, (item, place) in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("type"), str):
            yield from with_inner(Call(item, index, name, version), place, depth)


def with_inner(call: Call, path: Path, depth: int = 0) -> Iterator[tuple[Call, Path]]:
    """A plugin and the plugins whose configuration it holds: flannel's delegate (a bridge unless it says otherwise), those of multus."""
    yield call, path
    if depth >= DEPTH:
        return
    if call.text("type") == "flannel" and isinstance(delegate := call.get("delegate"), dict):
        yield Call({"type": "bridge", **delegate}, call.index, call.name, call.version), (*path, "delegate")
    delegates = call.get("delegates") if call.text("type").startswith("multus") else None
    for index, item in enumerate(delegates if isinstance(delegates, list) else ()):
        if isinstance(item, dict):
            yield from calls_of(item, (*path, "delegates", index), call.name, depth + 1)


def known(call: Call) -> Iterator[Plugin]:
    """The plugin that a call is for, and the one that it asks for addresses; none where a script has yet to fill in values. A plugin that is
    not known may write its own into ``ipam`` before it asks, as Antrea's and AWS's do."""
    plugin = plugins().get(call.text("type"))
    if plugin is None or unfilled(call.value):
        return
    yield plugin
    table = plugins()
    ipam = table.get(call.text("ipam", "type"))
    if ipam is not None and ipam.role is Role.IPAM:
        yield ipam
