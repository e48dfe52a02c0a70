"""Chains of ARP and of bridges that may do more than accept: what they do to questions for neighbours is decided, or open by the chain's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.link_filters import REQUEST, Asked, Refused, acting, judged
from analyzer.model.network import Interface, Namespace, Network
from analyzer.parsers import Parser, arptables_save, ebtables_save, nft
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, SERVER, facts, network
from tests.test_picked_ports import request
from tests.test_walk import SWITCHES, asked, build, host_gw, node

DROPS = "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:own -\n-A {}\n"
POLICY = "*filter\n:INPUT DROP\n:OUTPUT ACCEPT\n{}"
ACCEPTS = "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -s 10.9.9.9 -j ACCEPT\n"
NATIVE = "table arp t {{\n\tset s {{\n\t\ttype ether_addr\n\t\telements = {{ 02:00:00:00:00:09 }}\n\t}}\n\tchain c {{\n\t\ttype filter hook {}; policy accept;\n\t\t{}\n\t}}\n}}\n"
ARP = arptables_save.PARSER
NFT = nft.PARSER
YES, NO, OPEN = Fate.REACHABLE, Fate.UNREACHABLE, Fate.UNKNOWN
CASES = [
    ("nothing", ARP, "*filter\n:INPUT ACCEPT\n", ROUTER, YES),
    ("a source that nobody has", ARP, DROPS.format("INPUT -s 10.9.9.9 -j DROP"), ROUTER, YES),
    ("who is asked, on its way in", ARP, DROPS.format("INPUT -s 10.0.0.0/8 -j DROP"), ROUTER, NO),
    ("who is asked, on its way out", ARP, DROPS.format("OUTPUT --opcode Reply -j DROP"), ROUTER, OPEN),
    ("questions and answers on their way out", ARP, DROPS.format("OUTPUT -j DROP"), ROUTER, NO),
    ("questions on their way in, of who would be told, and on their way out", ARP, DROPS.format("INPUT -j DROP\n-A OUTPUT -j DROP"), ROUTER, NO),
    ("questions on their way out", ARP, DROPS.format("OUTPUT -j DROP -d 10.77.2.0/24 --opcode 1"), ROUTER, OPEN),
    ("no question on its way out", ARP, DROPS.format("OUTPUT -j DROP --opcode 1 -d 10.77.1.0/24"), ROUTER, YES),
    ("all but those of an interface", ARP, DROPS.format("INPUT ! -i near -j DROP"), ROUTER, NO),
    ("of an interface that is not there", ARP, DROPS.format("INPUT -i other+ -j DROP"), ROUTER, YES),
    ("all but a MAC's", ARP, DROPS.format("INPUT ! --src-mac 02:99:00:00:00:00 -j DROP"), ROUTER, NO),
    ("a MAC with a mask", ARP, DROPS.format("INPUT --source-mac 01:00:00:00:00:00/01:00:00:00:00:00 -j DROP"), ROUTER, YES),
    ("by a chain", ARP, DROPS.format("INPUT -j own\n-A own -j DROP"), ROUTER, NO),
    ("a chain that returns", ARP, DROPS.format("INPUT -j own\n-A own -j RETURN\n-A own -j DROP"), ROUTER, YES),
    ("what is not understood", ARP, DROPS.format("INPUT --range 3 -j DROP"), ROUTER, OPEN),
    ("a target that changes it", ARP, DROPS.format("OUTPUT -j mangle --mangle-ip-s 10.1.1.1"), ROUTER, OPEN),
    ("a policy", ARP, POLICY.format(""), ROUTER, NO),
    ("a policy, and what is accepted", ARP, POLICY.format("-A INPUT --h-length 6 -j ACCEPT\n"), ROUTER, YES),
    ("who asks", ARP, POLICY.format(""), CLIENT, NO),
    ("who is asked in the end", ARP, POLICY.format(""), SERVER, NO),
    ("what accepts only", ARP, ACCEPTS, ROUTER, YES),
    ("a native chain", NFT, NATIVE.format("input priority 0", "arp operation request drop"), ROUTER, OPEN),
    ("native: answers of others", NFT, NATIVE.format("output priority 0", "arp operation reply arp saddr ip != 10.0.0.0/8 drop"), ROUTER, YES),
    ("native: a set of MACs", NFT, NATIVE.format("input priority 0", "arp saddr ether != @s drop"), ROUTER, NO),
    ("native: an interface", NFT, NATIVE.format("input priority 0", 'iifname "far" arp htype 1 drop'), ROUTER, NO),
    ("native: what is not understood", NFT, NATIVE.format("input priority 0", "meta cpu 3 drop"), ROUTER, OPEN),
    ("chains of bridges, where no bridge is", ebtables_save.PARSER, DROPS.format("INPUT -s 10.9.9.9 -j DROP"), ROUTER, YES),
]  # fmt: skip


def asking(parser: Parser, text: str, at: object) -> Network:
    """A network in which nobody knows a neighbour, and one namespace has these chains."""
    made, found = network(4, (), {}), tuple(facts(parser, "n/x", text))
    chains = tuple(item for item in found if isinstance(item, NftChainFact))
    tables = tuple(item for item in found if isinstance(item, NftTableFact))
    spaces = {
        scope: replace(space, neighbours=(), nft_chains=chains, nft_tables=tables)
        if scope == at
        else replace(space, neighbours=())
        for scope, space in made.namespaces.items()
    }
    return replace(made, namespaces=spaces)


@pytest.mark.parametrize(("words", "parser", "text", "at", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_arp(words: str, parser: Parser, text: str, at: object, wanted: Fate) -> None:
    made = asking(parser, text, at)
    trace = walk(made, request())
    assert trace.fate is wanted, (words, trace.outcomes)
    assert wanted is YES or " chain " in trace.outcomes[0].settle or "the chain" in trace.outcomes[0].reason
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert found == {wanted} or (wanted is OPEN and (OPEN in found or found == {YES, NO})), (words, found)


def chains(count: int, last: str) -> str:
    """Chains that each jump three times to the next one."""
    first = "\t\ttype filter hook input priority 0; policy accept;\n"
    bodies = [f"\t\tjump c{number + 1}\n" * 3 for number in range(count - 1)] + [f"\t\t{last}\n"]
    return (
        "table arp t {\n" + "".join(f"\tchain c{n} {{\n{'' if n else first}{body}\t}}\n" for n, body in enumerate(bodies)) + "}\n"
    )


@pytest.mark.parametrize(
    ("count", "last", "wanted"),
    [
        (16, "arp operation reply drop", OPEN),
        (2000, "arp operation reply drop", OPEN),
        (16, "jump c0\n\t\tdrop", OPEN),
        (3, "jump gone", OPEN),
    ],
)
def test_chains_that_lead_on_and_on_are_looked_at_once(count: int, last: str, wanted: Fate) -> None:
    made = asking(NFT, chains(count, last), ROUTER)
    assert walk(made, request()).fate is wanted
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert found == {wanted} or (wanted is OPEN and (OPEN in found or found == {YES, NO})), found


ROUTED = "default via 192.168.9.254 dev eth0\n10.244.2.0/24 via 192.168.9.2 dev eth0\n"


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("-A INPUT -s 10.9.9.9 -j DROP", YES),
        ("-A INPUT -j DROP --opcode 1", OPEN),
        ("-A OUTPUT -j DROP --opcode 2 -d 192.168.9.254", OPEN),
        ("-A OUTPUT -j DROP --opcode 2 -d 192.168.9.253", YES),
        ("-A INPUT -j DROP", OPEN),
        ("-A OUTPUT -j DROP --opcode 1", YES),
    ],
)
def test_who_sends_from_outside_must_know_the_mac_and_be_known(rules: str, wanted: Fate, tmp_path: Path) -> None:
    made = build(tmp_path, node(1, ROUTED, arptables__save=f"*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n{rules}\n"), host_gw(2, 1))
    trace = asked(made, "198.51.100.7", "192.168.9.1", enter="node:n1/eth0")
    assert trace.fate is wanted, trace.outcomes
    assert trace.packet is not None
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), Flow(Interface(Scope("n1"), "eth0"), trace.packet))}
    assert found == {wanted} or (wanted is OPEN and (OPEN in found or found == {YES, NO})), found


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [("-A INPUT -j DROP --opcode 1", YES), ("-A INPUT -j DROP --opcode 2", OPEN), ("-A OUTPUT -j DROP", OPEN)],
)
def test_what_leaves_needs_the_answer_of_a_host_outside(rules: str, wanted: Fate, tmp_path: Path) -> None:
    made = build(tmp_path, node(1, ROUTED, arptables__save=f"*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n{rules}\n"), host_gw(2, 1))
    trace = asked(made, "node:n1", "203.0.113.9")
    assert trace.fate is wanted, trace.outcomes
    assert trace.packet is not None
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), Flow(Scope("n1"), trace.packet))}
    assert found == {wanted} or (wanted is OPEN and (OPEN in found or found == {YES, NO})), found


@pytest.mark.parametrize(("mode", "wanted"), [(0, YES), (1, YES), (2, YES), (8, OPEN)])
def test_a_host_that_answers_nobody_is_known_by_what_it_asked(mode: int, wanted: Fate, tmp_path: Path) -> None:
    made = build(tmp_path, node(1, ROUTED, sysctl_net=f"{SWITCHES}net.ipv4.conf.all.arp_ignore = {mode}\n"), host_gw(2, 1))
    trace = asked(made, "198.51.100.7", "192.168.9.1", enter="node:n1/eth0")
    assert trace.fate is wanted, trace.outcomes
    assert trace.packet is not None
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), Flow(Interface(Scope("n1"), "eth0"), trace.packet))}
    assert found == {wanted} or (wanted is OPEN and (OPEN in found or found == {YES, NO})), found


def test_of_equal_priorities_the_chain_that_came_last_is_asked_first() -> None:
    chain = "\tchain {} {{\n\t\ttype filter hook input priority 0; policy accept;\n\t\t{}\n\t}}\n"
    text = f"table bridge t {{\n{chain.format('first', 'meta mark set 0x1')}{chain.format('second', 'meta mark != 0x0 drop')}}}\n"
    found = facts(nft.PARSER, "n/nft_list_ruleset", text)
    space = Namespace(
        ROUTER,
        nft_chains=tuple(one for one in found if isinstance(one, NftChainFact)),
        nft_tables=tuple(one for one in found if isinstance(one, NftTableFact)),
    )
    assert [one.name for one in acting(space, "bridge", ("input",))] == ["second", "first"]


MARKED = "table bridge t {{\n\tchain c {{\n\t\ttype filter hook input priority 0; policy accept;\n\t\t{}\n\t}}\n}}\n"


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("meta mark 0x0 drop", Refused),
        ("meta mark != 0x0 drop", type(None)),
        ("meta mark & 0x4 == 0x4 drop", type(None)),
        ("ip ttl 1 meta mark set 0x1\n\t\tmeta mark 0x1 drop", NftChainFact),
        ("meta mark set 0x1\n\t\tether type ip drop", type(None)),
    ],
)
def test_questions_have_no_mark_where_nothing_sets_one(rules: str, wanted: type) -> None:
    found = facts(nft.PARSER, "n/nft_list_ruleset", MARKED.format(rules))
    space = Namespace(
        ROUTER,
        nft_chains=tuple(one for one in found if isinstance(one, NftChainFact)),
        nft_tables=tuple(one for one in found if isinstance(one, NftTableFact)),
    )
    assert isinstance(judged(space, "bridge", ("input",), Asked(REQUEST, 1, 2, 3, 0)), wanted)
