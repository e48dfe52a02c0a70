"""Networks that a host takes for its own: until a rule is added, routes of the main table within them count, in both readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import prefix
from analyzer.model.network import Network
from analyzer.model.routing import without
from analyzer.solve.packet import TCP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_walk import OPEN, RULES, SWITCHES, build, host_gw

LOCAL = "local 10.244.0.0/16 dev lo table local scope host\n"
KERNEL = "local 10.244.1.1 dev cni0 table local proto kernel scope host src 10.244.1.1\nlocal 192.168.9.1 dev eth0 table local proto kernel scope host src 192.168.9.1\n"
ADDED = RULES.replace("32766", "100:\tfrom 192.0.2.1 lookup 77\n32766", 1)
FIRST, SECOND, FAR, NOBODY = 0x0AF40102, 0x0AF40103, 0x0AF40202, 0x0AF40909


def own(folder: Path, table: str, rules: str = RULES) -> Network:
    """Two nodes, the first of which has a network of its own besides its pods'."""
    one = host_gw(1, 2, ip_rule=rules)
    one["nodes/n1/ip_route_show_table_all"] = one.pop("nodes/n1/ip_route") + table
    return build(folder, one, host_gw(2, 1))


def sent(network: Network, target: int) -> set[tuple[Fate, str | None]]:
    """Who has a packet to an address, by both readings."""
    flow = Flow(Scope("n1"), Packet(4, 0x0AF40101, target, TCP, 40000, 80))
    told = {(one.fate, one.delivered_to) for one in walk(network, flow).outcomes}
    assert {(end.fate, end.at) for end in outcomes(NetworkProgram(network, 4), flow)} == told
    return told


def test_longer_routes_of_the_main_table_count_until_a_rule_is_added(tmp_path: Path) -> None:
    network = own(tmp_path / "never", LOCAL + KERNEL)
    assert sent(network, SECOND) == {(Fate.REACHABLE, "default/p12")}
    assert sent(network, FAR) == {(Fate.REACHABLE, "default/p21")}
    assert sent(network, NOBODY) == {(Fate.REACHABLE, "node:n1")}
    found = walk(network, Flow(Scope("n1"), Packet(4, 0x0AF40101, FAR, TCP, 40000, 80)))
    assert any("are searched as one" in text for one in found.outcomes for text in one.assumptions)
    added = own(tmp_path / "added", LOCAL + KERNEL, ADDED)
    assert sent(added, SECOND) == sent(added, FAR) == {(Fate.REACHABLE, "node:n1")}


def test_where_somebody_made_a_local_route_sources_are_looked_up(tmp_path: Path) -> None:
    """A pod's source lies in it, and comes in from outside."""
    made = "local 10.244.2.0/25 dev lo table local scope host\n"
    flow = Flow(Scope("n2", "default_p21"), Packet(4, FAR, FIRST, TCP, 40000, 80))
    for name, text, words in (
        ("made", made, "n1: the source"),
        ("kernel", made.replace("scope", "proto kernel scope"), "the reply"),
    ):
        network = own(tmp_path / name, text + KERNEL)
        (told,) = walk(network, flow).outcomes
        assert told.fate is Fate.UNREACHABLE
        assert told.reason.startswith(words)
        assert {(end.fate, bool(end.at)) for end in outcomes(NetworkProgram(network, 4), flow)} == {(told.fate, name == "kernel")}


SERVED = (
    OPEN
    + "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.10/32 -p tcp -j DNAT --to-destination 10.244.1.3\n-A POSTROUTING -s 10.244.1.2/32 -j MASQUERADE\nCOMMIT\n"
)


def test_a_frame_that_a_bridge_translates_keeps_its_connection(tmp_path: Path) -> None:
    """A pod that has its network for its own does not answer its node, which knows it all the same, since the pod has asked."""
    one = host_gw(1, 2, iptables__save=SERVED, sysctl_net=SWITCHES + "net.bridge.bridge-nf-call-iptables = 1\n")
    own = "local 10.244.1.0/24 dev lo table local scope host\nlocal 10.244.1.2 dev eth0 table local proto kernel scope host\n"
    folder = "nodes/n1/netns/default_p11"
    one[f"{folder}/ip_route_show_table_all"] = one.pop(f"{folder}/ip_route").partition("\n")[0] + "\n" + own
    one[f"{folder}/ip_rule"] = ADDED
    network = build(tmp_path, one)
    flow = Flow(Scope("n1", "default_p11"), Packet(4, FIRST, 0x0A60000A, TCP, 40000, 80))
    (told,) = walk(network, flow).outcomes
    assert (told.fate, told.delivered_to, str(told.source_seen)) == (Fate.REACHABLE, "default/p12", "10.244.1.1")
    assert ("default/p12", "10.244.1.1") in {
        (end.at, end.source) for end in outcomes(NetworkProgram(network, 4), flow) if end.fate is Fate.REACHABLE
    }


@pytest.mark.parametrize(("outer", "inner", "left"), [
    ("10.0.0.0/30", "10.0.0.1/32", ["10.0.0.2/31", "10.0.0.0/32"]),
    ("10.0.0.0/30", "10.0.1.0/30", ["10.0.0.0/30"]), ("10.0.0.0/30", "10.0.0.0/30", []), ("10.0.0.0/31", "10.0.0.0/24", []),
])  # fmt: skip
def test_what_is_left_of_a_network(outer: str, inner: str, left: list[str]) -> None:
    assert [str(one) for one in without(prefix(outer), prefix(inner))] == left
