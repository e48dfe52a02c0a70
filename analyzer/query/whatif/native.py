"""``nft`` as an edit of the text that was captured, as ``nft list ruleset`` writes it (nft(8))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from analyzer.facts.netfilter import RulesetFact
from analyzer.parsers.nft import PARSER as RULESET
from analyzer.query.whatif.state import NodeState, Run, reread
from analyzer.source import Source

FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
HOOKED = re.compile(r"\s*(type \w+ hook .*|policy \w+;?)\s*(#.*)?")
HANDLE = re.compile(r"# handle (\d+)\s*$")
ELEMENTS = re.compile(r"(\belements\s*=\s*\{\s*)([^{}]*?)(\s*\})")
EXPECTED = "nft add|insert rule FAMILY TABLE CHAIN …, delete rule FAMILY TABLE CHAIN handle N, add|delete chain|table|element …, flush chain|table …, or flush ruleset"
Lines = list[str]
Part = tuple[int, int]
"""The places of a block's first line and of the one that closes it."""


def native(state: NodeState, run: Run) -> NodeState:
    """``nft add|insert|delete|flush …``."""
    text = " ".join(word for word in run.words if word not in ("-a", "-e", "--handle", "--echo"))
    words = text.split()
    source = listed(state, run)
    if words == ["flush", "ruleset"]:
        raise run.wrong("it takes the rules that iptables made as well: flush tables by their names")
    if len(words) < 3:
        raise run.wrong(f"it is not understood: expected {EXPECTED}")
    family = words[2] if words[2] in FAMILIES else "ip"
    path = words[3:] if words[2] in FAMILIES else words[2:]
    if not path:
        raise run.wrong(f"it is not understood: expected {EXPECTED}")
    of_iptables(state, run, family, path[0])
    lines = source.text.split("\n")
    edited = Ruleset(run, lines, family, path[0]).after(words[0], words[1], path[1:])
    name = source.path if source.path.endswith(")") else f"{source.path} (after --node-run)"
    return reread(state, run, source, replace(source, path=name, content="\n".join(edited)), RULESET)


def listed(state: NodeState, run: Run) -> Source:
    """The captured text of the rules."""
    found = [source for source in state.sources if source.kind == RULESET.kind and source.scope == run.scope]
    texts = [source for source in found if not source.text.lstrip().startswith("{")]
    if not texts:
        why = "was captured as JSON only" if found else "was not captured: what is before the rule is not known"
        raise run.wrong(f"nft_list_ruleset of {run.scope} {why}")
    return texts[0]


def of_iptables(state: NodeState, run: Run, family: str, table: str) -> None:
    """Refuses tables that iptables writes: what it saved would not have the rule."""
    number = {"ip": 4, "ip6": 6}.get(family)
    for fact in state.of(RulesetFact, run.scope):
        if fact.family == number and fact.backend == "nft" and table in fact.tables:
            raise run.wrong(
                f"the table {family} {table} is one of iptables: give the rule to ip{'6' if number == 6 else ''}tables"
            )


