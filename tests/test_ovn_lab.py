"""A real network of OVN: what the walk says of every pair is what Open vSwitch does. See tests/lab/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.query.rules import check
from analyzer.transfer.graph import NetworkProgram
from tests.lab import compare, engines, ovn
from tests.lab.build import Lab
from tests.lab.capture import capture
from tests.lab.ovn_probes import judge, probes, results
from tests.lab.probes import Probe

REASON = ovn.missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The network, for all tests of this module."""
    with ovn.running() as built:
        yield built


@pytest.fixture(scope="module")
def captured(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """The network as the collector captures it."""
    folder = tmp_path_factory.mktemp("ovn")
    capture(lab, folder)
    return load(folder)


def held(lab: Lab, captured: Capture) -> list[str]:
    """The predictions that the switches do not bear out."""
    chosen = probes(lab)
    wrong, unknown = [], 0
    programs: dict[int, NetworkProgram] = {}
    for probe, result in zip(chosen, results(lab, chosen), strict=True):
        told = compare.predict(captured, probe)
        verdict = judge(told, probe, result)
        unknown += verdict == "unknown"
        if verdict == "wrong":
            wrong.append(compare.explain(told, probe, result))
        elif (
            verdict == "agree"
            and engines.judge(ends := engines.lowered(captured, programs, probe, told), told, result) == "wrong"
        ):
            wrong.append(f"{probe}\n  switch: {result}\n  language: {sorted(ends)}")
    print(f"{len(chosen)} predictions held against Open vSwitch, {len(wrong)} wrong; {unknown} unknown")
    assert unknown <= len(chosen) / 10
    return wrong


def test_open_vswitch_agrees(lab: Lab, captured: Capture) -> None:
    wrong = held(lab, captured)
    assert not wrong, "\n".join(wrong)


def test_guarantees_through_ovn_are_decided(captured: Capture) -> None:
    verdicts = {one.id: one.verdict for one in captured.check().guarantees}
    assert verdicts["pod-to-pod-without-nat"] is Verdict.PROVED
    assert verdicts["pod-to-pod"] is Verdict.REFUTED


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("port", "drops"), [(8080, False), (8081, True)])
def test_the_switch_traces_the_same(lab: Lab, captured: Capture, port: int, drops: bool, six: bool) -> None:
    source, target = lab.pods[1], lab.pods[0]
    mac, (kind, names) = ovn.mac_of, ("tcp6", "ipv6") if six else ("tcp", "nw")
    text = ovn.traced(
        lab,
        lab.nodes[0],
        f"in_port=veth{source.name},{kind},dl_src={mac(source.addresses[0])},dl_dst={mac(target.addresses[0])},{names}_src={source.addresses[six]},"
        f"{names}_dst={target.addresses[six]},nw_ttl=64,tp_dst={port},tcp_flags=syn",
    )
    told = compare.predict(captured, Probe(source.key, target.addresses[six], "TCP", port, 22000))
    assert (text.strip().splitlines()[-1] == "Datapath actions: drop") is drops
    assert ("drops the packet" in told.outcomes[0].reason) is drops


def test_rules_find_nothing_in_a_network_that_follows_its_databases(captured: Capture) -> None:
    assert not [
        finding for finding in check(captured.given.network) if finding.rule.startswith(("logical-", "chassis-", "switch-"))
    ]


def test_rules_find_what_does_not_follow_the_databases(lab: Lab, tmp_path: Path) -> None:
    """A controller that stands still keeps the old backends, and the binding of an interface that is gone."""
    first, second = lab.nodes
    ends = [f"{ovn.address_of(lab, name)}:8080" for name in ("a2", "b1")]
    balancer = f"{ovn.NORTH} --may-exist --wait=sb lb-add web {ovn.SERVICE}:80 {{}} tcp"
    lab.run(second.name, "ovn-appctl -t ovn-controller debug/pause; ovs-vsctl del-port br-int vethb2")
    lab.run(first.name, balancer.format(ends[0]))
    try:
        capture(lab, tmp_path)
    finally:
        lab.run(second.name, "ovs-vsctl add-port br-int vethb2 -- set interface vethb2 external_ids:iface-id=default_b2")
        lab.run(second.name, "ovn-appctl -t ovn-controller debug/resume")
        lab.run(first.name, balancer.format(",".join(ends)))
    found = [(finding.rule, str(finding.at.path)) for finding in check(load(tmp_path).given.network)]
    assert ("logical-balancer-stale", "nodes/node-b/ovs-ofctl_dump-flows_br-int") in found
    assert "logical-port-without-interface" in {rule for rule, _ in found}
