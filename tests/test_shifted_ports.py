"""DNAT to a range of ports with a base (``10.0.0.1:8000-8009/80``): the port is as far into the range as the old one is behind the base."""

from __future__ import annotations

import pytest

from analyzer.facts.matches import Side
from analyzer.facts.netfilter import RulesetFact, Translate
from analyzer.model.network import Network
from analyzer.parsers import iptables_save
from analyzer.solve.packet import Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import facts, network
from tests.test_picked_ports import request

RULES = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -j DNAT --to-destination 10.77.2.3:8080-8081/80\nCOMMIT\n"
SHIFTED = Translate(Side.DESTINATION, None, (8080, 8084), base=80)


@pytest.mark.parametrize(("old", "new"), [(80, 8080), (84, 8084), (85, 8080), (79, 8080), (77, 8083), (0, 8081)])
def test_the_port_goes_round(old: int, new: int) -> None:
    """As a number of 16 bits: 79 is 65535 behind 80."""
    assert SHIFTED.shifted(old) == new


def asked(port: int) -> tuple[Network, Flow]:
    """The client asks for a port behind the router that translates."""
    found = [item for item in facts(iptables_save.PARSER, "n/iptables-save", RULES) if isinstance(item, RulesetFact)]
    flow = request()
    packet: Packet = flow.packet.to_destination(flow.packet.destination, port)
    return network(4, tuple(found), {}), Flow(flow.start, packet)


@pytest.mark.parametrize(("port", "seen"), [(80, 8080), (81, 8081), (443, 8081)])
def test_the_walk_and_the_language(port: int, seen: int) -> None:
    made, flow = asked(port)
    ports = {outcome.port_seen for outcome in walk(made, flow).outcomes}
    assert ports == {seen}
    fates = {end.fate for end in outcomes(NetworkProgram(made, 4), flow)}
    assert (Fate.UNKNOWN in fates) is (port == 443)
