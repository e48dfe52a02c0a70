"""The type of service of what tunnel ports of Open vSwitch send: their option ``tos``, or that of the packet inside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.service_types import service_of
from analyzer.query.endpoints import endpoints
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.source import Span
from analyzer.transfer.graph import NetworkProgram
from tests.lab.record import unpack
from tests.lowered import outcomes, walked, within

SAMPLE = Path(__file__).parent.parent / "samples" / "truth" / "ovn.txt"
REFUSED = {"priority": 50, "src": "all", "tos": "0x10", "action": "blackhole"}


def written(folder: Path, options: str) -> Path:
    """The network of the recording with an option of its tunnels; the nodes refuse packets of one type of service."""
    text = SAMPLE.read_text()
    for quoted in ('remote_ip="', "remote_ip="):
        text = text.replace(f"key=flow, {quoted}", f"key=flow, {options}{quoted}")
    unpack(text, folder)
    for rules in folder.glob("nodes/*/ip_rule.json"):
        rules.write_text(json.dumps([REFUSED, *json.loads(rules.read_text())]))
    return folder


@pytest.mark.parametrize(
    ("options", "fate"),
    [
        ("", Fate.REACHABLE),
        ('tos="0x10", ', Fate.UNREACHABLE),
        ('tos="16", ', Fate.UNREACHABLE),
        ('tos="0x08", ', Fate.REACHABLE),
        ("tos=inherit, ", Fate.REACHABLE),
    ],
)
def test_routing_rules_see_the_type_of_the_tunnel(options: str, fate: Fate, tmp_path: Path) -> None:
    network = load(written(tmp_path, options)).given.network
    told = trace(network, Question("default/b2", "default/a1", "TCP", 8080, 21006))
    scope = endpoints(network, "default/b2")[0].scope
    assert told.packet is not None
    assert scope is not None
    assert {outcome.fate for outcome in told.outcomes} == {fate}
    assert within(outcomes(NetworkProgram(network, 4), Flow(scope, told.packet)), walked(told))


@pytest.mark.parametrize(
    ("written_down", "told"),
    [
        ("", ""),
        ("inherit", "inherit"),
        ("0x10", "10"),
        ("020", "10"),
        ("16", "10"),
        ("0x11", ""),
        ("-4", ""),
        ("1_6", ""),
        ("many", ""),
    ],
)
def test_the_option_is_read_as_open_vswitch_reads_it(written_down: str, told: str) -> None:
    options = (("tos", written_down),) if written_down else ()
    assert service_of(SwitchPortFact(at=Span("x", 1), name="p", options=options)) == told
