"""Rules that name a MAC, and packets of hosts outside the capture: whether such a host has it is open, unless a captured interface does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Interface
from analyzer.parsers import iptables_save, nft
from analyzer.solve.packet import UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, facts, network

REACHED, LOST, OPEN = Fate.REACHABLE, Fate.UNREACHABLE, Fate.UNKNOWN
OTHER = "0e:00:00:00:99:01"
CASES = [
    ("-m mac --mac-source {other} -j DROP", OPEN),
    ("-m mac ! --mac-source {other} -j DROP", OPEN),
    ("-m mac --mac-source {own} -j DROP", REACHED),
    ("-m mac ! --mac-source {own} -j DROP", LOST),
    ("ether saddr {other} drop", OPEN),
    ("ether saddr != {other} drop", OPEN),
    ("ether saddr {own} drop", REACHED),
    ("ether saddr != {own} drop", LOST),
]
FILTER = "*filter\n:FORWARD ACCEPT\n-A FORWARD -i near {}\nCOMMIT\n"
NATIVE = 'table ip t {{\n\tchain c {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tiifname "near" {}\n\t}}\n}}\n'


@pytest.mark.parametrize(("rule", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_strangers(rule: str, wanted: Fate) -> None:
    one = network(4, (), {})
    mac = one.namespaces[CLIENT].links["eth0"].mac
    assert mac is not None
    text = rule.format(other=OTHER, own=":".join(f"{mac:012x}"[place : place + 2] for place in range(0, 12, 2)))
    own = rule.startswith("-m")
    found = (
        facts(iptables_save.PARSER, "n/iptables-save", FILTER.format(text))
        if own
        else facts(nft.PARSER, "n/nft_list_ruleset", NATIVE.format(text))
    )
    made = network(4, tuple(item for item in found if isinstance(item, RulesetFact)), {})
    router = replace(made.namespaces[ROUTER], nft_tables=tuple(item for item in found if isinstance(item, NftTableFact)))
    near, client = Interface(ROUTER, "near"), Interface(CLIENT, "eth0")
    peers = {one: other for one, other in made.peers.items() if near not in (one, other) and client not in (one, other)}
    made = replace(made, namespaces={**made.namespaces, ROUTER: router}, peers=peers, outside=made.outside | {near})
    flow = Flow(near, Packet(4, 0x0A4D0103, 0x0A4D0202, UDP, 40000, 80))
    said = {end.fate for end in outcomes(NetworkProgram(made, 4), flow)}
    assert walk(made, flow).fate is wanted
    assert said == ({REACHED, LOST} if wanted is OPEN else {wanted})
