"""Calico: the language of its selectors, clusters with verdicts, what it refuses, and all real objects of it that are at hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput

from analyzer.addresses import address
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.plugins import shipped
from analyzer.policy.calico_endpoints import GROUPS, selects
from analyzer.policy.calico_selectors import SelectorError, read_selector
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet, kinds, policy_set
from analyzer.policy.profiles import CALICO
from analyzer.policy.reading import group_of
from analyzer.policy.terms import All, AnyOf, Kind, Not, Opaque, Peer, Traffic
from analyzer.policy.tiers import Policy, Rules
from analyzer.policy.world import world_of
from analyzer.source import Source
from tests.naive_calico import Selector

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "policies").glob("calico-*"))
DATA = Path(os.environ.get("ANALYZER_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1, "ICMPv6": 58}
LINE = re.compile(r"(\S+) (\S+) (\w+)/([\d.]+)(?:<(\d+))?(?:@([46]))? (allowed|denied|open)")

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


def policies_of(*sources: Source) -> PolicySet:
    known, gaps = facts(sources)
    assert not gaps
    return policy_set(world_of(build(sources, known, gaps).cluster, CALICO))


def sample(path: Path) -> PolicySet:
    return policies_of(Source("objects.yaml", (path / "objects.yaml").read_text(), "kubernetes"))


def verdict_lines(path: Path) -> Iterator[str]:
    for line in (path / "verdicts.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield line


def end(policies: PolicySet, text: str) -> Entity:
    found = policies.world.by_name.get(text)
    return found or Entity(text, Kind.OUTSIDE, addresses=(address(text),))


def flow(match: re.Match[str], *ends: Entity) -> Flow:
    """``TCP/80``, ``ICMP/8.0``, with ``<port``: from a source port, with ``@6``: of IPv6."""
    protocol = NUMBERS.get(match[3]) or int(match[3])
    kind, _, code = match[4].partition(".")
    outside = [own.family for item in ends for own in item.addresses if item.kind is Kind.OUTSIDE]
    family = int(match[6] or 0) or (6 if protocol == 58 else outside[0] if outside else 4)
    port = int(kind) * 256 + int(code) if code else int(kind)
    return Flow(family, protocol, port, int(match[5] or (0 if code else 40000)))


@pytest.mark.parametrize("path", [path for path in SAMPLES if (path / "verdicts.txt").exists()], ids=lambda path: path.name)
def test_clusters_have_their_verdicts(path: Path) -> None:
    """verdicts.txt: from, to, protocol/port, verdict."""
    policies, wrong = sample(path), []
    for line in verdict_lines(path):
        match = LINE.fullmatch(line)
        assert match, line
        source, destination = end(policies, match[1]), end(policies, match[2])
        found = decide(policies, source, destination, flow(match, source, destination)).admitted
        said = "open" if found is None else "allowed" if found else "denied"
        wrong += [f"{line}: found {said}"] if said != match[7] else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_what_is_wrong_is_said(path: Path, request: pytest.FixtureRequest) -> None:
    """complaints.txt: line and column, whether Calico would refuse the object, and the words."""
    found = sorted((item.at.line, item.at.column, item.rejected, item.message) for item in sample(path).complaints)
    text = "".join(f"{line}:{column} {'refused' if rejected else 'taken'}: {words}\n" for line, column, rejected, words in found)
    expected = path / "complaints.txt"
    if request.config.getoption("--update"):
        expected.write_text(text)
    assert text == expected.read_text()


JUNK: list[object] = [
    None,
    True,
    0,
    -1,
    1 << 70,
    1.5,
    float("inf"),
    "",
    "x",
    "global()",
    "80:90",
    "\0",
    [],
    {},
    [None],
    [{}],
    {"x": 1},
    [[]],
    ["x", 3],
]


def damaged(value: object, random: Random) -> object:
    """The value with one part of it replaced, or left out."""
    if random.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return random.choice(JUNK)
    if isinstance(value, list):
        place = random.randrange(len(value))
        return [*value[:place], damaged(value[place], random), *value[place + 1 :]]
    key = random.choice(sorted(value))
    changed = {**value, key: damaged(value[key], random)}
    return changed if random.random() < 0.9 else {other: kept for other, kept in value.items() if other != key}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_damaged_objects_bring_no_traceback(path: Path) -> None:
    source = Source("objects.yaml", (path / "objects.yaml").read_text(), "kubernetes")
    objects = [json.loads(json.dumps(item)) for item in yaml.safe_load_all(source.text)]
    random = Random(7)
    for _ in range(150):
        place = random.randrange(len(objects))
        spec = damaged(objects[place]["spec"], random) if "spec" in objects[place] else random.choice(JUNK)
        items = [*objects[:place], {**objects[place], "spec": spec}, *objects[place + 1 :]]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        sources = (Source("objects.json", text, "kubernetes"),)
        policies = policy_set(world_of(build(sources, *facts(sources)).cluster, CALICO))
        everyone = [*policies.world.entities, Entity("8.8.8.8", Kind.OUTSIDE, addresses=(address("8.8.8.8"),))]
        for _ in range(5):
            decide(policies, random.choice(everyone), random.choice(everyone), Flow(4, 6, 80))


def test_the_grammar_is_read_for_errors_only() -> None:
    code = "import sys; from analyzer.policy.calico_selectors import read_selector as r; r('a == \"x\"'); assert 'lark' not in sys.modules"
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


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not here")
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
