"""Objects alone are built without what nodes need, to the same network."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.model.build import build, of_clusters
from analyzer.model.installed import installed
from analyzer.model.ordering import ordered
from tests.captures import files_of

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "name", ["policy-misleading.bad", "service-selects-nothing.bad", "calico-object-refused.bad", "cloud-route-wrong.bad"]
)
def test_what_is_about_no_node_is_built_as_if_nodes_could_be_there(name: str, tmp_path: Path) -> None:
    files = files_of((ROOT / "samples" / "rules" / f"{name}.txt").read_text())
    files.pop("want")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    loaded = load((str(tmp_path),))
    found, gaps = facts(loaded.sources)
    known, texts, read = ordered(found), tuple(sorted(loaded.sources, key=lambda one: (one.path, one.kind))), sorted(set(gaps))
    short = build(texts, found, read)
    assert of_clusters(texts, known)
    assert installed(short, texts, known, read) == short
