"""Each sample of ``samples/parsers`` gives the facts that stand beside it, and text and JSON of one state agree."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from pathlib import Path

import pytest

from analyzer import parsers
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.netfilter import NfRule, RulesetFact
from analyzer.facts.nftables import NftSet, NftTableFact
from analyzer.facts.routes import NextHop, RouteFact
from analyzer.parsers import Parser
from analyzer.plugins import package_constants
from analyzer.source import Gap, Scope, Source, Span

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples" / "parsers"
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
PARSERS = {parser.kind: parser for parser in package_constants(parsers, "PARSER", Parser)}
FILES = sorted(path for path in SAMPLES.rglob("*") if path.suffix in (".txt", ".json"))
PAIRS = [path for path in FILES if path.suffix == ".txt" and path.with_suffix(".json").exists()]

NAMED = ("ethtool", "tc-filter", "wg")


def facts_of(path: Path, kind: str) -> list[Fact | Gap]:
    """What the parser of a kind reads in a file."""
    subject = path.stem.removeprefix("ethtool_-k_").removeprefix("tc_filter_") if "_" in path.stem and kind in NAMED else ""
    return list(parsers.read(PARSERS[kind], Source(path.name, path.read_text(), kind, Scope("node"), subject)))


def rendered(item: Fact | Gap) -> str:
    """One line: the place, the type, and the fields that differ from their default."""
    place = f"{item.at.line}:{item.at.column}"
    if isinstance(item, Gap):
        return f"{place} GAP {item.reason}"
    if isinstance(item, RulesetFact):
        return f"{place} RulesetFact {ruleset_text(item)}"
    if isinstance(item, NftTableFact):
        return f"{place} NftTableFact {table_text(item)}"
    told = [f"{field.name}={text(getattr(item, field.name))}" for field in dataclasses.fields(item) if telling(item, field)]
    return f"{place} {type(item).__name__} {' '.join(told)}"


def telling(item: Fact, field: dataclasses.Field[object]) -> bool:
    """Whether a field says more than its default."""
    return field.name not in ("at", "scope") and getattr(item, field.name) != field.default


def shown(value: object) -> list[dataclasses.Field[object]]:
    """The fields of a value; a netfilter rule's place and text stand in the sample itself."""
    fields = dataclasses.fields(value)  # type: ignore[arg-type]
    return [field for field in fields if field.repr or not isinstance(value, NfRule | NftSet)]


def ruleset_text(fact: RulesetFact) -> str:
    """Tables, chains and rules, a line for each."""
    lines = [f"family={fact.family} backend={fact.backend}"]
    for table, chains in fact.tables.items():
        for name, chain in chains.items():
            lines.append(f"  {table} {name} {chain.policy or '-'}")
            lines += [f"    {text(rule)}" for rule in chain.rules]
    return "\n".join(lines)


def table_text(fact: NftTableFact) -> str:
    """A table of nft: its sets with their elements, its chains with their rules, a line for each."""
    lines = [f"{fact.family} {fact.name}{' dormant' if fact.dormant else ''} objects={text(fact.objects)}"]
    lines += [f"  flowtable {name} {text(devices)}" for name, devices in fact.flowtables.items()]
    for named in fact.sets.values():
        lines.append(f"  set {named.name} {text(named.types)} {text(named.data)}{' fleeting' if named.fleeting else ''}")
        lines += [f"    {text(tuple(element))}" for element in named.elements] + [f"    unread {word}" for word in named.unread]
    for chain in fact.chains.values():
        lines.append(f"  chain {chain.name} {text(chain.base)}")
        lines += [f"    {text(rule.statements)}" for rule in chain.rules]
    return "\n".join(lines)


