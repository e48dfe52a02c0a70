"""Kustomizations as they lie in folders: what each builds on, which are built on by none, and which of their files are no manifests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from analyzer.capture.choices import KUSTOMIZATIONS
from analyzer.capture.files import SKIPPED_FOLDERS
from analyzer.capture.limits import DEPTH, FILE_BYTES

GROUP = "kustomize.config.k8s.io/"
REMOTE = re.compile(r"^[a-z+]+://|^git@|^github\.com/|[?&]ref=|\.git(?:/|$)", re.IGNORECASE)
MOST_FILES = 2000
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""It makes plain values only: no tag of the text makes anything else."""
BUILT_ON = ("resources", "bases", "components", "crds")
OF_PATHS = ("patches", "patchesJson6902", "replacements")
OF_NAMES = ("patchesStrategicMerge", "configurations", "transformers", "generators", "validators")
OF_FILES = ("configMapGenerator", "secretGenerator")


@dataclass(frozen=True, slots=True)
class Kustomization:
    """What a kustomization names, as it is written (kubernetes-sigs/kustomize, api/types/kustomization.go): ``builds_on``, files and folders with objects,
    and ``beside``, files that change objects or become data in them. ``component``: it is only a part of others."""

    builds_on: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    component: bool = False


def kustomization(text: str) -> Kustomization | None:
    """What a text says as a kustomization; None where it is none (Flux has another kind of that name)."""
    try:
        document = yaml.load(text, Loader=LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if not isinstance(document, dict) or not str(document.get("apiVersion", GROUP)).startswith(GROUP):
        return None
    return Kustomization(tuple(named(document, BUILT_ON)), tuple(beside(document)), document.get("kind") == "Component")


def named(document: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    """The texts in the lists of some fields."""
    for key in keys:
        items = document.get(key)
        yield from (item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def beside(document: Mapping[str, Any]) -> Iterator[str]:
    """The files that are no objects of their own."""
    yield from (name for name in named(document, OF_NAMES) if "\n" not in name)
    for key in (*OF_PATHS, *OF_FILES):
        items = document.get(key)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and key in OF_PATHS:
                yield from (path for path in (item.get("path"),) if isinstance(path, str))
            elif isinstance(item, dict):
                yield from (name.rpartition("=")[2] for name in named(item, ("files",)))


def in_folder(folder: str) -> Kustomization | None:
    """The kustomization that lies in a folder."""
    found = (
        kustomization(read(os.path.join(folder, name))) for name in KUSTOMIZATIONS if os.path.isfile(os.path.join(folder, name))
    )
    return next(found, None)


def below(root: str) -> dict[str, Kustomization]:
    """The kustomizations below a directory, by their folders."""
    found: dict[str, Kustomization] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        if any(name in files for name in KUSTOMIZATIONS) and (one := in_folder(folder)):
            found[folder] = one
        if folder.count(os.sep) - root.count(os.sep) >= DEPTH:
            folders.clear()
    return found


def tops(root: str) -> list[str]:
    """The folders of the kustomizations below a directory that no other one builds on."""
    every = below(root)
    used = {os.path.realpath(os.path.join(folder, name)) for folder, one in every.items() for name in one.builds_on}
    return [folder for folder, one in every.items() if not one.component and os.path.realpath(folder) not in used]


def remote(folder: str, seen: set[str]) -> Iterator[str]:
    """What a kustomization and those that it builds on would fetch."""
    one = in_folder(folder)
    for name in one.builds_on if one else ():
        if REMOTE.search(name):
            yield name
        elif os.path.isdir(target := os.path.join(folder, name)) and new(target, seen):
            yield from remote(target, seen)


def sources(folder: str, seen: set[str]) -> Iterator[str]:
    """The files with objects of a kustomization and of those that it builds on."""
    one = in_folder(folder)
    for name in one.builds_on if one else ():
        target = os.path.normpath(os.path.join(folder, name))
        if REMOTE.search(name) or not new(target, seen):
            continue
        if os.path.isdir(target):
            yield from sources(target, seen)
        elif os.path.isfile(target):
            yield target


def changers(folder: str, seen: set[str]) -> Iterator[str]:
    """The files of a kustomization, and of those that it builds on, that change objects: patches, and what says so itself."""
    one = in_folder(folder)
    if one is None:
        return
    yield from (target for name in one.beside if os.path.isfile(target := os.path.normpath(os.path.join(folder, name))))
    yield from (target for name in KUSTOMIZATIONS if os.path.isfile(target := os.path.join(folder, name)))
    for name in one.builds_on:
        target = os.path.normpath(os.path.join(folder, name))
        if not REMOTE.search(name) and os.path.isdir(target) and new(target, seen):
            yield from changers(target, seen)


def new(target: str, seen: set[str]) -> bool:
    """Whether a file or folder was not met before; it is now."""
    real = os.path.realpath(target)
    if real in seen or len(seen) >= MOST_FILES:
        return False
    seen.add(real)
    return True


def read(path: str) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        if os.path.getsize(path) > FILE_BYTES:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
