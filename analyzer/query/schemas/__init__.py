"""The schemas of Kubernetes' own kinds, 1.25 to 1.37, and of those that projects define beside them, and what an object says that they do not allow.

``kubernetes.json`` beside this file was made by ``making.py`` from the published OpenAPI definitions (Apache-2.0). ``custom.json`` has the
kinds of Gateway API, Calico, Cilium, Kube-OVN, MetalLB, Istio and the Prometheus operator that are read here and are no policies, NetworkAttachmentDefinition, and kubeadm's, the kubelet's and kube-proxy's configuration;
``making_custom.py`` made it. ``kinds`` names the type of each ``apiVersion/kind``;
a type has the fields, each with its type and, where it is not in all releases, the first and the last minor release that has it, and the required fields.
A type is ``string``, ``integer``, ``number``, ``boolean``, ``text-or-number`` (ports, quantities), ``any``, ``[T]`` for a list, ``{T}`` for a map, or the number of another type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.query.slips import slip

Key = str | int
Types = list[dict[str, Any]]


class Schemas(NamedTuple):
    """The table: the releases (minor numbers), the type of each kind, and the types."""

    releases: tuple[int, int]
    kinds: Mapping[str, int]
    types: Types


class Problem(NamedTuple):
    """What an object says that its kind does not allow, by its path. ``what`` is ``unknown``, ``mistyped`` or ``missing``; ``instead`` the field that may be
    meant; ``wanted`` what was expected."""

    path: tuple[Key, ...]
    what: str
    wanted: str
    instead: str = ""


@lru_cache(maxsize=1)
def schemas() -> Schemas:
    """The table."""
    document = json.loads((Path(__file__).parent / "kubernetes.json").read_text(encoding="utf-8"))
    return Schemas(tuple(document["releases"]), document["kinds"], document["types"])


@lru_cache(maxsize=1)
def custom() -> Schemas:
    """The table of kinds that projects define beside Kubernetes' own, and of its configuration files."""
    document = json.loads((Path(__file__).parent / "custom.json").read_text(encoding="utf-8"))
    return Schemas((0, 0), document["kinds"], document["types"])


STABLE = re.compile(r"(?:.+/)?v\d+")


@lru_cache(maxsize=1024)
def meant(version: str, kind: str) -> tuple[str, str] | None:
    """The version and kind that an object is probably meant to be of, where Kubernetes has none such in that version; None where it has, or nothing is near.

    Versions that are not stable, and groups that are not in the table, say nothing: a cluster may serve them; but groups of others have a dot
    (apiextensions-apiserver pkg/apis/apiextensions/validation, ValidateCustomResourceDefinitionSpec)."""
    known = [tuple(key.rsplit("/", 1)) for key in schemas().kinds]
    here = sorted(name for where, name in known if where == version)
    nobodys = not here and "." not in version.rpartition("/")[0]
    if not (here or nobodys) or kind in here or not STABLE.fullmatch(version):
        return None
    elsewhere = [(where, name) for where, name in known if name == kind and STABLE.fullmatch(where)]
    if elsewhere:
        return elsewhere[-1]
    near = [name for name in here if name.casefold() == kind.casefold()] or get_close_matches(kind, here, 1, 0.85)
    return (version, near[0]) if near else None


def problems(version: str, kind: str, document: Mapping[str, Any]) -> Iterator[Problem]:
    """What an object says that its kind does not allow; nothing for kinds whose schema is not here."""
    other = is_custom(version)
    table = custom() if other else schemas()
    number = table.kinds.get(f"{version}/{kind}")
    if number is not None and not allowed(table.types, number, document):
        found = of_object(table.types, number, document, ())
        yield from (problem for problem in found if not other or problem.what != "unknown" or is_slip(problem))


def is_slip(problem: Problem) -> bool:
    """Whether a field is misspelt for sure. Projects add fields with each release: others may be of one that is not here."""
    return slip(str(problem.path[-1]), problem.instead, LEAST)


LEAST = 4


def is_custom(version: str) -> bool:
    """Whether an ``apiVersion`` is none of the API server's own: its group is of a domain that is not Kubernetes', or of what serves no objects."""
    group = version.rpartition("/")[0]
    return "." in group and (not group.endswith(".k8s.io") or group.endswith(OUTSIDE))


OUTSIDE = ("gateway.networking.k8s.io", ".config.k8s.io", "kubeadm.k8s.io")


def allowed(types: Types, number: int, value: Any) -> bool:
    """Whether there is no problem with an object of a type: what most are asked for, without what words about one need."""
    return test_of_type(Identified(types), number)(value)


