"""Path MTUs that a host has learnt bind what it sends itself, in the walk and in the language; of what it forwards only where it is told so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.routes import RouteAnswerFact
from analyzer.facts.system import SysctlFact
from analyzer.model.network import Network
from analyzer.parsers import ip_route_get
from analyzer.solve.packet import ICMP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope, Span
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, SERVER, facts, network

CLIENT_ADDRESS, SERVER_ADDRESS = 0x0A4D0102, 0x0A4D0202
TEXT = "10.77.2.2 via 10.77.1.1 dev eth0 src 10.77.1.2 uid 0 \n    cache expires 597sec mtu {}\n"
JSON = '[{{"dst":"10.77.2.2","gateway":"10.77.1.1","dev":"eth0","prefsrc":"10.77.1.2","uid":0,"cache":[],"expires":597,"metrics":[{{"mtu":{}}}]}}]'
AT_ROUTER = "10.77.2.2 dev far src 10.77.2.1 uid 0 \n    cache expires 597sec mtu {}\n"
TOWARDS_CLIENT = "10.77.1.2 via 10.77.2.1 dev eth0 src 10.77.2.2 uid 0 \n    cache expires 9sec mtu lock {}\n"
COMES_IN = "10.77.2.2 from 10.77.1.2 dev far iif near \n    cache expires 597sec mtu {} iif near\n"
YES, NO = Fate.REACHABLE, Fate.UNREACHABLE
CASES = [
    ("nothing learnt", CLIENT, "", 0, False, 0, YES),
    ("shorter than the packet", CLIENT, TEXT, 1300, False, 0, NO),
    ("in JSON", CLIENT, JSON, 1300, False, 0, NO),
    ("long enough", CLIENT, TEXT, 1428, False, 0, YES),
    ("a byte too short", CLIENT, TEXT, 1427, False, 0, NO),
    ("longer than the device's", CLIENT, TEXT, 9000, False, 0, YES),
    ("fragments", CLIENT, TEXT, 1300, True, 0, YES),
    ("of another destination", CLIENT, TEXT.replace("10.77.2.2", "10.77.2.3"), 1300, False, 0, YES),
    ("by another device", CLIENT, TEXT.replace("dev eth0", "dev eth1"), 1300, False, 0, YES),
    ("of who answers", SERVER, TOWARDS_CLIENT, 1300, False, 0, YES),
    ("of who forwards", ROUTER, AT_ROUTER, 1300, False, 0, YES),
    ("of who forwards and uses it", ROUTER, AT_ROUTER, 1300, False, 1, NO),
    ("for packets that came in", ROUTER, COMES_IN, 1300, False, 1, YES),
]


def learning(at: Scope, text: str, used: int) -> Network:
    """A network in which one namespace has learnt a path MTU."""
    made = network(4, (), {})
    answers = tuple(item for item in facts(ip_route_get.PARSER, "n/x", text) if isinstance(item, RouteAnswerFact))
    space = made.namespaces[at]
    key = "net.ipv4.ip_forward_use_pmtu"
    switches = {**space.sysctls, key: SysctlFact(at=Span("n/sysctl", 1), scope=at, key=key, value=str(used))}
    spaces = {**made.namespaces, at: replace(space, route_answers=answers, sysctls=switches)}
    return replace(made, namespaces=spaces)


@pytest.mark.parametrize(("words", "at", "text", "limit", "fragments", "used", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_path_mtu(words: str, at: Scope, text: str, limit: int, fragments: bool, used: int, wanted: Fate) -> None:
    made = learning(at, text.format(limit) if text else "", used)
    packet = Packet(4, CLIENT_ADDRESS, SERVER_ADDRESS, ICMP, 7, 0, 8, size=1408, fragments=fragments)
    flow = Flow(CLIENT, packet)
    trace = walk(made, flow)
    assert trace.fate is wanted, (words, trace.outcomes)
    assert wanted is YES or f"carries {limit}" in trace.outcomes[0].reason
    assert wanted is YES or any("has not expired" in one for one in trace.outcomes[0].assumptions)
    if not fragments:
        assert {end.fate for end in outcomes(NetworkProgram(made, 4), flow)} == {wanted}
