"""Packets of connections that nodes tracked when they were captured: the walk and the plain reading of the language say the same of random entries, and
questions tell new connections from those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from analyzer.addresses import Address, address
from analyzer.api import Capture, load
from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.facts.system import ConnectionFact
from analyzer.model.network import Network
from analyzer.parsers import conntrack, ipset, iptables_save, read
from analyzer.query.trace import Question, answer_line, trace
from analyzer.solve.packet import ICMP, ICMPV6, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Gap, Scope, Source, Span
from analyzer.transfer.graph import NetworkProgram
from tests.lab import record
from tests.lowered import agree, outcomes, walked
from tests.netfilter_random import HOOKS, SETS, Rules
from tests.test_lowering_netfilter import HELD, ROUTER, facts, flows, network

HELD_ONES = Path(__file__).parent.parent / "samples" / "truth" / "flannel-vxlan-services-connections-held.txt"
UNTRACKED = Path(__file__).parent.parent / "samples" / "truth" / "host-gw-tcp-loose-off.txt"
OTHERS = (
    "udp 17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1\n"
)
SAMPLES = Path(__file__).parent.parent / "samples" / "parsers" / "conntrack"
ROUTER_LINE = Span("n/conntrack", 1)
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


def line(packet: Packet, random: Random) -> str:
    """An entry of ``conntrack -L`` for a packet's tuple, or for that of its answers, translated or not."""
    family = packet.family
    there = [text for held in HELD[family].values() for texts in held.values() for text in texts] + [
        "10.77.2.77" if family == 4 else "fd77:2::77"
    ]
    source, target = str(Address(family, packet.source)), str(Address(family, packet.destination))
    to, origin = random.choice((target, target, random.choice(there))), random.choice((source, source, random.choice(there)))
    number, kinds = packet.source_port, ((8, 0) if family == 4 else (128, 129))
    ports = (number, packet.destination_port)
    if packet.protocol == UDP and random.random() < 0.2:
        source, target, to, origin, ports = target, source, source, target, ports[::-1]
    if packet.protocol in (ICMP, ICMPV6):
        first, second = (f"type={kind} code=0 id={number}" for kind in kinds)
    else:
        first, second = f"sport={ports[0]} dport={ports[1]}", f"sport={ports[1]} dport={ports[0]}"
    state = random.choice(("SYN_SENT", "ESTABLISHED")) if packet.protocol == TCP else ""
    seen = state == "ESTABLISHED" or (packet.protocol != TCP and random.random() < 0.5)
    head = f"{NAMES[packet.protocol]} {packet.protocol} 99 {state} src={source} dst={target} {first}"
    return f"{head} {'' if seen else '[UNREPLIED]'} src={to} dst={origin} {second} mark={random.choice((0, 0, 1, 0x4000))} use=1"


def entries(text: str) -> tuple[ConnectionFact, ...]:
    """The connections of a text."""
    found = tuple(read(conntrack.PARSER, Source("n/conntrack", text, "conntrack", ROUTER)))
    assert not [item for item in found if isinstance(item, Gap)], found
    return tuple(item for item in found if isinstance(item, ConnectionFact))


def tracking(seed: int) -> tuple[Network, list[Flow], str]:
    """A router with a random ruleset that tracks connections of some of the flows."""
    random, family = Random(seed), 4 if seed % 3 else 6
    rules = Rules(random, family, frozenset(kind for kind, _ in SETS.values()))
    text = rules.ruleset(tuple(table for table in HOOKS if table == "nat" or random.random() < 0.5))
    text = "".join(
        each
        for each in text.splitlines(keepends=True)
        if not any(word in each.lower() for word in ("--zone", "--ctstatus", "notrack", "recent"))
    )
    sets = {item.name: item for item in facts(ipset.PARSER, "n/ipset_save", rules.sets()) if isinstance(item, IpsetFact)}
    name = "n/iptables-save" if family == 4 else "n/ip6tables-save"
    rulesets = tuple(item for item in facts(iptables_save.PARSER, name, text) if isinstance(item, RulesetFact))
    made, asked = network(family, rulesets, sets), list(flows(Random(-seed), family))
    table = "\n".join(line(flow.packet, random) for flow in asked if random.random() < 0.7)
    spaces = dict(made.namespaces)
    spaces[ROUTER] = replace(spaces[ROUTER], connections=entries(table))
    return replace(made, namespaces=spaces), [flow._replace(tracked=True) for flow in asked], f"{text}\n{table}"