def text(value: object) -> str:
    """A value as text that does not depend on the order of sets."""
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    if dataclasses.is_dataclass(value):
        inner = ", ".join(f"{f.name}={text(getattr(value, f.name))}" for f in shown(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return "(" + ", ".join(map(text, value)) + ")"
    return repr(value) if isinstance(value, str | Span) else str(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_sample_gives_its_facts(path: Path, update: bool) -> None:
    expected = path.with_name(path.name + ".facts")
    actual = "".join(rendered(item) + "\n" for item in facts_of(path, path.parent.name))
    if update:
        expected.write_text(actual)
    assert actual == expected.read_text()


def comparable(items: list[Fact | Gap]) -> Counter[str]:
    """Facts without what only one of the forms prints."""
    return Counter(rendered(item).partition(" ")[2] for item in map(without_form, items) if not of_iptables(item))


def of_iptables(item: Fact | Gap) -> bool:
    """Whether a table of nft is iptables': of its modules JSON shows the names alone."""
    return isinstance(item, NftTableFact) and item.family == "ip" and item.name in ("raw", "mangle", "nat", "filter", "security")


def without_form(item: Fact | Gap) -> Fact | Gap:
    """Only one form prints an address's label, a peer namespace's name (the other: its id), some routes' scope, and all of an encapsulation."""
    if isinstance(item, AddressFact):
        return dataclasses.replace(item, label=None, order=0)
    if isinstance(item, LinkFact):
        return dataclasses.replace(item, netns_name=None, netnsid=None)
    if isinstance(item, RouteFact):
        return dataclasses.replace(item, scope_name=None, next_hops=tuple(map(short_encapsulation, item.next_hops)))
    return item


def short_encapsulation(hop: NextHop) -> NextHop:
    """The way with the kind of its encapsulation alone."""
    return dataclasses.replace(hop, encap=hop.encap.split()[0] if hop.encap else None)


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_text_and_json_agree(path: Path) -> None:
    kind = path.parent.name
    assert comparable(facts_of(path, kind)) == comparable(facts_of(path.with_suffix(".json"), kind))


CORPUS = (
    ("ip_*addr", "ip-addr"),
    ("ip_*link", "ip-addr"),
    ("ip_*route*", "ip-route"),
    ("ip_*rule", "ip-rule"),
    ("ip_*neigh*", "ip-neigh"),
    ("ip_nexthop", "ip-nexthop"),
    ("bridge_fdb", "bridge-fdb"),
    ("bridge_d_link", "bridge-link"),
    ("bridge_vlan", "bridge-vlan"),
    ("tc_qdisc", "tc-qdisc"),
    ("sysctl_net", "sysctl"),
)


def corpus(suffix: str) -> list[tuple[Path, str]]:
    """Real files and their kinds."""
    folder = DATA / "iproute" / "tool-generated-iproute2-6.1"
    return sorted((path, kind) for pattern, kind in CORPUS for path in folder.glob(pattern + suffix))


needs_data = pytest.mark.skipif(
    not (DATA / "iproute").is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA / 'iproute'} is no folder (set ANALYZER_DATA)"
)


@needs_data
def test_real_files_leave_no_gaps() -> None:
    found = [
        f"{path.name}: {rendered(item)}"
        for suffix in (".txt", ".json")
        for path, kind in corpus(suffix)
        for item in facts_of(path, kind)
        if isinstance(item, Gap)
    ]
    assert not found, "\n".join(found)


@needs_data
@pytest.mark.parametrize(("path", "kind"), corpus(".txt"), ids=lambda value: value.stem if isinstance(value, Path) else value)
def test_real_text_and_json_agree(path: Path, kind: str) -> None:
    other = path.with_suffix(".json")
    if not other.exists():
        pytest.skip(f"{other.name} is not among the real files")
    assert comparable(facts_of(path, kind)) == comparable(facts_of(other, kind))


def test_links_of_both_details_have_the_same_names() -> None:
    plain, detailed = (facts_of(SAMPLES / "ip-addr" / f"{name}.txt", "ip-addr") for name in ("addresses", "details"))
    assert [f.name for f in plain if isinstance(f, LinkFact)] == [f.name for f in detailed if isinstance(f, LinkFact)]


def test_all_is_every_address_of_the_listing() -> None:
    for name, family in (("ip_-6_route_show_table_all", 6), ("ip_route_show_table_all", 4)):
        text = "local all dev lo table local proto kernel metric 0\n" + (
            "fe80::/64 dev a\n" if family == 6 else "10.0.0.0/8 dev a\n"
        )
        found = list(parsers.read(PARSERS["ip-route"], Source(name, text, "ip-route", Scope("node"))))
        assert [str(item.destination) for item in found[:1] if isinstance(item, RouteFact)] == [
            "::/0" if family == 6 else "0.0.0.0/0"
        ]


def test_a_value_of_another_kind_in_json_is_a_gap() -> None:
    text = '[{"ifname": "veth0", "master": "cni0", "hairpin": "yes"}, {"ifname": "veth1", "master": false}, {"ifname": "veth2"}]'
    found = list(parsers.read(PARSERS["bridge-link"], Source("bridge_link.json", text, "bridge-link", Scope("n1"))))
    assert [item.reason for item in found if isinstance(item, Gap)] == [
        "hairpin is 'yes', where true or false was expected",
        "master is 'False', where a text was expected",
    ]
    assert len(found) == 3
