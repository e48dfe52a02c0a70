"""``--fix`` and ``--diff``: the edits of findings, made in the files or shown as a patch. Only edits that are safe are given with findings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from io import StringIO
from itertools import groupby
from pathlib import Path
from tempfile import NamedTemporaryFile

from analyzer.findings import Edit, Report
from analyzer.source import Span

MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file before and after its edits, and how many findings they mend; ``problem``: why it is left as it is; ``mark``: its byte order mark."""

    path: str
    before: str = ""
    after: str = ""
    count: int = 0
    problem: str = ""
    mark: str = ""


def fixes(report: Report, base: str, paths: Iterable[str], texts_now: Mapping[str, str] | None = None) -> Iterator[Fixed]:
    """The files that findings have edits for, in path order. ``texts_now`` stand in place of the files of their paths. ``base`` stands before a path of the report to find the file, which is one of ``paths`` or
    below one: what came out of an archive or from stdin is no file. A file whose text was read in several ways (as it is, and rendered) is left alone: whose
    places the findings have is not known."""
    given = [os.path.relpath(path) for path in paths]
    texts: dict[str, set[str]] = {}
    for source in report.sources:
        texts.setdefault(source.path, set()).add(source.text)
    wanted = [finding.fix.edits for finding in report.findings if finding.fix and finding.fix.edits]
    whole = [edits for edits in wanted if len({edit.at.path for edit in edits}) == 1]
    ordered = sorted(dict.fromkeys(whole), key=lambda edits: edits[0].at)
    for path, group in groupby(ordered, key=lambda edits: edits[0].at.path):
        named = os.path.relpath(base + path)
        if any(named == one or (os.path.isdir(one) and (one == "." or named.startswith(f"{one}/"))) for one in given):
            now = (texts_now or {}).get(base + path)
            read = texts.get(path, set())
            yield fixed(base + path, min(read) if len(read) == 1 else None, list(group), now)
        else:
            yield Fixed(path, problem="it did not come from a file of its own")


def fixed(path: str, read: str | None, groups: list[tuple[Edit, ...]], now: str | None = None) -> Fixed:
    """A file, or the text that stands in its place, with the edits of its findings, those that overlap an earlier finding's left for the next time."""
    try:
        whole = written(path) if now is None else now
    except (OSError, UnicodeDecodeError) as problem:
        return Fixed(path, problem=f"cannot be read again: {getattr(problem, 'strerror', None) or problem}")
    before = whole.removeprefix(MARK)
    if read is None or before.replace("\r\n", "\n") != read.replace("\r\n", "\n"):
        return Fixed(path, problem="it is not the text that was analysed")
    taken: list[Edit] = []
    count = 0
    for edits in groups:
        if all(map(partial(holds, before), edits)) and not any(meets(edit.at, other.at) for edit in edits for other in taken):
            taken += edits
            count += 1
    return Fixed(path, before, edited(before, taken), count, mark=MARK if before != whole else "")


def written(path: str) -> str:
    """What a file holds, with its line ends. OSError and UnicodeDecodeError where it cannot be read."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def holds(text: str, edit: Edit) -> bool:
    """Whether a text has at an edit's place what is to be replaced."""
    starts, at = line_starts(text), edit.at
    begin, end = offset(starts, at.line, at.column), offset(starts, at.end_line, at.end_column)
    return edit.replaces is None or text[begin:end] == edit.replaces


def meets(one: Span, two: Span) -> bool:
    """Whether two places of a file overlap."""
    first, second = sorted((one, two))
    return (second.line, second.column) < (first.end_line, first.end_column) or first[1:3] == second[1:3]


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made, from its end to its beginning."""
    starts = line_starts(text)
    for edit in sorted(edits, key=lambda edit: edit.at, reverse=True):
        begin, end = offset(starts, edit.at.line, edit.at.column), offset(starts, edit.at.end_line, edit.at.end_column)
        text = text[:begin] + edit.text + text[end:]
    return text


def line_starts(text: str) -> Mapping[int, int]:
    """Where each line begins, by its number from 1; one more than there are lines: the end."""
    starts, place = {1: 0}, 0
    for number, line in enumerate(text.split("\n"), 2):
        place += len(line) + 1
        starts[number] = min(place, len(text))
    return starts


def offset(starts: Mapping[int, int], line: int, column: int) -> int:
    """The offset of a place."""
    return starts.get(line, starts[len(starts)]) + column - 1


def patch(item: Fixed) -> str:
    """The change of a file as a unified diff, as ``git apply`` and ``patch -p1`` take it."""
    before, after = (StringIO(item.mark + text, newline="\n").readlines() for text in (item.before, item.after))
    end = "\t" if " " in item.path else ""  # As git writes it: else a name ends at its first blank.
    lines = unified_diff(before, after, f"a/{item.path}{end}", f"b/{item.path}{end}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write(item: Fixed) -> str:
    """Writes the file anew, whole or not at all, with its byte order mark and permissions; why it could not, or empty."""
    path = Path(item.path)
    try:
        target = path.resolve()
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            file.write((item.mark + item.after).encode("utf-8"))
        os.chmod(file.name, target.stat().st_mode)
        os.replace(file.name, target)
    except OSError as problem:
        return str(problem.strerror or problem)
    return ""
