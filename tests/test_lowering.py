"""The lowered network means the same as the concrete walk, on real networks that the kernel was asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import Address
from analyzer.api import load
from analyzer.model.network import Network
from analyzer.query.endpoints import endpoints, entrance
from analyzer.query.trace import Question, packet_for, service_port
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lab import record
from tests.lab.probes import Probe
from tests.lowered import agree, outcomes, walked, within

TRUTH = sorted((Path(__file__).parent.parent / "samples" / "truth").glob("*.txt"))
MOST = 36
LEFT_OPEN = {"marks-kept", "host-gw-vrf-of-pods", "host-gw-vrf-of-uplink", "tunnel-ip6tnl-beside"}
"""Recordings with something that the language does not decide and the walk does: where it says so, that is enough."""


def flow_of(network: Network, probe: Probe) -> Flow | None:
    """The flow of a probe; None where its sender is not one namespace of the capture."""
    question = Question(
        probe.source, probe.target, probe.protocol, probe.port, probe.source_port, probe.size or None, probe.enter or ""
    )
    source, target = endpoints(network, question.source)[0], endpoints(network, question.target)[0]
    protocol, port = service_port(network, question, target)
    packet = packet_for(question, source, target, protocol, port)
    if source.scope is not None:
        return Flow(source.scope, packet, tracked=True)
    start = entrance(network, question.enter, Address(packet.family, packet.destination)) if source.outside else None
    return Flow(start, packet, tracked=True) if start is not None else None


@pytest.mark.parametrize("path", TRUTH, ids=lambda path: path.stem)
def test_the_lowered_network_is_the_walked_one(path: Path, tmp_path: Path) -> None:
    _, results = record.unpack(path.read_text(), tmp_path)
    network = load(tmp_path).given.network
    programs = {family: NetworkProgram(network, family) for family in (4, 6)}
    wrong = []
    for probe, _ in results[:MOST]:
        flow = flow_of(network, probe)
        if flow is None:
            continue
        told = walked(walk(network, flow))
        found = outcomes(programs[flow.packet.family], flow)
        if any(end.fate is Fate.UNKNOWN for end in told) or agree(found, told):
            continue
        if within(found, told) or (path.stem in LEFT_OPEN and any(end.fate is Fate.UNKNOWN for end in found)):
            continue
        wrong.append(f"{probe}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    assert not wrong, f"{len(wrong)} of {len(results[:MOST])}\n" + "\n".join(wrong[:12])
