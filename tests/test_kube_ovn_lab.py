"""A real network of Kube-OVN's shape: what the walk says of every pair is what Open vSwitch and the nodes' kernel do. See tests/lab/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from analyzer.query.rules import check
from analyzer.transfer.graph import NetworkProgram
from tests.lab import capture as capturing
from tests.lab import compare, engines, kube_ovn, ovn
from tests.lab.build import Lab
from tests.lab.ovn_probes import judge, probes, results
from tests.lab.plan import GATEWAY, Pod
from tests.lab.probes import Probe

REASON = ovn.missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The network, for all tests of this module."""
    with kube_ovn.running() as built:
        built.policies = kube_ovn.POLICIES
        yield built


def captured(lab: Lab, folder: Path) -> Capture:
    """The network as the collector captures it, with Kube-OVN's objects."""
    capturing.capture(lab, folder)
    (folder / "k8s" / "subnets.yaml").write_text(kube_ovn.objects())
    return load(folder)


def asked(lab: Lab, turn: int) -> list[Probe]:
    """All pairs, and from each pod to the world, by its node's address."""
    world = [
        Probe(pod.key, GATEWAY[4], protocol, 0 if protocol == "ICMP" else 80, 30000 + 4000 * turn + number)
        for number, (pod, protocol) in enumerate((pod, one) for pod in lab.pods for one in ("TCP", "UDP", "ICMP"))
    ]
    return [*probes(lab, turn), *world]


def held(lab: Lab, loaded: Capture, chosen: list[Probe]) -> list[str]:
    """The predictions that do not come true, by the walk and by the language."""
    wrong, unknown = [], 0
    programs: dict[int, NetworkProgram] = {}
    happened = results(lab, chosen)
    for probe, result in zip(chosen, happened, strict=True):
        told = compare.predict(loaded, probe)
        verdict = judge(told, probe, result)
        unknown += verdict == "unknown"
        if verdict == "wrong":
            wrong.append(compare.explain(told, probe, result))
        elif (
            verdict == "agree" and engines.judge(ends := engines.lowered(loaded, programs, probe, told), told, result) == "wrong"
        ):
            wrong.append(f"{probe}\n  switch: {result}\n  language: {sorted(ends)}")
    print(f"{len(chosen)} predictions, {len(wrong)} wrong; {unknown} unknown")
    assert all(result.answered for result in happened) or not ovn.ended(lab)
    assert unknown <= len(chosen) / 10
    return wrong


def between_subnets() -> list[Probe]:
    """From a pod of the one subnet to the pod of the other, once: what nodes masquerade on its way back into the switch ends the datapath in user space of Open vSwitch 3.1 sooner or
    later (ovn_probes.py)."""
    target = next(kube_ovn.address_of(Pod(name, "")) for name, _, _, subnet in kube_ovn.PODS if subnet == "apps")
    return [Probe("default/a1", target, "TCP", 8080, 29000)]


def verdicts(loaded: Capture) -> dict[str, Verdict]:
    """The verdicts on the guarantees."""
    return {one.id: one.verdict for one in decide(loaded.given.network).guarantees}


def test_packets_go_as_predicted_and_the_guarantees_hold(lab: Lab, tmp_path: Path) -> None:
    loaded = captured(lab, tmp_path)
    wrong = held(lab, loaded, asked(lab, 0))
    assert not wrong, "\n".join(wrong)
    told = verdicts(loaded)
    assert {name for name, verdict in told.items() if verdict is not Verdict.PROVED} == {"outside-to-service"}
    of_system = ("kube-ovn-", "logical-", "chassis-", "switch-")
    assert not [finding for finding in check(loaded.given.network) if finding.rule.startswith(of_system)]


def test_a_node_without_the_route_to_a_subnet_does_not_reach_its_pods(lab: Lab, tmp_path: Path) -> None:
    node = lab.nodes[1]
    lab.run(node.name, "ip route del 10.245.0.0/16")
    try:
        loaded = captured(lab, tmp_path)
        wrong = held(lab, loaded, asked(lab, 1))
    finally:
        lab.run(node.name, f"ip route add 10.245.0.0/16 via 100.64.0.1 dev ovn0 src {kube_ovn.own(node)}")
    assert not wrong, "\n".join(wrong)
    assert "kube-ovn-host-route-missing" in {finding.rule for finding in check(loaded.given.network)}


def test_a_subnet_without_its_policy_of_the_router_leaves_by_the_host(lab: Lab, tmp_path: Path) -> None:
    """What pods send to that subnet is for their own node's gateway then, which masquerades it: by ovn40subnets in both directions."""
    match = "'ip4.dst == 10.245.0.0/16'"
    first = lab.nodes[0].name
    lab.run(first, f"{ovn.NORTH} --timeout=60 --wait=hv lr-policy-del ovn-cluster 31000 {match}")
    try:
        loaded = captured(lab, tmp_path)
        wrong = held(lab, loaded, between_subnets())
    finally:
        lab.run(first, f"{ovn.NORTH} lr-policy-add ovn-cluster 31000 {match} allow")
    assert not wrong, "\n".join(wrong)
    assert verdicts(loaded)["pod-to-pod-without-nat"] is Verdict.REFUTED
