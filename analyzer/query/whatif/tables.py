"""``iptables`` as an edit of the text that was captured, as iptables-save writes it (iptables/iptables.c, do_command4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.parsers._iptables_origin import family_of
from analyzer.parsers.iptables_save import PARSER as SAVED
from analyzer.query.whatif.state import NodeState, Run, reread, taken, value
from analyzer.source import Source

BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
LONG = {
    "--append": "-A",
    "--insert": "-I",
    "--replace": "-R",
    "--delete": "-D",
    "--policy": "-P",
    "--flush": "-F",
    "--new-chain": "-N",
    "--new": "-N",
    "--delete-chain": "-X",
}
SOURCES, DESTINATIONS = frozenset({"-s", "--source", "--src"}), frozenset({"-d", "--destination", "--dst"})
TARGETS = frozenset(
    [
        "ACCEPT",
        "DROP",
        "RETURN",
        "QUEUE",
        "AUDIT",
        "CHECKSUM",
        "CLASSIFY",
        "CLUSTERIP",
        "CONNMARK",
        "CONNSECMARK",
        "CT",
        "DNAT",
        "DNPT",
        "DSCP",
        "ECN",
        "HL",
        "HMARK",
        "IDLETIMER",
        "LED",
        "LOG",
        "MARK",
        "MASQUERADE",
        "NETMAP",
        "NFLOG",
        "NFQUEUE",
        "NOTRACK",
        "RATEEST",
        "REDIRECT",
        "REJECT",
        "SECMARK",
        "SET",
        "SNAT",
        "SNPT",
        "SYNPROXY",
        "TCPMSS",
        "TCPOPTSTRIP",
        "TEE",
        "TOS",
        "TPROXY",
        "TRACE",
        "TTL",
        "ULOG",
    ]
)
"""As iptables-extensions(8) has them."""
WAITS = frozenset({"-w", "--wait"})
COUNTED = re.compile(r"^\[\d+:\d+\] ")
QUOTED = re.compile(r"[\s\"'\\]")


def iptables(state: NodeState, run: Run, program: str) -> NodeState:
    """``iptables [-t TABLE] -A|-I|-R|-D|-P|-N|-X|-F …``: on the text of iptables-save of the family that was captured, and of the back end that
    the program's name says."""
    words = tuple(LONG.get(word, word) for word in run.words if word not in WAITS)
    table = value(words, "-t", "--table") or "filter"
    words = taken(taken(words, "-t"), "--table")
    if table not in BUILT_IN or not words or words[0] not in LONG.values() or (len(words) < 2 and words[0] not in ("-F", "-X")):
        raise run.wrong(f"expected [-t {'|'.join(BUILT_IN)}] and -A, -I, -R, -D, -P, -N, -X or -F, a chain and a rule")
    source = saved(state, run, program)
    lines = with_table(source.text.split("\n"), table)
    begin, end = section(lines, table)
    edited = [*lines[:begin], *Table(run, table, lines[begin:end]).after(words), *lines[end:]]
    if words[0] in ("-A", "-I", "-R"):
        fits(state, run, words[2:], {line[1:].split(" ")[0] for line in edited if line.startswith(":")})
    name = source.path if source.path.endswith(")") else f"{source.path} (after --node-run)"
    return reread(state, run, source, replace(source, path=name, content="\n".join(edited)), SAVED)


def fits(state: NodeState, run: Run, words: Sequence[str], chains: set[str]) -> None:
    """Refuses a rule that iptables would: one that jumps nowhere, matches by a set that is not there, or rejects by what its protocol has not."""
    target = value(words, "-j", "--jump") or value(words, "-g", "--goto")
    if target is not None and target not in chains and target not in TARGETS:
        raise run.wrong(f"there is no chain and no target {target} (No chain/target/match by that name)")
    name = value(words, "--match-set", "--add-set", "--del-set")
    sets = {fact.name for fact in state.of(IpsetFact, run.scope)}
    if name is not None and sets and name not in sets:
        raise run.wrong(f"there is no set {name} (Set {name} doesn't exist)")
    if value(words, "--reject-with") == "tcp-reset" and value(words, "-p", "--protocol", "--proto") not in ("tcp", "6"):
        raise run.wrong("a rule that resets connections wants -p tcp (Invalid argument)")
    for key in (*SOURCES, *DESTINATIONS):
        for text in (value(words, key) or "").split(","):
            if (":" in text) != (run.family == 6) and re.fullmatch(r"[0-9a-fA-F.:/]+", text):
                raise run.wrong(f"{text} is no address of IPv{run.family} (host/network {text} not found)")


