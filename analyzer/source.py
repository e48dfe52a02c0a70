"""Where text comes from and how a place in it is named: sources, spans and gaps."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from analyzer.pieces import Pieces

PIECE, SHORT = 1 << 10, 1 << 17
HEAD = 1 << 16
"""Characters of a text in pieces in which the first line with text is looked for."""

CONTRADICTED = "contradicted"
"""The subject of a gap about state of which two captures say otherwise, where single lines that were not understood leave open less than that does: all of a
namespace's devices may do otherwise."""
FLOW = str.maketrans("", "", " {}[],\"'")
COMMENT = re.compile(r"\s#.*$")
DASHES = re.compile(r"^\s*(?:- +)*")
"""What block and flow style write differently, the comment of a line, and the dashes before its items."""


class Span(NamedTuple):
    """A place in a source: lines and columns from 1, the end exclusive.

    ``end_line`` and ``end_column`` of 0 mean "to the end of the line". ``str()`` is what terminals
    and editors make clickable.
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Scope(NamedTuple):
    """The network namespace that a source describes: a node, and a namespace on it.

    ``namespace`` is empty for the node's root network namespace, else the name of the folder under
    ``netns/``, such as ``default_web-1``. Sources of the whole cluster have no scope.
    """

    node: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.node}/{self.namespace}" if self.namespace else self.node


@dataclass(frozen=True, slots=True)
class Source:
    """One text with its name inside the input, what it is, and the namespace it describes. ``content`` is the text, or its pieces.

    ``kind`` names the parser (``iptables-save``, ``ip-addr``, ``kubernetes`` …). ``subject`` is what
    the file's own name adds to the text: the device of ``tc_filter_eth0``, the back end of
    ``iptables-legacy-save`` (``legacy``), the network of a lease. ``command``: of a part of a pasted text, the file name that the output of its
    command would have, as its path says nothing of it. ``origin``: the text of the file, where ``content`` was rendered from it and stands at its lines;
    ``changers``: the paths and texts of files that change it in rendering.
    """

    path: str
    content: str | Pieces
    kind: str = ""
    scope: Scope | None = None
    subject: str = ""
    command: str = ""
    origin: str = ""
    changers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The name of its file, or of the file that its command would have written."""
        return self.command or self.path.rsplit("/", 1)[-1]

    @property
    def text(self) -> str:
        """The whole text; it is put together each time where it is held in pieces."""
        return self.content if isinstance(self.content, str) else str(self.content)

    def start(self, size: int) -> str:
        """The first characters of the text."""
        return self.content[:size] if isinstance(self.content, str) else self.content.start(size)

    def pieces(self) -> Iterable[str]:
        """The text, one part after the other."""
        return (self.content,) if isinstance(self.content, str) else self.content

    def says(self, word: str) -> bool:
        """Whether a word without line ends stands in the text."""
        return word in self.content if isinstance(self.content, str) else self.content.says(word)

    @property
    def length(self) -> int:
        """How many characters the text has."""
        return len(self.content)

    def extent(self) -> tuple[int, int]:
        """The first line with text and the last line. A part of a pasted text has blank lines where other parts stand."""
        head = self.content if isinstance(self.content, str) else self.content.start(HEAD)
        return len(head) - len(head.lstrip("\n")) + 1, sum(part.count("\n") for part in self.pieces()) + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1; empty when there is no such line."""
        text, number = (self.content, number) if isinstance(self.content, str) else self.content.around(number)
        start = line_start(text, number)
        if start < 0:
            return ""
        end = text.find("\n", start)
        return text[start : end if end >= 0 else None].rstrip("\r")

    def shown(self, at: Span) -> str:
        """The line of a place as people know it: as the file has it, where rendering only added to what stands there, or where no value is meant (a place without an end)."""
        line, own = self.line(at.line), self.own_line(at.line)
        same = not at.end_column or bare(line).startswith(bare(own))
        return own if own and at.column <= len(own) and same else line

    def own_line(self, number: int) -> str:
        """The text of a line of the file that the text was rendered from; empty where there is none."""
        start = line_start(self.origin, number) if self.origin else -1
        return "" if start < 0 else self.origin[start:].partition("\n")[0].rstrip("\r")

    def placed(self, at: Span) -> Span:
        """A place of a text that was rendered, as the file has it: without the brackets that only the rendered text has around it."""
        line, own = self.line(at.line), self.own_line(at.line)
        start, end = at.column - 1, at.end_column - 1
        if line[start : start + 1] in ("{", "[") and own[start : start + 1] in (" ", "-") and own[start + 1 : start + 2].strip():
            start += 1
        while (
            at.end_line == at.line
            and end > start + 1
            and line[end - 1 : end] in ("}", "]")
            and own[end - 1 : end] != line[end - 1]
        ):
            end -= 1
        return at if (start, end) == (at.column - 1, at.end_column - 1) else at._replace(column=start + 1, end_column=end + 1)


def bare(line: str) -> str:
    """What a line of YAML says, without what block and flow style write differently, and without a comment."""
    return DASHES.sub("", COMMENT.sub("", line)).translate(FLOW)


def line_start(text: str, number: int) -> int:
    """The offset of a line, counted from 1; -1 when there is no such line."""
    if number <= 1:
        return number - 1
    ends = line_ends(text)
    piece = bisect_right(ends, number - 2) - 1
    at = piece * PIECE - 1
    for _ in range(number - 1 - ends[piece]):
        at = text.find("\n", at + 1)
        if at < 0:
            return -1
    return at + 1


def line_ends(text: str) -> tuple[int, ...]:
    """How many lines end before each piece of a text: lines of a text of a hundred megabytes, and of a thousand texts in turns, are looked up by the
    thousand."""
    return ends_of_short(text) if len(text) <= SHORT else ends_of_long(text)


@lru_cache(maxsize=512)
def ends_of_short(text: str) -> tuple[int, ...]:
    """The same of a text of which many can be kept."""
    return ends_of(text)


@lru_cache(maxsize=4)
def ends_of_long(text: str) -> tuple[int, ...]:
    """The same of a text of which few can be kept."""
    return ends_of(text)


def ends_of(text: str) -> tuple[int, ...]:
    """The same, counted."""
    counts = (text.count("\n", start, start + PIECE) for start in range(0, len(text), PIECE))
    return (0, *accumulate(counts))


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Text that was met and not understood, or a part that could not be read.

    ``subject`` names what the gap could change (a source kind such as ``ip-route``), so that the
    verdicts that rest on that part can say so. ``scope`` is the namespace that it belongs to. ``lost``: a whole document could not be read.
    ``device``: the interface that it is about; empty where it could be about any. ``cut``: the text breaks off here, and more may have stood behind.
    ``first``: where the same stands already.
    """

    at: Span
    reason: str
    subject: str = ""
    scope: Scope | None = None
    lost: bool = False
    device: str = ""
    cut: bool = False
    first: Span | None = field(default=None, compare=False, repr=False)
