"""Cut, flipped and swollen samples: every parser still ends, quickly, with facts and gaps and never an exception."""

from __future__ import annotations

import random
import time

import pytest

from analyzer import parsers
from analyzer.facts.netfilter import RulesetFact
from analyzer.parsers import Parser
from analyzer.source import Gap, Scope, Source
from tests.raw import RAW
from tests.test_parsers import FILES, PARSERS

TEXTS = [(f"{path.parent.name}/{path.name}", path.read_text()) for path in FILES]
SECONDS = 5.0


def read(parser: Parser, text: str) -> None:
    """Reads to the end, each rule as well, and holds the time."""
    begin = time.monotonic()
    for item in parsers.read(parser, Source("damaged", text, parser.kind, Scope("node"))):
        if isinstance(item, RulesetFact):
            rules = [rule for chains in item.tables.values() for chain in chains.values() for rule in chain.rules]
            assert all(rule.at.line <= text.count("\n") + 1 for rule in rules)
        elif isinstance(item, Gap) and parser.kind != "kubernetes":
            assert not RAW.search(item.reason), item
    assert time.monotonic() - begin < SECONDS, f"{parser.kind} took too long"


def damaged(text: str, chance: random.Random) -> list[str]:
    """The text cut, with a byte changed, a line doubled, a NUL, and words removed, at a place that chance names."""
    at = chance.randrange(len(text) + 1)
    lines = text.split("\n")
    line = chance.randrange(len(lines))
    doubled = [*lines[: line + 1], *lines[line:]]
    words = lines[line].split(" ")
    words.pop(chance.randrange(len(words)))
    return [
        text[:at],
        text[at:],
        text[:at] + chance.choice('"{}[]:/,<>\\ \t\x00-9é') + text[at + 1 :],
        "\n".join(doubled),
        "\n".join([*lines[:line], " ".join(words), *lines[line + 1 :]]),
        text[:at] + "\x00" + text[at:],
    ]


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_damaged_samples_are_read(name: str, text: str) -> None:
    chance = random.Random(name)
    parser = PARSERS[name.partition("/")[0]]
    for _ in range(20):
        for broken in damaged(text, chance):
            read(parser, broken)


@pytest.mark.parametrize("kind", sorted(PARSERS))
def test_every_parser_reads_every_sample(kind: str) -> None:
    for _, text in TEXTS:
        read(PARSERS[kind], text[:3000])


# The pattern for pairs of conntrack takes time that grows with the square of a word's length.
HOSTILE = {
    "long line": "1: " + "a" * 300_000,
    "long words": "default " + "via " * 60_000,
    "brackets": "[" * 100_000,
    "braces": '{"a":' * 50_000,
    "blanks": " " * 300_000 + "x",
    "colons": ":" * 200_000,
    "digits": "9" * 200_000,
    "numbers in JSON": '[{"ifindex": ' + "9" * 10_000 + "}]",
    "nulls": "\x00" * 10_000,
    "scalars": '[1, null, [], "x"]',
    "items of the wrong shape": '[{"dst": 5, "dev": [], "flags": 3, "ifname": {}, "addr_info": 7, "linkinfo": []}]',
}


@pytest.mark.parametrize("kind", sorted(PARSERS))
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_text_is_read(kind: str, name: str) -> None:
    read(PARSERS[kind], HOSTILE[name])
