"""Matches that ask what no capture tells: they are open for the packets that they concern, and known for all others (net/netfilter/xt_owner.c ``owner_mt``,
xt_cgroup.c, xt_tcpmss.c, nft_meta.c, nft_socket.c)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.addresses import address
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Network
from analyzer.parsers import iptables_save, nft
from analyzer.solve.packet import ICMP, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, facts, network

OPEN, PASSED, LOST = Fate.UNKNOWN, Fate.REACHABLE, Fate.UNREACHABLE
THERE, HERE = "10.77.2.2", "10.77.1.1"
"""The server, behind the router, and the router."""
IPTABLES = [
    ("mangle", "POSTROUTING", "-m owner --uid-owner 7", CLIENT, THERE, UDP, PASSED),
    ("mangle", "POSTROUTING", "-m owner ! --uid-owner 7", CLIENT, THERE, UDP, LOST),
    ("mangle", "POSTROUTING", "-m owner ! --uid-owner 7 --gid-owner 7", CLIENT, THERE, UDP, PASSED),
    ("mangle", "POSTROUTING", "-m owner ! --socket-exists", CLIENT, THERE, UDP, LOST),
    ("mangle", "POSTROUTING", "-m owner --socket-exists", CLIENT, THERE, UDP, PASSED),
    ("mangle", "POSTROUTING", "-m owner --uid-owner 7", ROUTER, THERE, UDP, OPEN),
    ("mangle", "POSTROUTING", "-m cgroup --cgroup 7", CLIENT, THERE, UDP, PASSED),
    ("mangle", "POSTROUTING", "-m cgroup ! --cgroup 7", CLIENT, THERE, UDP, PASSED),
    ("filter", "OUTPUT", "-m cgroup ! --cgroup 7", ROUTER, THERE, UDP, OPEN),
    ("filter", "INPUT", "-m cgroup ! --cgroup 7", CLIENT, HERE, ICMP, PASSED),
    ("filter", "INPUT", "-p tcp -m tcp --syn -m cgroup ! --cgroup 7", CLIENT, HERE, TCP, PASSED),
    ("filter", "INPUT", "-m cgroup ! --cgroup 7", CLIENT, HERE, UDP, OPEN),
    ("filter", "FORWARD", "-p tcp -m tcpmss ! --mss 1:1400", CLIENT, THERE, UDP, PASSED),
    ("filter", "FORWARD", "-p tcp -m tcp --syn -m tcpmss ! --mss 1:1400", CLIENT, THERE, TCP, OPEN),
    ("filter", "FORWARD", "-p tcp -m tcp ! --syn -m conntrack --ctstate NEW -m tcpmss --mss 1:1400", CLIENT, THERE, TCP, PASSED),
    ("filter", "FORWARD", "-p tcp -m tcpmss ! --mss 1:1400", CLIENT, THERE, TCP, LOST),
    ("filter", "FORWARD", "-p tcp -m osf ! --genre Linux", CLIENT, THERE, TCP, OPEN),
    ("filter", "FORWARD", "-m cpu --cpu 1", CLIENT, THERE, ICMP, OPEN),
    ("filter", "FORWARD", "-m string --algo bm --string x", CLIENT, THERE, UDP, OPEN),
]
NATIVE = [
    ("forward", "meta cgroup != 7", CLIENT, THERE, UDP, PASSED),
    ("forward", "meta skuid != 7", CLIENT, THERE, TCP, PASSED),
    ("output", "meta skuid != 7", ROUTER, THERE, TCP, OPEN),
    ("input", "meta skuid != 7", CLIENT, HERE, ICMP, PASSED),
    ("input", "meta skuid != 7", ROUTER, THERE, TCP, OPEN),
    ("input", 'socket cgroupv2 level 1 != "a"', CLIENT, HERE, ICMP, PASSED),
    ("input", 'socket cgroupv2 level 1 != "a"', CLIENT, HERE, TCP, OPEN),
    ("forward", "tcp option maxseg size != 1-1400", CLIENT, THERE, UDP, PASSED),
    ("forward", "tcp option maxseg size != 1-1400", CLIENT, THERE, TCP, OPEN),
    ("forward", "meta cpu != 1", CLIENT, THERE, UDP, OPEN),
]


def asked(sender: Scope, to: str, protocol: int) -> Flow:
    """A packet."""
    own, far = address("10.77.1.2" if sender == CLIENT else "10.77.2.1").value, address(to).value
    return Flow(sender, Packet(4, own, far, protocol, 40000, 0 if protocol == ICMP else 80, 8 if protocol == ICMP else 0))


def holds(made: Network, flow: Flow, wanted: Fate) -> None:
    """The walk's answer, and the language's: where it is open, the language asks something."""
    assert walk(made, flow).fate is wanted
    found = outcomes(NetworkProgram(made, 4), flow)
    if wanted is OPEN:
        assert any(end.fate is OPEN or end.open for end in found)
    else:
        assert {end.fate for end in found} == {wanted}


@pytest.mark.parametrize(("table", "hook", "rule", "sender", "to", "protocol", "wanted"), IPTABLES)
def test_iptables(table: str, hook: str, rule: str, sender: Scope, to: str, protocol: int, wanted: Fate) -> None:
    text = f"*{table}\n:{hook} ACCEPT\n-A {hook} {rule} -j DROP\nCOMMIT\n"
    found = tuple(item for item in facts(iptables_save.PARSER, "n/iptables-save", text) if isinstance(item, RulesetFact))
    holds(network(4, found, {}), asked(sender, to, protocol), wanted)


@pytest.mark.parametrize(("hook", "rule", "sender", "to", "protocol", "wanted"), NATIVE)
def test_native(hook: str, rule: str, sender: Scope, to: str, protocol: int, wanted: Fate) -> None:
    text = f"table inet t {{\n\tchain c {{\n\t\ttype filter hook {hook} priority 0; policy accept;\n\t\t{rule} drop\n\t}}\n}}\n"
    found = tuple(item for item in facts(nft.PARSER, "n/nft_list_ruleset", text) if isinstance(item, NftTableFact))
    made = network(4, (), {})
    router = replace(made.namespaces[ROUTER], nft_tables=found)
    holds(replace(made, namespaces={**made.namespaces, ROUTER: router}), asked(sender, to, protocol), wanted)
