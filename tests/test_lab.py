"""Real networks, real packets: every prediction must be what the kernel does. See tests/lab/README.md."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from analyzer.api import load
from analyzer.findings import Verdict
from analyzer.solve.packet import Fate, Trace
from tests.lab import compare, peer_pods
from tests.lab.build import Lab, build
from tests.lab.capture import capture, settle
from tests.lab.compare import Tally
from tests.lab.machine import Machine, missing
from tests.lab.probes import Probe, Result, send
from tests.lab.run import Options, run
from tests.lab.scenarios import SCENARIOS, pods, scenario

REASON = missing()
WHOLE, BROKEN = 1, 2
BESIDE = frozenset(
    {
        "bridge-dual-stack", "calico-3-nftables", "calico-felix-masquerade", "calico-services-legacy", "dual-stack-hostport", "flannel-dual-stack-policies",
        "flannel-vxlan-3", "flannel-vxlan-services-legacy", "host-gw-3", "host-gw-services-no-hairpin", "ptp-3-legacy", "switched-dual-stack",
    }
)  # fmt: skip
"""Networks that differ from another one in a choice or two that others have made: they are in the longer run."""
NETWORKS = [(one.name, WHOLE if place % 16 == 0 else BROKEN) for place, one in enumerate(SCENARIOS) if one.name not in BESIDE]
"""Every other kind of network with some breakages, every sixteenth one without any: a longer run is ``python -m tests.lab``."""
ASKED, LEAST = 48, 36
"""Of so many probes of a network so many are predicted at least, and held against the kernel."""

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.mark.parametrize(("name", "seed"), NETWORKS)
def test_the_kernel_agrees(name: str, seed: int) -> None:
    tally = Tally()
    run(scenario(name), seed, tally, Options(limit=ASKED, most=0 if seed == WHOLE else 3, engines=True))
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.predictions >= LEAST, tally


def asked(lab: Lab, folder: Path) -> tuple[Trace, Result, Verdict]:
    """A ping from the worker to the peer pod: what the analyzer says, what the kernel does, and the verdict on node-to-pod."""
    probe = Probe("node:node-a", lab.pods[0].addresses[0], "ICMP", 0, 20000)
    settle(lab)
    capture(lab, folder)
    loaded = load(folder)
    settle(lab)
    verdicts = {one.id: one.verdict for one in loaded.check().guarantees}
    return compare.predict(loaded, probe), send(lab, [probe], 1.0)[0], verdicts["node-to-pod"]


def test_the_incident_before_and_after_its_remedy(tmp_path: Path) -> None:
    one = scenario("peer-pods")
    random = Random(1)
    with Machine() as machine:
        lab = build(machine, one, pods(one, random), [])
        peer_pods.pod_machine_mac(lab, random)
        told, result, verdict = asked(lab, tmp_path / "before")
        assert not result.answered
        assert told.fate is Fate.UNREACHABLE
        assert "7e:e5:f7:e6:f5:1a" in told.outcomes[0].reason
        assert verdict is Verdict.REFUTED
        lab.run(lab.pods[0].key, f"ip link set vxlan0 address {peer_pods.mac(lab, lab.pods[0])}")
        told, result, verdict = asked(lab, tmp_path / "after")
        assert result.answered
        assert told.fate is Fate.REACHABLE
        assert verdict is Verdict.PROVED


def test_enough_is_predicted() -> None:
    assert len(NETWORKS) * LEAST >= 1500
