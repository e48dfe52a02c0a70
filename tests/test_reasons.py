"""Gaps say what was expected, in the reader's words: never what the interpreter said to the parser."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer import parsers
from analyzer.parsers import reason
from analyzer.source import Gap, Scope, Source
from tests.raw import RAW
from tests.test_parsers import FILES, PARSERS

LONGEST = 1500
OTHERS = ("null", "5", '"x"', "[]", "{}", '{"a": 1}', "true", '[{"a": []}]')


def wounded(text: str, chance: random.Random) -> Iterator[str]:
    """The text cut, a number that is a word or far too large, a word too few or strange, and JSON's values of other kinds."""
    for _ in range(4):
        yield text[: chance.randrange(len(text) + 1)]
    for found in picked(r"(?<![\w.])\d+(?![\w.])", text, 6, chance):
        for other in ("x", "9" * 20, "1.5", '""', ""):
            yield text[: found.start()] + other + text[found.end() :]
    for found in picked(r"(?<!\w)[A-Za-z][\w.-]*", text, 10, chance):
        for other in ("zz", "", f"{found[0]}\n"):
            yield text[: found.start()] + other + text[found.end() :]
    for found in picked(r'(?<=: )("[^"\n]*"|\d+|true|false|null)', text, 6, chance):
        for other in OTHERS:
            yield text[: found.start()] + other + text[found.end() :]


def picked(pattern: str, text: str, most: int, chance: random.Random) -> list[re.Match[str]]:
    found = list(re.finditer(pattern, text))
    return chance.sample(found, min(len(found), most))


SHORT = [path for path in FILES if path.parent.name != "kubernetes"]
"""Of YAML the reader of libyaml speaks, whose words are of YAML."""


@pytest.mark.parametrize("path", SHORT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_gap_says_what_the_interpreter_said(path: Path) -> None:
    kind, text = path.parent.name, path.read_text()[:LONGEST]
    for broken in wounded(text, random.Random(kind)):
        for item in parsers.read(PARSERS[kind], Source("wounded", broken, kind, Scope("node"))):
            assert not (isinstance(item, Gap) and RAW.search(item.reason)), (item, broken)


NUMBER: Any = 5
TEXT: Any = "a"
LIST: Any = [1]
OBJECT: Any = {}
CALLS: tuple[tuple[Callable[[], object], str], ...] = (
    (lambda: int("lan"), "a number was expected, not 'lan'"),
    (lambda: int("lan", 16), "a hexadecimal number was expected, not 'lan'"),
    (lambda: int("9" * 5000), "a number has more digits than any that can stand here"),
    (lambda: int(float("inf")), "a number is too large or too small"),
    (lambda: LIST[4], "it ends before all that was expected"),
    (lambda: OBJECT.get("x").group, "it is in no form that is known"),
    (lambda: NUMBER.get, "an object was expected, not a number"),
    (lambda: TEXT["x"], "an object was expected, not a text"),
    (lambda: int(LIST), "a number was expected, not a list"),
    (lambda: OBJECT[LIST], "a text or a number was expected, not a list"),
    (lambda: OBJECT.update(["abc"]), "pairs of names and values were expected"),
    (lambda: OBJECT["dev"], "missing 'dev'"),
    (lambda: json.loads('{"a" 1}'), "this JSON is broken: a colon was expected"),
    (lambda: b"\xff".decode(), "it is no text in UTF-8"),
)


@pytest.mark.parametrize(("call", "words"), CALLS, ids=[words for _, words in CALLS])
def test_what_the_interpreter_says_becomes_words(call: Callable[[], object], words: str) -> None:
    with pytest.raises(parsers.UNREADABLE) as caught:
        call()
    assert reason(caught.value) == words


def test_broken_json_is_told_where_it_breaks() -> None:
    text = '[\n {"ifindex": 1, "ifname": "lo"},\n {"ifindex": x}\n]'
    for kind in ("ip-addr", "cilium-identities", "bgp-summary"):
        gap = next(item for item in parsers.read(PARSERS[kind], Source("a", text, kind, Scope("node"))) if isinstance(item, Gap))
        assert (gap.at.line, gap.at.column) == (3, 14), kind