def saved(state: NodeState, run: Run, program: str) -> Source:
    """The captured text of the family's rules."""
    found = [
        source
        for source in state.sources
        if source.kind == SAVED.kind and source.scope == run.scope and family_of(source) == run.family
    ]
    legacy = [source for source in found if "legacy" in source.path]
    wanted = legacy if program.endswith("legacy") else [one for one in found if one not in legacy] or legacy
    if not wanted or (program.endswith("nft") and wanted is legacy):
        name = "iptables-save" if run.family == 4 else "ip6tables-save"
        raise run.wrong(f"{name} of {run.scope} was not captured: what is before the rule is not known")
    return wanted[0]


def with_table(lines: list[str], table: str) -> list[str]:
    """The lines with the table, which the kernel makes when it is first asked for."""
    if any(line.strip() == f"*{table}" for line in lines):
        return lines
    made = [f"*{table}", *(f":{name} ACCEPT [0:0]" for name in BUILT_IN[table]), "COMMIT"]
    return [*lines[:-1], *made, ""] if lines and not lines[-1] else [*lines, *made]


def section(lines: list[str], table: str) -> tuple[int, int]:
    """Where the table's lines begin and end."""
    begin = next(number for number, line in enumerate(lines) if line.strip() == f"*{table}")
    end = next((number for number, line in enumerate(lines) if number > begin and line.startswith("COMMIT")), len(lines))
    return begin, end


def written(words: Sequence[str]) -> str:
    """The words as iptables-save writes them."""
    return " ".join(quoted(word) if QUOTED.search(word) or not word else word for word in words)


def quoted(word: str) -> str:
    """A word in quotes."""
    escaped = re.sub(r"([\"\\'])", r"\\\1", word)
    return f'"{escaped}"'


def each(words: Sequence[str]) -> list[list[str]]:
    """The rules that the words make: one for each source, and of each for each destination, of a list (iptables(8), ``-s address[/mask][,...]``)."""
    return [one for first in alone(words, SOURCES) for one in alone(first, DESTINATIONS)]


def alone(words: Sequence[str], keys: frozenset[str]) -> list[list[str]]:
    """The words once for each value of one of the keys."""
    place = next((number for number, word in enumerate(words[:-1], 1) if word in keys), None)
    if place is None:
        return [list(words)]
    return [[*words[:place], value, *words[place + 1 :]] for value in words[place].split(",")]


