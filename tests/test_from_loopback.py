"""What a host sends from an address of the loopback network stays inside, unless ``route_localnet`` lets it out: ``localhost`` and a node port, as a kernel had them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.addresses import address
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.system import SysctlFact
from analyzer.model.network import Network
from analyzer.parsers import iptables_save
from analyzer.solve.packet import TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import AT, ROUTER, facts, network

OUT = {4: "-A OUTPUT -d 127.0.0.1 -p {} --dport 30080 -j DNAT --to-destination 10.77.2.2:80", 6: "-A OUTPUT -d ::1 -p {} --dport 30080 -j DNAT --to-destination [fd77:2::2]:80"}  # fmt: skip
MASQUERADE = "-A POSTROUTING ! -o lo -j MASQUERADE"
ANSWERED = "-A OUTPUT -d {} -p tcp --dport 30080 -j REDIRECT --to-ports 80\n-A POSTROUTING -o lo -p tcp --dport 80 -j SNAT --to-source {}"
YES, NO = Fate.REACHABLE, Fate.UNREACHABLE
CASES = [
    ("the switch is off", 4, TCP, f"{OUT[4]}\n{MASQUERADE}", (), NO),
    ("it is on where the packet leaves", 4, TCP, f"{OUT[4]}\n{MASQUERADE}", ("far",), YES),
    ("it is on for all", 4, TCP, f"{OUT[4]}\n{MASQUERADE}", ("all",), YES),
    ("it is on elsewhere", 4, TCP, f"{OUT[4]}\n{MASQUERADE}", ("near", "lo"), NO),
    ("it stays inside", 4, UDP, "-A OUTPUT -d 127.0.0.1 -p {} --dport 30080 -j REDIRECT --to-ports 80", (), YES),
    ("an answer from there to an address of others", 4, TCP, ANSWERED.format("10.77.2.1", "10.77.2.2"), (), NO),
    ("an answer from there that may leave", 4, TCP, ANSWERED.format("10.77.2.1", "10.77.2.2"), ("far",), YES),
    ("in IPv6 it leaves, and nobody takes it", 6, UDP, OUT[6], (), NO),
    ("in IPv6 with another source the answer does not come in", 6, UDP, f"{OUT[6]}\n{MASQUERADE}", (), NO),
]  # fmt: skip


def made(family: int, protocol: int, rules: str, on: tuple[str, ...]) -> Network:
    """A router with rules of nat, and with the devices for which the switch is on."""
    words = rules.replace("{}", "tcp" if protocol == TCP else "udp")
    text = f"*nat\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n{words}\nCOMMIT\n"
    name = "n/iptables-save" if family == 4 else "n/ip6tables-save"
    one = network(family, tuple(item for item in facts(iptables_save.PARSER, name, text) if isinstance(item, RulesetFact)), {})
    switches = {key: SysctlFact(at=AT, key=key, value="1") for key in (f"net.ipv4.conf.{device}.route_localnet" for device in on)}
    space = one.namespaces[ROUTER]
    return replace(one, namespaces={**one.namespaces, ROUTER: replace(space, sysctls={**space.sysctls, **switches})})


@pytest.mark.parametrize(("words", "family", "protocol", "rules", "on", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_who_may_be_sent_to(words: str, family: int, protocol: int, rules: str, on: tuple[str, ...], wanted: Fate) -> None:
    one = made(family, protocol, rules, on)
    own = address("10.77.2.1" if "10.77.2.1" in rules else "127.0.0.1" if family == 4 else "::1").value
    flow = Flow(ROUTER, Packet(family, own, own, protocol, 40000, 30080))
    told = walk(one, flow)
    assert {end.fate for end in told.outcomes} == {wanted}, (words, told)
    assert {end.fate for end in outcomes(NetworkProgram(one, family), flow)} == {wanted}, words
    assert wanted is YES or family == 6 or "sends nothing from 127.0.0.1 by far" in told.outcomes[0].reason
