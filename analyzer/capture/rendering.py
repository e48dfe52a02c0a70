"""Helm charts and kustomizations, rendered by the user's own ``helm`` and ``kubectl`` or ``kustomize``, where they are there.

Only what renders text from local files is run (``helm template``, ``kubectl kustomize``): no cluster is asked, and what would be fetched from elsewhere is
refused beforehand. What comes out is laid on the lines of the files that it was made from.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from analyzer.capture.choices import UNRENDERED, Rendering
from analyzer.capture.files import SKIPPED_FOLDERS, File, refusal
from analyzer.capture.laying import laid_out
from analyzer.capture.limits import DEPTH, FILE_BYTES
from analyzer.capture.running import Failed, printed
from analyzer.source import Gap

CHART = "Chart.yaml"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
REMOTE = re.compile(r"^[a-z+]+://|^git@|^github\.com/|[?&]ref=|\.git(?:/|$)", re.IGNORECASE)
SOURCE = re.compile(r"^# Source: (\S+)$", re.MULTILINE)
SEPARATOR = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)
KIND, NAME = re.compile(r"^kind:\s*(\S+)", re.MULTILINE), re.compile(r"^ {2}name:\s*['\"]?([^\s'\"]+)", re.MULTILINE)
ALIAS = re.compile(r"(?:^|[\s\[{,])[&*][^\s,\]}]", re.MULTILINE)
MOST_FILES = 2000
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""It makes plain values only: no tag of the text makes anything else."""


@dataclass(frozen=True, slots=True)
class Made:
    """What one chart or kustomization gave. ``path`` is its folder as the report names it (empty: the input itself), ``of`` the parts of it that were
    rendered (an empty text: all of it)."""

    path: str
    items: tuple[File | Gap, ...]
    of: tuple[str, ...]


def rendered(root: str, prefix: str, how: Rendering) -> Iterator[Made]:
    """What the charts below a directory give, and the directory itself where it is a kustomization. ``prefix`` stands before paths in the report."""
    if not how.enabled:
        return
    if any(os.path.isfile(os.path.join(root, name)) for name in KUSTOMIZATIONS):
        yield Made(prefix, tuple(kustomized(root, prefix)), ("",))
        return
    for folder in charts(root):
        inside = os.path.relpath(folder, root)
        path = prefix if inside == "." else f"{prefix}/{inside}" if prefix else inside
        if shutil.which("helm"):
            yield Made(path, tuple(templated(folder, path, how)), ("templates/", "charts/"))


def replaced(made: Made) -> tuple[str, ...]:
    """The beginnings of the paths that what was made stands for; none where nothing was made."""
    if not any(isinstance(item, File) for item in made.items):
        return ()
    folder = f"{made.path}/" if made.path else ""
    return tuple(folder + name for name in made.of)


