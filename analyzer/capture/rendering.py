"""Helm charts and kustomizations, rendered by the user's own ``helm`` and ``kubectl`` or ``kustomize``, where they are there.

Only what renders text from local files is run (``helm template``, ``kubectl kustomize``): no cluster is asked, and what would be fetched from elsewhere is
refused beforehand. What comes out is laid on the lines of the files that it was made from.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from analyzer.capture.choices import Rendering
from analyzer.capture.files import SKIPPED_FOLDERS, File, refusal
from analyzer.capture.laying import laid_out
from analyzer.capture.limits import DEPTH, FILE_BYTES
from analyzer.source import Gap

CHART = "Chart.yaml"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
REMOTE = re.compile(r"^[a-z+]+://|^git@|^github\.com/|[?&]ref=|\.git(?:/|$)", re.IGNORECASE)
SOURCE = re.compile(r"^# Source: (\S+)$", re.MULTILINE)
SEPARATOR = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)
KIND, NAME = re.compile(r"^kind:\s*(\S+)", re.MULTILINE), re.compile(r"^ {2}name:\s*['\"]?([^\s'\"]+)", re.MULTILINE)
SECONDS = 60
MOST_FILES = 2000


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
        yield refusal(told, f"not rendered: it would fetch {fetched}; give what `kubectl kustomize` prints")
        return
    command = next((words for words in (["kubectl", "kustomize"], ["kustomize", "build"]) if shutil.which(words[0])), None)
    if command is None:
        yield refusal(told, "a kustomization is read as it lies there: neither kubectl nor kustomize is on the path to render it")
        return
    text = output([*command, folder], told)
    if isinstance(text, Gap):
        yield text
        return
    known = [(name, read(name)) for name in sorted(sources(folder, set()))]
    parts: dict[str, list[str]] = {}
    for document in filter(str.strip, SEPARATOR.split(text)):
        parts.setdefault(origin(document, known) or os.path.join(folder, KUSTOMIZATIONS[0]), []).append(document)
    for name, documents in parts.items():
        yield laid(folder, path, os.path.relpath(name, folder), documents)


def laid(folder: str, path: str, inside: str, documents: Sequence[str]) -> File:
    """Documents as one file, on the lines of the file that they were made from."""
    text = "---\n".join(document if document.endswith("\n") else f"{document}\n" for document in documents)
    shown = os.path.normpath(f"{path}/{inside}" if path else inside)
    whole = laid_out(text, read(os.path.join(folder, inside)))
    return File(shown, shown, whole.encode("utf-8", "surrogateescape"), named=True)


def output(command: Sequence[str], path: str) -> str | Gap:
    """What a command prints; a gap that says how it failed. It gets no input, and a minute."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return refusal(path, f"not rendered: {' '.join(command[:2])}: {problem}")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it failed"]
        return refusal(path, f"not rendered: {' '.join(command[:2])}: {said[-1][:300]}")
    if len(done.stdout) > FILE_BYTES:
        return refusal(path, "not rendered: it gives more than is read of one file")
    return done.stdout.decode("utf-8", "surrogateescape")


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


def origin(document: str, known: Sequence[tuple[str, str]]) -> str:
    """The file that has the object of a document: by its kind, and a name that the rendered one holds; empty where that is not one file."""
    kind, name = KIND.search(document), NAME.search(document)
    if kind is None or name is None:
        return ""
    exact: list[str] = []
    near: list[str] = []
    for path, text in known:
        for part in SEPARATOR.split(text):
            one, two = KIND.search(part), NAME.search(part)
            if one and two and one[1] == kind[1] and two[1] in name[1]:
                (exact if two[1] == name[1] else near).append(path)
    found = set(exact) or set(near)
    return found.pop() if len(found) == 1 else ""


def read(path: str) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        if os.path.getsize(path) > FILE_BYTES:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
