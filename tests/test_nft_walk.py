"""The walk through native nft chains: kube-proxy's own flows, what is not known, and tables that iptables-save lists too."""

from __future__ import annotations

import json

import pytest

from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Namespace
from analyzer.parsers import iptables_save, nft, read
from analyzer.solve.packet import TCP, UDP
from analyzer.solve.walk.netfilter.hooks import Connections, Hook, HookPacket, HookResult, HookTables, Judgement, run_hook
from analyzer.solve.walk.oracle import Kind, Oracle
from analyzer.source import Source, Span
from tests.test_netfilter import SCOPE, outcomes, packet, surroundings
from tests.test_nft import PROXY

NO_NODE_PORTS_ON_LOOPBACK = "localhost to nodePort gets masqueraded"
"""What kube-proxy's test of its iptables mode expects, and its nftables mode does not do: 127.0.0.1 is no address for node ports there."""


def namespace(text: str, **more: object) -> Namespace:
    """A namespace with the native tables of a text."""
    found = read(nft.PARSER, Source("nft_list_ruleset", text, "nft", SCOPE))
    return Namespace(SCOPE, nft_tables=tuple(item for item in found if isinstance(item, NftTableFact)), **more)  # type: ignore[arg-type]


def at_hook(text: str, hook: Hook, at: HookPacket, oracle: Oracle | None = None) -> HookResult:
    """One hook of a namespace with these tables."""
    tables = HookTables.of(namespace(text), at.packet.family)
    return run_hook(tables, hook, at, surroundings(), Connections(), oracle or Oracle())


def base(rules: str, head: str = "type filter hook forward priority filter; policy accept;", more: str = "") -> str:
    """A table of one base chain."""
    return (
        f"table inet t {{\n{more}\tchain c {{\n\t\t{head}\n" + "".join(f"\t\t{rule}\n" for rule in rules.split("\n")) + "\t}\n}\n"
    )


def proxy_cases() -> list[tuple[str, int]]:
    """The packets of kube-proxy's own tests, on the rules of its nftables mode."""
    return [
        (path.name, index)
        for path in sorted(PROXY.glob("*[0-9].json"))
        for index in range(len(json.loads(path.read_text())["packets"]))
    ]


@pytest.mark.skipif(not PROXY.is_dir(), reason=f"no real data at {PROXY}: set ANALYZER_DATA to the folder that holds it")
@pytest.mark.parametrize("form", ["nft", "nft-j.json"])
@pytest.mark.parametrize(("name", "index"), proxy_cases())
def test_kube_proxy_flows(name: str, index: int, form: str) -> None:
    wanted = json.loads((PROXY / name).read_text())["packets"][index]
    text = (PROXY / name.replace(".json", f".{form}")).read_text()
    tables = HookTables.of(namespace(text), 4)
    local = wanted["sourceIP"] in ("192.168.0.2", "127.0.0.1")
    protocol = {"TCP": TCP, "UDP": UDP, "SCTP": 132}[wanted["protocol"]]
    first = packet(wanted["sourceIP"], wanted["destIP"], int(wanted["destPort"]), protocol)
    sent = HookPacket(first, in_device="" if local else "eth0", local=local)
    ends = {part.strip() for part in wanted["output"].split(",")}
    masq = " masq" if wanted["masq"] else ""
    expected = {end + masq if end not in ("REJECT", "DROP") else end for end in ends}
    if wanted["name"] == NO_NODE_PORTS_ON_LOOPBACK:
        expected = {""}
    assert outcomes(tables, sent, local) == expected


SENT = HookPacket(packet("10.0.0.1", "10.0.0.2"), "a", "b")


def test_accept_ends_its_chain_alone_and_drop_ends_the_packet() -> None:
    later = base("drop", "type filter hook forward priority 10; policy accept;").replace("table inet t", "table ip u")
    result = at_hook(base("accept") + later, Hook.FORWARD, SENT)
    assert (result.judgement, result.reason) == (Judgement.DROPPED, "dropped by ip u c rule 1")
    assert result.at == Span("nft_list_ruleset", 10)


def test_the_reason_names_the_base_rule_and_the_inner_rule() -> None:
    inner = "\tchain web {\n\t\ttcp dport 443 accept\n\t\ttcp dport 80 reject with tcp reset\n\t}\n"
    result = at_hook(base("meta l4proto udp drop\ntcp dport vmap { 80 : jump web }", more=inner), Hook.FORWARD, SENT)
    assert (result.judgement, result.reason) == (Judgement.REJECTED, "rejected by inet t c rule 2 (web rule 2) with tcp-reset")