class Ruleset:
    """The lines of a ruleset, and a command on one of its tables."""

    def __init__(self, run: Run, lines: Lines, family: str, table: str) -> None:
        self.run, self.lines, self.family, self.table = run, lines, family, table

    def after(self, verb: str, what: str, words: Sequence[str]) -> Lines:
        """The lines after the command."""
        match verb, what, words:
            case ("add" | "create", "table", []):
                return self.lines if self.whole() and verb == "add" else self.with_table()
            case ("delete" | "flush", "table", []):
                return self.without_table(verb)
            case ("add" | "create", "chain", [name, *definition]):
                return self.with_chain(name, " ".join(definition))
            case ("add" | "insert", "rule", [chain, *statement]) if statement and statement[0] not in (
                "handle",
                "position",
                "index",
            ):
                return self.with_rule(verb, chain, " ".join(statement))
            case ("delete", "rule", [chain, "handle", number]):
                return self.without_rule(chain, number)
            case ("flush" | "delete", "chain", [name]):
                return self.without_chain(verb, name)
            case ("add" | "delete", "element", [name, *elements]) if elements[:1] == ["{"] or elements[0].startswith("{"):
                return self.with_elements(verb, name, " ".join(elements).strip("{} "))
            case _:
                raise self.run.wrong(f"it is not understood: expected {EXPECTED}")

    def block(self, begin: re.Pattern[str], within: Part | None = None) -> Part | None:
        """A block by its first line."""
        first, last = within if within is not None else (-1, len(self.lines))
        depth, start = 0, None
        for number in range(first + 1, last):
            line = self.lines[number]
            if start is None and begin.match(line):
                start = number
            if start is not None:
                depth += line.count("{") - line.count("}")
                if depth <= 0:
                    return start, number
        return None

    def whole(self) -> Part | None:
        """The table's block."""
        return self.block(re.compile(rf"\s*table {self.family} {re.escape(self.table)} \{{"))

    def part(self, kind: str, name: str) -> Part:
        """A block of the table."""
        table = self.whole()
        if table is None:
            raise self.run.wrong(f"there is no table {self.family} {self.table} (No such file or directory)")
        found = self.block(re.compile(rf"\s*(?:{kind}) {re.escape(name)} \{{"), table)
        if found is None:
            raise self.run.wrong(
                f"the table {self.family} {self.table} has no {kind.partition('|')[0]} {name} (No such file or directory)"
            )
        return found

    def with_table(self) -> Lines:
        """With an empty table."""
        if self.whole():
            raise self.run.wrong(f"there is a table {self.family} {self.table} (File exists)")
        return [*self.lines, f"table {self.family} {self.table} {{", "}"]

    def without_table(self, verb: str) -> Lines:
        """Without a table, or with its chains empty."""
        table = self.whole()
        if table is None:
            raise self.run.wrong(f"there is no table {self.family} {self.table} (No such file or directory)")
        first, last = table
        if verb == "delete":
            return [*self.lines[:first], *self.lines[last + 1 :]]
        chains = re.compile(r"\s*chain (\S+) \{")
        names = [found[1] for line in self.lines[first:last] if (found := chains.match(line))]
        for name in names:
            self.lines = self.without_chain("flush", name)
        return self.lines

    def with_chain(self, name: str, definition: str) -> Lines:
        """With another chain; ``definition`` in braces where it is at a hook."""
        table = self.whole()
        if table is None:
            raise self.run.wrong(f"there is no table {self.family} {self.table} (No such file or directory)")
        if self.block(re.compile(rf"\s*chain {re.escape(name)} \{{"), table):
            raise self.run.wrong(f"the table {self.family} {self.table} has a chain {name} (File exists)")
        inner = definition.strip().strip("{} ")
        made = [f"\tchain {name} {{", *([f"\t\t{inner if inner.endswith(';') else inner + ';'}"] if inner else []), "\t}"]
        return [*self.lines[: table[1]], *made, *self.lines[table[1] :]]

    def with_rule(self, verb: str, chain: str, statement: str) -> Lines:
        """With a rule at the chain's end, or before all others."""
        first, last = self.part("chain", chain)
        place = last
        if verb == "insert":
            place = next((number for number in range(first + 1, last) if not HOOKED.fullmatch(self.lines[number])), last)
        return [*self.lines[:place], f"\t\t{statement}", *self.lines[place:]]

    def without_rule(self, chain: str, number: str) -> Lines:
        """Without the rule of a handle, which ``nft -a list ruleset`` shows."""
        first, last = self.part("chain", chain)
        for place in range(first + 1, last):
            if (found := HANDLE.search(self.lines[place])) and found[1] == number:
                return [*self.lines[:place], *self.lines[place + 1 :]]
        raise self.run.wrong(
            f"no rule of the chain {chain} has the handle {number} in the capture (nft -a list ruleset shows handles)"
        )

    def without_chain(self, verb: str, name: str) -> Lines:
        """Without a chain's rules, or without the chain."""
        first, last = self.part("chain", name)
        inside = self.lines[first + 1 : last]
        if verb == "flush":
            return [*self.lines[: first + 1], *(line for line in inside if HOOKED.fullmatch(line)), *self.lines[last:]]
        if any(line.strip() and not HOOKED.fullmatch(line) for line in inside):
            raise self.run.wrong(f"the chain {name} has rules (Device or resource busy)")
        return [*self.lines[:first], *self.lines[last + 1 :]]

    def with_elements(self, verb: str, name: str, elements: str) -> Lines:
        """With more elements of a set or map, or without some."""
        first, last = self.part("set|map", name)
        text = "\n".join(self.lines[first : last + 1])
        found = ELEMENTS.search(text)
        known = [one.strip() for one in found[2].split(",")] if found is not None else []
        given = [one.strip() for one in elements.split(",") if one.strip()]
        if verb == "delete" and not set(map(key, given)) <= set(map(key, known)):
            raise self.run.wrong(f"an element is not in {name} as it is written (No such file or directory)")
        left = [one for one in known if key(one) not in map(key, given)] + (given if verb == "add" else [])
        new = f"\t\telements = {{ {', '.join(left)} }}" if left else ""
        if found is not None:
            inner = text[: found.start()].rstrip("\t ") + new + text[found.end() :]
        else:
            inner = "\n".join([*self.lines[first:last], new, self.lines[last]])
        return [*self.lines[:first], *inner.split("\n"), *self.lines[last + 1 :]]


def key(element: str) -> str:
    """What an element is found by: without its value, its comment and how long it stays."""
    return re.split(r"\s+(?::|timeout|expires|comment|counter)\s*", element.strip())[0]
