"""Rules that look at the type of service, at bits of a connection's status, at ECN's bits and at groups of devices, and rules that change the hop limit of neighbour discovery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.addresses import address
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Network
from analyzer.model.service_types import SENT
from analyzer.parsers import iptables_save, nft
from analyzer.solve.packet import TCP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, facts, network
from tests.test_picked_ports import BOTH

MANGLE = "*mangle\n:PREROUTING ACCEPT\n:FORWARD ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n{}\nCOMMIT\n"
NATIVE = "table inet t {{\n\tchain c {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\t{}\n\t}}\n}}\n"
YES, NO, OPEN = Fate.REACHABLE, Fate.UNREACHABLE, Fate.UNKNOWN
IPTABLES = [
    ("-A FORWARD -m dscp --dscp 0x2e -j DROP", YES),
    ("-A FORWARD -m dscp ! --dscp 0x2e -j DROP", NO),
    ("-A FORWARD -m dscp --dscp-class CS0 -j DROP", NO),
    ("-A FORWARD -m tos --tos 0x10/0x3f -j DROP", YES),
    ("-A FORWARD -m tos --tos 0x00/0x3f -j DROP", NO),
    ("-A FORWARD -m tos ! --tos Normal-Service -j DROP", YES),
    ("-A FORWARD -p tcp -m ecn --ecn-ip-ect 1 -j DROP", YES),
    ("-A FORWARD -p tcp -m ecn ! --ecn-ip-ect 1 -j DROP", NO),
    ("-A FORWARD -p tcp -m ecn --ecn-tcp-cwr -j DROP", YES),
    ("-A FORWARD -p tcp -m ecn ! --ecn-tcp-ece -j DROP", NO),
    ("-A PREROUTING -j DSCP --set-dscp 0x0a\n-A FORWARD -m dscp --dscp 0x0a -j DROP", NO),
    ("-A PREROUTING -j TOS --set-tos 0x12/0xff\n-A FORWARD -m tos --tos 0x12 -j DROP", NO),
    ("-A PREROUTING -j TOS --set-tos 0x12/0xff\n-A FORWARD -m tos --tos 0x10 -j DROP", YES),
    ("-A PREROUTING -j TOS --set-tos 0x13/0xff\n-A PREROUTING -j DSCP --set-dscp 0x0a\n-A FORWARD -m tos --tos 0x2b -j DROP", NO),
    ("-A PREROUTING -s 10.77.9.9 -j DSCP --set-dscp 0x0a\n-A FORWARD -m dscp --dscp 0x0a -j DROP", YES),
    ("-A PREROUTING -j DSCP --set-dscp 0x0a\n-A FORWARD -s 10.77.2.0/24 -m dscp ! --dscp 0x00 -j DROP", NO),
    ("-A FORWARD -i near -j DSCP --set-dscp 0x0a\n-A FORWARD -i far -m dscp ! --dscp 0x00 -j DROP", YES),
    ("-A FORWARD -m conntrack --ctstatus NONE -j DROP", YES),
    ("-A FORWARD -m conntrack ! --ctstatus NONE -j DROP", NO),
    ("-A FORWARD -m devgroup --src-group 0x5 -j DROP", NO),
    ("-A FORWARD -i near -m devgroup ! --src-group 0x5 -j DROP", YES),
    ("-A FORWARD -m devgroup --src-group 0x4/0x4 -j DROP", NO),
    ("-A FORWARD -i near -m devgroup --dst-group 0x5 -j DROP", YES),
    ("-A FORWARD -m devgroup --dst-group default -j DROP", NO),
]
TABLES = [
    ("ip dscp cs1 drop", YES),
    ("ip dscp != cs1 drop", NO),
    ("ip dscp < af11 drop", NO),
    ("ip dscp & 0x38 == 0x8 drop", YES),
    ("ip dscp { cs0, cs2 } drop", NO),
    ("ip6 dscp cs0 drop", YES),
    ("ip ecn ce drop", YES),
    ("ip ecn not-ect drop", NO),
    ("ip dscp vmap { cs0 : drop, cs1 : accept }", NO),
    ("ip dscp set cs1 ip dscp cs0 drop", YES),
    ("ip dscp set cs1 ip dscp cs1 drop", NO),
    ("ip ecn set ce ip dscp cs0 ip ecn ce drop", NO),
    ("ip6 dscp set cs1 drop", YES),
    ('xt target "TOS"\n\t\tip dscp cs1 drop', OPEN),
    ('xt target "DSCP"\n\t\tip ecn ce drop', OPEN),
    ("iifgroup 5 drop", NO),
    ("iifgroup { 6, 7 } drop", YES),
    ('iifname "near" meta oifgroup 5 drop', YES),
    ("meta oifgroup default drop", NO),
    ("iiftype ether drop", NO),
    ("iiftype { loopback, ppp } drop", YES),
    ("meta oiftype != ether drop", YES),
    ('osf ttl loose name "Linux" accept', YES),
    ('socket cgroupv2 level 2 "a.slice/b" accept', YES),
    ('socket cgroupv2 level 2 "a.slice/b" drop', OPEN),
    ("meta random & 2147483647 < 2147483648 drop", NO),
    ("meta random & 2147483647 >= 2147483648 drop", YES),
    ("meta random & 2147483647 < 1073741824 drop", Fate.DEPENDS),
]


def given(family: int, text: str, group: int | None = 5) -> Network:
    """A network whose router has these rules, and whose device on the client's side is of a group."""
    native = text.startswith("table")
    parser, name = (
        (nft.PARSER, "n/nft_list_ruleset") if native else (iptables_save.PARSER, f"n/ip{'6' * (family == 6)}tables-save")
    )
    found = facts(parser, name, text)
    one = network(family, tuple(item for item in found if isinstance(item, RulesetFact)), {})
    space = one.namespaces[ROUTER]
    links = {**space.links, "near": replace(space.links["near"], group=group)}
    tables = tuple(item for item in found if isinstance(item, NftTableFact))
    return replace(one, namespaces={**one.namespaces, ROUTER: replace(space, links=links, nft_tables=tables)})


