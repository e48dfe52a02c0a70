"""A place in a file as rustc shows it: the path, the line itself, and a caret under the part that matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from analyzer.findings import Label
from analyzer.report.style import Style, safe
from analyzer.source import Source, Span

CUT = 160


def excerpt(sources: Mapping[str, Source], at: Span, labels: Iterable[Label], style: Style, word: str = "") -> list[str]:
    """The primary place with ``word`` under its caret, then the related places, each with its line."""
    related = [label for label in labels if label.at != at]
    width = max((len(str(span.line)) for span in (at, *(label.at for label in related))), default=1)
    lines = place(sources, at, word, width, style, first=True)
    for label in related:
        lines += place(sources, label.at, label.text, width, style, first=False)
    return lines


def place(sources: Mapping[str, Source], at: Span, text: str, width: int, style: Style, *, first: bool) -> list[str]:
    """One place: its position, its line and its marker."""
    arrow = "-->" if first else ":::"
    lines = [f"{' ' * width}{style.paint(arrow, 'place')} {safe(str(at))}"]
    source = sources.get(at.path)
    line = source.shown(at) if source else ""
    if not line.strip():
        return [*lines, f"{' ' * width} {style.paint('=', 'place')} {safe(text)}"] if text else lines
    shown, start, length = window(line, at)
    mark = style.paint(("^" if first else "-") * length, "bad" if first else "place")
    note = f" {safe(text)}" if text else ""
    bar = style.paint("|", "place")
    return [
        *lines,
        f"{style.paint(str(at.line).rjust(width), 'place')} {bar} {shown}",
        f"{' ' * width} {bar} {' ' * start}{mark}{note}",
    ]


def window(line: str, at: Span) -> tuple[str, int, int]:
    """The part of the line to show, where the marker starts in it, and how long it is."""
    start = at.column - 1
    end = at.end_column - 1 if at.end_column and at.end_line in (0, at.line) else closing(line, start)
    if start == 0 and end >= len(line):
        start = len(line) - len(line.lstrip())
        end = len(line.rstrip())
    offset = max(0, min(start - 40, len(line) - CUT)) if len(line) > CUT else 0
    piece = line[offset : offset + CUT]
    before = safe(("…" if offset else "") + piece[: start - offset])
    marked = safe(piece[start - offset : max(start + 1, end) - offset])
    after = safe(piece[max(start + 1, end) - offset :] + ("…" if offset + CUT < len(line) else ""))
    return before + marked + after, len(before), max(1, len(marked))


def closing(line: str, start: int) -> int:
    """Where what begins at a place of a line ends: behind its own closing bracket, where it begins with one, else with the line."""
    if line[start : start + 1] not in ("{", "["):
        return len(line)
    depth, quote = 0, ""
    for place in range(start, len(line)):
        sign = line[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign in "{[") - (sign in "}]")
            if not depth:
                return place + 1
    return len(line)


def indented(lines: Sequence[str], by: int = 2) -> list[str]:
    """The lines moved to the right."""
    return [" " * by + line if line else line for line in lines]