def charts(root: str) -> Iterator[str]:
    """The folders of charts below a directory, not those inside other charts."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        if CHART in files:
            folders.clear()
            yield folder
        elif folder.count(os.sep) - root.count(os.sep) >= DEPTH:
            folders.clear()


def templated(folder: str, path: str, how: Rendering) -> Iterator[File | Gap]:
    """The manifests of a chart, each on the lines of its template."""
    values = [word for name in how.values for word in ("--values", name)]
    text = output(["helm", "template", "release", folder, "--skip-tests", *values], path or CHART)
    if isinstance(text, Gap):
        yield text
        return
    parts: dict[str, list[str]] = {}
    for document in SEPARATOR.split(text):
        if found := SOURCE.search(document):
            inside = found[1].partition("/")[2]
            parts.setdefault(inside, []).append(document)
    for inside, documents in parts.items():
        yield laid(folder, path, inside, documents)


def kustomized(folder: str, path: str) -> Iterator[File | Gap]:
    """The manifests of a kustomization, each on the lines of the file that has its object, as far as that can be told."""
    told = path or KUSTOMIZATIONS[0]
    if fetched := next(remote(folder, set()), ""):
        yield refusal(told, f"{UNRENDERED}it would fetch {fetched}; give what `kubectl kustomize` prints")
        return
    command = next((words for words in (["kubectl", "kustomize"], ["kustomize", "build"]) if shutil.which(words[0])), None)
    if command is None:
        yield refusal(told, "a kustomization is read as it lies there: neither kubectl nor kustomize is on the path to render it")
        return
    text = output([*command, folder], told)
    if isinstance(text, Gap):
        yield text
        return
    if text.strip() and not KIND.search(text):
        yield refusal(told, f"{UNRENDERED}{' '.join(command)} prints no object")
        return
    known = [(name, objects_in(read(name))) for name in sorted(sources(folder, set()))]
    parts: dict[str, list[str]] = {}
    for document in filter(str.strip, SEPARATOR.split(text)):
        parts.setdefault(origin(document, known) or os.path.join(folder, KUSTOMIZATIONS[0]), []).append(document)
    for name, documents in parts.items():
        yield laid(folder, path, os.path.relpath(name, folder), documents)


def laid(folder: str, path: str, inside: str, documents: Sequence[str]) -> File:
    """Documents as one file, on the lines of the file that they were made from; those that rendering did not change as they are written there."""
    original = read(os.path.join(folder, inside))
    written = unchanged(documents, original)
    text = "---\n".join(document if document.endswith("\n") else f"{document}\n" for document in written)
    shown = os.path.normpath(f"{path}/{inside}" if path else inside)
    whole = laid_out(text, original)
    return File(shown, shown, whole.encode("utf-8", "surrogateescape"), named=True)


def unchanged(documents: Sequence[str], original: str) -> Iterator[str]:
    """Documents, each as it is written in the original where that says the same."""
    known = [(value, part) for part in SEPARATOR.split(original) if (value := value_in(part)) is not None]
    for document in documents:
        value = value_in(document)
        yield next((part for one, part in known if one == value), document)


def value_in(document: str) -> object:
    """What a document says; None where it is no YAML, or has aliases, by which a small text may say very much."""
    if ALIAS.search(document):
        return None
    try:
        return yaml.load(document, Loader=LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def output(command: Sequence[str], path: str) -> str | Gap:
    """What a command prints; a gap that says how it failed."""
    try:
        return printed(command)
    except Failed as problem:
        return refusal(path, f"{UNRENDERED}{' '.join(command[:2])}: {problem}")


def remote(folder: str, seen: set[str]) -> Iterator[str]:
    """What a kustomization and those that it builds on would fetch."""
    for name in entries(folder):
        if REMOTE.search(name):
            yield name
        elif (
            os.path.isdir(target := os.path.join(folder, name))
            and os.path.realpath(target) not in seen
            and len(seen) < MOST_FILES
        ):
            seen.add(os.path.realpath(target))
            yield from remote(target, seen)


def sources(folder: str, seen: set[str]) -> Iterator[str]:
    """The files of a kustomization and those that it builds on."""
    for name in entries(folder):
        target = os.path.normpath(os.path.join(folder, name))
        real = os.path.realpath(target)
        if REMOTE.search(name) or real in seen or len(seen) >= MOST_FILES:
            continue
        seen.add(real)
        if os.path.isdir(target):
            yield from sources(target, seen)
        elif os.path.isfile(target):
            yield target


def entries(folder: str) -> Iterator[str]:
    """The resources, bases and components that a kustomization names."""
    for name in KUSTOMIZATIONS:
        try:
            document = yaml.safe_load(read(os.path.join(folder, name)))
        except (yaml.YAMLError, RecursionError):
            continue
        for key in ("resources", "bases", "components", "crds") if isinstance(document, dict) else ():
            items = document.get(key)
            yield from (item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def origin(document: str, known: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """The file that has the object of a document: by its kind, and a name that the rendered one holds; empty where that is not one file."""
    own = next(iter(objects_in(document)), None)
    if own is None:
        return ""
    exact: list[str] = []
    near: list[str] = []
    for path, objects in known:
        for kind, name in objects:
            if kind == own[0] and name in own[1]:
                (exact if name == own[1] else near).append(path)
    found = set(exact) or set(near)
    return found.pop() if len(found) == 1 else ""


def objects_in(text: str) -> list[tuple[str, str]]:
    """The kinds and names of the objects in a text, however they are written; those of a document that is no YAML are looked for."""
    found: list[tuple[str, str]] = []
    for part in filter(str.strip, SEPARATOR.split(text)):
        try:
            node = yaml.compose(part, Loader=LOADER)
        except (yaml.YAMLError, RecursionError):
            if (kind := KIND.search(part)) and (name := NAME.search(part)):
                found.append((kind[1], name[1]))
            continue
        kind_of, name_of = scalar(node, "kind"), scalar(value_of(node, "metadata"), "name")
        if kind_of and name_of:
            found.append((kind_of, name_of))
    return found


def value_of(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key of a mapping."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def scalar(node: yaml.Node | None, key: str) -> str:
    """The text of a key of a mapping; empty where there is none."""
    found = value_of(node, key)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def read(path: str) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        if os.path.getsize(path) > FILE_BYTES:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