def test_a_dormant_table_sees_nothing() -> None:
    text = base("drop").replace("table inet t {\n", "table inet t {\n\tflags dormant\n")
    assert at_hook(text, Hook.FORWARD, SENT).accepted


def test_chains_are_called_in_the_order_of_their_priorities() -> None:
    mark = (
        "table ip m {\n\tchain c {\n\t\ttype filter hook forward priority mangle; policy accept;\n\t\tmeta mark set 0x1\n\t}\n}\n"
    )
    assert at_hook(base("meta mark 0x1 drop") + mark, Hook.FORWARD, SENT).judgement is Judgement.DROPPED
    assert at_hook(base("meta mark 0x0 drop") + mark, Hook.FORWARD, SENT).accepted


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("meta cpu 5 drop", "n1: inet t c rule 1: `meta cpu 5` holds"),
        ("limit rate 3/minute drop", "n1: inet t c rule 1: the traffic is such that `limit` holds"),
        ("tcp dport 80 frobnicate drop", "n1: inet t c rule 1 (frobnicate drop) lets the packet pass unchanged"),
        ("queue num 1", "n1: inet t c rule 1: whoever listens on queue 1 of n1, if anybody does, lets the packet pass unchanged"),
        ("ip saddr @gone drop", "n1: inet t c rule 1: the set gone, which is not in the text, holds the packet"),
        ("jump gone", "n1: the chain gone of table inet t, which is not in the text, lets the packet pass unchanged"),
    ],
)
def test_what_is_not_known_is_asked(rule: str, words: str) -> None:
    answers = []
    for script in ((0,), (1,)):
        oracle = Oracle(script)
        answers.append(at_hook(base(rule), Hook.FORWARD, SENT, oracle).judgement)
        assert [(decision.kind, decision.text) for decision in oracle.met] == [(Kind.UNKNOWN, words)]
    assert answers[0] is not answers[1]


def test_tests_before_a_log_are_not_asked() -> None:
    oracle = Oracle()
    assert at_hook(base('limit rate 3/minute log prefix "x"\nmeta cgroup 5 counter'), Hook.FORWARD, SENT, oracle).accepted
    assert not oracle.met


def test_a_set_that_packets_fill_is_memory() -> None:
    text = base("ip saddr @seen drop", more="\tset seen {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t}\n")
    ends = {at_hook(text, Hook.FORWARD, SENT, Oracle(script)).judgement for script in ((0,), (1,))}
    assert ends == {Judgement.ACCEPTED, Judgement.DROPPED}
    within = text.replace("ip saddr @seen drop", "update @seen { ip saddr }\n\t\tip saddr @seen drop")
    assert at_hook(within, Hook.FORWARD, SENT).judgement is Judgement.DROPPED


def test_a_table_that_iptables_save_lists_runs_once() -> None:
    saved = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p udp -j DROP\nCOMMIT\n"
    listed = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tmeta l4proto tcp drop\n\t}\n}\n"
    (ruleset,) = (
        item
        for item in read(iptables_save.PARSER, Source("iptables-save", saved, "iptables-save", SCOPE))
        if isinstance(item, RulesetFact)
    )
    for rulesets, judgement in (((ruleset,), Judgement.ACCEPTED), ((), Judgement.DROPPED)):
        tables = HookTables.of(namespace(listed, rulesets=rulesets), 4)
        result = run_hook(tables, Hook.FORWARD, SENT, surroundings(), Connections(), Oracle())
        assert result.judgement is judgement


def test_connections_in_a_flow_table_are_an_assumption() -> None:
    result = at_hook(base("meta l4proto tcp flow add @ft counter"), Hook.FORWARD, SENT)
    assert result.accepted
    assert result.assumptions == ("inet t c rule 1: connections in the flow table ft go on as their first packets did",)


def test_chains_in_circles_end() -> None:
    text = base("jump x", more="\tchain x {\n\t\tjump y\n\t}\n\tchain y {\n\t\tjump x\n\t}\n")
    assert at_hook(text, Hook.FORWARD, SENT).judgement is Judgement.UNKNOWN


def test_marks_that_a_nat_chain_sets_without_translating_stay() -> None:
    text = base("ct mark set 0x2", "type nat hook output priority 0; policy accept;")
    tables = HookTables.of(namespace(text), 4)
    sent = HookPacket(packet("192.168.0.2", "10.0.0.2"), out_device="b", local=True)
    result = run_hook(tables, Hook.OUTPUT, sent, surroundings(), Connections(), Oracle())
    assert result.packet.tracked is not None
    assert result.packet.tracked.connection is not None
    assert result.packet.tracked.connection.mark == 2
