"""Reads settings. What is wrong in them is told with its place and what was expected; nothing of them is guessed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from analyzer.findings import Ignored, Severity
from analyzer.parsers._documents import Document
from analyzer.parsers._view import View
from analyzer.parsers._yaml import documents
from analyzer.policy.named_system import NAMED_SYSTEM
from analyzer.query.ignoring.ignore import Ignore
from analyzer.settings import Option, Settings
from analyzer.source import Gap, Source, Span

FAIL_ON = ("error", "warning", "note", "never")
TOP = (
    "select",
    "ignore",
    "fail-on",
    "strict",
    "assume-defaults",
    "cni",
    "policy-switches",
    "exclude",
    "rules",
    "ignores",
    "assume",
    "intents",
    "rules-from",
)
IGNORE = ("rule", "rules", "path", "kind", "namespace", "name", "reason")


class Wrong(ValueError):
    """Settings that cannot be taken; the message is one line for each thing that is wrong, each with its place."""


def settings_in(path: str, folder: str, text: str) -> Settings:
    """The settings of a file. Wrong where it cannot be read or says what settings cannot say."""
    value, places = table(path, text)
    view = View(value, places, "settings", [])
    found = replace(read(view, path, folder), source=Source(path, text, "settings"), places=places)
    if view.gaps:
        raise Wrong("\n".join(dict.fromkeys(f"{gap.at}: {gap.reason}" for gap in sorted(view.gaps))))
    return found


def table(path: str, text: str) -> tuple[dict[str, Any], Mapping[tuple[str | int, ...], Span]]:
    """The table of settings with the places of its values."""
    if path.endswith(".toml"):
        return toml(path, text)
    found = list(documents(Source(path, text)))
    broken = next((item for item in found if isinstance(item, Gap)), None)
    if broken is not None:
        raise Wrong(f"{broken.at}: {broken.reason}")
    held = [item for item in found if isinstance(item, Document)]
    if not held:
        return {}, {(): Span(path, 1)}
    if len(held) > 1:
        raise Wrong(f"{held[1].at}: settings are one document, and a second begins here")
    if not isinstance(held[0].value, dict):
        raise Wrong(f"{held[0].at}: expected settings such as `fail-on: warning`")
    return held[0].value, held[0].places


def toml(path: str, text: str) -> tuple[dict[str, Any], Mapping[tuple[str | int, ...], Span]]:
    """``[tool.analyzer]``."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise Wrong(f"{path}: {problem}") from None
    tool = document.get("tool")
    found = tool.get("analyzer") if isinstance(tool, dict) else None
    line = next((number for number, line in enumerate(text.split("\n"), 1) if line.startswith("[tool.analyzer")), 1)
    if not isinstance(found, dict):
        raise Wrong(f"{path}:{line}:1: there is no table [tool.analyzer]")
    return found, {(): Span(path, line), **dict(toml_places(path, text))}


HEADER = re.compile(r"\s*\[tool\.analyzer(?:\.([^\]]+))?\]")
KEY = re.compile(r"\s*(\"[^\"]+\"|'[^']+'|[\w-]+)\s*=\s*")
PART = re.compile(r"\"[^\"]+\"|'[^']+'|[\w-]+")


def toml_places(path: str, text: str) -> Iterator[tuple[tuple[str | int, ...], Span]]:
    """Where the values of the tables stand: by line, as ``tomllib`` says none. What is inside of a value has the value's place."""
    above: tuple[str, ...] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if (header := HEADER.match(line)) is not None:
            above = tuple(part.strip("\"'") for part in PART.findall(header[1] or ""))
            yield above, Span(path, number)
        elif line.lstrip().startswith("["):
            above = None
        elif above is not None and (key := KEY.match(line)) is not None:
            yield (*above, key[1].strip("\"'")), Span(path, number, key.end() + 1)


