"""Actions of tc filters: what ends the search, what goes on, and what only the traffic decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.system import FilterFact
from analyzer.model.network import Network
from analyzer.parsers import iptables_save, tc_filter
from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import ICMP, Fate
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Gap
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked
from tests.test_lowering_netfilter import ROUTER, facts, network
from tests.test_picked_ports import request
from tests.test_walk import asked, build, host_gw, node

DROP = "gact action drop\n\t random type none pass val 0"
CASES = [
    ("drops", [(0, [DROP])], Fate.UNREACHABLE),
    ("passes, which ends the search", [(0, ["gact action pass"]), (0, [DROP])], Fate.REACHABLE),
    ("goes on with the next filter", [(0, ["gact action continue"]), (0, [DROP])], Fate.UNREACHABLE),
    ("goes on with the next action", [(0, ["gact action pipe", DROP])], Fate.UNREACHABLE),
    ("ends with a pipe", [(0, ["gact action pipe"]), (0, [DROP])], Fate.REACHABLE),
    ("now and then", [(0, ["gact action pass\n\t random type netrand drop val 5"])], Fate.UNKNOWN),
    ("a rate", [(0, [" police 0x1 rate 1Mbit burst 10Kb mtu 2Kb action drop overhead 0b"])], Fate.UNKNOWN),
    ("to another chain", [(0, ["gact action goto chain 5"]), (5, [DROP])], Fate.UNKNOWN),
    ("another chain", [(5, [DROP])], Fate.REACHABLE),
    ("changes, then drops", [(0, ["skbedit  mark 1 pipe", DROP])], Fate.UNKNOWN),
    ("copies and drops", [(0, ["mirred (Egress Mirror to device far) drop"])], Fate.UNREACHABLE),
    (
        "copies and goes on with the next filter",
        [(0, ["mirred (Egress Mirror to device far) continue"]), (0, [DROP])],
        Fate.UNREACHABLE,
    ),
    ("copies and ends", [(0, ["mirred (Egress Mirror to device far) pass"]), (0, [DROP])], Fate.REACHABLE),
    ("copies and gives back what is not known", [(0, ["mirred (Egress Mirror to device far) xyz"])], Fate.UNKNOWN),
    ("another action in the words of mirred", [(0, ["xyz (Egress Redirect to device far) stolen"])], Fate.UNKNOWN),
    ("has no actions, which ends the search", [(0, []), (0, [DROP])], Fate.REACHABLE),
    ("another queue, then drops", [(0, ["skbedit  priority 1:5 pipe", DROP])], Fate.UNREACHABLE),
    ("another queue", [(0, ["skbedit queue_mapping 2 priority :7 continue"]), (0, [DROP])], Fate.UNREACHABLE),
    ("another queue and a mark", [(0, ["skbedit queue_mapping 2 mark 1/0x3 continue"]), (0, [DROP])], Fate.UNKNOWN),
    ("trapped", [(0, ["gact action trap"])], Fate.UNKNOWN),
]


def filtered(given: list[tuple[int, list[str]]]) -> Network:
    """A network whose router has these filters where the client's packets come in."""
    lines = ["# dev near ingress"]
    for number, (chain, actions) in enumerate(given):
        lines.append(f"filter protocol all pref {number + 1} matchall chain {chain} handle 0x1 ")
        lines += [f"\taction order {place}: {text}" for place, text in enumerate(actions, 1)]
    read = facts(tc_filter.PARSER, "n/tc_filter", "\n".join(lines) + "\n")
    assert all(isinstance(item, FilterFact) for item in read)
    return installed(read)


def installed(read: list[object]) -> Network:
    """A network whose router has these filters where the client's packets come in."""
    found = tuple(item for item in read if isinstance(item, FilterFact))
    made = network(4, (), {})
    router = replace(made.namespaces[ROUTER], filters={"near": found})
    return replace(made, namespaces={**made.namespaces, ROUTER: router})


