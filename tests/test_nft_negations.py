"""Negated tests of fields side by side, of which nft 1.0.6 makes one comparison and lists two: decided where both readings say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.facts.nftables import Negations
from analyzer.parsers._nft_rules import typed
from analyzer.parsers._nft_statements import statements
from analyzer.solve.packet import TCP, Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_walk import asked, build, host_gw

RULESET = "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct direction original tcp sport != 40000 tcp dport != 81 drop\n\t}\n}\n"
PACKETS = {(40000, 81): Fate.REACHABLE, (40000, 80): Fate.UNKNOWN, (5000, 81): Fate.UNKNOWN, (5000, 80): Fate.UNREACHABLE}
ONE = (
    "tcp sport != 80 tcp dport != 443 drop",
    "ip ttl != 63 ip protocol != udp drop",
    "icmp type != echo-request icmp code != 3 drop",
    "ip6 nexthdr != tcp ip6 hoplimit != 3 drop",
    "ip protocol != udp ip checksum != 5 drop",
    "tcp flags != syn tcp window != 5 drop",
    "tcp window != 5 tcp checksum != 0 drop",
    "udp dport != 53 udp length != 6 drop",
    "ip id != 3 ip frag-off != 5 drop",
    "ether daddr != 02:00:00:00:00:01 ether saddr != 02:00:00:00:00:02 drop",
)
"""As ``nft --debug=netlink`` shows; so are the others."""
SEVERAL = (
    "ip saddr != 10.0.0.1 ip daddr != 10.0.0.2 drop",
    "tcp sport != 80 tcp dport 443 drop",
    "tcp sport != 80-90 tcp dport != 443 drop",
    "tcp sport != { 80, 81 } tcp dport != 443 drop",
    "ip dscp != cs1 ip length != 60 drop",
    "tcp doff != 5 tcp flags != syn drop",
    "tcp flags != syn tcp window > 5 drop",
    "ip protocol != udp ip saddr != 10.0.0.1 drop",
)


@pytest.mark.parametrize("rule", [*ONE, *SEVERAL])
def test_what_nft_makes_one_comparison_of(rule: str) -> None:
    assert any(isinstance(item, Negations) for item in typed(statements(rule))) is (rule in ONE)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("ip protocol != udp ip checksum != 5 drop", Fate.UNKNOWN),
        ("ip protocol != tcp ip checksum != 5 drop", Fate.UNKNOWN),
        ("ct direction original tcp flags != syn tcp window != 5 drop", Fate.UNKNOWN),
        ("udp dport != 53 udp length != 6 drop", Fate.REACHABLE),
        ("tcp window != 5 tcp checksum != 0 accept", Fate.REACHABLE),
    ],
)
def test_of_fields_that_are_not_modelled(tmp_path: Path, rule: str, wanted: Fate) -> None:
    text = RULESET.replace("ct direction original tcp sport != 40000 tcp dport != 81 drop", rule)
    network = build(tmp_path, host_gw(1, 2, nft_list_ruleset=text), host_gw(2, 1))
    found = asked(network, "default/p11", "default/p21", protocol="TCP", port=80)
    assert found.fate is wanted
    assert found.packet is not None
    start = next(scope for scope in network.namespaces if scope.namespace == "default_p11")
    ends = {end.fate for end in outcomes(NetworkProgram(network, 4), Flow(start, found.packet))}
    assert (len(ends) > 1 or Fate.UNKNOWN in ends) is (wanted is Fate.UNKNOWN)


@pytest.mark.parametrize("ports", PACKETS)
def test_both_readings_decide(tmp_path: Path, ports: tuple[int, int]) -> None:
    network = build(tmp_path, host_gw(1, 2, nft_list_ruleset=RULESET), host_gw(2, 1))
    found = asked(network, "default/p11", "default/p21", protocol="TCP", port=ports[1], source_port=ports[0])
    assert found.fate is PACKETS[ports]
    assert found.packet is not None
    assert found.packet.protocol == TCP
    start = next(scope for scope in network.namespaces if scope.namespace == "default_p11")
    ends = {end.fate for end in outcomes(NetworkProgram(network, 4), Flow(start, found.packet))}
    told = {Fate.REACHABLE, Fate.UNREACHABLE} if PACKETS[ports] is Fate.UNKNOWN else {PACKETS[ports]}
    assert ends <= {*told, Fate.UNKNOWN}
    assert (len(ends) > 1 or Fate.UNKNOWN in ends) is (PACKETS[ports] is Fate.UNKNOWN)
