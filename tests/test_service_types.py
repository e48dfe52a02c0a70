"""Routing rules and routes that ask for a type of service: packets are sent with 0, and have what rules give them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.facts.routes import MAIN, RouteFact, RoutingRuleFact
from analyzer.model.network import Network
from analyzer.model.service_types import SENT, service_type_changes
from analyzer.parsers import ip_route, ip_rule, iptables_save, nft
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import ROUTER, facts, network
from tests.test_picked_ports import request

RULES = "0:\tfrom all lookup local\n50:\t{}\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
CHANGE = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -i near {}\nCOMMIT\n"
NATIVE = "table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy accept;\n\t\tip dscp set cs1\n\t}\n}\n"
CASES = [
    ("nothing changes it", "from all tos 0x10 blackhole", "", "", Fate.REACHABLE),
    ("a rule changes it", "from all tos 0x10 blackhole", "", "-j TOS --set-tos 0x10/0xff", Fate.UNREACHABLE),
    ("a rule in long words changes it", "from all tos 0x10 blackhole", "", "--jump TOS --set-tos 0x10/0xff", Fate.UNREACHABLE),
    ("a rule changes the class", "from all tos 0x10 blackhole", "", "-j DSCP --set-dscp 0x04", Fate.UNREACHABLE),
    ("a native rule changes the class", "from all tos 0x10 blackhole", "", NATIVE, Fate.REACHABLE),
    ("for others", "from 10.9.9.9 tos 0x10 blackhole", "", "-j TOS --set-tos 0x10/0xff", Fate.REACHABLE),
    ("a route, and nothing changes it", "from all lookup main", "blackhole 10.77.2.2 tos 0x10", "", Fate.REACHABLE),
    (
        "a route, and a rule changes it",
        "from all lookup main",
        "blackhole 10.77.2.2 tos 0x10",
        "-j TOS --set-tos 0x10/0xff",
        Fate.UNREACHABLE,
    ),
]


def made(rule: str, route: str, change: str) -> Network:
    """A network whose router has these."""
    text = CHANGE.format(change) if change and change != NATIVE else ""
    found = (
        [item for item in facts(iptables_save.PARSER, "n/iptables-save", text) if isinstance(item, RulesetFact)] if text else []
    )
    one = network(4, tuple(found), {})
    space = one.namespaces[ROUTER]
    rules = [item for item in facts(ip_rule.PARSER, "n/ip_rule", RULES.format(rule)) if isinstance(item, RoutingRuleFact)]
    routes = [item for item in facts(ip_route.PARSER, "n/ip_route_show_table_all", f"{route}\n") if isinstance(item, RouteFact)]
    tables = facts(nft.PARSER, "n/nft_list_ruleset", NATIVE) if change == NATIVE else ()
    tables_of_it = {**space.routes[4], MAIN: (*space.routes[4][MAIN], *routes)}
    router = replace(
        space,
        rules={**space.rules, 4: tuple(rules)},
        routes={**space.routes, 4: tables_of_it},
        nft_tables=tuple(item for item in tables if isinstance(item, NftTableFact)),
    )
    return replace(one, namespaces={**one.namespaces, ROUTER: router})


@pytest.mark.parametrize(("words", "rule", "route", "change", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_types(words: str, rule: str, route: str, change: str, wanted: Fate) -> None:
    one = made(rule, route, change)
    assert service_type_changes(one) is bool(change), words
    trace = walk(one, request())
    assert trace.fate is wanted, words
    assert SENT in trace.assumptions or rule.startswith("from 10.9")
    program = NetworkProgram(one, 4)
    assert {end.fate for end in outcomes(program, request())} == {wanted}
    assert SENT in program.context.assumptions
