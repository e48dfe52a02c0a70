"""YAML as the API server reads it: scalars, merge keys, limits, damaged text; and the reader by lines says what the parser says."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.facts.kubernetes import ObjectFact, ServiceFact
from analyzer.parsers import (
    _json_documents,
    _yaml,
    _yaml_events,
    kubernetes,
)
from analyzer.source import Gap, Source
from tests.captures import facts_of

# What `kubectl annotate --local -o json` (1.32) makes of each scalar.
SCALARS: dict[str, Any] = {
    "52:54:00:12:34:56": "52:54:00:12:34:56",
    "1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8",
    "12:30": "12:30",
    "12:30:45": "12:30:45",
    "2026-01-01": "2026-01-01",
    "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
    "=": "=",
    "08080": 8080,
    "0777": 511,
    "0o14": 12,
    "0o8": "0o8",
    "1e3": 1000,
    "1.0": 1,
    "1.5": 1.5,
    "y": True,
    "Yes": True,
    "no": False,
    "on": True,
    "OFF": False,
    "tRue": "tRue",
    "Null": None,
    "~": None,
    "1_000": 1000,
    "0x1F": 31,
    "-0x1F": -31,
    "0b101": 5,
    "+5": 5,
    "+.5": 0.5,
    "5.": 5,
    "1E400": "1E400",
    "1__0": 10,
    "0x": "0x",
    "0b2": "0b2",
    "9223372036854775807": 9223372036854775807,
    "09": 9,
    "1_0.5": 10.5,
    "_1": "_1",
    "!!str 5": "5",
    '!!int "5"': 5,
    "!!binary aGk=": "hi",
    "!foo bar": "bar",
    '"yes"': "yes",
    "'5'": "5",
    "1e21": 1e21,
    "<<": "<<",
    "0o1_7": 15,
    "1.2.3": "1.2.3",
    ".": ".",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_the_api_server(text: str) -> None:
    found = list(_yaml.documents(Source("x", f"spec:\n  v: {text}\n")))
    assert not isinstance(found[0], Gap)
    value = found[0].value["spec"]["v"]
    assert value == SCALARS[text]
    assert isinstance(value, bool) == isinstance(SCALARS[text], bool)


@pytest.mark.parametrize("text", [".inf", ".nan", "-.Inf"])
def test_what_json_cannot_hold_is_a_gap(text: str) -> None:
    assert [type(item) for item in _yaml.documents(Source("x", f"v: {text}\n"))] == [Gap]


def test_merge_keys_as_goyaml_v2() -> None:
    text = 'base: &b {p: 1, q: 2}\nspec:\n  p: 5\n  <<: *b\n  q: 7\n  "on": 1\n  5: 2\n  true: 3\n  1.5: 4\n'
    (document,) = _yaml.documents(Source("x", text))
    assert not isinstance(document, Gap)
    assert document.value["spec"] == {"p": 1, "q": 7, "on": 1, "5": 2, "true": 3, "1.5": 4}


def test_a_key_twice_is_a_gap() -> None:
    gap, document = _yaml.documents(Source("x", "a: 1\nb: 2\na: 3\n"))
    assert isinstance(gap, Gap)
    assert (gap.at.line, gap.at.column) == (3, 1)
    assert not isinstance(document, Gap)
    assert document.value == {"a": 3, "b": 2}


def test_aliases_and_depth_are_limited() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    for text in (bomb, "a: &a [*a]\n", "[" * 100_000, "{a: " * 5_000, "- " * 3_000 + "x", "a: &x b\nc: *y\n"):
        started = time.monotonic()
        assert any(isinstance(item, Gap) for item in _yaml.documents(Source("x", text)))
        assert time.monotonic() - started < 5
    assert any(isinstance(item, Gap) for item in _json_documents.documents(Source("x", "[" * 100_000)))


def test_a_broken_document_loses_only_itself() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"
    known, gaps = facts_of(f"{pod % 'a'}---\napiVersion: v1\n\tkind: Pod\n---\n{pod % 'b'}---\n# nothing\n---\n{{{{ helm }}}}\n")
    assert [fact.name for fact in known] == ["a", "b"]
    assert [gap.at.line for gap in gaps] == [6, 14]


def test_a_broken_item_loses_only_itself() -> None:
    item = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: %s\n"
    bad = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: [\n"
    known, gaps = facts_of(f"apiVersion: v1\nitems:\n{item % 'a'}{bad}{item % 'b'}{item % 'c'}kind: List\n")
    assert [fact.name for fact in known] == ["a", "b", "c"]
    assert gaps


def test_a_list_that_is_cut_says_so() -> None:
    item = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: %s\n"
    _, gaps = facts_of(f"apiVersion: v1\nitems:\n{item % 'a'}{item % 'b'}")
    assert "breaks off" in gaps[0].reason


@given(st.text(alphabet=st.sampled_from("abk:- \n\"'{}[],&*!|>#0\t1<"), max_size=120))  # type: ignore[untyped-decorator]
def test_any_text_is_read_or_a_gap(text: str) -> None:
    facts_of(text)
    facts_of("{" + text)


def test_blank_documents_cost_nothing() -> None:
    started = time.monotonic()
    assert list(_yaml.documents(Source("x", "# comment \n" * 50_000 + "---\n" * 20_000))) == []
    assert time.monotonic() - started < 2


def test_the_head_of_a_document_is_found_after_comments() -> None:
    assert kubernetes.PARSER.content is not None
    assert re.search(kubernetes.PARSER.content, "# licence\n\n---\napiVersion: v1\nkind: Pod\n")


BLOCKS = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: c
  data:
    a: |
      x

      y
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      x: "a\\nb"
      y: 'it'
    labels: {}
    name: p
  spec:
    containers:
    - args: ["a", b]
      name: c
      ports: [{name: dns, containerPort: 53}, {containerPort: 80}]
      env: [x, {a: [1, 'b'], c: {on: "d, e"}, f: {}}, []]
    - command:
      - --x=1
      - {x: ::1/8}
      - [y, 0x10, -1]
      - a: b
      name: d
  status:
    podIP: 10.0.0.1
- apiVersion: v1
  kind: Service
  metadata:
    name: web
  spec:
    clusterIP: 10.96.0.5
    ports:
    - port: 80
      targetPort: http
    selector:
      on: "yes"
kind: List
metadata:
  resourceVersion: ""
"""
PIECES = [
    " ",
    "\n",
    "- ",
    ": ",
    "#",
    " #",
    '"',
    "'",
    "{}",
    "[]",
    "x",
    "y: z",
    "\n  ",
    "\n- ",
    "\t",
    "&a ",
    "*a",
    "|",
    "-",
    "~",
    "? ",
]
PIECES += [
    "null",
    "...",
    "\\",
    ",",
    "<<",
    "\n---\n",
    "a:\n",
    "on",
    "items:\n",
    "kind: x\n",
    "\nitems:\n- ",
    "\n\n",
    "\n# c\n",
    "\u00e9",
    "{",
    "}",
    "[",
    "]",
    "{a: b}",
    "[a, 1.0]",
    ", ",
    ": {z: [~, 'q']}",
    "%",
    "@",
    "!",
    "?",
    ":",
]
CHANGE = st.tuples(st.integers(0, len(BLOCKS)), st.sampled_from(PIECES), st.integers(0, 2))


