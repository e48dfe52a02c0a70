"""Markdown that means what it says: text in tables, parts that are folded away. Text of the input is escaped; code blocks have a fence that it cannot close."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from analyzer.report.style import safe_lines

LINES, WIDTH, CELL = 60, 400, 200
SPECIAL = re.compile(r"([\\`*_\[\]#!|~$]|:(?=//)|(?<=www)\.)")
MENTION = re.compile(r"([@#!])(?=\w)")
SPACE = re.compile(r"\s+")
APART = "\u200b"


def cut(text: str) -> str:
    """A text of bounded length."""
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def escaped(text: str) -> str:
    """Text that means itself in a line of Markdown: no markup, no table cell, no entity, no link, no mention, no reference."""
    line = SPACE.sub(" ", safe_lines(text))
    return MENTION.sub(rf"\1{APART}", html.escape(SPECIAL.sub(r"\\\1", line), quote=False))


def in_html(text: str) -> str:
    """Text that means itself in a line of HTML: no tag, no entity, no link, no mention, no reference."""
    line = html.escape(cut(SPACE.sub(" ", safe_lines(text))), quote=False).replace("://", f":{APART}//")
    return MENTION.sub(rf"\1{APART}", line)


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are escaped here."""
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)])


def folded(summary: str, lines: Sequence[str], most: int = LINES) -> str:
    """A folded part with the first of its lines in a block; nothing without lines. ``summary`` is HTML."""
    if not lines:
        return ""
    return f"<details><summary>{summary}</summary>\n\n{block(lines, most)}\n\n</details>"


def block(lines: Sequence[str], most: int = LINES) -> str:
    """The first of the lines as a block of code."""
    split = [line for text in lines for line in text.splitlines()]
    shown = [line[:WIDTH] for line in split[:most]] + (["…"] if len(split) > most else [])
    fence = "`" * max(3, 1 + max((len(run) for line in shown for run in re.findall("`+", line)), default=0))
    return "\n".join([f"{fence}text", *shown, fence])
