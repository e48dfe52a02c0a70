"""Rules that name a MAC, and packets of hosts outside the capture: whether such a host has it is open, unless a captured interface does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.addresses import hardware_text
from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Interface
from analyzer.parsers import ipset, iptables_save, nft
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
    ("-m set --match-set macs src -j DROP", OPEN),
    ("-m set ! --match-set macs src -j DROP", OPEN),
    ("-m set --match-set own src -j DROP", REACHED),
    ("-m set --match-set both src -j DROP", OPEN),
    ("-m set --match-set pairs src,src -j DROP", OPEN),
    ("-m set --match-set pairs src,dst -j DROP", OPEN),
    ("-m set --match-set elsewhere src,src -j DROP", REACHED),
    ("-m set --match-set own-pairs src,src -j DROP", REACHED),
    ("-m set --match-set bits src,src -j DROP", OPEN),
    ("-m set --match-set unfilled src,src -j DROP", LOST),
    ("-m set --match-set all src,src -j DROP", OPEN),
    ("ether saddr {other} drop", OPEN),
    ("ether saddr != {other} drop", OPEN),
    ("ether saddr {own} drop", REACHED),
    ("ether saddr != {own} drop", LOST),
]
SETS = """create macs hash:mac hashsize 1024 maxelem 65536
add macs {other}
create own hash:mac hashsize 1024 maxelem 65536
add own {own}
create both hash:mac hashsize 1024 maxelem 65536
add both {own}
add both {other}
add both 0e:00:00:00:99:02
create pairs hash:ip,mac family inet hashsize 1024 maxelem 65536
add pairs 10.77.1.3,{other}
create elsewhere hash:ip,mac family inet hashsize 1024 maxelem 65536
add elsewhere 10.77.1.4,{other}
create own-pairs hash:ip,mac family inet hashsize 1024 maxelem 65536
add own-pairs 10.77.1.3,{own}
create bits bitmap:ip,mac range 10.77.1.0-10.77.1.255
add bits 10.77.1.3,{other}
create unfilled bitmap:ip,mac range 10.77.1.0-10.77.1.255
add unfilled 10.77.1.3
create all list:set size 8
add all own-pairs
add all pairs
"""
FILTER = "*filter\n:FORWARD ACCEPT\n-A FORWARD -i near {}\nCOMMIT\n"
NATIVE = 'table ip t {{\n\tchain c {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tiifname "near" {}\n\t}}\n}}\n'


@pytest.mark.parametrize(("rule", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_strangers(rule: str, wanted: Fate) -> None:
    one = network(4, (), {})
    mac = one.namespaces[CLIENT].links["eth0"].mac
    assert mac is not None
    own_mac = hardware_text(mac)
    text = rule.format(other=OTHER, own=own_mac)
    sets = {
        fact.name: fact
        for fact in facts(ipset.PARSER, "n/ipset_save", SETS.format(other=OTHER, own=own_mac))
        if isinstance(fact, IpsetFact)
    }
    own = rule.startswith("-m")
    found = (
        facts(iptables_save.PARSER, "n/iptables-save", FILTER.format(text))
        if own
        else facts(nft.PARSER, "n/nft_list_ruleset", NATIVE.format(text))
    )
    made = network(4, tuple(item for item in found if isinstance(item, RulesetFact)), sets)
    router = replace(made.namespaces[ROUTER], nft_tables=tuple(item for item in found if isinstance(item, NftTableFact)))
    near, client = Interface(ROUTER, "near"), Interface(CLIENT, "eth0")
    peers = {one: other for one, other in made.peers.items() if near not in (one, other) and client not in (one, other)}
    made = replace(made, namespaces={**made.namespaces, ROUTER: router}, peers=peers, outside=made.outside | {near})
    flow = Flow(near, Packet(4, 0x0A4D0103, 0x0A4D0202, UDP, 40000, 80))
    said = {end.fate for end in outcomes(NetworkProgram(made, 4), flow)}
    assert walk(made, flow).fate is wanted
    assert said == ({REACHED, LOST} if wanted is OPEN else {wanted})
