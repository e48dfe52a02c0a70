"""The walk through the netfilter hooks: kube-proxy's own expectations, and what random rulesets seldom meet."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from analyzer.addresses import Address, address
from analyzer.facts.netfilter import IpsetFact, NftChainFact, RulesetFact
from analyzer.model.network import Namespace
from analyzer.parsers import ipset, iptables_save, read
from analyzer.solve.packet import ACK, ICMP, SYN, TCP, UDP, Hop, Packet
from analyzer.solve.walk.netfilter.hooks import (
    Connection,
    Connections,
    Hook,
    HookPacket,
    HookResult,
    HookTables,
    Judgement,
    Surroundings,
    Tracked,
    run_hook,
)
from analyzer.solve.walk.netfilter.hooks import Flow as NetfilterFlow
from analyzer.solve.walk.netfilter.state import ConntrackZone
from analyzer.solve.walk.oracle import Kind, Oracle
from analyzer.source import Gap, Scope, Source, Span

DATA = Path(os.environ.get("ANALYZER_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
FLOWS = DATA / "kubeproxy" / "kubernetes-kubernetes" / "iptables-flow-v1.28"
SCOPE = Scope("n1")


def ruleset(text: str, name: str = "iptables-save") -> RulesetFact:
    """The ruleset of a text."""
    found = [
        fact for fact in read(iptables_save.PARSER, Source(name, text, "iptables-save", SCOPE)) if isinstance(fact, RulesetFact)
    ]
    return found[0]


def sets(text: str) -> dict[str, IpsetFact]:
    """The sets of a text."""
    facts = read(ipset.PARSER, Source("ipset_save", text, "ipset", SCOPE))
    return {fact.name: fact for fact in facts if isinstance(fact, IpsetFact)}


def surroundings(local: tuple[str, ...] = ("192.168.0.2", "127.0.0.1"), own: str | None = "192.168.0.2") -> Surroundings:
    """A node with some addresses of its own."""
    mine = {address(text).value for text in local}
    value = address(own).value if own else None
    return Surroundings(lambda item, _: "LOCAL" if item in mine else "UNICAST", lambda _, __: value, lambda _: value)


def packet(source: str, destination: str, port: int = 80, protocol: int = TCP, mark: int = 0, flags: int = SYN) -> Packet:
    """A first packet."""
    start, end = address(source), address(destination)
    kind = 8 if protocol == ICMP else 0
    return Packet(
        start.family, start.value, end.value, protocol, 40000, port, kind, 0, flags if protocol == TCP else 0, mark=mark
    )


def at_hook(
    text: str,
    hook: Hook,
    at: HookPacket,
    oracle: Oracle | None = None,
    known: Surroundings | None = None,
    connections: Connections | None = None,
    **more: object,
) -> HookResult:
    """One hook of a namespace with this ruleset."""
    namespace = Namespace(SCOPE, rulesets=(ruleset(text),) if text else (), **more)  # type: ignore[arg-type]
    tables = HookTables.of(namespace, at.packet.family)
    return run_hook(tables, hook, at, known or surroundings(), connections or Connections(), oracle or Oracle())


def test_copies_change_what_they_name_and_nothing_else() -> None:
    sent = Packet(4, 1, 2, TCP, 3, 4, 5, 6, 7, 8, 9, 10, True)
    tracked, flow, address_six = Tracked("NEW"), NetfilterFlow(TCP, 1, 2, 3, 4), Address(6, 5)
    at = HookPacket(sent, "in", "out", "port", "ports", 1, "multicast", True, 2, tracked, (address_six, 3), sent)
    known = Connection(flow, flow.inverse, 1, False, False, True, False, False, False, ConntrackZone(1))
    told = Hop("place", "stage", "what", Span("path", 1), sent)
    other, later = sent._replace(mark=0), Tracked("ESTABLISHED")
    pairs: list[tuple[object, object]] = [
        (sent.from_source(20, 21), sent._replace(source=20, source_port=21)),
        (sent.to_destination(20, 21), sent._replace(destination=20, destination_port=21)),
        (sent.with_mark(20), sent._replace(mark=20)),
        (sent.with_ttl(20), sent._replace(ttl=20)),
        (at.with_packet(other), at._replace(packet=other)),
        (at.after(other, later), at._replace(packet=other, tracked=later)),
        (at.between("a", "b"), at._replace(in_device="a", out_device="b")),
        (at.across("br", "p", "q"), at._replace(in_device="br", out_device="br", physical_in="p", physical_out="q")),
        (
            at.bridged("br", "p", 7, "unicast"),
            at._replace(
                in_device="br", out_device="", physical_in="p", physical_out="", source_mac=7, packet_type="unicast", local=False
            ),
        ),
        (at.received("a"), at._replace(in_device="a", out_device="", local=False)),
        (
            at.framed("a", "unicast", 7),
            at._replace(in_device="a", out_device="", source_mac=7, packet_type="unicast", local=False),
        ),
        (at.leaving("a", 7), at._replace(out_device="a", next_hop=7)),
        (known.answered(), known._replace(seen_reply=True)),
        (known.decided(True), known._replace(destination_decided=True)),
        (known.decided(False), known._replace(source_decided=True)),
        (known.stored(), known._replace(confirmed=True)),
        (told.on_the_way_back(), told._replace(reply=True)),
        (told.left_by(other), told._replace(packet=other)),
    ]
    assert [one for one, _ in pairs] == [two for _, two in pairs]
    assert all(type(one) is type(two) for one, two in pairs)


def flow_cases() -> list[tuple[str, int]]:
    """The packets of kube-proxy's own tests."""
    if not FLOWS.is_dir():
        return []
    return [
        (path.name, index)
        for path in sorted(FLOWS.glob("*.json"))
        for index in range(len(json.loads(path.read_text())["packets"]))
    ]


