"""Rules that look at a packet's length: exact where a size is asked, open where it is not and the length decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Network
from analyzer.parsers import iptables_save, nft
from analyzer.solve.packet import SYN, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.solve.walk.nft.values import network as field_of
from analyzer.solve.walk.nft.values import whole
from analyzer.source import Source
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, facts, network

REACHED, LOST, OPEN = Fate.REACHABLE, Fate.UNREACHABLE, Fate.UNKNOWN
SENDER, RECEIVER = 0x0A4D0102, 0x0A4D0202
FILTER = "*filter\n:FORWARD ACCEPT\n-A FORWARD -i near {} -j DROP\nCOMMIT\n"
NATIVE = 'table ip t {{\n\tchain c {{\n\t\ttype filter hook forward priority 0; policy {};\n\t\tiifname "far" accept\n\t\t{}\n\t}}\n}}\n'
CASES = [
    ("shorter than any", "-m length --length 0:27", UDP, None, REACHED),
    ("the shortest", "-m length --length 0:29", UDP, None, OPEN),
    ("all", "-m length --length 0:65535", UDP, None, LOST),
    ("all that there are", "-m length --length 28:65535", UDP, None, LOST),
    ("none", "-m length ! --length 0:65535", UDP, None, REACHED),
    ("long ones", "-m length ! --length 0:1500", UDP, None, OPEN),
    ("asked: small", "-m length --length 0:29", UDP, 9, LOST),
    ("asked: one more", "-m length --length 0:29", UDP, 10, REACHED),
    ("what opens a connection has no data, what follows may", "-m length --length 101:65535", TCP, None, OPEN),
    ("what opens a connection has no data", "-p tcp -m tcp --syn -m length --length 101:65535", TCP, None, REACHED),
    ("its options", "-m length --length 0:59", TCP, None, OPEN),
]
NATIVE_CASES = [
    ("accept", "meta length < 28 drop", None, REACHED),
    ("accept", "ip length < 30 drop", None, OPEN),
    ("accept", "ip length < 30 drop", 9, LOST),
    ("accept", "ip length != 30 drop", 10, REACHED),
    ("accept", "meta length > 20 drop", None, LOST),
    ("accept", "meta length vmap { 0-60 : drop, 61-65535 : drop }", None, OPEN),
    ("drop", "meta length vmap { 0-60 : drop, 61-65535 : accept }", None, OPEN),
    ("drop", "meta length vmap { 0-20 : drop, 21-65535 : accept }", None, REACHED),
    ("drop", "meta length { 0-20, 28-65535 } accept", None, REACHED),
]


def packet(protocol: int, size: int | None) -> Flow:
    """What the client asks the server."""
    return Flow(CLIENT, Packet(4, SENDER, RECEIVER, protocol, 40000, 80, tcp_flags=SYN if protocol == TCP else 0, size=size))


def agrees(one: Network, flow: Flow, wanted: Fate, words: str) -> None:
    """Both readings say so."""
    trace = walk(one, flow)
    assert trace.fate is wanted, words
    said = {end.fate for end in outcomes(NetworkProgram(one, 4), flow)}
    assert said == ({REACHED, LOST} if wanted is OPEN else {wanted}), words


@pytest.mark.parametrize(("words", "rule", "protocol", "size", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_iptables(words: str, rule: str, protocol: int, size: int | None, wanted: Fate) -> None:
    found = facts(iptables_save.PARSER, "n/iptables-save", FILTER.format(rule))
    agrees(network(4, tuple(item for item in found if isinstance(item, RulesetFact)), {}), packet(protocol, size), wanted, words)


@pytest.mark.parametrize(
    ("policy", "rule", "size", "wanted"), NATIVE_CASES, ids=[f"{case[1]} {case[2]}" for case in NATIVE_CASES]
)
def test_native(policy: str, rule: str, size: int | None, wanted: Fate) -> None:
    one = network(4, (), {})
    tables = facts(nft.PARSER, "n/nft_list_ruleset", NATIVE.format(policy, rule))
    router = replace(one.namespaces[ROUTER], nft_tables=tuple(item for item in tables if isinstance(item, NftTableFact)))
    agrees(replace(one, namespaces={**one.namespaces, ROUTER: router}), packet(UDP, size), wanted, rule)


def test_an_ipv6_header_says_the_length_of_what_follows_it() -> None:
    text = (
        "table ip6 t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tip6 length 18-58 drop\n\t}\n}\n"
    )
    table = next(one for one in nft.PARSER.read(Source("nft", text, "nft")) if isinstance(one, NftTableFact))
    assert "Unknown" not in repr(table.chains["c"].rules[0])
    assert field_of("length", Packet(6, 1, 2, UDP, 40000, 53, size=18)) == 18
    assert whole(Packet(6, 1, 2, UDP, 40000, 53, size=18)) == 58
