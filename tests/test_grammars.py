"""The grammars of ``grammars/`` are the reference: what the fast readers understand they accept, and what the grammars refuse is a gap."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from analyzer.facts.base import Fact
from analyzer.parsers import Parser, ip_route, iptables_save, read
from analyzer.plugins import shipped
from analyzer.source import Gap, Source

SAMPLES = Path(__file__).parent.parent / "samples"


@cache
def grammar(name: str) -> Lark:
    folder = shipped("grammars")
    return Lark((folder / f"{name}.lark").read_text(), parser="earley", lexer="dynamic", import_paths=[str(folder)])


def accepted(name: str, line: str) -> bool:
    try:
        grammar(name).parse(line.strip())
    except UnexpectedInput:
        return False
    return True


def texts(kind: str, names: tuple[str, ...]) -> list[Path]:
    found = list((SAMPLES / "parsers" / kind).glob("*.txt"))
    found += [path for path in (SAMPLES / "clusters").rglob("*") if path.name in names]
    return sorted(found)


def route_lines(text: str) -> list[str]:
    """Routes as one line each: next hops stand on lines of their own."""
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1] in " \t" and lines:
            lines[-1] += " " + line.strip() if "nexthop" in line else ""
        elif line.strip():
            lines.append(line)
    return lines


def understood(parser: Parser, text: str) -> bool:
    facts: list[Fact | Gap] = list(read(parser, Source("sample", text, parser.kind)))
    return not any(isinstance(item, Gap) for item in facts)


@pytest.mark.parametrize("path", texts("ip-route", ("ip_route",)), ids=lambda path: path.name)
def test_routes_that_are_read_are_in_the_grammar(path: Path) -> None:
    for line in route_lines(path.read_text()):
        if understood(ip_route.PARSER, line):
            assert accepted("ip_route", line), line


@pytest.mark.parametrize(
    "line", ["nonsense", "10.0.0.0/8 via", "10.0.0.0/8 dev", "default frobnicate 3", "via 10.0.0.1 dev eth0"]
)
def test_what_is_no_route_is_refused_by_both(line: str) -> None:
    assert not accepted("ip_route", line)
    assert not understood(ip_route.PARSER, line)


@pytest.mark.parametrize("path", texts("iptables-save", ("iptables-save",)), ids=lambda path: path.name)
def test_rules_that_are_read_are_in_the_grammar(path: Path) -> None:
    for line in path.read_text().splitlines():
        if line.strip() and understood(iptables_save.PARSER, f"*filter\n{line}\nCOMMIT\n"):
            assert accepted("iptables_save", line), line


@pytest.mark.parametrize("line", ["-A", "-A INPUT stray", "-A INPUT -s", "rubbish"])
def test_what_is_no_rule_is_refused_by_both(line: str) -> None:
    assert not accepted("iptables_save", line)
    assert not understood(iptables_save.PARSER, f"*filter\n{line}\nCOMMIT\n")