def flow(family: int) -> Flow:
    """From the client to the server."""
    ends = ("10.77.1.2", "10.77.2.2") if family == 4 else ("fd77:1::2", "fd77:2::2")
    source, target = (address(text).value for text in ends)
    return Flow(CLIENT, Packet(family, source, target, TCP, 40000, 80))


def check(one: Network, family: int, wanted: Fate) -> None:
    """The walk and the language say it."""
    assert walk(one, flow(family)).fate is wanted
    found = {end.fate for end in outcomes(NetworkProgram(one, family), flow(family))}
    assert found == (BOTH if wanted in (OPEN, Fate.DEPENDS) else {wanted})


@pytest.mark.parametrize(("rule", "wanted"), IPTABLES)
def test_of_iptables(rule: str, wanted: Fate) -> None:
    check(given(4, MANGLE.format(rule)), 4, wanted)


RAW = "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -i near -j CT --zone 80\n-A PREROUTING {}\nCOMMIT\n"
TEMPLATES = [
    ("-m conntrack --ctorigdstport 80 -j DROP", YES),
    ("-m conntrack --ctorigdstport 0 -i near -j DROP", NO),
    ("-m conntrack --ctorigdst 10.77.2.2 -j DROP", YES),
    ("-m conntrack --ctproto 6 -j DROP", YES),
    ("-m conntrack --ctstate NEW -j DROP", NO),
    ("-i near -m conntrack --ctstatus CONFIRMED -j DROP", OPEN),
]
"""A template has empty tuples, and stands for a new connection (xt_CT.c)."""


@pytest.mark.parametrize(("rule", "wanted"), TEMPLATES)
def test_of_templates(rule: str, wanted: Fate) -> None:
    one = given(4, RAW.format(rule))
    assert walk(one, flow(4)).fate is wanted
    found = {end.fate for end in outcomes(NetworkProgram(one, 4), flow(4))}
    assert wanted is OPEN or wanted in found


@pytest.mark.parametrize(("rule", "wanted"), TABLES)
def test_of_nft(rule: str, wanted: Fate) -> None:
    check(given(4, NATIVE.format(rule)), 4, wanted)


def test_what_iptables_sets_is_not_listed() -> None:
    text = NATIVE.format("counter packets 0 bytes 0 ip6 dscp set 0x0a\n\t\tip dscp cs1 drop")
    check(given(4, text.replace("table inet t", "table ip mangle")), 4, OPEN)


def test_the_type_of_service_is_taken_for_granted() -> None:
    one = given(4, MANGLE.format("-A FORWARD -m dscp --dscp 0x2e -j DROP"))
    assert SENT in walk(one, flow(4)).assumptions


@pytest.mark.parametrize("rule", ["-A FORWARD -i near -m devgroup --src-group 0x5 -j DROP", "iifgroup 5 drop"])
def test_a_group_by_a_name_is_not_known(rule: str) -> None:
    check(given(4, (MANGLE if rule[0] == "-" else NATIVE).format(rule), None), 4, OPEN)


HOP_LIMITS = [
    ("-A INPUT -p ipv6-icmp -j HL --hl-dec 1", NO),
    ("-A INPUT -p tcp -j HL --hl-dec 1", YES),
    ("-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j HL --hl-set 64", NO),
    ("-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j HL --hl-set 255", YES),
]


@pytest.mark.parametrize(("rule", "wanted"), HOP_LIMITS)
def test_neighbour_discovery_keeps_its_hop_limit(rule: str, wanted: Fate) -> None:
    one = given(6, MANGLE.format(rule))
    spaces = {scope: replace(space, neighbours=()) for scope, space in one.namespaces.items()}
    check(replace(one, namespaces=spaces), 6, wanted)


NAT = "table inet t {{\n\tchain c {{\n\t\ttype nat hook {} priority 0; policy accept;\n\t\t{}\n\t}}\n}}\n"
MOVED = [
    ("prerouting", "dnat ip prefix to 10.77.2.3/32", "10.77.1.2", "10.77.2.3"),
    ("prerouting", "dnat ip prefix to 10.77.2.0/24", "10.77.1.2", "10.77.2.2"),
    ("prerouting", "dnat ip6 prefix to fd77:2::/120", "10.77.1.2", "10.77.2.2"),
    ("postrouting", "snat ip prefix to 10.77.2.9/32", "10.77.2.9", "10.77.2.2"),
]


@pytest.mark.parametrize(("hook", "rule", "source", "destination"), MOVED)
def test_addresses_move_to_a_network(hook: str, rule: str, source: str, destination: str) -> None:
    one = given(4, NAT.format(hook, rule))
    (outcome,) = walk(one, flow(4)).outcomes
    assert (outcome.fate, str(outcome.source_seen), str(outcome.destination_seen)) == (YES, source, destination)
    (end,) = outcomes(NetworkProgram(one, 4), flow(4))
    assert (end.fate, end.source) == (YES, source)
