"""Pods and nodes that the API has and the capture has not: no guarantee is proved of them."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from analyzer.findings import Verdict
from benchmarks.capture import write
from tests.test_guarantees import SMALL, network_of, verdicts


def test_nothing_is_proved_of_pods_and_nodes_that_were_not_captured(tmp_path: Path) -> None:
    """The API has them; between the others it holds."""
    write(tmp_path, SMALL)
    rmtree(tmp_path / "nodes/n1/netns/default_p1-0")
    found = verdicts(network_of(tmp_path))
    assert {found[name].verdict for name in ("pod-to-pod", "node-to-pod", "pod-sees-its-own-address")} == {Verdict.UNDECIDED}
    assert found["pod-to-pod"].reason == "default/p1-0 was not captured; between the others it holds"
    rmtree(tmp_path / "nodes/n2")
    found = verdicts(network_of(tmp_path))
    assert found["pod-to-pod"].verdict is found["node-to-pod"].verdict is Verdict.UNDECIDED
