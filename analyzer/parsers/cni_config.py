"""CNI network configuration: ``.conflist``, ``.conf`` and ``.json`` files of ``/etc/cni/net.d``.

What makes a runtime pass over a file is its ``problem``: libcni ``NetworkConfFromBytes`` (libcni/conf.go), ``ValidateNetworkName``
(pkg/utils/utils.go) and go-cni's loading (opts.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.cni import CniConfigFact
from analyzer.facts.kubernetes import RepeatedKeyFact
from analyzer.parsers import Parser
from analyzer.parsers._documents import Document
from analyzer.parsers._json_documents import documents
from analyzer.source import Gap, Source, Span

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
ENDINGS = (".conf", ".conflist", ".json")
VERSIONS = ("", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
Path = tuple[str | int, ...]
SWITCHES = ("disableCheck", "disableGC", "loadOnlyInlinedPlugins")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a runtime passes over a file, and the path of the value."""

    words: str
    path: Path = ()


def read(source: Source) -> Iterator[Fact | Gap]:
    """The configuration of the file; a file that is no JSON is one as well, with its problem."""
    every = list(documents(source))
    yield from (
        RepeatedKeyFact(at=item.at, reason=item.reason, first=item.first)
        for item in every
        if isinstance(item, Gap) and item.first
    )
    found = [item for item in every if not (isinstance(item, Gap) and item.first)]
    if not file_name(source).endswith(ENDINGS) and len(found) > 1 and not any(isinstance(item, Gap) for item in found):
        yield from several(source, [item for item in found if not isinstance(item, Gap)])
        return
    broken = next((item for item in found if isinstance(item, Gap)), None)
    document = next((item for item in found if not isinstance(item, Gap)), None)
    if broken or document is None or not isinstance(document.value, dict):
        reason = broken.reason if broken else "the file holds no JSON object"
        yield config(source, {}, {(): broken.at if broken else Span(source.path, 1)}, Refusal(reason))
        return
    yield config(source, document.value, document.places, problem(source, document.value))


def several(source: Source, found: list[Document]) -> Iterator[Fact | Gap]:
    """The configurations of several files in one text, whose names are not known: neither is then which of them the runtime takes."""
    yield Gap(found[1].places[()], "several configurations without the names of their files", source.kind, source.scope)
    for item in found:
        if isinstance(item.value, dict):
            yield config(source, item.value, item.places, problem(source, item.value))


def file_name(source: Source) -> str:
    """The name of the file: the subject where it stands in a pasted text."""
    return source.subject or source.path.rsplit("/", 1)[-1]


def config(source: Source, value: Mapping[str, Any], places: Mapping[Path, Span], reason: Refusal | None) -> CniConfigFact:
    """The fact for a file."""
    plugins = value.get("plugins", [value] if "type" in value else [])
    return CniConfigFact(
        at=places[()],
        scope=source.scope,
        file=file_name(source),
        name=text(value, "name"),
        version=version_of(value),
        plugins=tuple(item for item in plugins if isinstance(item, dict)) if isinstance(plugins, list) else (),
        places=places,
        problem=reason.words if reason else "",
        problem_path=reason.path if reason else (),
    )


def version_of(value: Mapping[str, Any]) -> str:
    """The version that is used: the highest of ``cniVersions`` and ``cniVersion``; what libcni does not know is passed over."""
    listed = value.get("cniVersions")
    found = [item for item in (*(listed if isinstance(listed, list) else ()), value.get("cniVersion")) if isinstance(item, str)]
    return max((item for item in found if item in VERSIONS), key=VERSIONS.index, default=text(value, "cniVersion"))


def text(value: Mapping[str, Any], key: str) -> str:
    """A string; empty where it is absent or something else."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def problem(source: Source, value: Mapping[str, Any]) -> Refusal | None:
    """Why a runtime would not take the file; None where it would."""
    if reason := name_problem(value):
        return reason
    if version_of(value) not in VERSIONS:
        return Refusal(f"cniVersion {value['cniVersion']!r} is not known", ("cniVersion",))
    if reason := switch_problem(value):
        return reason
    if file_name(source).endswith(".conflist") or "plugins" in value:
        return list_problem(source, value)
    return plugin_problem(value, "the configuration", ())


def name_problem(value: Mapping[str, Any]) -> Refusal | None:
    """What is wrong with the name, or with the type of the version."""
    for key in ("name", "cniVersion"):
        if key in value and not isinstance(value[key], str):
            return Refusal(f"{key} must be a string", (key,))
    if not value.get("name"):
        return Refusal("the configuration has no name", ("name",))
    if not NAME.fullmatch(value["name"]):
        reason = f"the name {value['name']!r} must begin with a letter or digit and hold only letters, digits, '_', '.' and '-'"
        return Refusal(reason, ("name",))
    return None


def switch_problem(value: Mapping[str, Any]) -> Refusal | None:
    """What is wrong with the switches of a list and with its versions."""
    versions = value.get("cniVersions", [])
    if not isinstance(versions, list) or not all(isinstance(item, str) for item in versions):
        return Refusal("cniVersions must be a list of strings", ("cniVersions",))
    for key in SWITCHES:
        found = value.get(key, False)
        if not isinstance(found, bool) and str(found).lower() not in ("true", "false"):
            return Refusal(f"{key} must be true or false", (key,))
    return None


def list_problem(source: Source, value: Mapping[str, Any]) -> Refusal | None:
    """What is wrong with a list of plugins."""
    if file_name(source).endswith((".conf", ".json")) and "type" not in value:
        return Refusal(
            "a list of plugins is read only from a .conflist file; as a single configuration it has no type", ("plugins",)
        )
    return list_of_plugins(value)


def list_of_plugins(value: Mapping[str, Any]) -> Refusal | None:
    """What is wrong with the plugins themselves."""
    plugins = value.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        return Refusal("the list of plugins is empty" if plugins in (None, []) else "plugins must be a list", ("plugins",))
    for index, item in enumerate(plugins):
        if not isinstance(item, dict):
            return Refusal(f"plugins[{index}] must be an object", ("plugins", index))
        if reason := plugin_problem(item, f"plugins[{index}]", ("plugins", index)):
            return reason
    return None


def plugin_problem(item: Mapping[str, Any], name: str, path: Path) -> Refusal | None:
    """What is wrong with one plugin."""
    kind = item.get("type")
    if not isinstance(kind, str) or not kind:
        return Refusal(f"{name} has no type", (*path, "type"))
    return Refusal(f"the type {kind!r} of {name} must be a plain file name", (*path, "type")) if "/" in kind else None


PARSER = Parser(
    kind="cni-config",
    read=read,
    names=(r"(.*/)?etc/cni/net\.d/[^/]+\.(conf|conflist|json)", r"cni/[^/]+\.(conf|conflist)", r"[^/]+\.conflist"),
    content=re.compile(r"^\s*\{[\s\S]*\"cniVersion\"\s*:\s*\""),
)