class Table:
    """A table's lines, and a command on them."""

    def __init__(self, run: Run, name: str, lines: list[str]) -> None:
        self.run, self.name, self.lines = run, name, lines

    def after(self, words: Sequence[str]) -> list[str]:
        """The lines after the command."""
        verb, chain, rest = words[0], words[1] if len(words) > 1 else "", words[2:]
        if verb in ("-F", "-X") and not chain:
            return [line for line in self.lines if not (line.startswith(("-A ", "[")) if verb == "-F" else self.own(line))]
        if (self.declared(chain) is None) != (verb == "-N"):
            there = "there is a chain of that name" if verb == "-N" else f"the table {self.name} has no chain {chain}"
            raise self.run.wrong(f"{there} ({'Chain already exists' if verb == '-N' else 'No chain/target/match by that name'})")
        match verb:
            case "-A" | "-I" | "-R":
                return self.with_rule(verb, chain, rest)
            case "-D":
                gone = self.deleted(chain, rest)
                return [*self.lines[:gone], *self.lines[gone + 1 :]]
            case "-F":
                gone_too = set(self.rules(chain))
                return [line for number, line in enumerate(self.lines) if number not in gone_too]
            case _:
                return self.with_chain(verb, chain, rest)

    def own(self, line: str) -> bool:
        """Whether a line makes a user's chain that nothing is in and nothing jumps to: ``-X`` without a name takes these away."""
        name = line[1:].split(" ")[0] if line.startswith(":") else ""
        return bool(name) and name not in BUILT_IN[self.name] and not self.rules(name) and not self.jumps(name)

    def rules(self, chain: str) -> list[int]:
        """The places of a chain's rules."""
        return [number for number, line in enumerate(self.lines) if COUNTED.sub("", line).startswith(f"-A {chain} ")]

    def jumps(self, chain: str) -> bool:
        """Whether a rule goes to the chain."""
        return any(f" -j {chain}" in f"{line} " or f" -g {chain}" in f"{line} " for line in self.lines)

    def declared(self, chain: str) -> int | None:
        """The place of a chain's own line."""
        return next((number for number, line in enumerate(self.lines) if line.startswith(f":{chain} ")), None)

    def with_rule(self, verb: str, chain: str, words: Sequence[str]) -> list[str]:
        """With a rule at the chain's end, at a place in it, or in the place of another."""
        rules = self.rules(chain)
        if verb == "-A":
            return [*self.lines, *(f"-A {chain} {written(one)}" for one in each(words))]
        numbered = bool(words) and words[0].isdecimal()
        position, rest = (int(words[0]), words[1:]) if numbered else (1, words)
        if verb == "-R" and not (numbered and 1 <= position <= len(rules)):
            raise self.run.wrong(f"the chain has {len(rules)} rules (Index of replacement too big)")
        if not 1 <= position <= len(rules) + 1:
            raise self.run.wrong(f"the chain has {len(rules)} rules (Index of insertion too big)")
        place = rules[position - 1] if position <= len(rules) else len(self.lines)
        made = [f"-A {chain} {written(one)}" for one in each(rest)]
        if verb == "-R" and len(made) > 1:
            raise self.run.wrong(
                "a rule takes the place of one, and this one has several addresses (Replacement rule does not specify a unique address)"
            )
        # Each is inserted at the place, so that the last comes first.
        return [*self.lines[:place], *reversed(made), *self.lines[place + (verb == "-R") :]]

    def with_chain(self, verb: str, chain: str, words: Sequence[str]) -> list[str]:
        """With another chain, without one, or with another policy."""
        place = self.declared(chain)
        if verb == "-N":
            return [*self.lines[:1], f":{chain} - [0:0]", *self.lines[1:]]
        if verb == "-X":
            if chain in BUILT_IN[self.name] or self.rules(chain) or self.jumps(chain):
                raise self.run.wrong(
                    "the chain is built in, has rules, or a rule goes to it (Directory not empty, or Too many links)"
                )
            return [line for number, line in enumerate(self.lines) if number != place]
        if len(words) != 1 or words[0] not in ("ACCEPT", "DROP") or chain not in BUILT_IN[self.name]:
            raise self.run.wrong("a policy is ACCEPT or DROP, of a chain that is built in")
        return [f":{chain} {words[0]} [0:0]" if number == place else line for number, line in enumerate(self.lines)]

    def deleted(self, chain: str, words: Sequence[str]) -> int:
        """The line of the rule that is taken away: by its number in the chain, or the first that says the same."""
        rules = self.rules(chain)
        if len(words) == 1 and words[0].isdecimal():
            if not 1 <= int(words[0]) <= len(rules):
                raise self.run.wrong(f"the chain has {len(rules)} rules (Index of deletion too big)")
            return rules[int(words[0]) - 1]
        line = f"-A {chain} {written(words)}"
        wanted = self.meaning(chain, line)
        for number in rules:
            own = COUNTED.sub("", self.lines[number])
            if own == line or (wanted is not None and self.meaning(chain, own) == wanted):
                return number
        raise self.run.wrong("no rule of the chain says that (Bad rule: does a matching rule exist in that chain?)")

    def meaning(self, chain: str, line: str) -> tuple[object, ...] | None:
        """What a rule says, in whichever order it is written; None where it cannot be read."""
        chains = [text for text in self.lines if text.startswith(":")]
        text = "\n".join((f"*{self.name}", *chains, line, "COMMIT", ""))
        name = "ip6tables-save" if self.run.family == 6 else "iptables-save"
        for fact in SAVED.read(Source(name, text, SAVED.kind, self.run.scope)):
            if isinstance(fact, RulesetFact):
                rules = fact.tables[self.name][chain].rules
                return (sorted(map(repr, rules[0].matches)), rules[0].target, rules[0].comment) if len(rules) == 1 else None
        return None
