"""In a pasted session the command says what a file's name says in a capture: the family, the table, the bridge, and how much was listed."""

from __future__ import annotations

import re
from pathlib import Path

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.capture.recognise import beginning, command_name, name_patterns, normal
from analyzer.facts.base import Fact
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.routes import RouteFact, RoutingRuleFact
from analyzer.model.build import build
from analyzer.model.network import Network

SESSION = """root@n1:~# ip -6 rule
0:	from all lookup local
5:	from all fwmark 0x1 lookup 7
32766:	from all lookup main
root@n1:~# ip -6 route
default dev tun0 metric 1024
root@n1:~# ip6tables -S
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
root@n1:~# iptables -t nat -nvL POSTROUTING
Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
    0     0 MASQUERADE  all  --  *      eth0    10.244.0.0/16        0.0.0.0/0
root@n1:~# iptables -t security -nvL
Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain FORWARD (policy DROP 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain OUTPUT (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
"""
BRIDGES = """root@n1:~# ovs-vsctl show
a5d0e0a1-0000-4000-8000-000000000000
    Bridge br-int
        Port br-int
            Interface br-int
                type: internal
    Bridge br-ex
        Port br-ex
            Interface br-ex
                type: internal
root@n1:~# ovs-ofctl dump-flows br-int
 cookie=0x0, table=0, priority=one actions=NORMAL
 cookie=0x0, table=0, priority=0 actions=NORMAL
root@n1:~# ovs-ofctl dump-flows br-ex
 cookie=0x0, table=0, priority=1 actions=NORMAL
"""


def read(text: str, folder: Path) -> tuple[list[Fact], Network]:
    path = folder / "session.txt"
    path.write_text(text)
    loaded = load((str(path),))
    known, gaps = facts(loaded.sources)
    return list(known), build(loaded.sources, known, (*loaded.gaps, *gaps))


def test_the_family_of_what_names_no_address_is_the_commands(tmp_path: Path) -> None:
    known, _ = read(SESSION, tmp_path)
    assert {fact.family for fact in known if isinstance(fact, RoutingRuleFact)} == {6}
    assert [fact.destination.family for fact in known if isinstance(fact, RouteFact)] == [6]
    assert [fact.family for fact in known if isinstance(fact, RulesetFact)] == [6, 4, 4]


def test_the_table_of_a_listing_is_the_commands(tmp_path: Path) -> None:
    known, _ = read(SESSION, tmp_path)
    assert [set(fact.tables) for fact in known if isinstance(fact, RulesetFact)] == [{"filter"}, {"nat"}, {"security"}]


def test_the_rules_of_one_family_say_nothing_of_the_other(tmp_path: Path) -> None:
    _, network = read(SESSION, tmp_path)
    missing = next(iter(network.namespaces.values())).missing
    assert {"ip-rule/4", "ip-route/4", "netfilter/4", "netfilter/6"} <= set(missing)
    assert "ip-rule/6" not in missing


def test_a_flow_that_is_not_read_is_of_its_own_bridge(tmp_path: Path) -> None:
    _, network = read(BRIDGES, tmp_path)
    switches = next(iter(network.namespaces.values())).switches
    assert [len(switches[name].unread) for name in ("br-int", "br-ex")] == [1, 0]


def test_names_begin_as_their_pattern_says() -> None:
    """A pattern is compiled for names alone that begin as it does: no other name matches it."""
    samples = Path(__file__).parent.parent / "samples"
    texts = [path.read_text() for folder in ("captures", "sessions") for path in sorted((samples / folder).glob("*.txt"))]
    names = {
        normal(part)
        for text in texts
        for line in re.findall(r"^=== (\S+)", text, re.M)
        for part in (line, line.rsplit("/", 1)[-1])
    }
    names |= {command_name(line) for text in texts for line in re.findall(r"[#$] (.+)$", text, re.M)}
    matched = {(pattern, name) for pattern, _ in name_patterns() for name in names if re.fullmatch(pattern, name)}
    assert len(matched) > 40
    assert not [(pattern, name) for pattern, name in matched if not name.startswith(beginning(pattern))]
