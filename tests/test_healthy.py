"""What installations look like when they are well: no rule finds anything, and no guarantee is refuted but by design."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.findings import Verdict
from analyzer.model.network import Interface
from analyzer.query.guarantees import decide
from analyzer.query.rules import check
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from tests.captures import files_of, network_of

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "healthy").glob("*.txt"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_rules_are_silent(path: Path, tmp_path: Path) -> None:
    network = network_of(files_of(path.read_text()), tmp_path)
    assert network.gaps == ()
    assert [f"{one.rule}: {one.message}" for one in check(network)] == []


@pytest.mark.parametrize("assumed", [False, True], ids=["captured", "assumed"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_no_guarantee_is_refuted(path: Path, assumed: bool, tmp_path: Path) -> None:
    """Also where what was not captured (the pods' own tables) is taken to be as the kernel has it."""
    network = network_of(files_of(path.read_text()), tmp_path, assumed)
    refuted = [item for item in decide(network).guarantees if item.verdict is Verdict.REFUTED and not item.by_design]
    assert [f"{item.id}: {item.reason}" for item in refuted] == []


PROVED = ("calico-ipip", "calico-vxlan", "flannel-docker-nodelocaldns", "k3s-kube-router", "kindnet")


@pytest.mark.parametrize("name", PROVED)
def test_what_is_well_and_modelled_is_proved(name: str, tmp_path: Path) -> None:
    network = network_of(files_of((SAMPLES[0].parent / f"{name}.txt").read_text()), tmp_path, assume_defaults=True)
    open_ones = [item for item in decide(network).guarantees if item.verdict is Verdict.UNDECIDED]
    assert [f"{item.id}: {item.reason}" for item in open_ones] == []


def test_calico_drops_what_a_pod_sends_with_the_source_of_another(tmp_path: Path) -> None:
    network = network_of(files_of((SAMPLES[0].parent / "calico-ipip.txt").read_text()), tmp_path, assume_defaults=True)
    packet = Packet(4, address("10.244.2.5").value, address("10.244.2.5").value + 1, UDP, 40000, 53)
    trace = walk(network, Flow(Interface(Scope("n1"), "cali00000000001"), packet))
    assert [outcome.reason for outcome in trace.outcomes] == ["n1: dropped by raw PREROUTING rule 1 (cali-PREROUTING rule 4)"]