Test = Callable[[Any], bool]


class Identified:
    """Types as a key of a memory, by what they are and not by what they say."""

    __slots__ = ("types",)

    def __init__(self, types: Types) -> None:
        self.types = types

    def __hash__(self) -> int:
        return id(self.types)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identified) and other.types is self.types


@lru_cache(maxsize=4096)
def test_of_type(key: Identified, number: int) -> Test:
    """The test for an object of a type; made once, and those of what lies inside when they are first needed."""
    kind, fields, required = key.types[number], dict[str, Test](), tuple(key.types[number]["required"])

    def test(value: Any) -> bool:
        if value.__class__ is not dict and not isinstance(value, dict):
            return False
        for name, inside in value.items():
            known = fields.get(name)
            if known is None:
                found = kind["fields"].get(name)
                if found is None:
                    return False
                known = fields[name] = test_of(key, found[0])
            if inside is not None and not known(inside):
                return False
        return all(value.get(name) is not None for name in required) if required else True

    return test


def test_of(key: Identified, kind: Any) -> Test:
    """The test for a value of a type; null inside of lists and maps stands for a value that is not there."""
    if isinstance(kind, int):
        return test_of_type(key, kind)
    if kind == "string":
        return is_string
    if isinstance(kind, str):
        return lambda value: fits(kind, value)
    if isinstance(kind, list):
        of_item = test_of(key, kind[0])
        return lambda value: isinstance(value, list) and all(item is None or of_item(item) for item in value)
    of_value_of = test_of(key, kind["of"])
    return lambda value: isinstance(value, dict) and all(item is None or of_value_of(item) for item in value.values())


def is_string(value: Any) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def of_object(types: Types, number: int, value: Mapping[str, Any], path: tuple[Key, ...]) -> Iterator[Problem]:
    """The problems of an object of a type."""
    fields = types[number]["fields"]
    near: dict[str, None] = {}
    for key, inside in value.items():
        found = fields.get(key)
        if found is None:
            free = [name for name in fields if name not in value and name not in near and takes(types, fields[name][0], inside)]
            near.update(dict.fromkeys(instead := nearest(str(key), free)))
            yield Problem((*path, key), "unknown", ", ".join(sorted(fields)[:12]), "".join(instead))
        elif inside is not None:
            yield from of_value(types, found[0], inside, (*path, key))
    for key in types[number]["required"]:
        if value.get(key) is None and key not in near:
            yield Problem((*path, key), "missing", key)


def nearest(key: str, free: list[str]) -> list[str]:
    """The field that is meant by a misspelt one, if any."""
    return [name for name in free if name.casefold() == key.casefold()][:1] or get_close_matches(key, free, 1, 0.75)


def takes(types: Types, kind: Any, value: Any) -> bool:
    """Whether a value may be one of a type, as far as its outside says it: what another field is to be called has to be right there."""
    return value is None or not any(not problem.path for problem in of_value(types, kind, value, ()))


def of_value(types: Types, kind: Any, value: Any, path: tuple[Key, ...]) -> Iterator[Problem]:
    """The problems of a value of a type; null stands for a value that is not there."""
    if isinstance(kind, int):
        if isinstance(value, Mapping):
            yield from of_object(types, kind, value, path)
        else:
            yield Problem(path, "mistyped", "an object")
    elif isinstance(kind, list):
        if isinstance(value, list):
            for index, item in enumerate(value):
                if item is not None:
                    yield from of_value(types, kind[0], item, (*path, index))
        else:
            yield Problem(path, "mistyped", "a list")
    elif isinstance(kind, dict):
        if isinstance(value, Mapping):
            for key, item in value.items():
                if item is not None:
                    yield from of_value(types, kind["of"], item, (*path, key))
        else:
            yield Problem(path, "mistyped", "an object")
    elif not fits(kind, value):
        yield Problem(path, "mistyped", WORDS[kind])


WORDS = {
    "string": "a text (in quotes, where it looks like a number or a truth)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "text-or-number": "a text or a number",
}


def fits(kind: str, value: Any) -> bool:
    """Whether a value is of a simple type. A whole number may be written 1.0 (encoding/json does not take it; sigs.k8s.io/yaml writes 1 for it)."""
    if kind == "string":
        return isinstance(value, str)
    truth = isinstance(value, bool)
    match kind:
        case "integer":
            return not truth and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
        case "number":
            return not truth and isinstance(value, int | float)
        case "boolean":
            return truth
        case "text-or-number":
            return not truth and isinstance(value, str | int | float)
        case _:
            return True