def read(view: View, path: str, folder: str) -> Settings:
    """The settings; what is wrong is in the view's gaps."""
    only(view, TOP)
    rules, assumed = view.part("rules"), view.part("assume")
    only(assumed, ("namespaces", "objects", "paths"))
    return Settings(
        path,
        folder,
        select=listed(view, "select"),
        ignore=listed(view, "ignore"),
        fail_on=one_of(view, "fail-on", FAIL_ON),
        strict=view.truth("strict"),
        assume_defaults=view.truth("assume-defaults"),
        cni=view.text("cni"),
        policy_switches=listed(view, "policy-switches"),
        exclude=listed(view, "exclude"),
        severities=tuple(severities(rules)),
        options=options(rules),
        ignores=tuple(filter(None, (ignore(item) for item in view.parts("ignores")))),
        elsewhere=(*elsewhere(assumed, path), *system_named(view, path)),
        elsewhere_paths=listed(assumed, "paths"),
        intents=listed(view, "intents"),
        rules_from=listed(view, "rules-from"),
    )


def only(view: View, known: tuple[str, ...]) -> None:
    """Notes keys that settings do not have, with the one that may be meant."""
    for key in view.value:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            view.wrong(f"there is no setting {view.name(str(key))}; {meant}", key)


def listed(view: View, key: str) -> tuple[str, ...]:
    """Texts, or one text in place of a list."""
    value = view.value.get(key)
    return (value,) if isinstance(value, str) else tuple(view.texts(key))


def one_of(view: View, key: str, words: tuple[str, ...]) -> str:
    """One of some words, or empty."""
    value = view.text(key)
    if value and value not in words:
        view.wrong(f"{view.name(key)} must be one of {', '.join(words)}, not {value!r}", key)
    return value


def severities_known() -> tuple[str, ...]:
    """The words for severities."""
    return tuple(severity.value for severity in Severity)


def severities(rules: View) -> Iterator[tuple[str, Severity]]:
    """The severities that rules are given."""
    for name in rules.value:
        if (value := one_of(rules.part(name), "severity", severities_known())) in severities_known():
            yield name, Severity(value)


def options(rules: View) -> dict[str, dict[str, Option]]:
    """What else rules are told. Whether a rule has such an option is known when the rules are."""
    found: dict[str, dict[str, Option]] = {}
    for name in rules.value:
        part = rules.part(name)
        for key, value in part.value.items():
            if key == "severity":
                continue
            if isinstance(value, bool | int | str):
                found.setdefault(name, {})[key] = value
            else:
                found.setdefault(name, {})[key] = tuple(part.texts(key))
    return found


def ignore(view: View) -> Ignore | None:
    """An entry of ``ignores``."""
    only(view, IGNORE)
    rules = (*listed(view, "rule"), *listed(view, "rules"))
    if not rules:
        view.wrong("an entry of ignores names the rule that it is about: `rule: policy-selects-nothing`")
        return None
    kind, namespace, name = view.text("kind"), view.text("namespace"), view.text("name")
    reason = view.text("reason").strip()
    return Ignore(Ignored.SETTINGS, rules, reason, view.at(), path=view.text("path"), kind=kind, namespace=namespace, name=name)


def elsewhere(view: View, path: str) -> Iterator[Source]:
    """The objects that live elsewhere, each as a text on the line where it is declared."""
    for item in view.parts("namespaces"):
        only(item, ("name", "labels"))
        if not item.text("name"):
            item.wrong("a namespace that is assumed has a name")
        metadata = {"name": item.text("name"), "labels": item.strings("labels")}
        yield declared(item, path, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    for item in view.parts("objects"):
        for key in ("apiVersion", "kind"):
            if not item.text(key):
                item.wrong(f"an object that is assumed has {key}")
        yield declared(item, path, item.value)


def system_named(view: View, path: str) -> Iterator[Source]:
    """The network system that is named, as an object: it says how policies are read where nothing else of the input does."""
    if name := view.text("cni"):
        value = {"apiVersion": NAMED_SYSTEM[0], "kind": NAMED_SYSTEM[1], "metadata": {"name": name}}
        yield declared(view, path, value)


def declared(view: View, path: str, value: Mapping[str, Any]) -> Source:
    """An object as JSON, on its line of the settings."""
    text = "\n" * (view.at().line - 1) + json.dumps(value, ensure_ascii=True, default=str) + "\n"
    return Source(path, text, "kubernetes")
