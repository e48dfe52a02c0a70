"""Where text comes from and how a place in it is named: sources, spans and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


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
    """One text with its name inside the input, what it is, and the namespace it describes.

    ``kind`` names the parser (``iptables-save``, ``ip-addr``, ``kubernetes`` …). ``subject`` is what
    the file's own name adds to the text: the device of ``tc_filter_eth0``, the back end of
    ``iptables-legacy-save`` (``legacy``), the network of a lease.
    """

    path: str
    text: str
    kind: str = ""
    scope: Scope | None = None
    subject: str = ""

    def line(self, number: int) -> str:
        """The text of a line, counted from 1; empty when there is no such line."""
        lines = self.text.split("\n", number)
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Text that was met and not understood, or a part that could not be read.

    ``subject`` names what the gap could change (a source kind such as ``ip-route``), so that the
    verdicts that rest on that part can say so. ``scope`` is the namespace that it belongs to.
    """

    at: Span
    reason: str
    subject: str = ""
    scope: Scope | None = None
