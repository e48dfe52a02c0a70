"""Native nftables: both forms give the same facts, real rulesets are understood, the grammar holds what the fast reader reads, and much text is read fast."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from analyzer.facts.base import Fact
from analyzer.facts.matches import UnknownMatch
from analyzer.facts.netfilter import UnknownTarget
from analyzer.facts.nftables import NftTableFact
from analyzer.parsers import nft, read
from analyzer.parsers._nft_blocks import blocks_of
from analyzer.parsers._nft_rules import typed
from analyzer.parsers._nft_statements import statements
from analyzer.plugins import shipped
from analyzer.source import Gap, Scope, Source

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples" / "parsers" / "nft"
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
NAMIB = DATA / "nft" / "namib-project-nftables-rs" / "resources" / "test"
PROXY = DATA / "kubeproxy" / "kubernetes-kubernetes" / "nftables-flow-v1.30"
CORPORA = {"nft": 0.99, "kubeproxy/kubernetes-kubernetes/nftables-flow-v1.30": 1.0, "snippets/nft": 0.93}
"""Real rulesets by folder, and the least share of their statements and elements that is understood: it only goes up."""
needs_data = pytest.mark.skipif(
    not (DATA / "nft").is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA / 'nft'} is no folder (set ANALYZER_DATA)"
)


def facts_of(text: str, path: str = "nft_list_ruleset") -> list[Fact | Gap]:
    return list(read(nft.PARSER, Source(path, text, "nft", Scope("n"))))


def tables(text: str) -> dict[tuple[str, str], NftTableFact]:
    return {(item.family, item.name): item for item in facts_of(text) if isinstance(item, NftTableFact)}


def pairs() -> list[tuple[Path, Path]]:
    """Text and JSON of one ruleset. The pair ``tproxy`` writes an address and leaves it out in turns, which JSON says otherwise."""
    found = [(path, path.with_suffix(".json")) for path in sorted(SAMPLES.glob("*.txt"))]
    found += [(path, NAMIB / "json" / f"{path.stem}.json") for path in sorted(NAMIB.glob("nft/*.nft"))]
    found += [(path, path.with_suffix(".nft-j.json")) for path in sorted(PROXY.glob("*.nft"))]
    return [(text, other) for text, other in found if other.exists()]


@pytest.mark.parametrize(("text", "other"), pairs(), ids=lambda path: path.name)
def test_text_and_json_say_the_same(text: Path, other: Path) -> None:
    written, listed = tables(text.read_text()), tables(other.read_text())
    assert written
    assert written.keys() == listed.keys()
    for key, table in listed.items():
        assert xtables(table) or written[key] == table


def xtables(table: NftTableFact) -> bool:
    """Whether iptables made a table: of its modules JSON shows the names alone, and text what they would be in nft."""
    items = (item for chain in table.chains.values() for rule in chain.rules for item in rule.statements)
    return any(isinstance(item, UnknownMatch | UnknownTarget) and item.text.startswith("xt ") for item in items)


def parts(item: NftTableFact) -> Iterator[tuple[str, bool]]:
    """What a table says, piece by piece, each with whether it is understood."""
    for named in item.sets.values():
        yield from ((str(element), True) for element in named.elements)
        yield from ((f"{named.name}: {word}", False) for word in named.unread)
    for chain in item.chains.values():
        for rule in chain.rules:
            yield from ((rule.text, not isinstance(part, UnknownMatch | UnknownTarget)) for part in rule.statements)


@needs_data
@pytest.mark.parametrize("folder", sorted(CORPORA))
def test_real_rulesets_are_understood(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    told: Counter[bool] = Counter()
    missed = []
    for path in sorted((DATA / folder).rglob("*")):
        if (
            not path.is_file()
            or path.name.startswith(".")
            or (folder.startswith("kube") and not path.name.endswith((".nft", "-j.json")))
        ):
            continue
        for item in facts_of(path.read_text(), path.name):
            if isinstance(item, NftTableFact):
                found = list(parts(item))
                told.update(known for _, known in found)
                missed += [f"{path.name}: {text}" for text, known in found if not known]
    share = told[True] / told.total()
    with capsys.disabled():
        print(f"\nnft: {folder}: {told[True]} of {told.total()} statements and elements understood ({share:.2%})")
    assert share >= CORPORA[folder], "\n".join(missed)


@cache
def grammar() -> Lark:
    folder = shipped("grammars")
    return Lark((folder / "nft.lark").read_text(), parser="earley", lexer="dynamic", import_paths=[str(folder)])


def accepted(line: str) -> bool:
    try:
        grammar().parse(line.strip())
    except UnexpectedInput:
        return False
    return True


def understood(line: str) -> bool:
    return not any(isinstance(item, UnknownTarget) for item in typed(statements(line)))


def rules_of(path: Path) -> list[str]:
    blocks = [block for table in blocks_of(path.read_text()).tables.values() for block in table.blocks.values()]
    lines = [line.text for block in blocks if block.kind == "chain" for line in block.lines]
    return [line for line in lines if not line.startswith(("type ", "policy ", "comment "))]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.txt")), ids=lambda path: path.name)
def test_rules_that_are_read_are_in_the_grammar(path: Path) -> None:
    for line in rules_of(path):
        if understood(line):
            assert accepted(line), line


@pytest.mark.parametrize("line", ["ip saddr", "tcp dport { 80, 81", "jump", "ip saddr 10.0.0.1 nonsense {", "reject with", "dnat to", "limit rate"])  # fmt: skip
def test_what_is_no_rule_is_refused_by_both(line: str) -> None:
    assert not accepted(line)
    assert not understood(line)


def test_what_is_not_understood_is_one_rule_with_its_place() -> None:
    text = "table ip t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tip saddr 1.2.3.4 frobnicate 3 accept\n\t\ttcp dport 22 accept\n\t}\n}\n"
    first, second = tables(text)["ip", "t"].chains["c"].rules
    assert first.at.line == 4
    assert first.statements[-1] == UnknownTarget("frobnicate 3 accept")
    assert not any(isinstance(item, UnknownTarget | UnknownMatch) for item in second.statements)


def test_a_match_that_older_nft_hides_in_a_comment_is_not_known() -> None:
    text = "table ip filter {\n\tchain INPUT {\n\t\tmeta l4proto tcp # recent: CHECK name: x counter packets 0 bytes 0 drop\n\t\t# a note\n\t}\n}\n"
    (rule,) = tables(text)["ip", "filter"].chains["INPUT"].rules
    assert isinstance(rule.statements[-1], UnknownTarget)


def test_a_ruleset_that_breaks_off_is_a_gap_and_leaves_its_last_chain_open() -> None:
    text = "table ip t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 22 accept\n"
    found = facts_of(text)
    assert [item.reason for item in found if isinstance(item, Gap)] == ["the ruleset breaks off here: a brace is missing"]
    assert isinstance(tables(text)["ip", "t"].chains["c"].rules[-1].statements[-1], UnknownTarget)


def large(count: int) -> str:
    """A ruleset in kube-proxy's shape with so many elements."""
    vips = [f"10.{96 + (i >> 16)}.{i >> 8 & 255}.{i & 255}" for i in range(count)]
    rows = ",\n\t\t\t     ".join(f'{vip} . tcp . 80 comment "ns/svc-{i}:http" : goto service-{i}' for i, vip in enumerate(vips))
    chains = "\n".join(
        f"\tchain service-{i} {{\n\t\tip daddr {vip} tcp dport 80 ip saddr != 10.244.0.0/16 jump mark\n\t\tnumgen random mod 2 vmap {{ 0 : goto a, 1 : goto b }}\n\t}}\n"
        for i, vip in enumerate(vips)
    )
    return f"table ip kube-proxy {{\n\tmap service-ips {{\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\t\telements = {{ {rows} }}\n\t}}\n\n{chains}\n}}\n"


