"""The troubleshooting case: the pod that its own worker cannot reach, before and after the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Guarantee, Verdict
from analyzer.solve.packet import Fate

INCIDENT = Path(__file__).parent.parent / "samples" / "clusters" / "peer-pods"
WORKER, POD = "node:ocp-412-ovn-worker-1", "10.132.2.46"
PINNED, ACTUAL = "0a:58:0a:84:02:2e", "7e:e5:f7:e6:f5:1a"


@pytest.fixture(scope="module")
def incident() -> Capture:
    return load(INCIDENT)


@pytest.fixture(scope="module")
def remedied(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """The article's remedy: vxlan0 in the VM gets the MAC of eth0 in the worker's pod namespace."""
    folder = tmp_path_factory.mktemp("remedied") / "peer-pods"
    shutil.copytree(INCIDENT, folder)
    for path in folder.rglob("podns/ip_*"):
        path.write_text(path.read_text().replace(ACTUAL, PINNED))
    return load(folder)


def guarantee(capture: Capture, name: str) -> Guarantee:
    return next(item for item in capture.check().guarantees if item.id == name)


def test_the_ping_is_lost_and_the_reason_names_both_macs(incident: Capture) -> None:
    answer = incident.trace(WORKER, POD, protocol="ICMP")
    assert answer.fate is Fate.UNREACHABLE
    (outcome,) = answer.outcomes
    assert PINNED in outcome.reason
    assert ACTUAL in outcome.reason
    assert outcome.at is not None
    assert str(outcome.at) == "nodes/ocp-412-ovn-worker-1/arp_-an:1:20"
    places = [hop.at.path for hop in outcome.hops if hop.at]
    for part in ("ip_route", "arp_-an", "tc_filter"):
        assert any(place.endswith(part) for place in places), part


def test_the_guarantee_is_refuted_with_the_packet(incident: Capture) -> None:
    found = guarantee(incident, "node-to-pod")
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert found.counterexample.hops


def test_the_report_leads_with_the_cause(incident: Capture) -> None:
    text = incident.text()
    first = text.split("\n\n")[1]
    assert PINNED in first
    assert ACTUAL in first


def test_after_the_remedy_the_guarantee_holds(remedied: Capture) -> None:
    assert remedied.trace(WORKER, POD, protocol="ICMP").fate is Fate.REACHABLE
    assert guarantee(remedied, "node-to-pod").verdict is Verdict.PROVED


def test_the_rule_names_the_mismatch_and_falls_silent(incident: Capture, remedied: Capture) -> None:
    assert [item.rule for item in incident.check().findings if item.rule == "pod-machine-mac-differs"]
    assert not [item.rule for item in remedied.check().findings if item.rule == "pod-machine-mac-differs"]


@pytest.mark.parametrize("spoilt", ["match 00000000", "(Egress Redirect", "mirred"])
def test_what_tc_does_in_front_of_the_machine_is_not_guessed(spoilt: str, remedied: Capture, tmp_path: Path) -> None:
    """Where the filter that leads to the pod's machine is not understood, nobody says that the address is held twice."""
    shutil.copytree(INCIDENT, tmp_path / "peer-pods")
    for path in tmp_path.rglob("tc_filter"):
        path.write_text(path.read_text().replace(spoilt, "xyzzy"))
    assert guarantee(remedied, "unique-pod-addresses").verdict is Verdict.PROVED
    found = load(tmp_path / "peer-pods")
    assert guarantee(found, "unique-pod-addresses").verdict is Verdict.UNDECIDED
    assert [item.certainty.value for item in found.check().findings if item.rule == "address-held-twice"] == ["possible"]
