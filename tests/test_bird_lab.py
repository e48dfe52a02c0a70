"""Real BGP: what the walk says of every pair is what the kernels do, and the rules name what was broken. See tests/lab/README.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.transfer.graph import NetworkProgram
from tests.lab import bird, compare, engines
from tests.lab.build import Lab
from tests.lab.capture import capture, settle
from tests.lab.machine import Machine
from tests.lab.plan import NODE_PORTS, POD_PORTS
from tests.lab.probes import Probe, send

REASON = bird.missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The network, for all tests of this module."""
    with Machine() as machine:
        built = bird.build(machine)
        try:
            yield built
        finally:
            bird.stop(built)


def whole(lab: Lab) -> None:
    for node in lab.nodes:
        bird.configure(lab, node)
    bird.settled(lab, 6)


def session_down(lab: Lab) -> None:
    """The first node has no session with the second, which still asks for one."""
    bird.configure(lab, lab.nodes[0], without=lab.nodes[1].name)
    bird.settled(lab, 4)


def wrong_number(lab: Lab) -> None:
    bird.configure(lab, lab.nodes[1], own=bird.AS_NUMBER + 1)
    bird.settled(lab, 2)


def export_filter(lab: Lab) -> None:
    """The last node tells nobody of its block."""
    bird.configure(lab, lab.nodes[2], exported="10.9.9.0/24")
    bird.settled(lab, 6)


def left_over(lab: Lab) -> None:
    """A route of BIRD's to where nothing is."""
    lab.run(lab.nodes[0].name, "ip route add 10.244.77.0/24 via 192.168.66.12 proto bird")


def unresolved(lab: Lab) -> None:
    """The first node's daemon does not know the network that the next hops are on."""
    bird.configure(lab, lab.nodes[0], direct=False)
    bird.settled(lab, 6)


CASES: tuple[tuple[Callable[[Lab], None], set[str]], ...] = (
    (whole, set()),
    (session_down, {"bgp-session-down", "bgp-peer-missing", "calico-block-route-missing"}),
    (wrong_number, {"bgp-session-down", "bgp-as-number-wrong", "calico-block-route-missing"}),
    (export_filter, {"bgp-network-not-exported", "calico-block-route-missing"}),
    (left_over, {"bgp-route-not-in-kernel"}),
    (unresolved, {"bgp-next-hop-unreachable"}),
)


def probes(lab: Lab) -> list[Probe]:
    """Pings, TCP and UDP between all pods and nodes."""
    sources = [*(pod.key for pod in lab.pods), *(f"node:{node.name}" for node in lab.nodes)]
    targets = [(pod.key, pod.addresses[0], port) for pod in lab.pods for port in POD_PORTS]
    targets += [(f"node:{node.name}", node.address(), port) for node in lab.nodes for port in NODE_PORTS]
    found = [
        Probe(source, address, protocol, 0 if protocol == "ICMP" else port, 21000)
        for name, address, port in targets
        for source in sources
        for protocol in ("TCP", "UDP", "ICMP")
        if source != name and (protocol != "ICMP" or port in (POD_PORTS[0], NODE_PORTS[0]))
    ]
    return [Probe(one.source, one.target, one.protocol, one.port, 21000 + number) for number, one in enumerate(found)]


def held(lab: Lab, captured: Capture) -> list[str]:
    """The predictions that the kernels do not bear out, of the walk and of the language."""
    chosen = probes(lab)
    settle(lab)
    results = send(lab, chosen, 0.5)
    wrong = []
    programs: dict[int, NetworkProgram] = {}
    for number, probe in enumerate(chosen):
        told = compare.predict(captured, probe)
        verdict = compare.judge(told, probe, results[number])
        if verdict == "wrong":
            results[number] = send(lab, [probe], 1.5)[0]
            verdict = compare.judge(told, probe, results[number])
        assert verdict in ("agree", "wrong"), f"{probe}: {verdict}, {told.outcomes[0].reason}"
        if verdict == "wrong":
            wrong.append(compare.explain(told, probe, results[number]))
        elif engines.judge(ends := engines.lowered(captured, programs, probe, told), told, results[number]) == "wrong":
            wrong.append(f"{probe}\n  kernel: {results[number]}\n  language: {sorted(ends)}")
    print(f"{len(chosen)} predictions held against the kernels, {len(wrong)} wrong")
    return wrong


@pytest.mark.parametrize(("broken", "rules"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_routes_by_bgp(lab: Lab, tmp_path: Path, broken: Callable[[Lab], None], rules: set[str]) -> None:
    lab.run(lab.nodes[0].name, "ip route del 10.244.77.0/24 2>/dev/null || true")
    whole(lab)
    broken(lab)
    settle(lab)
    capture(lab, tmp_path)
    (tmp_path / "k8s" / "calico.yaml").write_text(bird.objects(lab))
    captured = load(tmp_path)
    report = captured.check()
    assert [str(gap.at) for gap in report.gaps if "bird" in gap.at.path] == []
    wrong = held(lab, captured)
    assert not wrong, "\n".join(wrong)
    assert {finding.rule for finding in report.findings if finding.rule.startswith(("bgp-", "calico-"))} == rules
