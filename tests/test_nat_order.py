"""Which of two nat tables of one priority is asked first is not known: where both translate a packet, and differently, verdicts say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.model.network import Network
from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import End, outcomes, walked
from tests.test_walk import OPEN, asked, build, host_gw

NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d {}/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination {}:8080\nCOMMIT\n"
NATIVE = "table ip own {{\n\tchain c {{\n\t\ttype nat hook prerouting priority {}; policy accept;\n\t\tip daddr 10.96.0.10 tcp dport 80 dnat to {}:8080\n\t}}\n}}\n"


def captured(folder: Path, **more: str) -> Network:
    """Two nodes of which one translates the service's packets, and what else it has."""
    first = OPEN + NAT.format("10.96.0.10", "10.244.2.2")
    return build(folder, host_gw(1, 2, iptables__save=first, **more), host_gw(2, 1))


def both(network: Network) -> tuple[set[End], set[End]]:
    """What the walk and the language say of a packet to the service."""
    told = asked(network, "default/p11", "10.96.0.10")
    scope = endpoints(network, "default/p11")[0].scope
    assert told.packet is not None
    assert scope is not None
    return walked(told), outcomes(NetworkProgram(network, 4), Flow(scope, told.packet))


@pytest.mark.parametrize(
    ("more", "reached"),
    [
        ({"iptables__legacy__save": NAT.format("10.96.0.10", "10.244.2.3")}, {"default/p21", "default/p22"}),
        ({"iptables__legacy__save": NAT.format("10.96.0.10", "10.244.2.2")}, {"default/p21"}),
        ({"iptables__legacy__save": NAT.format("10.96.0.11", "10.244.2.3")}, {"default/p21"}),
        ({"nft_list_ruleset": NATIVE.format("dstnat", "10.244.2.3")}, {"default/p21", "default/p22"}),
        ({"nft_list_ruleset": NATIVE.format("-99", "10.244.2.3")}, {"default/p21"}),
        ({"nft_list_ruleset": NATIVE.format("-101", "10.244.2.3")}, {"default/p22"}),
    ],
)
def test_two_tables_that_translate_at_one_priority(more: dict[str, str], reached: set[str], tmp_path: Path) -> None:
    told, found = both(captured(tmp_path, **more))
    assert {end.at for end in found if end.fate is Fate.REACHABLE} == reached, found
    assert {end.fate for end in told} == {Fate.REACHABLE if len(reached) == 1 else Fate.UNKNOWN}, told