def test_twenty_thousand_elements_are_read_in_seconds() -> None:
    text = large(20000)
    start = time.process_time()
    found = tables(text)["ip", "kube-proxy"]
    spent = time.process_time() - start
    assert len(found.sets["service-ips"].elements) == len(found.chains) == 20000
    assert spent < 5, f"{spent:.1f} s"


@pytest.mark.parametrize("text", ["{", '{"nftables": 3}', '{"nftables": [3]}', "table", "table ip {", "}}}}", "table ip t { chain c { { { {", json.dumps({"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [3, None, {"match": 4}, {"vmap": {}}]}}]})])  # fmt: skip
def test_damaged_text_is_no_crash(text: str) -> None:
    for item in facts_of(text):
        if isinstance(item, NftTableFact):
            assert all(list(chain.rules) is not None for chain in item.chains.values())


@pytest.mark.parametrize(
    "line",
    [
        'include "/etc/nftables.d/*.nft"',
        "delete rule inet elsewhere input handle 3",
        "rename chain inet t c d",
        "delete element inet t gone { 10.0.0.1 }",
    ],
)
def test_a_line_that_may_change_anything_is_a_rule_that_is_not_understood_at_every_hook(line: str) -> None:
    text = f"table inet t {{\n\tset s {{ type ipv4_addr; elements = {{ 10.0.0.1 }} }}\n\tchain c {{ type filter hook input priority 0; ip saddr @s drop }}\n}}\n{line}\n"
    known = {item.name: item for item in facts_of(text, "a.txt") if isinstance(item, NftTableFact)}
    chains = known["(line 5)"].chains
    assert set(chains) == {"prerouting", "input", "forward", "output", "postrouting"}
    assert all(isinstance(rule.statements[0], UnknownTarget) for chain in chains.values() for rule in chain.rules)


@pytest.mark.parametrize(
    "line",
    [
        "delete rule inet t c handle 3",
        "replace rule inet t c handle 3 accept",
        "add rule inet t c position 3 drop",
        "insert rule inet t c index 9 drop",
    ],
)
def test_a_chain_that_is_changed_by_what_is_not_known_begins_with_a_rule_that_is_not_understood(line: str) -> None:
    text = f"table inet t {{\n\tchain c {{ type filter hook input priority 0; drop }}\n}}\n{line}\n"
    known = {item.name: item for item in facts_of(text, "a.txt") if isinstance(item, NftTableFact)}
    first, *rest = known["t"].chains["c"].rules
    assert isinstance(first.statements[0], UnknownTarget)
    assert [rule.text for rule in rest] == ["drop"]


def test_a_set_whose_elements_are_taken_away_is_not_known() -> None:
    text = "table inet t {\n\tset s { type ifname; elements = { eth0 } }\n}\ndelete element inet t s { eth0 }\n"
    (table,) = (item for item in facts_of(text, "a.txt") if isinstance(item, NftTableFact))
    assert table.sets["s"].unread