def outcomes(tables: HookTables, sent: HookPacket, local: bool) -> set[str]:
    """Every end of a packet's way in: the endpoint, REJECT, DROP, or nothing; with ``masq`` where its source is to be changed."""
    found: set[str] = set()
    scripts: list[tuple[int, ...]] = [()]
    while scripts:
        script = scripts.pop()
        oracle = Oracle(script)
        found.add(one_way(tables, sent, local, oracle))
        for depth in range(len(script), len(oracle.met)):
            taken = tuple(decision.taken for decision in oracle.met[:depth])
            scripts += [(*taken, way) for way in range(1, oracle.met[depth].ways)]
    return found


def one_way(tables: HookTables, sent: HookPacket, local: bool, oracle: Oracle) -> str:
    """The packet through the first hook and, as long as it lives, the next."""
    known, connections = surroundings(), Connections()
    at = sent
    first, second = (Hook.OUTPUT, None) if local else (Hook.PREROUTING, Hook.FORWARD)
    for hook in (first, second):
        if hook is None:
            continue
        if hook is Hook.FORWARD and at.packet.destination in (address("192.168.0.2").value, address("127.0.0.1").value):
            hook = Hook.INPUT
        result = run_hook(tables, hook, at, known, connections, oracle)
        assert result.judgement is not Judgement.UNKNOWN, result.reason
        if not result.accepted:
            return {"rejected": "REJECT", "dropped": "DROP"}[result.judgement.value]
        at = result.packet
    moved = at.packet.destination != sent.packet.destination or at.packet.destination_port != sent.packet.destination_port
    end = f"{Address(at.packet.family, at.packet.destination)}:{at.packet.destination_port}" if moved else ""
    return f"{end} masq" if at.packet.mark & 0x4000 else end


