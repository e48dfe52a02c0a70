"""How text is dressed: colour, width, and what must never reach a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "good": "1;32",
    "bad": "1;31",
    "unsure": "1;33",
    "place": "34",
    "dim": "2",
    "strong": "1",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Style:
    """Colour or none, terse or verbose, and the width to fill."""

    color: bool = False
    verbose: bool = False
    width: int = 120

    def paint(self, text: str, role: str) -> str:
        """The text in the colour of its role, where colour is wanted."""
        return f"\x1b[{CODES[role]}m{text}\x1b[0m" if self.color and text else text


def safe(text: str) -> str:
    """The text on one line, with control and direction-changing characters, and what no encoding has, written out; tabs as spaces.

    A name with a line end in it would otherwise begin a line of its own, which a runner of jobs may take for a command."""
    return safe_lines(text).replace("\n", "\\n")


def safe_lines(text: str) -> str:
    """The same for text that has lines."""
    return CONTROL.sub(written_out, text.replace("\t", "    "))


def written_out(found: re.Match[str]) -> str:
    """One character as its escape."""
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