@pytest.mark.parametrize("seed", range(1, 81))
def test_the_walk_and_the_language_follow_the_same_connections(seed: int) -> None:
    made, asked, text = tracking(seed)
    program, wrong = NetworkProgram(made, asked[0].packet.family), []
    for flow in asked:
        told, found = walked(walk(made, flow)), outcomes(program, flow)
        undecided = any(end.fate is Fate.UNKNOWN for end in told) and any(end.fate is Fate.UNKNOWN or end.open for end in found)
        undecided |= any("was not walked" in end.reason for end in told)
        if not undecided and not agree(found, told):
            wrong.append(f"{flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


def test_random_connections_are_met() -> None:
    told = [walk(made, flow) for seed in range(1, 9) for made, asked, _ in (tracking(seed),) for flow in asked]
    met = [trace for trace in told if any("still tracks" in text for text in trace.assumptions)]
    assert len(met) > 20
    assert {trace.fate for trace in met} >= {Fate.REACHABLE, Fate.UNREACHABLE}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """A capture whose nodes track connections to endpoints that a service has no more."""
    folder = tmp_path_factory.mktemp("held")
    record.unpack(HELD_ONES.read_text(), folder)
    return load(folder)


def test_a_new_connection_is_told_what_other_source_ports_meet(held: Capture) -> None:
    told = trace(held.given.network, Question("default/a3", "10.96.0.50", "UDP", 80))
    reached = {outcome.delivered_to for outcome in told.outcomes if outcome.fate is Fate.REACHABLE}
    assert reached == {"default/b3"}
    notes = [text for text in told.assumptions if text.startswith("the packet opens a new connection: from source port 21")]
    assert any("reach default/b1" in text for text in notes)
    assert any("be unreachable" in text for text in notes)
    assert len(notes) <= 3


def test_a_given_source_port_is_followed(held: Capture) -> None:
    network = held.given.network
    followed = {port: trace(network, Question("default/a3", "10.96.0.50", "UDP", 80, port)) for port in range(21000, 21012)}
    assert any({outcome.delivered_to for outcome in told.outcomes} == {"default/b1"} for told in followed.values())
    line = json.dumps({"from": "default/a3", "to": "10.96.0.50", "protocol": "UDP", "port": 80, "source_port": 21300})
    assert not any("tracks" in text for text in answer_line(network, line)["assumptions"])


def test_verdicts_say_that_they_are_about_new_connections(held: Capture) -> None:
    report = held.check()
    words = [text for one in report.guarantees if one.id == "pod-to-service" for text in one.assumptions]
    assert any(text.startswith("packets open new connections") and "node-a" in text for text in words)


def test_lines_that_are_not_understood_are_named(held: Capture) -> None:
    spaces = dict(held.given.network.namespaces)
    node = spaces[Scope("node-a")]
    bad = tuple(read(conntrack.PARSER, Source("nodes/node-a/conntrack", "udp 17 29 src=10.0.0.1 dst=", "conntrack", node.scope)))
    spaces[node.scope] = replace(node, connections=(), gaps={"conntrack": tuple(gap for gap in bad if isinstance(gap, Gap))})
    told = trace(replace(held.given.network, namespaces=spaces), Question("default/a3", "10.96.0.50", "UDP", 80, 21300))
    assert any(
        text.startswith("node-a tracks no connection of the packet in what was not understood") for text in told.assumptions
    )


def tcp(state: str, status: str = "[ASSURED]") -> Iterator[tuple[bool, Fate]]:
    """What becomes of a SYN from who opened and from who answered, where the router tracks the connection to an address that nobody has."""
    entry = f"tcp 6 99 {state} src=10.77.1.2 dst=10.77.2.2 sport=10000 dport=80 {status} src=10.77.2.77 dst=10.77.1.2 sport=80 dport=10000 use=1"
    saved = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.77.2.3/32 -j DNAT --to-destination 10.77.2.2\nCOMMIT\n"
    rulesets = tuple(item for item in facts(iptables_save.PARSER, "n/iptables-save", saved) if isinstance(item, RulesetFact))
    made = network(4, rulesets, {})
    spaces = dict(made.namespaces)
    spaces[ROUTER] = replace(spaces[ROUTER], connections=entries(entry))
    packet = Packet(4, address("10.77.1.2").value, address("10.77.2.2").value, TCP, 10000, 80)
    told = walk(replace(made, namespaces=spaces), Flow(Scope("n", "client"), packet, tracked=True))
    yield any("still tracks" in text for text in told.assumptions), told.fate


@pytest.mark.parametrize(
    ("state", "followed", "fate"),
    [
        ("ESTABLISHED", True, Fate.UNREACHABLE),
        ("SYN_RECV", True, Fate.UNREACHABLE),
        ("FIN_WAIT", True, Fate.UNREACHABLE),
        ("LAST_ACK", True, Fate.UNREACHABLE),
        ("TIME_WAIT", False, Fate.REACHABLE),
        ("CLOSE", False, Fate.UNKNOWN),
    ],
)
def test_the_state_of_tcp_decides(state: str, followed: bool, fate: Fate) -> None:
    assert list(tcp(state)) == [(followed, fate)]


def test_what_a_flow_table_passes_on_is_open() -> None:
    assert list(tcp("ESTABLISHED", "[OFFLOAD]")) == [(False, Fate.UNKNOWN)]


def test_text_that_is_cut_shows_no_other_connections() -> None:
    text = "".join(path.read_text() for path in sorted(SAMPLES.glob("forms.txt")))
    whole = set(shown(text))
    for at in range(0, len(text), 3):
        assert set(shown(text[:at])) <= whole, text[:at].splitlines()[-1]


def test_xml_that_is_cut_or_changed_shows_no_other_connections() -> None:
    text, chance = (SAMPLES / "table.xml.txt").read_text(), Random(1)
    whole = set(shown(text))
    for at in range(0, len(text), 7):
        assert set(shown(text[:at])) <= whole
        changed = text[:at] + chance.choice("<>&;/\x00x") + text[at + 1 :]
        list(read(conntrack.PARSER, Source("n/conntrack", changed, "conntrack", ROUTER)))


def test_entities_are_refused() -> None:
    text = (
        "<!DOCTYPE lolz ["
        + "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};">' for n in range(1, 40))
        + "]><conntrack>&l39;</conntrack>"
    )
    (gap,) = read(conntrack.PARSER, Source("n/conntrack", text, "conntrack", ROUTER))
    assert isinstance(gap, Gap)
    assert "document type is refused" in gap.reason


def shown(text: str) -> list[str]:
    """The connections of a text, without their lines."""
    found = read(conntrack.PARSER, Source("n/conntrack", text, "conntrack", ROUTER))
    return [repr(replace(item, at=ROUTER_LINE)) for item in found if isinstance(item, ConnectionFact)]


def test_without_rules_that_ask_for_it_nothing_is_tracked() -> None:
    made, asked, _ = tracking(1)
    spaces = dict(made.namespaces)
    spaces[ROUTER] = replace(spaces[ROUTER], rulesets=())
    bare = replace(made, namespaces=spaces)
    assert not any("tracks" in text for flow in asked for text in walk(bare, flow).assumptions)


@pytest.mark.parametrize(("text", "wanted"), [(None, True), ("", False), (OTHERS, False)])
def test_tables_that_were_not_captured_are_named(text: str | None, wanted: bool, tmp_path: Path) -> None:
    """Of a packet with a source port of its own: an empty table says that nothing is tracked, no table says nothing."""
    record.unpack(UNTRACKED.read_text(), tmp_path)
    for node in ("node-a", "node-b"):
        if text is not None:
            (tmp_path / "nodes" / node / "conntrack").write_text(text)
    capture = load(tmp_path).given.network
    told = trace(capture, Question("default/a1", "10.244.1.2", "UDP", 53, 21300))
    assert any(one.startswith("node-a tracks no connection of the packet (conntrack -L") for one in told.assumptions) == wanted
    usual = trace(capture, Question("default/a1", "10.244.1.2", "UDP", 53))
    assert not any("tracks no connection" in one for one in usual.assumptions)
