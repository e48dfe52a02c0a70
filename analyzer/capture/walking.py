"""The files of every path that is given: of directories, archives and standard input, charts and kustomizations rendered."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import BinaryIO

from analyzer.capture import kubeskoop
from analyzer.capture.choices import UNRENDERED, Rendering, to_render
from analyzer.capture.files import Earlier, File, compression, directory, refusal, regular, text_name
from analyzer.capture.limits import FILE_BYTES, Budget, Refused, too_large
from analyzer.display import counted
from analyzer.source import Gap

STDIN = "<stdin>"
SAMPLE = re.compile(r"(.*/)?samples/[^/]+\.(bad|good)(-[^/]+)?\.txt")
WANTED = b"\n-- want --"


def every_file(
    paths: Sequence[str],
    stdin: BinaryIO | None,
    budget: Budget,
    rendering: Rendering | None = None,
    earlier: Earlier | None = None,
) -> Iterator[File | Gap]:
    """The files of all paths, archives unpacked, charts and kustomizations rendered. ``earlier``: what is known of the files of the one path."""
    alone = len(paths) == 1
    given: dict[str, str] = {}
    read: dict[str, bytes] = {}
    for path in dict.fromkeys(paths):
        place = path if path == "-" else os.path.realpath(path)
        if place in given:
            yield refusal(text_name(path), f"given twice: it is {text_name(given[place])}, and read once")
            continue
        given[place] = path
        found = from_stdin(stdin) if path == "-" else from_path(path, budget, alone, rendering, earlier if alone else None)
        try:
            yield from with_archives(found if alone else unread(found, read, path), budget, alone)
        except Refused as problem:
            yield refusal(text_name(path), str(problem))


def unread(items: Iterable[File | Gap], read: dict[str, bytes], given: str) -> Iterator[File | Gap]:
    """The files that no path given earlier led to (``read``, with what tells their contents apart); a gap says how many others there are."""
    earlier, again = dict(read), 0
    for item in items:
        if isinstance(item, Gap):
            yield item
        elif item.path not in earlier:
            read[item.path] = digest(item)
            yield item
        elif earlier[item.path] != digest(item):
            yield replace(item, again=True)
        else:
            again += 1
    if again:
        yield refusal(text_name(given), f"given twice: {counted(again, 'file')} in it, of another path that is given, read once")


def from_path(
    path: str, budget: Budget, alone: bool, rendering: Rendering | None = None, earlier: Earlier | None = None
) -> Iterator[File | Gap]:
    """The files of one path."""
    shown = text_name(os.path.normpath(path))
    if os.path.isdir(path):
        prefix = "" if alone or shown == "." else shown
        found = (item for item in directory(path, prefix, budget, earlier) if isinstance(item, Gap) or not of_rule(item))
        return with_rendered(path, prefix, found, rendering)
    return iter((regular(path, shown, shown, budget, named=True),))


def of_rule(item: File) -> bool:
    """Whether a file is a sample of a rule of the team's own (``analyze rules new``), in which things are wrong on purpose."""
    return SAMPLE.fullmatch(item.path) is not None and WANTED in item.data


def with_rendered(root: str, prefix: str, found: Iterator[File | Gap], rendering: Rendering | None) -> Iterator[File | Gap]:
    """The files of a directory; in place of what was rendered, what came of it. Where rendering failed, the files are read as they lie there."""
    if rendering is None or not rendering.enabled or not to_render(root):
        yield from found
        return
    from analyzer.capture.templates.rendering import rendered, replaced

    made = list(rendered(root, prefix, rendering))
    gone = [folder for item in made for folder in replaced(item)]
    for item in found:
        path = item.path if isinstance(item, File) else item.at.path
        if not any(path.startswith(folder) for folder in gone):
            yield item
    for one in made:
        yield from one.items


def without_templates(found: Iterable[File | Gap]) -> Iterator[File | Gap]:
    """The files without the templates of charts that were not rendered, which are no manifests; each chart has a gap that says so, or why it failed."""
    charts: dict[str, int] = {}
    told: set[str] = set()
    for item in found:
        if isinstance(item, Gap):
            if item.reason.startswith(UNRENDERED):
                told.add(item.at.path)
            yield item
            continue
        if item.path.rsplit("/", 1)[-1] == "Chart.yaml":
            charts.setdefault(item.path.removesuffix("Chart.yaml"), 0)
            continue
        chart = chart_of(item.path, charts) if charts else None
        if chart is None or b"{{" not in item.data:
            yield item
        elif item.path.endswith((".yaml", ".yml")):
            charts[chart] += 1
    for folder, count in charts.items():
        if count and (folder.rstrip("/") or "Chart.yaml") not in told:
            reason = f"a Helm chart: {counted(count, 'template')} not read; with helm on the path it is rendered; else give what `helm template` prints, or leave it out (`exclude` in the settings)"
            yield refusal(f"{folder}Chart.yaml", reason)


def chart_of(path: str, charts: Iterable[str]) -> str | None:
    """The folder of the chart among whose templates a file lies."""
    return next((folder for folder in charts if path.startswith((f"{folder}templates/", f"{folder}charts/"))), None)


def from_stdin(stdin: BinaryIO | None) -> Iterator[File | Gap]:
    """What stands on standard input, as one file."""
    data = stdin.read(FILE_BYTES + 1) if stdin else b""
    if len(data) > FILE_BYTES:
        yield refusal(STDIN, too_large(len(data)))
    else:
        yield File(STDIN, "stdin", data, named=True)


def with_archives(items: Iterable[File | Gap], budget: Budget, alone: bool) -> Iterator[File | Gap]:
    """Archives among the files are replaced by what they hold."""
    for item in items:
        if isinstance(item, File) and compression(item.data):
            from analyzer.capture import archives  # slow to import, and few captures are packed

            for member in with_doubles(archives.unpacked(item, budget, alone=alone and item.named)):
                yield from collection(member)
        elif isinstance(item, File) and item.data[:64].lstrip()[:1] == b"{":
            yield from collection(item)
        else:
            yield item


def with_doubles(members: Iterable[File | Gap]) -> Iterator[File | Gap]:
    """The members of an archive. A second one of the same name is marked where it says otherwise (``File.again``), and is else a gap."""
    first: dict[str, bytes] = {}
    for member in members:
        if isinstance(member, Gap):
            yield member
        elif member.path not in first:
            first[member.path] = digest(member)
            yield member
        elif first[member.path] != digest(member):
            yield replace(member, again=True)
        else:
            yield refusal(member.path, "the archive holds it twice, with the same content: it is read once")


def digest(file: File) -> bytes:
    """What tells contents apart."""
    return sha256(file.data).digest()


def collection(item: File | Gap) -> Iterator[File | Gap]:
    """A file of KubeSkoop's collector is replaced by the texts in it."""
    if isinstance(item, File) and item.data[:64].lstrip()[:1] == b"{" and kubeskoop.is_one(item.data):
        yield from kubeskoop.unpacked(item)
    else:
        yield item
