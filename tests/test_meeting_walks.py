"""Walks that meet again: what they tell of random rulesets with tests that are not known is what all ways to decide come to, walked one by one."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.marks import ALL, of_rules
from analyzer.model.network import Network
from analyzer.parsers import Parser, ipset, iptables_save, nft, read
from analyzer.solve.packet import SYN, TCP, Fate, Outcome
from analyzer.solve.walk.concrete import one_way, walk
from analyzer.solve.walk.index import index_of
from analyzer.solve.walk.oracle import Search, _essence, merged
from analyzer.source import Source
from tests.netfilter_random import HOOKS, SETS, Rules
from tests.nft_random import NftRules
from tests.test_header_bits import NO, OPEN, YES, flow
from tests.test_lowering_netfilter import ROUTER, flows, network

COUNT, SEED = int(os.environ.get("MEETING_RULESETS", "8")), int(os.environ.get("MEETING_SEED", "1"))
ENOUGH = 500


def read_back(parser: Parser, name: str, text: str) -> list[object]:
    """The facts of a text, without the gaps about tests that are not known."""
    return list(read(parser, Source(name, text, parser.kind, ROUTER)))


def iptables(random: Random) -> Network:
    """A router with rules of iptables, some of which ask what is not known."""
    rules = Rules(random, 4, frozenset(kind for kind, _ in SETS.values()))
    sets, text = rules.sets(), rules.ruleset(tuple(table for table in HOOKS if random.random() < 0.8))
    asked = [
        line.replace(" -j ", f" -m u32 --u32 {random.randrange(9)}=1 -j ") if random.random() < 0.35 else line
        for line in text.splitlines()
    ]
    changed = [
        line.rpartition(" -j ")[0] + random.choice(CHANGES) if random.random() < 0.1 and " -j " in line else line
        for line in asked
    ]
    return router("\n".join(changed) + "\n", sets)


CHANGES = (" -j SET --add-set s-ip src", " -j SET --del-set s-ip dst", " -j SET --add-set s-ip dst")


def router(text: str, sets: str = "") -> Network:
    """A router with rules of iptables, and with sets."""
    facts = read_back(iptables_save.PARSER, "n/iptables-save", text)
    named = {item.name: item for item in read_back(ipset.PARSER, "n/ipset_save", sets) if isinstance(item, IpsetFact)}
    return network(4, tuple(item for item in facts if isinstance(item, RulesetFact)), named)


def native(random: Random) -> Network:
    """A router with native tables, some of whose rules ask what is not known."""
    lines = NftRules(random, 4, ways=False, alone=True, picked=False).ruleset().splitlines()
    asked = [
        f"\t\tmeta cgroup {random.randrange(9)} {line.strip()}" if rule(line) and random.random() < 0.35 else line
        for line in lines
    ]
    facts = read_back(nft.PARSER, "n/nft_list_ruleset", "\n".join(asked) + "\n")
    made = network(4, (), {})
    router = replace(made.namespaces[ROUTER], nft_tables=tuple(item for item in facts if isinstance(item, NftTableFact)))
    return replace(made, namespaces={**made.namespaces, ROUTER: router})


def rule(line: str) -> bool:
    """Whether a line of a listing is a rule."""
    return line.startswith("\t\t") and line.strip().split()[0] in (
        "ip",
        "tcp",
        "udp",
        "meta",
        "ct",
        "accept",
        "drop",
        "jump",
        "goto",
        "return",
    )


def told(outcomes: tuple[Outcome, ...]) -> set[Outcome]:
    """What outcomes differ in."""
    return {_essence(one) if one.fate is not Fate.UNREACHABLE else Outcome(Fate.UNREACHABLE) for one in outcomes}


@pytest.mark.parametrize("make", [iptables, native])
def test_walks_that_meet_lose_nothing(make) -> None:  # type: ignore[no-untyped-def]
    met = many = 0
    for seed in range(SEED, SEED + COUNT):
        made = make(Random(seed))
        index = index_of(made)
        for given in list(flows(Random(-seed), 4))[:5]:
            packet = given.packet._replace(tcp_flags=SYN if given.packet.protocol == TCP else 0)
            ready = given._replace(packet=packet)
            search = Search(lambda oracle, ready=ready, index=index: one_way(index, ready, oracle), ENOUGH)  # type: ignore[misc]
            run = search.walked(())
            unknown = sum(each.kind == "unknown" for each in run.met)
            exact = search.below(run, 0)
            found = merged(search.walk)
            if search.broke_off or not found or not unknown:
                continue
            met, many = met + 1, many + (unknown > 1)
            assert told(found) == told(exact), (seed, given)
    assert met > COUNT // 3
    assert many > COUNT // 12


JUMPS = "".join(f"-A FORWARD -m u32 --u32 {number}=1 -j NOTHING\n" for number in range(20))
LEFT = [
    ("", YES),
    ("-A FORWARD -p tcp -j DROP", NO),
    ("-A FORWARD -m u32 --u32 9=2 -j ACCEPT", YES),
    ("-A FORWARD -m u32 --u32 9=2 -j ACCEPT\n-A FORWARD -j DROP", OPEN),
    ("-A FORWARD -m u32 --u32 9=2 -j MARK --set-xmark 0x1/0x1", YES),
    (
        "-A FORWARD -m u32 --u32 9=2 -j MARK --set-xmark 0x1/0x1\n-A FORWARD -m u32 --u32 8=3 -j NOTHING\n-A FORWARD -m mark --mark 0x1/0x1 -j DROP",
        OPEN,
    ),
    (
        "-A FORWARD -m u32 --u32 9=2 -j CONNMARK --set-xmark 0x1/0x1\n-A FORWARD -m u32 --u32 8=3 -j NOTHING\n-A FORWARD -m connmark --mark 0x1/0x1 -j DROP",
        OPEN,
    ),
    (
        "-A FORWARD -m u32 --u32 9=2 -m recent --set --name a\n-A FORWARD -m u32 --u32 8=3 -j NOTHING\n-A FORWARD -m recent --rcheck --name a -j DROP",
        OPEN,
    ),
    (
        "-A FORWARD -m u32 --u32 9=2 -j SET --add-set s src\n-A FORWARD -m u32 --u32 8=3 -j NOTHING\n-A FORWARD -m set --match-set s src -j DROP",
        OPEN,
    ),
    ("-A FORWARD -m u32 --u32 9=2 -g NOTHING\n-A FORWARD -j DROP", OPEN),
    ("-A FORWARD -m u32 --u32 9=2 -g NOTHING\n-A FORWARD -j ACCEPT", YES),
    ("-A FORWARD -m u32 --u32 0=1 -j DROP", OPEN),
    ("-A FORWARD -m statistic --mode random --probability 0.5 -j DROP", Fate.DEPENDS),
]


@pytest.mark.parametrize(("rules", "wanted"), LEFT)
def test_many_rules_that_leave_nothing_behind_are_walked(rules: str, wanted: Fate) -> None:
    text = f"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:NOTHING -\n-A NOTHING -j LOG\n{JUMPS}{rules}\nCOMMIT\n"
    assert walk(router(text, "create s hash:ip family inet\n"), flow(4)).fate is wanted


MARKS = [
    ("-A FORWARD -j MARK --set-xmark 0x1/0x1", 0),
    ("-A FORWARD -m mark --mark 0x4000/0xc000 -j KUBE-MARK-MASQ", 0xC000),
    ("-A FORWARD -m mark ! --mark 0x1/0x1\n-A FORWARD -m connmark --mark 0x2/0x2", 3),
    ("-A FORWARD -m mark --mark 0x4000", ALL),
    ("-A FORWARD -j CONNMARK --save-mark --nfmask 0x1 --ctmask 0x1", ALL),
    ("-A FORWARD -j CONNMARK --restore-mark", 0),
    ('-A FORWARD -m comment --comment "reads a mark" -j MARK --set-xmark 0x1/0xffffffff', 0),
    ("-A FORWARD -p tcp -j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1", 0),
    ("-A FORWARD -j CT --zone mark", ALL),
    ("-A FORWARD -j HMARK --hmark-tuple src --hmark-mod 2", ALL),
]


@pytest.mark.parametrize(("rules", "bits"), MARKS)
def test_bits_of_marks_that_rules_ask_for(rules: str, bits: int) -> None:
    assert of_rules(rules) == bits
