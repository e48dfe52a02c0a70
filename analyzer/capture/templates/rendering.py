"""Helm charts and kustomizations, rendered by the user's own ``helm`` and ``kubectl`` or ``kustomize``, where they are there.

Only what renders text from local files is run (``helm template``, ``kubectl kustomize``): no cluster is asked, and what would be fetched from elsewhere is
refused beforehand. What comes out is laid on the lines of the files that it was made from.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from analyzer.capture.choices import KUSTOMIZATIONS, UNRENDERED, Rendering
from analyzer.capture.files import SKIPPED_FOLDERS, File, refusal
from analyzer.capture.limits import DEPTH
from analyzer.capture.templates.kustomizations import LOADER, changers, in_folder, read, remote, sources, tops
from analyzer.capture.templates.laying import laid_out
from analyzer.capture.templates.on_nodes import on_nodes
from analyzer.capture.templates.running import Failed, printed
from analyzer.source import Gap

CHART = "Chart.yaml"
SOURCE = re.compile(r"^# Source: (\S+)$", re.MULTILINE)
SEPARATOR = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)
CHUNK = re.compile(r"^(?=---[ \t]*$)", re.MULTILINE)
KIND, NAME = re.compile(r"^kind:\s*(\S+)", re.MULTILINE), re.compile(r"^ {2}name:\s*['\"]?([^\s'\"]+)", re.MULTILINE)
ALIAS = re.compile(r"(?:^|[\s\[{,])[&*][^\s,\]}]", re.MULTILINE)
BESIDE = 4
"""Kustomizations that are rendered at a time."""


@dataclass(frozen=True, slots=True)
class Made:
    """What one chart or kustomization gave. ``path`` is its folder as the report names it (empty: the input itself), ``of`` the parts of it that were
    rendered (an empty text: all of it)."""

    path: str
    items: tuple[File | Gap, ...]
    of: tuple[str, ...]


def rendered(root: str, prefix: str, how: Rendering) -> Iterator[Made]:
    """What the charts and kustomizations below a directory give, or the directory itself where it is a kustomization. ``prefix`` stands before paths in
    the report."""
    if not how.enabled:
        return
    if in_folder(root):
        yield Made(prefix, tuple(kustomized(root, prefix)), ("",))
        return
    yield from every_kustomization(root, prefix)
    for folder in charts(root):
        if shutil.which("helm"):
            path = shown(folder, root, prefix)
            yield Made(path, tuple(templated(folder, path, how)), ("templates/", "charts/"))


def every_kustomization(root: str, prefix: str) -> Iterator[Made]:
    """What the kustomizations below a directory give that no other one builds on; it stands for the files that they name."""
    folders = tops(root)
    paths = [shown(folder, root, prefix) for folder in folders]
    if len(folders) < 2:
        found: Iterable[tuple[File | Gap, ...]] = map(of_kustomization, folders, paths)
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(BESIDE) as pool:
            found = list(pool.map(of_kustomization, folders, paths))
    for folder, items in zip(folders, found, strict=True):
        yield Made(prefix, items, tuple(os.path.relpath(name, root) for name in sorted(sources(folder, set()))))


def of_kustomization(folder: str, path: str) -> tuple[File | Gap, ...]:
    """What one kustomization gives."""
    return tuple(kustomized(folder, path))


def shown(folder: str, root: str, prefix: str) -> str:
    """The path of a folder in the report."""
    inside = os.path.relpath(folder, root)
    return prefix if inside == "." else f"{prefix}/{inside}" if prefix else inside


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
    told = f"{path}/{KUSTOMIZATIONS[0]}" if path else KUSTOMIZATIONS[0]
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
    elif text.strip() and not KIND.search(text):
        yield refusal(told, f"{UNRENDERED}{' '.join(command)} prints no object")
    else:
        yield from on_files(text, folder, path)


def on_files(text: str, folder: str, path: str) -> Iterator[File]:
    """The documents that a kustomization gives, each in the file that has its object."""
    known = [chunk for name in sorted(sources(folder, set())) for chunk in chunks(name)]
    parts: dict[str, list[tuple[Chunk | None, str]]] = {}
    for document in filter(str.strip, SEPARATOR.split(text)):
        found = origin(document, known)
        parts.setdefault(found.path if found else os.path.join(folder, KUSTOMIZATIONS[0]), []).append((found, document))
    beside = tuple((named_in(name, folder, path), read(name)) for name in changers(folder, set()))
    for name, pairs in parts.items():
        pairs.sort(key=lambda pair: pair[0].line if pair[0] else sys.maxsize)
        whole = named_in(name, folder, path)
        data = at_places(pairs).encode("utf-8", "surrogateescape")
        yield File(whole, whole, data, named=True, origin=read(name), changers=beside)


def named_in(name: str, folder: str, path: str) -> str:
    """The path of a file in the report; ``path`` is that of the folder."""
    inside = os.path.relpath(name, folder)
    return os.path.normpath(f"{path}/{inside}" if path else inside)


def at_places(pairs: Iterable[tuple[Chunk | None, str]]) -> str:
    """Documents, each where the one stands that it was made from: as that is written where rendering did not change it."""
    lines: list[str] = []
    for chunk, document in pairs:
        text = f"---\n{document}"
        if chunk:
            lines += [""] * (chunk.line - len(lines))
            same = (value := value_in(chunk.text)) is not None and value == value_in(document)
            text = chunk.text if same else on_nodes(document, chunk.text) or text
        lines += text.removesuffix("\n").split("\n")
    return "\n".join(lines) + "\n"


def laid(folder: str, path: str, inside: str, documents: Sequence[str]) -> File:
    """Documents as one file, on the lines of the file that they were made from; those that rendering did not change as they are written there."""
    original = read(os.path.join(folder, inside))
    written = unchanged(documents, original)
    text = "---\n".join(document if document.endswith("\n") else f"{document}\n" for document in written)
    name = os.path.normpath(f"{path}/{inside}" if path else inside)
    whole = laid_out(text, original)
    return File(name, name, whole.encode("utf-8", "surrogateescape"), named=True)


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


@dataclass(frozen=True, slots=True)
class Chunk:
    """A document of a file, from its ``---``: its path and text, the line that it begins at, from 0, and the objects in it by kind and name."""

    path: str
    text: str
    line: int
    objects: tuple[tuple[str, str], ...]


def chunks(path: str) -> Iterator[Chunk]:
    """The documents of a file."""
    line = 0
    for text in CHUNK.split(read(path)):
        yield Chunk(path, text, line, tuple(objects_in(text)))
        line += text.count("\n")


def origin(document: str, known: Sequence[Chunk]) -> Chunk | None:
    """The document that has the object of a rendered one: by its kind, and the longest name that the rendered one holds; None where that is not one."""
    own = next(iter(objects_in(document)), None)
    if own is None:
        return None
    held = [(len(name), chunk) for chunk in known for kind, name in chunk.objects if kind == own[0] and name and name in own[1]]
    longest = max((length for length, _ in held), default=0)
    found = [chunk for length, chunk in held if length == longest]
    return found[0] if len(found) == 1 else None


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