@pytest.mark.skipif(not FLOWS.is_dir(), reason=f"no real data at {FLOWS}: set ANALYZER_DATA to the folder that holds it")
@pytest.mark.parametrize(("name", "index"), flow_cases())
def test_kube_proxy_flows(name: str, index: int) -> None:
    case = json.loads((FLOWS / name).read_text())
    wanted = case["packets"][index]
    text = (FLOWS / name.replace(".json", ".iptables-save.txt")).read_text()
    tables = HookTables.of(Namespace(SCOPE, rulesets=(ruleset(text),)), 4)
    local = wanted["sourceIP"] in ("192.168.0.2", "127.0.0.1")
    protocol = {"TCP": TCP, "UDP": UDP, "SCTP": 132}[wanted["protocol"]]
    sent = HookPacket(
        packet(wanted["sourceIP"], wanted["destIP"], int(wanted["destPort"]), protocol),
        in_device="" if local else "eth0",
        local=local,
    )
    ends = {part.strip() for part in wanted["output"].split(",")}
    masq = " masq" if wanted["masq"] else ""
    expected = {end + masq if end not in ("REJECT", "DROP") else end for end in ends}
    assert outcomes(tables, sent, local) == {end.replace("ACCEPT", "") for end in expected}


NAT = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.0.9:6443
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
"""


def test_a_reply_is_translated_back() -> None:
    connections = Connections()
    sent = HookPacket(packet("10.1.0.5", "10.96.0.1", 443), in_device="veth0")
    there = at_hook(NAT, Hook.PREROUTING, sent, connections=connections).packet
    assert (there.packet.destination, there.packet.destination_port) == (address("10.0.0.9").value, 6443)
    gone = at_hook(
        NAT, Hook.POSTROUTING, HookPacket(there.packet, out_device="eth1", tracked=there.tracked), connections=connections
    )
    assert gone.packet.packet.source == address("192.168.0.2").value
    back = packet("10.0.0.9", "192.168.0.2", flags=SYN | ACK)
    reply = HookPacket(Packet(4, back.source, back.destination, TCP, 6443, 40000, tcp_flags=SYN | ACK), in_device="eth1")
    first = at_hook(NAT, Hook.PREROUTING, reply, connections=connections).packet
    assert first.packet.destination == address("10.1.0.5").value
    last = at_hook(
        NAT, Hook.POSTROUTING, HookPacket(first.packet, out_device="veth0", tracked=first.tracked), connections=connections
    )
    assert (last.packet.packet.source, last.packet.packet.source_port) == (address("10.96.0.1").value, 443)


def test_masquerade_without_an_address_drops() -> None:
    there = at_hook(NAT, Hook.PREROUTING, HookPacket(packet("10.1.0.5", "8.8.8.8"), in_device="veth0")).packet
    gone = at_hook(
        NAT, Hook.POSTROUTING, HookPacket(there.packet, out_device="eth1", tracked=there.tracked), known=surroundings(own=None)
    )
    assert gone.judgement is Judgement.DROPPED
    assert gone.reason == "dropped by nat POSTROUTING rule 1: the device has no address to translate to"


def test_the_reason_names_the_base_rule_and_the_inner_rule() -> None:
    text = "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n-A FORWARD -p udp -j DROP\n-A FORWARD -j KUBE-FIREWALL\n-A KUBE-FIREWALL -j DROP\nCOMMIT\n"
    result = at_hook(text, Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2"), "a", "b"))
    assert (result.reason, result.at) == (
        "dropped by filter FORWARD rule 2 (KUBE-FIREWALL rule 1)",
        Span("iptables-save", 6, 1, 6, 25),
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("-m set --match-set gone src -j DROP", "n1: the set gone holds src of TCP 10.0.0.1:40000 -> 10.0.0.2:80"),
        ("-m fancy --option 3 -j DROP", "n1: filter -m fancy --option 3 holds"),
        (
            "-j NFQUEUE --queue-num 1",
            "n1: filter FORWARD rule 1: whoever listens on queue 1 of n1, if anybody does, lets the packet pass unchanged",
        ),
        ("-j CUT-OFF", "n1: the chain CUT-OFF of table filter, which is not in the text, lets the packet pass unchanged"),
    ],
)
def test_what_is_not_known_is_asked(rule: str, words: str) -> None:
    text = f"*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD {rule}\nCOMMIT\n"
    answers = []
    for script in ((0,), (1,)):
        oracle = Oracle(script)
        answers.append(at_hook(text, Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2"), "a", "b"), oracle).judgement)
        assert [(decision.kind, decision.text) for decision in oracle.met] == [(Kind.UNKNOWN, words)]
    assert answers[0] is not answers[1]


def test_a_table_that_breaks_off_does_not_end_in_its_policy() -> None:
    oracle = Oracle()
    at_hook(
        "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p udp -j DROP\n",
        Hook.FORWARD,
        HookPacket(packet("10.0.0.1", "10.0.0.2"), "a", "b"),
        oracle,
    )
    assert any(decision.kind is Kind.UNKNOWN for decision in oracle.met)


def test_what_was_not_captured_is_asked() -> None:
    oracle = Oracle((1,))
    result = at_hook(
        "", Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2")), oracle, missing={"netfilter/4": "no iptables-save"}
    )
    assert result.judgement is Judgement.UNKNOWN
    assert "no iptables-save" in result.reason


@pytest.mark.parametrize(("inert", "asked"), [(True, 0), (False, 1)])
def test_native_chains_are_asked_unless_they_only_accept(inert: bool, asked: int) -> None:
    fact = NftChainFact(
        at=Span("nft", 1),
        family="inet",
        table="fw",
        name="in",
        hook="forward",
        kind="filter",
        priority=0,
        policy="accept",
        inert=inert,
    )
    oracle = Oracle()
    at_hook("", Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2")), oracle, nft_chains=(fact,))
    assert len(oracle.met) == asked


def test_limits_before_a_log_are_not_asked() -> None:
    oracle = Oracle()
    at_hook(
        "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m limit --limit 3/min -j LOG\nCOMMIT\n",
        Hook.FORWARD,
        HookPacket(packet("10.0.0.1", "10.0.0.2")),
        oracle,
    )
    assert oracle.met == []


def test_chains_in_a_circle_end() -> None:
    text = "*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A A -g B\n-A B -j A\nCOMMIT\n"
    result = at_hook(text, Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2")))
    assert result.judgement is Judgement.UNKNOWN
    assert "circles" in result.reason


def test_sets_prefer_the_most_specific_network() -> None:
    listed = sets("create s hash:net family inet\nadd s 10.0.0.0/8\nadd s 10.1.0.0/16 nomatch\nadd s 10.1.2.3\n")
    text = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m set --match-set s src -j DROP\nCOMMIT\n"
    dropped = [
        at_hook(text, Hook.FORWARD, HookPacket(packet(source, "10.9.0.2")), sets=listed).judgement is Judgement.DROPPED
        for source in ("10.2.0.1", "10.1.0.1", "10.1.2.3", "11.0.0.1")
    ]
    assert dropped == [True, False, True, False]


def test_transparent_proxy_marks_and_names_the_socket() -> None:
    text = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j TPROXY --on-port 15001 --on-ip 127.0.0.1 --tproxy-mark 0x200/0xf00\nCOMMIT\n"
    result = at_hook(text, Hook.PREROUTING, HookPacket(packet("10.0.0.1", "10.0.0.2", mark=0x101)))
    assert result.accepted
    assert result.packet.socket == (Address(4, address("127.0.0.1").value), 15001)
    assert result.packet.packet.mark == 0x201
    assert any("on port 15001 is transparent" in text for text in result.assumptions)
    bridged = at_hook(text, Hook.PREROUTING, HookPacket(packet("10.0.0.1", "10.0.0.2", mark=0x101), physical_in="veth0"))
    assert bridged.accepted
    assert bridged.packet.socket is None
    assert bridged.packet.packet.mark == 0x201


def test_both_back_ends_translating_differently_is_asked() -> None:
    tables = [NAT, "# Generated by iptables-save v1.8.9 (legacy)\n" + NAT.replace("10.0.0.9", "10.0.0.8")]
    namespace = Namespace(SCOPE, rulesets=tuple(ruleset(text) for text in tables))
    ends = []
    for script in ((0,), (1,)):
        at = HookPacket(packet("10.1.0.5", "10.96.0.1", 443))
        result = run_hook(HookTables.of(namespace, 4), Hook.PREROUTING, at, surroundings(), Connections(), Oracle(script))
        ends.append(str(Address(4, result.packet.packet.destination)))
    assert ends == ["10.0.0.9", "10.0.0.8"]


def test_a_destination_in_a_comment_is_no_destination() -> None:
    line = '-A FORWARD -m comment --comment "was -d 10.9.9.9/32 once" -j DROP\n'
    text = (
        "*filter\n:FORWARD ACCEPT [0:0]\n"
        + "".join(f"-A FORWARD -d 10.0.1.{i}/32 -j RETURN\n" for i in range(9))
        + line
        + "COMMIT\n"
    )
    result = at_hook(text, Hook.FORWARD, HookPacket(packet("10.0.0.1", "10.0.0.2"), "a", "b"))
    assert result.reason == "dropped by filter FORWARD rule 10"


def test_the_rules_that_name_a_destination_are_found_without_the_others() -> None:
    rules = "".join(f"-A FORWARD -d 10.0.{i // 256}.{i % 256}/32 -j DROP\n" for i in range(1000))
    chain = ruleset(f"*filter\n:FORWARD ACCEPT [0:0]\n{rules}-A FORWARD -s 10.0.0.0/8 -j DROP\nCOMMIT\n").tables["filter"][
        "FORWARD"
    ]
    value = address("10.0.1.5").value
    assert list(chain.rules.candidates(4, ((value, value + 1),))) == [261, 262, 1000]


@pytest.mark.parametrize("line", ["-m set -j ACCEPT", "-m recent --name x -j ACCEPT", "-m set ! --match-set", "[0:0]"])
def test_a_match_without_its_option_is_a_gap(line: str) -> None:
    text = f"*filter\n:FORWARD ACCEPT [0:0]\n{'-A FORWARD ' if line[0] == '-' else ''}{line} \n-A FORWARD -j DROP\nCOMMIT\n"
    items = list(read(iptables_save.PARSER, Source("iptables-save", text, "iptables-save", SCOPE)))
    facts, gaps = ([item for item in items if isinstance(item, kind)] for kind in (RulesetFact, Gap))
    assert [gap.at.line for gap in gaps] == [3]
    assert [rule.at.line for rule in facts[0].tables["filter"]["FORWARD"].rules] == [3, 4]  # type: ignore[union-attr]


def test_equal_chains_of_several_nodes_have_one_content_and_their_own_places() -> None:
    reader = iptables_save.PARSER.reader()
    body = ":KUBE-A - [0:0]\n-A KUBE-A -s 10.0.0.1/32 -j DROP\n-A KUBE-A -m whatever -j ACCEPT\nCOMMIT\n"
    texts = [f"*filter\n{body}", f"# a line more\n*filter\n{body}", f"*filter\n{body.replace('-A KUBE', '[3:120] -A KUBE')}"]
    read_all = [list(reader(Source(f"n{i}/iptables-save", text, "iptables-save", SCOPE))) for i, text in enumerate(texts)]
    chains = [items[0].tables["filter"]["KUBE-A"] for items in read_all]  # type: ignore[union-attr]
    assert len({chain.content for chain in chains}) == 1
    assert [[str(rule.at) for rule in chain.rules] for chain in chains] == [
        [f"n{i}/iptables-save:{line}:1" for line in lines] for i, lines in enumerate(([3, 4], [4, 5], [3, 4]))
    ]
    assert [str(items[1].at) for items in read_all] == [f"n{i}/iptables-save:{line}:1" for i, line in enumerate((4, 5, 4))]


def test_policies_of_ipsec_are_asked_where_some_were_captured() -> None:
    text = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m policy --dir in --pol ipsec -j DROP\nCOMMIT\n"
    at, gap = HookPacket(Packet(4, 1, 2, TCP, 3, 4), "a", "b"), Gap(Span("n/ip_xfrm_policy", 1), "policies", "ip-xfrm")
    told = at_hook(text, Hook.FORWARD, at)
    assert told.accepted
    assert any("no policy of IPsec" in words for words in told.assumptions)
    oracle = Oracle()
    at_hook(text, Hook.FORWARD, at, oracle, gaps={"ip-xfrm": (gap,)})
    assert [decision.kind for decision in oracle.met] == [Kind.UNKNOWN]
