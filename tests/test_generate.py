"""The generator of clusters: the same bytes for a seed, as large as asked for, and with the faults that it promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzer.pipeline import analyze, read_input
from benchmarks.generate import KINDS, main
from benchmarks.objects import Shape, applications

SMALL = ["--nodes", "10", "--pods", "200", "--services", "20", "--policies", "20"]


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("more", [[], ["--yaml"], ["--captures", "--faults", "0.3"], ["--clusters", "2"]])
def test_same_seed_same_bytes(more: list[str], tmp_path: Path) -> None:
    for name, seed in (("one", "7"), ("two", "7"), ("other", "8")):
        main([*SMALL, *more, "--seed", seed, "--output", str(tmp_path / name)])
    assert texts(tmp_path / "one") == texts(tmp_path / "two")
    assert texts(tmp_path / "one") != texts(tmp_path / "other")


def test_there_is_as_much_as_asked_for(tmp_path: Path) -> None:
    main([*SMALL, "--output", str(tmp_path)])
    counts = {name: len(json.loads((tmp_path / f"{name}.json").read_text())["items"]) for name in KINDS}
    wanted = {"nodes": 10, "pods": 200, "services": 20, "networkpolicies": 20}
    assert {name: counts[name] for name in wanted} == wanted
    assert len(read_input((str(tmp_path),)).network.cluster.pods) == 200


@pytest.mark.parametrize("shape", [Shape(), Shape(5, 7, 100, 3), Shape(1, 1, 1, 1), Shape(50, 20_000, 10, 1, seed=3)])
def test_applications_have_all_pods(shape: Shape) -> None:
    found = list(applications(shape))
    assert sum(item.replicas for item in found) == shape.pods
    assert min(item.replicas for item in found) >= 1
    assert len(found) == shape.applications


def test_yaml_says_what_json_says(tmp_path: Path) -> None:
    for name, more in (("json", []), ("yaml", ["--yaml"])):
        main([*SMALL, *more, "--output", str(tmp_path / name)])
    json_input, yaml_input = (read_input((str(tmp_path / name),)) for name in ("json", "yaml"))
    assert set(json_input.network.cluster.pods) == set(yaml_input.network.cluster.pods)
    found = [[(item.rule, item.message) for item in analyze(one).findings] for one in (json_input, yaml_input)]
    assert sorted(found[0]) == sorted(found[1])


def test_faults_are_found_and_without_them_nothing_is_an_error(tmp_path: Path) -> None:
    for name, part in (("with", "0.5"), ("without", "0")):
        main([*SMALL, "--seed", "1", "--faults", part, "--output", str(tmp_path / name)])
    found = {name: analyze(read_input((str(tmp_path / name),))).findings for name in ("with", "without")}
    assert not [item for item in found["without"] if item.severity.value == "error"]
    rules = {item.rule for item in found["with"]} - {item.rule for item in found["without"]}
    assert len(rules) >= 3, rules


def test_captured_nodes_with_faults_break_guarantees(tmp_path: Path) -> None:
    small = ["--nodes", "3", "--pods", "6", "--services", "4", "--captures"]
    for name, part in (("with", "1"), ("without", "0")):
        main([*small, "--faults", part, "--output", str(tmp_path / name)])
    failing = {
        name: [item.id for item in analyze(read_input((str(tmp_path / name),))).guarantees if item.fails]
        for name in ("with", "without")
    }
    assert failing["with"]
    assert not failing["without"]
