"""What nft leaves out of the rules that iptables made: where it was built without libxtables, nothing is written for a match or a target that it
has no words for, and the spaces around it stay (src/xt.c ``xt_stmt_xlate`` up to nft 1.0.6, as Debian 12 has it; later ones write ``xt match "…"``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from analyzer.parsers._nft_commands import Line

PART = re.compile(r'"[^"]*"|  +|[^" ]+| ')
MATCH, TARGET = 'xt match "not shown"', 'xt target "not shown"'


def completed(lines: Iterable[Line], text: Sequence[str]) -> Iterator[Line]:
    """The rules of a chain, with a test or a target that is not known where one was left out; ``text``: the lines of the listing."""
    for line in lines:
        raw = text[line.number - 1].strip("\t\r") if line.number <= len(text) else ""
        left_out = raw[:1] == " " or raw[-1:] == " " or "  " in raw
        yield line._replace(text=filled(raw)) if left_out and raw.strip() == line.text and "counter packets " in raw else line


def filled(raw: str) -> str:
    """A rule with words where nothing was written: one more for each space that is too many. The last may be a target, or a test without one."""
    spaces = len(raw) - len(raw.lstrip(" "))
    inner = "".join(f" {MATCH}" * (len(part) - 1) + " " if part.isspace() else part for part in PART.findall(raw.strip(" ")))
    behind = len(raw) - len(raw.rstrip(" "))
    return f"{MATCH} " * spaces + inner + f" {TARGET}" * behind
