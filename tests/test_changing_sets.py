"""Sets that rules change while packets pass: what the packet itself did is seen, what others may have done is open, by the set's name."""

from __future__ import annotations

import pytest

from analyzer.facts.netfilter import IpsetFact, RulesetFact, UnknownTarget
from analyzer.model.network import Network
from analyzer.parsers import ipset, iptables_save
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_lowering_netfilter import facts, network
from tests.test_picked_ports import BOTH, request

SETS = "create s hash:ip family inet\ncreate n hash:net family inet\ncreate l list:set\n"
HEAD = "*mangle\n:PREROUTING ACCEPT\n:FORWARD ACCEPT\n"
ADD, TAKE = "-A PREROUTING -i near -j SET --add-set s src", "-A PREROUTING -i near -j SET --del-set s src --exist"
MATCH = "-A FORWARD -i near -m set --match-set s src -j DROP"
MEMBER = "add s 10.77.1.2\n"
OTHER = "-A FORWARD -s 10.77.9.9 -j SET --add-set s src"
OTHER_TAKES = "-A FORWARD -s 10.77.9.9 -j SET --del-set s src"
CASES = [
    ("as it stood", "", MATCH, "", Fate.REACHABLE),
    ("a member", "", MATCH, MEMBER, Fate.UNREACHABLE),
    ("added before", ADD, MATCH, "", Fate.UNREACHABLE),
    ("taken away before", TAKE, MATCH, MEMBER, Fate.REACHABLE),
    ("added behind, seen by the third packet", "", f"{MATCH}\n-A FORWARD -i near -j SET --add-set s src", "", Fate.UNREACHABLE),
    ("added by the reply's destination", "", "-A FORWARD -i far -m set --match-set s dst -j DROP\n" + ADD, "", Fate.UNREACHABLE),
    ("others add", OTHER, MATCH, "", Fate.UNKNOWN),
    ("others add to what is a member", OTHER, MATCH, MEMBER, Fate.UNREACHABLE),
    ("others take away", OTHER_TAKES, MATCH, MEMBER, Fate.UNKNOWN),
    ("others take away what is none", OTHER_TAKES, MATCH, "", Fate.REACHABLE),
    ("a network is not followed", "-A PREROUTING -i near -j SET --add-set n src", MATCH.replace(" s ", " n "), "", Fate.UNKNOWN),
    ("a list is not followed", "-A PREROUTING -i near -j SET --add-set l src", MATCH, "add l s\n", Fate.UNKNOWN),
    ("another set", ADD, MATCH.replace(" s ", " n "), "add n 10.77.1.0/24\n", Fate.UNREACHABLE),
]  # fmt: skip


def made(before: str, after: str, members: str) -> Network:
    """A network whose router has these rules and sets."""
    text = f"{HEAD}{before}\n{after}\nCOMMIT\n".replace("\n\n", "\n")
    rules = [item for item in facts(iptables_save.PARSER, "n/iptables-save", text) if isinstance(item, RulesetFact)]
    sets = [item for item in facts(ipset.PARSER, "n/ipset_save", SETS + members) if isinstance(item, IpsetFact)]
    return network(4, tuple(rules), {item.name: item for item in sets})


@pytest.mark.parametrize(("words", "before", "after", "members", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_sets(words: str, before: str, after: str, members: str, wanted: Fate) -> None:
    one = made(before, after, members)
    trace = walk(one, request())
    assert trace.fate is wanted, words
    assert wanted is not Fate.UNKNOWN or " the set " in trace.outcomes[0].reason
    found = {end.fate for end in outcomes(NetworkProgram(one, 4), request())}
    assert found >= (BOTH if wanted is Fate.UNKNOWN else {wanted})


def test_marks_of_a_set_are_not_followed() -> None:
    text = f"{HEAD}-A FORWARD -j SET --map-set s src --map-mark\nCOMMIT\n"
    (ruleset,) = (item for item in facts(iptables_save.PARSER, "n/iptables-save", text) if isinstance(item, RulesetFact))
    assert isinstance(ruleset.tables["mangle"]["FORWARD"].rules[0].target, UnknownTarget)