def told(text: str) -> list[str]:
    """All that a text says: facts with their documents and every place, and gaps."""
    known, gaps = facts_of(text)
    objects = [(fact, fact.at, fact.document, list(fact.places.items())) for fact in known if isinstance(fact, ObjectFact)]
    return sorted(map(repr, [*gaps, *objects, *((fact, fact.at) for fact in known if not isinstance(fact, ObjectFact))]))


@given(st.lists(CHANGE, max_size=3), st.booleans())  # type: ignore[untyped-decorator]
def test_reading_by_lines_says_what_the_parser_of_yaml_says(changes: list[tuple[int, str, int]], alone: bool) -> None:
    text = BLOCKS.partition("items:\n- ")[2].partition("\n- ")[2].replace("\n- ", "\n---\n  ") if alone else BLOCKS
    text = re.sub("(?m)^  ", "", text) if alone else text
    for offset, piece, cut in changes:
        text = text[:offset] + piece + text[offset + cut :]
    by_lines = told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml, "written_by_kubectl", lambda *_: None)
        assert by_lines == told(text)


def test_what_kubectl_writes_is_read_by_lines() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml_events, "events", None)
        service = BLOCKS[: BLOCKS.index("- ")] + BLOCKS[BLOCKS.rindex("- apiVersion") :]
        known, gaps = facts_of(service)
    assert gaps == []
    assert isinstance(known[0], ServiceFact)
    assert known[0].selector == {"true": "yes"}


SIGNS = st.sampled_from("{}[],: ab5-~'\"#&*!%@`|>?<=($\\._+")
WORDS = st.sampled_from(["on", "'c'", '"d"', "k8s.io/z", "::1", "{a: b}", "[c]", "{}", "[]", ", ", ": ", " #", "? ", "&a ", "*a"])
FLOWS = st.lists(SIGNS | WORDS, max_size=12).map("".join)


@given(FLOWS, st.sampled_from(["[%s]", "{%s}", "{a: %s}", "[{q: %s}, x]", "{r: [%s], s: t}"]), st.booleans())  # type: ignore[untyped-decorator]
@settings(max_examples=400)  # type: ignore[untyped-decorator]
def test_flow_collections_are_read_by_lines_as_the_parser_of_yaml_reads_them(
    inner: str, around: str, behind_a_dash: bool
) -> None:
    text = f"apiVersion: v1\nkind: X\nspec:\n  {'- ' if behind_a_dash else 'v: '}{around % inner}\n"
    by_lines = told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml, "written_by_kubectl", lambda *_: None)
        assert by_lines == told(text)


def test_flow_collections_on_one_line_are_read_by_lines() -> None:
    text = "apiVersion: v1\nkind: X\nspec:\n  ports:\n  - {name: dns, containerPort: 53}\n  types: [A, 'B']\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml_events, "events", None)
        (fact,), gaps = facts_of(text)
    assert gaps == []
    assert fact.document["spec"] == {"ports": [{"name": "dns", "containerPort": 53}], "types": ["A", "B"]}
    assert (fact.place("spec", "ports", 0, "containerPort").column, fact.place("spec", "types", 1).column) == (32, 14)
