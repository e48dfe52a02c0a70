"""Ports that the kernel picks: rules behind the translation that test them split into outcomes, and tests of anything else cost nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.addresses import address
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.parsers import iptables_save, nft
from analyzer.solve.packet import ICMP, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, facts, network

SNAT = "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n{}\nCOMMIT\n"
SECURITY = "*security\n:FORWARD ACCEPT\n:INPUT ACCEPT\n{}\nCOMMIT\n"
RAW = "*raw\n:PREROUTING ACCEPT\n{}\nCOMMIT\n"
FILTER = "*filter\n:FORWARD ACCEPT\n{}\nCOMMIT\n"
MASQUERADE = "-A POSTROUTING -o far -j MASQUERADE"
BOTH = {Fate.REACHABLE, Fate.UNREACHABLE}
CASES = [
    ("a plain masquerade keeps the port", SNAT.format(MASQUERADE), RAW.format("-A PREROUTING -i far -p tcp --dport 1024:39999 -j DROP"), {Fate.REACHABLE}),
    ("any port of its class", SNAT.format(f"{MASQUERADE} --random-fully"), RAW.format("-A PREROUTING -i far -p tcp --dport 1024:39999 -j DROP"), BOTH),
    ("the same with --random", SNAT.format(f"{MASQUERADE} --random"), RAW.format("-A PREROUTING -i far -p tcp --dport 40000 -j DROP"), BOTH),
    ("never a port of another class", SNAT.format(f"{MASQUERADE} --random-fully"), RAW.format("-A PREROUTING -i far -p tcp --dport 1:1023 -j DROP"), {Fate.REACHABLE}),
    ("always one of its class", SNAT.format(f"{MASQUERADE} --random-fully"), RAW.format("-A PREROUTING -i far -p tcp ! --dport 1:1023 -j DROP"), {Fate.UNREACHABLE}),
    ("what does not look costs nothing", SNAT.format(f"{MASQUERADE} --random-fully"), RAW.format("-A PREROUTING -i far -p tcp --sport 80 -j ACCEPT"), {Fate.REACHABLE}),
    ("the client is answered at its own port", SNAT.format(f"{MASQUERADE} --random-fully"), FILTER.format("-A FORWARD -o near -p tcp ! --dport 40000 -j DROP"), {Fate.REACHABLE}),
    ("a range that holds the port", SNAT.format("-A POSTROUTING -o far -p tcp -j SNAT --to-source 10.77.2.1:39990-40010"), RAW.format("-A PREROUTING -i far -p tcp ! --dport 40000 -j DROP"), {Fate.REACHABLE}),
    ("a range that does not hold it", SNAT.format("-A POSTROUTING -o far -p tcp -j SNAT --to-source 10.77.2.1:5000-5009"), RAW.format("-A PREROUTING -i far -p tcp --dport 5000 -j DROP"), BOTH),
    ("a range at random", SNAT.format("-A POSTROUTING -o far -p tcp -j SNAT --to-source 10.77.2.1:39990-40010 --random"), RAW.format("-A PREROUTING -i far -p tcp --dport 40000 -j DROP"), BOTH),
    ("the first port of a destination's range", SNAT.format("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.2.2:8000-8009"), FILTER.format("-A FORWARD -o far -p tcp ! --dport 8000 -j DROP"), {Fate.REACHABLE}),
    ("the port itself, where the range has it", SNAT.format("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.2.2:70-90"), FILTER.format("-A FORWARD -o far -p tcp ! --dport 80 -j DROP"), {Fate.REACHABLE}),
    ("any port of a destination's range", SNAT.format("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.2.2:8000-8009 --random"), FILTER.format("-A FORWARD -o far -p tcp --dport 8000 -j DROP"), BOTH),
    ("--random without a range keeps a destination's port", SNAT.format("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.2.2 --random"), FILTER.format("-A FORWARD -o far -p tcp ! --dport 80 -j DROP"), {Fate.REACHABLE}),
    ("the reply's tuple, looked at by the third packet", SNAT.format(f"{MASQUERADE} --random-fully"), FILTER.format("-A FORWARD -i near -m conntrack --ctstate ESTABLISHED --ctrepldstport 50000:65535 -j DROP"), BOTH),
    ("where the reply goes", SNAT.format(MASQUERADE), FILTER.format("-A FORWARD -o near -m conntrack --ctrepldst 10.77.2.1 -j DROP"), {Fate.UNREACHABLE}),
    ("where the reply comes from, looked at by the third packet", SNAT.format("-A PREROUTING -d 10.77.2.2 -j DNAT --to-destination 10.77.2.3"), "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i near -m conntrack --ctreplsrc 10.77.2.3 -j DROP\nCOMMIT\n", {Fate.UNREACHABLE}),
    ("the reply's tuple", SNAT.format(f"{MASQUERADE} --random-fully"), FILTER.format("-A FORWARD -o near -m conntrack --ctrepldstport 50000:65535 -j DROP"), BOTH),
]  # fmt: skip
NATIVE = """table ip t {{
	chain post {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "far" {}
	}}
	chain back {{
		type filter hook prerouting priority raw; policy accept;
		iifname "far" {} drop
	}}
}}
"""
NATIVE_CASES = [
    ("masquerade", "tcp dport { 40000, 50000-50010 }", {Fate.UNREACHABLE}),
    ("masquerade", "tcp dport { 39999, 50000-50010 }", {Fate.REACHABLE}),
    ("masquerade random", "tcp dport { 39999, 50000-50010 }", BOTH),
    ("masquerade fully-random", "tcp dport != 1024-65535", {Fate.REACHABLE}),
    ("masquerade fully-random", "ip daddr . tcp dport { 10.77.2.1 . 5000-65535 }", BOTH),
    ("meta l4proto tcp snat to 10.77.2.1:5000-5009", "tcp dport 5009", BOTH),
    ("meta l4proto tcp snat to 10.77.2.1:5000-5009", "tcp dport != 5000-5009", {Fate.REACHABLE}),
    ("masquerade fully-random", "ct mark 0x1", {Fate.REACHABLE}),
]


def request(protocol: int = TCP) -> Flow:
    """From the client to the server."""
    ends = address("10.77.1.2").value, address("10.77.2.2").value
    return Flow(CLIENT, Packet(4, *ends, protocol, 40000, 80 if protocol != ICMP else 0, 8 if protocol == ICMP else 0))


@pytest.mark.parametrize(("words", "nat", "rest", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_iptables(words: str, nat: str, rest: str, wanted: set[Fate]) -> None:
    found = facts(iptables_save.PARSER, "n/iptables-save", nat + rest)
    made = network(4, tuple(item for item in found if isinstance(item, RulesetFact)), {})
    assert {outcome.fate for outcome in walk(made, request()).outcomes} == wanted, words
    lowered = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert lowered <= wanted or (lowered == BOTH and "conntrack" in rest)


@pytest.mark.parametrize(("nat", "test", "wanted"), NATIVE_CASES)
def test_native(nat: str, test: str, wanted: set[Fate]) -> None:
    found = facts(nft.PARSER, "n/nft_list_ruleset", NATIVE.format(nat, test))
    made = network(4, (), {})
    tables = tuple(item for item in found if isinstance(item, NftTableFact))
    router = replace(made.namespaces[ROUTER], nft_tables=tables)
    made = replace(made, namespaces={**made.namespaces, ROUTER: router})
    assert {outcome.fate for outcome in walk(made, request()).outcomes} == wanted
    assert {end.fate for end in outcomes(NetworkProgram(made, 4), request())} <= wanted


def test_an_identifier_is_picked_too() -> None:
    text = SNAT.format(f"{MASQUERADE} --random-fully")
    found = facts(iptables_save.PARSER, "n/iptables-save", text)
    made = network(4, tuple(item for item in found if isinstance(item, RulesetFact)), {})
    for protocol in (ICMP, TCP, UDP):
        trace = walk(made, request(protocol))
        assert trace.fate is Fate.REACHABLE
        assert len(trace.outcomes) == 1
        assert all(hop.packet is None or hop.packet.source_port <= 65535 for hop in trace.outcomes[0].hops)
