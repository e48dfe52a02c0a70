"""CNI configuration: text inside objects keeps its places, types are decoded as Go does, and real files are neither refused nor a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.embedded import inside
from analyzer.model.network import Network
from analyzer.plugins import load_file
from analyzer.query.cni.checks import chained, doubtful, refused, told, too_old, without_capability
from analyzer.query.cni.configs import Holder, configs, plugins
from analyzer.query.cni.fields import ADDRESS, NATURAL, NETWORK, NUMBER, TEXT, TRUTH, Fields, Many, unfit
from analyzer.query.rules import check
from analyzer.source import Source
from tests.captures import facts_of, network_of

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
HEAD = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: a}\nspec:\n  config: "
WORDS = st.text("abé\"'\\/ ", max_size=6)
VALUES = st.recursive(
    st.one_of(st.integers(-9, 99), st.booleans(), st.none(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
needs_data = pytest.mark.skipif(
    not (DATA / "cni-conf").is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA / 'cni-conf'} is no folder (set ANALYZER_DATA)"
)


def block(text: str) -> str:
    return HEAD + "|\n" + "".join(f"    {line}\n" for line in text.split("\n"))


def single(text: str) -> str:
    return HEAD + "'" + text.replace("'", "''").replace("\n", "\n      ") + "'\n"


def double(text: str) -> str:
    return HEAD + json.dumps(text) + "\n"


def whole_json(text: str) -> str:
    head = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": {"name": "a"}}
    return json.dumps({**head, "spec": {"config": text}}, indent=1)


AROUND = st.sampled_from([block, single, double, whole_json])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(st.dictionaries(WORDS, VALUES, max_size=4), st.sampled_from([None, 2]), AROUND, st.booleans())  # type: ignore[untyped-decorator]
def test_values_inside_a_text_have_their_places(value: dict[str, Any], indent: int | None, around: Any, ascii_only: bool) -> None:
    """At the place of each number and truth stands that value, whatever way the text was written in."""
    text = around(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    found, gaps = facts_of(text)
    assert not gaps
    fact = found[0]
    inner = inside(fact.document["spec"]["config"], fact.places[("spec", "config")], Source("k8s/x.yaml", text))
    assert inner.value == value
    lines = text.split("\n")
    for path, span in inner.places.items():
        part = inner.value
        for key in path:
            part = part[key]
        if not isinstance(part, str | dict | list):
            assert lines[span.line - 1][span.column - 1 :].startswith(json.dumps(part)), (path, span, text)
        elif not isinstance(part, str):
            assert lines[span.line - 1][span.column - 1] in "[{"


def test_broken_json_inside_a_text_has_the_place_of_the_break() -> None:
    text = HEAD + '|\n    {\n      "type": "bridge",\n    }\n'
    fact = facts_of(text)[0][0]
    inner = inside(fact.document["spec"]["config"], fact.places[("spec", "config")], Source("k8s/x.yaml", text))
    assert inner.problem
    assert inner.places[()].line in (7, 8)


DECODED: tuple[tuple[Any, Any, list[str]], ...] = (
    ({"a": "1500"}, {"a": NUMBER}, ["a must be a whole number, not '1500'"]),
    ({"A": True}, {"a": TRUTH}, []),
    ({"a": None}, {"a": TEXT}, []),
    ({"a": 1.0}, {"a": NUMBER}, ["a must be a whole number, not 1.0"]),
    ({"a": 2**63}, {"a": NUMBER}, [f"a must be a whole number, not {2**63}"]),
    ({"a": -1}, {"a": NATURAL}, ["a must be a number from 0 on, not -1"]),
    ({"a": True}, {"a": NUMBER}, ["a must be a whole number, not true"]),
    ({"a": ""}, {"a": ADDRESS}, []),
    ({"a": "10.0.0.0/8"}, {"a": ADDRESS}, ["a must be an address, not '10.0.0.0/8'"]),
    ({"a": "10.0.0.0"}, {"a": NETWORK}, ["a must be a network such as 10.0.0.0/24, not '10.0.0.0'"]),
    ({"a": ["x", 1]}, {"a": Many(TEXT)}, ["a[1] must be a text, not 1"]),
    ({"a": {"b": []}}, {"a": Fields({"b": TEXT})}, ["a.b must be a text, not a list"]),
    ({"other": {"b": []}}, {"a": Fields({"b": TEXT})}, []),
)


@pytest.mark.parametrize(("value", "fields", "want"), DECODED)
def test_types_are_those_that_go_decodes(value: Any, fields: Any, want: list[str]) -> None:
    assert [problem.message for problem in unfit(value, Fields(fields))] == want


def test_every_plugin_says_where_its_constraints_are_from() -> None:
    assert len(plugins()) >= 30
    assert all(" " in plugin.source for plugin in plugins().values())


def network_of_path(path: Path) -> Network:
    loaded = load((str(path),), None)
    known, gaps = facts(loaded.sources)
    return build(loaded.sources, known, (*loaded.gaps, *gaps))


def corpus() -> list[Path]:
    """Real configurations and manifests; those that are wrong on purpose lie in a folder named so."""
    folders = [DATA / "cni-conf", DATA / "manifests", DATA / "netpol" / "np-guard-netpol-analyzer"]
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".conf", ".conflist", ".yaml", ".yml")]
    return sorted(path for path in found if "invalid" not in path.parts and "nad_test_4" not in path.parts)


@needs_data
def test_real_configurations_are_neither_refused_nor_doubted() -> None:
    """One of them keeps pods apart, and means it; one is never used, since its bridge can have no such name; a template with bare placeholders is no JSON."""
    read, found = 0, []
    for path in corpus():
        if path.suffix in (".yaml", ".yml") and not any(
            word in path.read_text(errors="replace") for word in ("cniVersion", '"type"')
        ):
            continue
        network = network_of_path(path)
        known = [config for config in configs(network) if not config.problem]
        read += len(known)
        found += [f"{path.name}: {config.problem}" for config in configs(network) if config.problem]
        for checker in (refused, doubtful, chained, too_old, without_capability):
            found += [f"{path.name}: {one.fault.message}" for one in told(network, checker)]
    assert read >= 60
    assert found == [
        "isolate.conflist: ingressPolicy 'same-bridge' keeps pods of the node from each other",
        "99-do-not-use-google-subnets.conflist: bridge 'do-not-use-google-subnets' can be no device's name",
        "10-romana.conf: this JSON is broken here: a value was expected",
    ]


@needs_data
def test_real_configurations_that_are_wrong_are_refused() -> None:
    folder = DATA / "cni-conf" / "containers-common" / "libnetwork" / "cni" / "testfiles" / "invalid"
    found = {}
    for path in sorted(folder.glob("*.conflist")):
        network = network_of_path(path)
        problems = [config.problem for config in configs(network) if config.holder is Holder.PASSED_OVER]
        found[path.stem] = [*problems, *(one.fault.message for one in told(network, refused))]
    assert found["invalid_gateway"] == ["ipam.ranges[0][0].gateway must be an address, not '10.89.8'"]
    assert found["broken"]
    assert found["invalidname"]


@pytest.mark.parametrize(
    ("installed", "note"),
    [("ptp\n", "CRI-O takes 20-b.conf, since a plugin of 10-a.conf is not installed"), ("bridge\nptp\n", "")],
)
def test_runtimes_differ_where_a_plugin_is_missing(installed: str, note: str, tmp_path: Path) -> None:
    files = {
        "nodes/n1/etc/cni/net.d/10-a.conf": '{"cniVersion": "0.3.1", "name": "a", "type": "bridge"}',
        "nodes/n1/etc/cni/net.d/20-b.conf": '{"cniVersion": "0.3.1", "name": "b", "type": "ptp"}',
        "nodes/n1/opt_cni_bin": installed,
    }
    rule = load_file(ROOT / "rules" / "cni" / "several-cni-configs.py", ROOT / "rules").RULE
    assert [one.note for one in check(network_of(files, tmp_path), rules=(rule,))] == [note]
