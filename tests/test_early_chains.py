"""Chains of a device see the marks that rules of another namespace set, where a device there is over it (macvlan_queue_xmit; tried on Linux 6.18)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Network
from analyzer.parsers import nft, read
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.source import Scope, Source
from analyzer.transfer.graph import NetworkProgram
from tests.lab import record
from tests.lowered import outcomes
from tests.test_lowering import TRUTH, flow_of

MARKS = "table ip t {{\n\tchain o {{\n\t\ttype filter hook output priority 0; policy accept;\n\t\tmeta mark set {}\n\t}}\n}}\n"
DROPS = 'table netdev t {\n\tchain e {\n\t\ttype filter hook egress device "eth0" priority 0; policy accept;\n\t\tmeta mark 5 tcp dport 8080 drop\n\t}\n}\n'


def with_rules(made: Network, scope: Scope, text: str) -> Network:
    """The network with other native tables in a namespace."""
    found = list(read(nft.PARSER, Source("n/nft_list_ruleset", text, nft.PARSER.kind, scope)))
    tables = tuple(one for one in found if isinstance(one, NftTableFact))
    chains = tuple(one for one in found if isinstance(one, NftChainFact))
    space = replace(made.namespaces[scope], nft_tables=tables, nft_chains=chains)
    return replace(made, namespaces={**made.namespaces, scope: space})


@pytest.mark.parametrize(("mark", "wanted"), [(5, Fate.UNREACHABLE), (6, Fate.REACHABLE)])
def test_marks_of_pods_are_seen_by_the_device_under_theirs(mark: int, wanted: Fate, tmp_path: Path) -> None:
    _, results = record.unpack(next(path for path in TRUTH if path.stem == "macvlan-uplink-chain").read_text(), tmp_path)
    made = load(tmp_path).given.network
    flows = [flow_of(made, probe) for probe, _ in results if str(probe).startswith("default/") and "TCP 8080" in str(probe)]
    ends = set()
    for flow in flows:
        if flow is None or not isinstance(flow.start, Scope) or flow.start.node != "node-a":
            continue
        network = with_rules(with_rules(made, Scope("node-a"), DROPS), flow.start, MARKS.format(mark))
        told = walk(network, flow).fate
        assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == {told}, flow
        ends.add(told)
    assert wanted in ends
    assert wanted is Fate.UNREACHABLE or ends == {wanted}
