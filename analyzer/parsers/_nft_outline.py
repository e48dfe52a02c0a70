"""Native rules that differ in single addresses, ports and the chains that they go to only: what they have in common, and the words in which they differ.

As ``_iptables_outline.py``: rules are read in full once for each outline, with marks where the words were; what holds of the marks holds of the words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from analyzer.facts.nftables import Statement
from analyzer.parsers._iptables_outline import FIRST, Outline
from analyzer.parsers._iptables_outline import value_of as value_of_word
from analyzer.parsers._nft_rules import typed
from analyzer.parsers._nft_statements import statements
from analyzer.ranges import Ranges

NOISE = re.compile(r' comment "[^"\\\n]*"| counter packets \d+ bytes \d+')
JUMPS = frozenset({"goto ", "jump "})
END = r"(?=[ \n]|$)"
TEST = r"\b[sd]addr (?:!= )?(?={0}+" + END + r")|\bdnat (?:ip6? )?to {1}|\b[sd]port (?:!= )?(?=\d+" + END + ")"
WORDS = {
    4: re.compile(
        r"(\bgoto |\bjump |" + TEST.format(r"[\d.]", "") + r"|(?<=\d):(?=\d+$))([^\s,}:]+)",
        re.MULTILINE | re.ASCII,
    ),
    6: re.compile(
        r"(\bgoto |\bjump |" + TEST.format(r"[\da-f:.]", r"\[?") + r"|(?<=\]):(?=\d+$))([^\s,}\]]+)",
        re.MULTILINE | re.ASCII,
    ),
}


class Marked(NamedTuple):
    """A rule with marks for its words: the place of the word that each address, port or name of a chain stands for."""

    statements: tuple[Statement, ...]
    places: Mapping[int | str, int]


def outlined(text: str, family: int) -> Outline | None:
    """The outline of the rules of a chain, one a line, without comments and counters; None where something is quoted."""
    text = NOISE.sub("", text)
    if '"' in text:
        return None
    pieces = WORDS[family].split(text)
    return Outline(tuple(pieces[::3]), tuple(pieces[1::3]), tuple(pieces[2::3]))


def is_port(kind: str) -> bool:
    """Whether words of a kind are ports."""
    return kind == ":" or "port " in kind


def value_of(kind: str, word: str, family: int) -> Ranges | None:
    """The address or port that a word says; None where it says something else, or in another way."""
    return value_of_word(":" if is_port(kind) else "", word, family)


def marked(outline: Outline, family: int) -> list[Marked] | None:
    """The rules, each with marks in place of the words; None where a mark's text stands in them anyway."""
    found: list[Marked] = []
    line, places = "", dict[int | str, int]()
    for place, around in enumerate(outline.around):
        before, *rest = around.split("\n")
        line += before
        for following in rest:
            found.append(Marked(typed(statements(line)), places))
            line, places = following, {}
        if place < len(outline.kinds):
            text, value = mark(outline.kinds[place], place, family)
            if any(text in other for other in outline.around):
                return None
            line += outline.kinds[place] + text
            places[value] = place
    return [*found, Marked(typed(statements(line)), places)]


def mark(kind: str, place: int, family: int) -> tuple[str, int | str]:
    """The mark for a word of a kind, as text and as it is read."""
    if kind in JUMPS:
        return f"chain-{place}", f"chain-{place}"
    if is_port(kind):
        return str(65535 - place), 65535 - place
    low = place + 1
    return f"240.0.{low >> 8}.{low & 255}" if family == 4 else f"3fff::{low:x}", FIRST[family] + low
