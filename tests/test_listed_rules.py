"""What ``iptables -L`` prints of rules, with and without ``-n``, says the same as ``iptables-save``: both were recorded of one namespace (iptables 1.8.9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.facts.netfilter import NfRule, RulesetFact
from analyzer.parsers import Parser, iptables_list, iptables_save, read
from analyzer.source import Source

RECORDED = Path(__file__).parent / "data" / "iptables-listed"
TABLES = ("filter", "nat", "mangle", "raw")


def rules(parser: Parser, name: str, table: str) -> dict[str, list[NfRule]]:
    """The rules of a table, by chain."""
    text = (RECORDED / name).read_text()
    found = [item for item in read(parser, Source(f"iptables_-t_{table}", text, parser.kind)) if isinstance(item, RulesetFact)]
    return {chain: list(rules.rules) for fact in found for chain, rules in fact.tables[table].items()}


def meaning(rule: NfRule) -> tuple[list[str], str]:
    """What a rule tests and does, whatever the order."""
    return sorted(map(repr, rule.matches)), repr(rule.target)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("form", ["nvL", "vL"])
def test_a_listing_says_what_is_saved(table: str, form: str) -> None:
    saved, listed = rules(iptables_save.PARSER, f"save-{table}", table), rules(iptables_list.PARSER, f"{form}-{table}", table)
    assert listed.keys() == saved.keys()
    for chain, every in saved.items():
        for one, other in zip(every, listed[chain], strict=True):
            if form == "nvL" or "OwnerMatch" not in repr(one):  # Without -n owners are names of that machine's.
                assert meaning(other) == meaning(one)


def test_every_table_has_rules() -> None:
    assert all(sum(map(len, rules(iptables_save.PARSER, f"save-{table}", table).values())) > 4 for table in TABLES)
