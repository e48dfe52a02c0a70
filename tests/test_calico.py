"""Calico: the language of its selectors, and all real objects of it that are at hand."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.plugins import shipped
from analyzer.policy.calico.endpoints import GROUPS, selects
from analyzer.policy.calico.selectors import SelectorError, read_selector
from analyzer.policy.planes import kinds
from analyzer.policy.profiles import CALICO
from analyzer.policy.reading import group_of
from analyzer.policy.terms import All, AnyOf, Not, Opaque, Peer, Traffic
from analyzer.policy.tiers import Policy, Rules
from analyzer.policy.world import world_of
from analyzer.source import Source
from tests.naive_calico_selectors import Selector
from tests.policies import DATA, needs

LABELS = {"a": "1", "app": "front-end", "projectcalico.org/namespace": "n", "x.y/z_0-1": ""}
SELECTORS: list[tuple[str, bool]] = [
    ("", True),
    ("  \t", True),
    ("all()", True),
    ("all( )", True),
    ("!all()", False),
    ("a == '1'", True),
    ('a=="1"', True),
    ("a == '1 '", False),
    ("a != '1'", False),
    ("missing != '1'", True),
    ("missing == ''", False),
    ("has(a)", True),
    ("has( a )", True),
    ("!has(missing)", True),
    ("! ! has(a)", True),
    ("a in {'0', '1'}", True),
    ("a in{'0','1',}", True),
    ("a in {}", False),
    ("a not in {}", True),
    ("a notin {'1'}", False),
    ("missing not  in {'1'}", True),
    ("app contains 't-e'", True),
    ("app contains ''", True),
    ("missing contains ''", False),
    ("app starts with 'front'", True),
    ("app startswith 'end'", False),
    ("app ends with 'end'", True),
    ("a == '1' && app == 'x' || has(a)", True),
    ("a == '1' && (app == 'x' || has(missing))", False),
    ("a == '0' || a == '1' && has(missing)", False),
    ("!(a == '1') || !has(missing)", True),
    ("x.y/z_0-1 == ''", True),
    ('a == "\'"', False),
    ("a contains '\"'", False),
    ("has == 'x'", False),
    ("in in {'in'}", False),
    ("contains contains 'contains'", False),
    ("((((a == '1'))))", True),
]
REFUSED: list[tuple[str, str, int]] = [
    ("a", "expected '!=', '==', contains, ends with, in, not in or starts with, but here is the end", 2),
    ("a = '1'", "but here is \"= '1'\"", 3),
    ("a == 1", "expected a text in quotes, but here is '1'", 6),
    ("a == 'x", "expected a text in quotes", 6),
    ("a == 'x' b", "expected '&&' or '||', but here is 'b'", 10),
    ("a == 'x' &", "expected '&&' or '||', but here is '&'", 10),
    ("a == 'x' &&", "but here is the end", 12),
    ("(a == 'x'", "expected ')', but here is the end", 10),
    ("a == 'x')", "expected the end, but here is ')'", 9),
    ("has(a", "expected ')', but here is the end", 6),
    ("has()", "expected a label", 5),
    ("a in {'x' 'y'}", "expected ',' or '}'", 11),
    ("a in {,}", "expected '}' or a text in quotes", 7),
    ("a in 'x'", "expected '{'", 6),
    ("ain {'x'}", "but here is \"{'x'}\"", 5),
    ("a starts 'x'", "expected", 3),
    ("!", "but here is the end", 2),
    ("()", "but here is ')'", 2),
    ("a == 'x'\n", "expected", 9),
    ("(" * 50 + "a == 'x'" + ")" * 50, "more than 40 deep", 40),
]


@cache
def grammar() -> Lark:
    return Lark((shipped("grammars") / "calico_selector.lark").read_text(), parser="lalr")


def accepted(text: str) -> bool:
    try:
        grammar().parse(text)
    except UnexpectedInput:
        return False
    return True


@pytest.mark.parametrize(("text", "holds"), SELECTORS, ids=lambda value: repr(value))
def test_selectors_hold(text: str, holds: bool) -> None:
    assert selects(read_selector(text), LABELS) is holds
    assert accepted(text)


@pytest.mark.parametrize(("text", "message", "column"), REFUSED, ids=lambda value: repr(value)[:40])
def test_selectors_that_are_none_are_explained(text: str, message: str, column: int) -> None:
    with pytest.raises(SelectorError) as error:
        read_selector(text)
    assert message in str(error.value)
    assert error.value.column == column


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "has",
        "all",
        "global",
        "in",
        "not",
        "contains",
        "starts",
        "ends",
        "with",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "{",
        "}",
        ",",
        "==",
        "!=",
        "=",
        "'x'",
        '"y"',
        "''",
        "has(",
        "all()",
        "global()",
        "&",
        "|",
    ]
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "\t"])), max_size=12).map(
    lambda parts: "".join(a + b for a, b in parts)
)


def sensible(depth: int) -> st.SearchStrategy[str]:
    """Selectors that are ones, at random."""
    key, value = st.sampled_from(["a", "b", "in", "not"]), st.sampled_from(["'1'", '"12"', "''"])
    operators = st.sampled_from(["==", "!=", " contains", " starts  with ", " ends with"])
    compared = st.tuples(key, operators, value).map("".join)
    sets = st.tuples(key, st.sampled_from([" in {", " not in{ "]), st.lists(value, max_size=3).map(", ".join), st.just("}")).map(
        "".join
    )
    simple = st.one_of(compared, sets, key.map("has({})".format), st.just("all()"))
    if not depth:
        return simple
    inner = sensible(depth - 1)
    joined = st.tuples(st.lists(inner, min_size=1, max_size=3), st.sampled_from(["&&", " || "])).map(
        lambda pair: pair[1].join(pair[0])
    )
    return st.one_of(simple, joined, joined.map("!({})".format), joined.map("( {} )".format))


@settings(max_examples=400, deadline=None)  # type: ignore[untyped-decorator]
@given(text=st.one_of(TEXTS, sensible(2)))  # type: ignore[untyped-decorator]
def test_the_reader_takes_what_the_grammar_takes(text: str) -> None:
    if accepted(text):
        read_selector(text)
        return
    with pytest.raises(SelectorError) as error:
        read_selector(text)
    assert 1 <= error.value.column <= len(text) + 1


@settings(max_examples=300, deadline=None)  # type: ignore[untyped-decorator]
@given(text=sensible(3), labels=st.dictionaries(st.sampled_from(["a", "b", "in", "not"]), st.sampled_from(["1", "12", ""])))  # type: ignore[untyped-decorator]
def test_the_reader_means_what_the_plain_reading_means(text: str, labels: dict[str, str]) -> None:
    assert selects(read_selector(text), labels) is Selector(text).holds(labels)


def test_thousands_of_selectors_are_read_in_well_under_a_second() -> None:
    texts = [f"app == 'web{number}' && tier not in {{'a', 'b'}} && (has(x) || !has(y{number}))" for number in range(5000)]
    begun = time.process_time()
    for text in texts:
        read_selector(text)
    assert time.process_time() - begun < 1


def test_a_long_selector_is_refused_as_fast_as_it_is_read() -> None:
    begun = time.process_time()
    for text in ("a in {" + "'x'," * 20000 + "&", "!" * 50000, "a == '" + "x" * 100000, "a in {" + "'" * 50001):
        with pytest.raises(SelectorError):
            read_selector(text)
    assert time.process_time() - begun < 5


def test_the_grammar_is_read_for_errors_only() -> None:
    code = "import sys; from analyzer.policy.calico.selectors import read_selector as r; r('a == \"x\"'); assert 'lark' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def opaque_in(term: Peer | Traffic) -> Iterator[str]:
    match term:
        case All(terms) | AnyOf(terms):
            for inner in terms:
                yield from opaque_in(inner)
        case Not(inner):
            yield from opaque_in(inner)
        case Opaque(text):
            yield text
        case _:
            pass


def doubts(policy: Policy) -> Iterator[str]:
    """What is not known in a policy."""
    yield from opaque_in(policy.subject)
    for rules in (policy.ingress, policy.egress):
        for rule in (rules or Rules(())).rules:
            for term in (rule.peer, rule.own, rule.traffic):
                yield from opaque_in(term)


@needs(DATA)
def test_every_real_object_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    known, complete, read = kinds(), 0, 0
    told: Counter[str] = Counter()
    for path in sorted(DATA.rglob("*.y*ml")):
        text = path.read_text(errors="replace") if path.stat().st_size < 2_000_000 else ""
        if "projectcalico.org/" not in text:
            continue
        source = Source(path.name, text, "kubernetes")
        found, gaps = facts((source,))
        world = world_of(build((source,), found, gaps).cluster, CALICO)
        for item in world.cluster.others:
            if group_of(item) in GROUPS and f"{group_of(item)}/{item.kind}" in known:
                answers = list(known[f"{group_of(item)}/{item.kind}"].read(item, world))
                texts = [doubt for answer in answers if isinstance(answer, Policy) for doubt in doubts(answer)]
                read, complete = read + 1, complete + (not texts)
                told.update(texts)
    with capsys.disabled():
        print(f"\n{complete} of {read} real objects of Calico are understood without a doubt; doubts: {dict(told)}")
    assert read >= 3
    assert complete == read
