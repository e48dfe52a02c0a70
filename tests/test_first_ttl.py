"""The TTL that a host's own packets start with: switches and routes that set a small one, in the walk and in the language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.routes import RouteFact
from analyzer.facts.system import SysctlFact
from analyzer.model.network import Namespace, Network
from analyzer.parsers import ip_route, sysctl
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, SERVER, facts, network
from tests.test_picked_ports import request

REACHED, LOST = Fate.REACHABLE, Fate.UNREACHABLE
CASES = [
    ("nothing is said", CLIENT, "", "", REACHED),
    ("the client's packets end at the router", CLIENT, "net.ipv4.ip_default_ttl = 1", "", LOST),
    ("they just arrive", CLIENT, "net.ipv4.ip_default_ttl = 2", "", REACHED),
    ("the answers end at the router", SERVER, "net.ipv4.ip_default_ttl = 1", "", LOST),
    ("the route wins", CLIENT, "net.ipv4.ip_default_ttl = 1", "hoplimit 2", REACHED),
    ("a route's own", CLIENT, "", "hoplimit 1", LOST),
    ("a route's own of the answers", SERVER, "", "hoplimit lock 1", LOST),
    ("none of its own", CLIENT, "", "hoplimit 0", REACHED),
]


def with_route(space: Namespace, words: str) -> Namespace:
    """The namespace with more words on its default route."""
    found = [
        item
        for item in facts(ip_route.PARSER, "n/ip_route_show_table_all", f"default via 10.0.0.1 dev eth0 {words}\n")
        if isinstance(item, RouteFact)
    ]
    tables = {
        number: tuple(replace(one, hop_limit=found[0].hop_limit) if one.destination.length == 0 else one for one in table)
        for number, table in space.routes[4].items()
    }
    return replace(space, routes={**space.routes, 4: tables})


def made(place: Scope, switch: str, words: str) -> Network:
    """The network of a client, a router and a server, of which one is told these."""
    one = network(4, (), {})
    read = (
        [item for item in facts(sysctl.PARSER, "n/sysctl_net", f"{switch}\n") if isinstance(item, SysctlFact)] if switch else []
    )
    space = one.namespaces[place]
    space = with_route(replace(space, sysctls={**space.sysctls, **{item.key: item for item in read}}), words)
    return replace(one, namespaces={**one.namespaces, place: space})


@pytest.mark.parametrize(("words", "place", "switch", "route", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_first(words: str, place: Scope, switch: str, route: str, wanted: Fate) -> None:
    one = made(place, switch, route)
    assert walk(one, request()).fate is wanted, words
    assert {end.fate for end in outcomes(NetworkProgram(one, 4), request())} == {wanted}
