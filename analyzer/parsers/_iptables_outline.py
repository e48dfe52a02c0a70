"""Rules that differ in single addresses, ports and the chains that they jump to only: what they have in common, and the words in which they differ.

A line is read in full once for each outline, with marks where the words were; what holds of the marks holds of the words. A line that is written
in any other way has an outline of its own, or none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from analyzer.addresses import WIDTH, address
from analyzer.facts.netfilter import NfRule
from analyzer.parsers._iptables_rule import parse_rule
from analyzer.parsers._iptables_targets import OTHERS, PASSING, TARGETS
from analyzer.ranges import Ranges, single
from analyzer.source import Span

COMMENT = re.compile(r' -m comment --comment (?:"[^"\\\n]*"|\w[^\s"\\]*)(?= |$)', re.MULTILINE)
JUMP = " -j "
# Each way begins with its first character: the search goes from one to the next of these.
WORDS = {
    4: re.compile(
        r"( -[sd] (?=[\d.]+/32 )| --dport | --to-destination |:(?<=\d:)(?=\d+$)| -j (?=[\w.-]+$))([\w.-]+)",
        re.MULTILINE | re.ASCII,
    ),
    6: re.compile(
        r"( -[sd] (?=[\da-f:]+/128 )| --dport | --to-destination \[|:(?<=\]:)(?=\d+$)| -j (?=[\w.-]+$))([\w.:-]+)",
        re.MULTILINE | re.ASCII,
    ),
}
PORTS = frozenset({" --dport ", ":"})
FIRST = {4: 0xF0000000, 6: 0x3FFF << 112}
RESERVED = frozenset({"ACCEPT", "DROP", "RETURN", *PASSING, *OTHERS, *TARGETS})


class Outline(NamedTuple):
    """Lines of a chain: what stands around the words, what kind each word is of, and the words."""

    around: tuple[str, ...]
    kinds: tuple[str, ...]
    words: tuple[str, ...]


class Marked(NamedTuple):
    """A rule with marks for its words: the place of the word that each value stands for. A value may stand elsewhere in the rule too."""

    rule: NfRule
    addresses: dict[int, int]
    ports: dict[int, int]
    chains: dict[str, int]


def outlined(name: str, text: str, family: int) -> Outline | None:
    """The outline of lines of a chain, without comments; None where something else is quoted."""
    text = COMMENT.sub(" -m comment", text)
    if '"' in text:
        return None
    pieces = WORDS[family].split(text.replace(f"-A {name} ", " "))
    return Outline(tuple(pieces[::3]), tuple(pieces[1::3]), tuple(pieces[2::3]))


def value_of(kind: str, word: str, family: int) -> Ranges | None:
    """The address or port that a word says; None where it says something else, or in another way."""
    if kind in PORTS:
        return single(int(word)) if word.isdecimal() and str(int(word)) == word and int(word) < 1 << 16 else None
    try:
        found = address(word)
    except ValueError:
        return None
    return single(found.value) if found.family == family and WIDTH[family] else None


def is_chain(word: str) -> bool:
    """Whether ``-j`` with the word means a chain, where there is one of the name."""
    return word not in RESERVED


def marked(outline: Outline, family: int, at: Span) -> list[Marked]:
    """The rules of the lines, each with marks in place of the words; words of ``-j`` that are no chains are to be themselves, and are given
    with a place like the others."""
    found: list[Marked] = []
    line, addresses, ports, chains = "", dict[int, int](), dict[int, int](), dict[str, int]()
    for place, around in enumerate((*outline.around, "\n")):
        before, *rest = around.split("\n")
        line += before
        for following in rest:
            parsed = parse_rule(f"-A X{line}" if line[:1] == " " else line, family)
            rule = NfRule(parsed.matches, parsed.target, len(found) + 1, at)
            found.append(Marked(rule, addresses, ports, chains))
            line, addresses, ports, chains = following, {}, {}, {}
        if place < len(outline.kinds):
            line += mark(outline, place, family, addresses, ports, chains)
    return found


def mark(
    outline: Outline, place: int, family: int, addresses: dict[int, int], ports: dict[int, int], chains: dict[str, int]
) -> str:
    """The word at a place with what stands before it, as a mark, which is noted."""
    kind = outline.kinds[place]
    if kind == JUMP:
        chains[outline.words[place]] = place
        return kind + outline.words[place]
    if kind in PORTS:
        number = 65535 - len(ports)
        ports[number] = place
        return f"{kind}{number}"
    value = FIRST[family] + len(addresses) + 1
    addresses[value] = place
    return kind + (f"240.0.0.{value & 255}" if family == 4 else f"3fff::{value & 255:x}")
