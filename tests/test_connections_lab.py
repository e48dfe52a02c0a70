"""Packets of connections that nodes track already: what the walk says is what the kernel does. See tests/lab/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.solve.packet import Fate
from analyzer.transfer.graph import NetworkProgram
from tests.lab import compare, engines, held
from tests.lab.compare import Tally
from tests.lab.machine import Machine, missing
from tests.lab.run import Options, run
from tests.lab.scenarios import scenario

REASON = missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


def test_connections_of_real_packets_are_followed(tmp_path: Path) -> None:
    with Machine() as machine:
        lab = held.network(machine)
        chosen, results = held.held(lab, tmp_path)
    loaded, wrong, met = load(tmp_path), [], set()
    programs: dict[int, NetworkProgram] = {}
    for probe, result in zip(chosen, results, strict=True):
        told = compare.predict(loaded, probe)
        verdict = compare.judge(told, probe, result)
        closed = verdict == "unknown" and "closed it" in told.outcomes[0].reason
        if verdict != "agree" and not closed:
            wrong.append(f"{verdict}: {compare.explain(told, probe, result)}")
        elif engines.judge(ends := engines.lowered(loaded, programs, probe, told), told, result) == "wrong":
            wrong.append(f"{probe}\n  kernel: {result}\n  language: {sorted(ends)}")
        if any("still tracks" in text for text in told.assumptions):
            met.add((probe.protocol, told.fate is Fate.REACHABLE))
    assert not wrong, "\n".join(wrong)
    assert met >= {("UDP", True), ("UDP", False), ("TCP", False), ("ICMP", True)}


@pytest.mark.parametrize("name", ["host-gw-services", "bridge-dual-stack", "ptp-nftables"])
def test_made_connections_are_followed(name: str) -> None:
    tally = Tally()
    run(scenario(name), 1, tally, Options(limit=160, named=("connections_tracked", "conntrack_zone"), engines=True))
    assert not tally.wrong, "\n".join(tally.wrong)
