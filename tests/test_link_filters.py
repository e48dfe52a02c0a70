"""Chains of ARP and of bridges that may do more than accept: whoever is asked for, or sent a frame, through them, it is open, by the chain's name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.facts.netfilter import NftChainFact
from analyzer.model.network import Network
from analyzer.parsers import Parser, arptables_save, ebtables_save, nft
from analyzer.solve.concrete import walk
from analyzer.solve.packet import Fate
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import CLIENT, ROUTER, SERVER, facts, network
from tests.test_picked_ports import BOTH, request

DROPS = "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n-A {} -s 10.9.9.9 -j DROP\n"
POLICY = "*filter\n:INPUT DROP\n:OUTPUT ACCEPT\n"
ACCEPTS = "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -s 10.9.9.9 -j ACCEPT\n"
NATIVE = (
    "table arp t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tarp operation request drop\n\t}\n}\n"
)
ARP = arptables_save.PARSER
CASES = [
    ("nothing", ARP, "*filter\n:INPUT ACCEPT\n", ROUTER, Fate.REACHABLE),
    ("who is asked, on its way in", ARP, DROPS.format("INPUT"), ROUTER, Fate.UNKNOWN),
    ("who is asked, on its way out", ARP, DROPS.format("OUTPUT"), ROUTER, Fate.UNKNOWN),
    ("a policy", ARP, POLICY, ROUTER, Fate.UNKNOWN),
    ("who asks", ARP, POLICY, CLIENT, Fate.UNKNOWN),
    ("who is asked in the end", ARP, POLICY, SERVER, Fate.UNKNOWN),
    ("what accepts only", ARP, ACCEPTS, ROUTER, Fate.REACHABLE),
    ("a native chain", nft.PARSER, NATIVE, ROUTER, Fate.UNKNOWN),
    ("chains of bridges, where no bridge is", ebtables_save.PARSER, DROPS.format("INPUT"), ROUTER, Fate.REACHABLE),
]


def asking(parser: Parser, text: str, at: object) -> Network:
    """A network in which nobody knows a neighbour, and one namespace has these chains."""
    made = network(4, (), {})
    chains = tuple(item for item in facts(parser, "n/x", text) if isinstance(item, NftChainFact))
    spaces = {
        scope: replace(space, neighbours=(), nft_chains=chains if scope == at else ()) for scope, space in made.namespaces.items()
    }
    return replace(made, namespaces=spaces)


@pytest.mark.parametrize(("words", "parser", "text", "at", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_arp(words: str, parser: Parser, text: str, at: object, wanted: Fate) -> None:
    made = asking(parser, text, at)
    trace = walk(made, request())
    assert trace.fate is wanted, words
    assert wanted is Fate.REACHABLE or " of the chain " in trace.outcomes[0].settle or "the chain " in trace.outcomes[0].reason
    found = {end.fate for end in outcomes(NetworkProgram(made, 4), request())}
    assert found >= ({Fate.UNKNOWN} if wanted is Fate.UNKNOWN else {Fate.REACHABLE})
    assert wanted is Fate.UNKNOWN or found <= BOTH - {Fate.UNREACHABLE}
