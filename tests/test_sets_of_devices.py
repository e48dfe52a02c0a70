"""Sets of networks at devices: the most specific network decides, by its own devices alone (ip_set_hash_gen.h ``mtype_test_cidrs``: ``multi``). As a kernel had it."""

from __future__ import annotations

import pytest

from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.parsers import ipset, iptables_save
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import facts, network
from tests.test_picked_ports import request

RULES = "*filter\n:FORWARD ACCEPT\n-A FORWARD -m set --match-set s dst,src -j DROP\nCOMMIT\n"
WIDE, NARROW = "10.77.0.0/16", "10.77.2.0/24"
DROPPED, PASSES = {Fate.UNREACHABLE}, {Fate.REACHABLE}
CASES = [
    ("a network", [f"{WIDE},near"], DROPPED),
    ("of another device", [f"{WIDE},other"], PASSES),
    ("the narrower is of another device", [f"{WIDE},near", f"{NARROW},other"], PASSES),
    ("the narrower is of the same and another device", [f"{WIDE},near nomatch", f"{NARROW},other", f"{NARROW},near"], DROPPED),
    ("a narrower one of another address", [f"{WIDE},near", "10.77.9.0/24,other"], DROPPED),
    ("no match of a narrower one", [f"{WIDE},near", f"{NARROW},near nomatch"], PASSES),
    ("no match at another device", [f"{WIDE},near", f"{NARROW},other nomatch"], PASSES),
    ("the beginning of a name", [f"{WIDE},ne wildcard"], DROPPED),
    ("not the beginning of a name", [f"{WIDE},ne"], PASSES),
    ("the narrower is of other beginnings", [f"{WIDE},near", f"{NARROW},ot wildcard"], PASSES),
]  # fmt: skip


@pytest.mark.parametrize(("words", "members", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_the_most_specific_network_decides(words: str, members: list[str], wanted: set[Fate]) -> None:
    rules = [item for item in facts(iptables_save.PARSER, "n/iptables-save", RULES) if isinstance(item, RulesetFact)]
    text = "create s hash:net,iface family inet\n" + "".join(f"add s {member}\n" for member in members)
    sets = {item.name: item for item in facts(ipset.PARSER, "n/ipset_save", text) if isinstance(item, IpsetFact)}
    one = network(4, tuple(rules), sets)
    assert {walk(one, request()).fate} == wanted, words
    assert {end.fate for end in outcomes(NetworkProgram(one, 4), request())} == wanted, words