@pytest.mark.parametrize(("words", "given", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_actions(words: str, given: list[tuple[int, list[str]]], wanted: Fate) -> None:
    made = filtered(given)
    assert walk(made, request()).fate is wanted, words
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert wanted in found
    assert wanted is Fate.UNKNOWN or found <= {wanted, Fate.UNKNOWN}


U32 = "filter protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 {}not_in_hw \n  match 00000000/00000000 at 12\n"
LINKED = "filter protocol ip pref 1 u32 chain 0 fh 1::800 order 2048 key ht 1 bkt 0 terminal flowid not_in_hw \n  match 00000000/00000000 at 12\n"


@pytest.mark.parametrize(
    ("words", "text", "wanted"),
    [
        ("the end by its class", U32.format("*flowid 1:1 "), Fate.REACHABLE),
        ("no end", U32.format(""), Fate.UNREACHABLE),
        ("in a table that others lead to", f"{LINKED}\taction order 1: {DROP}\n", Fate.UNKNOWN),
    ],
)
def test_filters_of_u32_without_actions(words: str, text: str, wanted: Fate) -> None:
    behind = f"filter protocol all pref 2 matchall chain 0 handle 0x1 \n\taction order 1: {DROP}\n"
    text = f"# dev near ingress\n{text}" + (behind if wanted is not Fate.UNKNOWN else "")
    made = installed(facts(tc_filter.PARSER, "n/tc_filter", text))
    assert walk(made, request()).fate is wanted, words
    either = {Fate.REACHABLE, Fate.UNREACHABLE}
    assert {end.fate for end in outcomes(NetworkProgram(made, 4), request())} == (either if wanted is Fate.UNKNOWN else {wanted})


@pytest.mark.parametrize(
    "line",
    [
        "filter protocol xyzzy pref 1 u32 chain 0",
        "filter protocol ip xyzzy 1 u32 chain 0",
        "filter protocol ip pref 1 u32 chain 0 fh 800::800 xyzzy 2048 key ht 800 bkt 0 terminal flowid",
        "filter protocol all pref 1 bpf chain 0 handle 0x1 program xyzzy not_in_hw",
        "xyzzy protocol ip pref 1 u32 chain 0",
    ],
)
def test_words_that_are_not_known_are_gaps(line: str) -> None:
    read = facts(tc_filter.PARSER, "n/tc_filter", f"# dev near ingress\n{line}\n")
    assert [(gap.at.line, "xyzzy" in gap.reason) for gap in read if isinstance(gap, Gap)] == [(2, True)]


def test_marks_that_are_shifted_are_not_followed() -> None:
    text = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff00 --left-shift-mark 8\nCOMMIT\n"
    (ruleset,) = (item for item in facts(iptables_save.PARSER, "n/iptables-save", text) if isinstance(item, RulesetFact))
    assert "--left-shift-mark" in str(ruleset.tables["mangle"]["PREROUTING"].rules[0].target)


UPLINK = "# dev eth0 egress\nfilter protocol {} pref 1 matchall chain 0 handle 0x1 \n\taction order 1: " + DROP + "\n"


@pytest.mark.parametrize(("protocol", "wanted"), [("ip", Fate.UNREACHABLE), ("all", Fate.UNREACHABLE), ("ipv6", Fate.REACHABLE)])
@pytest.mark.parametrize("source", ["node:n1", "default/p11"])
def test_what_leaves_the_capture_passes_the_filters_of_the_uplink(
    protocol: str, wanted: Fate, source: str, tmp_path: Path
) -> None:
    routed = "default via 192.168.9.254 dev eth0\n"
    made = build(tmp_path, node(1, routed, tc_filter=UPLINK.format(protocol)), host_gw(2, 1))
    told = asked(made, source, "203.0.113.9")
    assert told.fate is wanted, told.outcomes
    scope = endpoints(made, source)[0].scope
    assert told.packet is not None
    assert scope is not None
    assert agree(outcomes(NetworkProgram(made, 4), Flow(scope, told.packet)), walked(told))


def of_arp(protocol: str, hook: str, action: str) -> Network:
    """A network whose router has a filter of one protocol where the client's packets come in, and whose neighbours nobody knows."""
    text = f"# dev near {hook}\nfilter protocol {protocol} pref 1 matchall chain 0 handle 0x1 \n\taction order 1: {action}\n"
    made = network(4, (), {})
    found = tuple(item for item in facts(tc_filter.PARSER, "n/tc_filter", text) if isinstance(item, FilterFact))
    spaces = {scope: replace(space, neighbours=()) for scope, space in made.namespaces.items()}
    return replace(made, namespaces={**spaces, ROUTER: replace(spaces[ROUTER], filters={"near": found})})


@pytest.mark.parametrize("hook", ["ingress", "egress"])
@pytest.mark.parametrize(
    ("protocol", "action", "wanted"),
    [("arp", DROP, Fate.UNREACHABLE), ("arp", "gact action pass", Fate.REACHABLE), ("ipv6", DROP, Fate.REACHABLE)],
)
def test_filters_that_see_questions_alone(protocol: str, action: str, wanted: Fate, hook: str) -> None:
    made = of_arp(protocol, hook, action)
    assert walk(made, request()).fate is wanted
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert Fate.UNKNOWN in found or found == {wanted}


FLOWERS = [
    ("flower", "  eth_type ipv4\n  ip_proto tcp\n  dst_port 80", Fate.UNREACHABLE, Fate.REACHABLE),
    ("flower", "  eth_type ipv4\n  ip_proto tcp\n  dst_port 81", Fate.REACHABLE, Fate.REACHABLE),
    ("flower", "  eth_type ipv4\n  src_ip 0.0.0.0/0", Fate.UNREACHABLE, Fate.UNREACHABLE),
    ("flower", "  eth_type ipv4\n  dst_ip 203.0.113.0/24", Fate.REACHABLE, Fate.REACHABLE),
    ("flower", "  eth_type ipv4\n  ip_proto icmp", Fate.REACHABLE, Fate.UNREACHABLE),
    ("flower", "  eth_type ipv4\n  ip_flags nofrag", Fate.UNKNOWN, Fate.UNKNOWN),
    ("flower", "  eth_type ipv4\n  ip_proto udp\n  dst_port 80-90", Fate.UNKNOWN, Fate.UNKNOWN),
    ("u32", "  match 08000000/ff000000 at 20", Fate.REACHABLE, Fate.UNREACHABLE),
    ("u32", "  match 00000050/0000ffff at 20", Fate.UNREACHABLE, Fate.UNKNOWN),
]


@pytest.mark.parametrize(("classifier", "keys", "port", "ping"), FLOWERS)
def test_keys_of_classifiers(classifier: str, keys: str, port: Fate, ping: Fate) -> None:
    words = "key ht 800 bkt 0 terminal flowid not_in_hw" if classifier == "u32" else ""
    head = f"# dev near ingress\nfilter protocol ip pref 9 {classifier} chain 0 \nfilter protocol ip pref 9 {classifier} chain 0 handle 0x1 {words}\n"
    read = facts(tc_filter.PARSER, "n/tc_filter", f"{head}{keys}\n  not_in_hw\n\taction order 1: {DROP}\n")
    found = tuple(item for item in read if isinstance(item, FilterFact))
    assert len(found) == len(read) == 1
    made = network(4, (), {})
    made = replace(made, namespaces={**made.namespaces, ROUTER: replace(made.namespaces[ROUTER], filters={"near": found})})
    for asked_for, wanted in ((request(), port), (request(ICMP), ping)):
        assert walk(made, asked_for).fate is wanted
        ends = outcomes(NetworkProgram(made, 4), asked_for)
        assert wanted is Fate.UNKNOWN or wanted in {end.fate for end in ends}
        assert {end.fate for end in ends if not end.open} <= {wanted, Fate.UNKNOWN}
