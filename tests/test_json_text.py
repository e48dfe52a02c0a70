"""JSON as the API server reads it: places by shape, and items by their rows, are what the standard library and the long way say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.parsers import _json_documents
from analyzer.parsers._json_shapes import JsonShapes
from analyzer.source import Gap, Source, Span
from tests.captures import facts_of
from tests.test_yaml_text import told

NAMES = st.sampled_from(["a", "b", "", "é", 'x"y', "k8s.io/z", "n\\"])
LEAVES = st.sampled_from([1, -1.5e10, True, None, "x", 'a"b\\c', "", "é", "{", "a: b", ", ", {}, []])
VALUES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3))


@given(st.dictionaries(NAMES, VALUES), st.sampled_from([None, 0, 4, "\t"]), st.booleans())  # type: ignore[untyped-decorator]
def test_places_in_json_are_the_same_by_shape(value: dict[str, Any], indent: int | str | None, plain: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=plain)
    (document,) = _json_documents.documents(Source("x.json", f"\n {text}\n"))
    assert not isinstance(document, Gap)
    assert isinstance(document.places, _json_documents.LazyPlaces)
    assert list(document.places.known().items())[1:] == list(document.places.all().items())[1:]


ITEMS = """{
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "annotations": {},
                "note": "two: \\\"three\\\": 4",
                "labels": {
                    "a": "x",
                    "b\u00e9": "\\u00e9\\"y"
                },
                "name": "web-1",
                "namespace": "shop"
            },
            "spec": {
                "containers": [
                    {
                        "args": [
                            "--one",
                            "two"
                        ],
                        "ports": [
                            {
                                "containerPort": 8080
                            }
                        ]
                    }
                ],
                "hostNetwork": true,
                "priority": -1.5e1,
                "volumes": null
            }
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "web"
            },
            "spec": {
                "ports": []
            }
        }
    ],
    "kind": "List"
}
"""
BITS = st.sampled_from(
    [
        "",
        ",",
        "{",
        "}",
        "[",
        "]",
        "{}",
        "[]",
        '"',
        "\\",
        "\n",
        " ",
        "\t",
        '"a": ',
        '"": ',
        "1",
        ": ",
        '"x"',
        "null",
        "NaN",
        "\r",
        '"items": [',
        "\x01",
    ]
)
CHANGED = st.tuples(st.integers(0, len(ITEMS)), BITS, st.integers(0, 3))


@given(st.lists(CHANGED, max_size=3))  # type: ignore[untyped-decorator]
@settings(max_examples=400)  # type: ignore[untyped-decorator]
def test_items_read_by_their_rows_say_what_the_standard_library_says(changes: list[tuple[int, str, int]]) -> None:
    text = ITEMS
    for offset, bit, cut in changes:
        text = text[:offset] + bit + text[offset + cut :]
    by_rows = told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JsonShapes, "object", lambda *_: None)
        assert by_rows == told(text)


def test_what_kubectl_writes_as_json_is_read_by_its_rows() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json_documents, "one", None)
        known, gaps = facts_of(ITEMS)
    assert gaps == []
    assert known[0].document["spec"]["containers"][0]["args"] == ["--one", "two"]
    assert known[0].document["metadata"]["note"] == 'two: "three": 4'
    assert known[0].place("spec", "containers", 0, "args", 1) == Span("k8s/x.yaml", 22, 29, 22, 34)
