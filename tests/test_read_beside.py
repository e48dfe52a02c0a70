"""Many manifests are read by several processes: the facts, their documents and places, and the gaps are the same, in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.capture import load, reading
from analyzer.capture.reading import facts, parts_of
from analyzer.facts.kubernetes import ObjectFact
from analyzer.jobs import spread
from analyzer.source import Source
from benchmarks import documents


def seen(fact: object) -> object:
    """All that a fact holds."""
    return (fact, fact.document, dict(fact.places)) if isinstance(fact, ObjectFact) else fact


def test_facts_are_the_same_whoever_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.write(tmp_path / "many", 300)
    (tmp_path / "many" / "broken.yaml").write_text("kind: Pod\napiVersion: v1\nmetadata: {name: [\n---\nkind: Pod\n")
    (tmp_path / "many" / "odd.yaml").write_text(
        "kind: Service\napiVersion: v1\nmetadata: {name: s}\nspec: {ports: [{port: x}]}\n"
    )
    sources = load((str(tmp_path / "many"),)).sources
    alone = facts(sources)
    monkeypatch.setattr(reading, "MANY", 0)
    assert len(parts_of(sources)) > 1
    beside = facts(sources, None, spread(3))
    assert [seen(fact) for fact in beside[0]] == [seen(fact) for fact in alone[0]]
    assert beside[1] == alone[1]
    assert len(alone[1]) >= 2


def test_parts_hold_every_source_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [Source(str(number), "x" * (number * 7 % 50), "kubernetes") for number in range(200)]
    assert parts_of(sources) == [sources], "little is not worth a process"
    monkeypatch.setattr(reading, "MANY", 0)
    parts = parts_of(sources)
    assert [source for part in parts for source in part] == sources
    assert 10 <= len(parts) <= reading.PARTS + 1
    assert parts_of([]) == [[]]
