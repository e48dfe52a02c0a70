"""``sysctl -w`` as an edit of facts, and ``iptables`` as an edit of the text that was captured."""

from __future__ import annotations

import re
from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.system import SysctlFact
from analyzer.model.merging import other_names
from analyzer.parsers.iptables_save import PARSER as SAVED
from analyzer.parsers.iptables_save import family_of
from analyzer.parsers.sysctl import PARSER as SWITCHES
from analyzer.query.whatif.edits import place_of
from analyzer.query.whatif.state import NodeState, Run, taken, value
from analyzer.source import Gap, Source

ALIASES = {"net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding"}
# Writing one of these writes the switch of every device (inet_forward_change, addrconf_forward_change).
EVERY = re.compile(r"net\.(ipv[46])\.conf\.all\.forwarding")
TABLES = ("filter", "nat", "mangle", "raw", "security")
LONG = {"--append": "-A", "--insert": "-I", "--delete": "-D", "--policy": "-P", "--flush": "-F"}


def sysctl(state: NodeState, run: Run) -> NodeState:
    """``sysctl -w KEY=VALUE …``."""
    texts = [word for word in run.words if not word.startswith("-")]
    if not texts or not all("=" in text for text in texts):
        raise run.wrong("expected sysctl -w KEY=VALUE")
    for text in texts:
        wanted = run.read(SWITCHES, text, SysctlFact)
        key = ALIASES.get(wanted.key, wanted.key)
        names = {key, wanted.key, *other_names(key), *(alias for alias, real in ALIASES.items() if real == key)}
        state = state.without([fact for fact in state.of(SysctlFact, run.scope) if fact.key in names])
        state = everywhere(state, run, key, wanted.value).joined(replace(wanted, key=key))
    return state


def everywhere(state: NodeState, run: Run, key: str, new: str) -> NodeState:
    """The switches of the devices that follow the one for all."""
    found = EVERY.fullmatch(key)
    if found is None:
        return state
    each = re.compile(rf"net\.{found[1]}\.conf\..+\.forwarding")

    def change(fact: Fact) -> Fact:
        follows = isinstance(fact, SysctlFact) and fact.scope == run.scope and each.fullmatch(fact.key)
        return replace(fact, value=new, at=place_of(run.edit)) if follows and isinstance(fact, SysctlFact) else fact

    return state.changed(change)


def iptables(state: NodeState, run: Run) -> NodeState:
    """``iptables [-t TABLE] -A|-I|-D|-P|-F CHAIN …``: on the text of iptables-save of the family that was captured."""
    words = tuple(LONG.get(word, word) for word in run.words if word not in ("-w", "--wait"))
    table = value(words, "-t", "--table") or "filter"
    words = taken(taken(words, "-t"), "--table")
    if table not in TABLES or len(words) < 2 or words[0] not in LONG.values():
        raise run.wrong(f"expected [-t {'|'.join(TABLES)}] and -A, -I, -D, -P or -F, a chain and a rule")
    source = saved(state, run)
    lines = source.text.split("\n")
    begin, end = section(run, lines, table)
    edited = [*lines[:begin], *altered(run, lines[begin:end], words), *lines[end:]]
    name = source.path if source.path.endswith(")") else f"{source.path} (after --node-run)"
    return reread(state, run, source, replace(source, path=name, content="\n".join(edited)))


def saved(state: NodeState, run: Run) -> Source:
    """The captured text of the family's rules."""
    found = [
        source
        for source in state.sources
        if source.kind == SAVED.kind and source.scope == run.scope and family_of(source) == run.family
    ]
    if not found:
        name = "iptables-save" if run.family == 4 else "ip6tables-save"
        raise run.wrong(f"{name} of {run.scope} was not captured: what is before the rule is not known")
    return next((source for source in found if "legacy" not in source.path), found[0])


def section(run: Run, lines: list[str], table: str) -> tuple[int, int]:
    """Where the table's lines begin and end."""
    begin = next((number for number, line in enumerate(lines) if line.strip() == f"*{table}"), None)
    if begin is None:
        raise run.wrong(f"the captured text has no table {table}")
    end = next((number for number, line in enumerate(lines) if number > begin and line.startswith("COMMIT")), len(lines))
    return begin, end


def altered(run: Run, lines: list[str], words: tuple[str, ...]) -> list[str]:
    """The lines of a table after the command."""
    verb, chain, rest = words[0], words[1], " ".join(words[2:])
    rules = [number for number, line in enumerate(lines) if re.sub(r"^\[\d+:\d+\] ", "", line).startswith(f"-A {chain} ")]
    declared = next((number for number, line in enumerate(lines) if line.startswith(f":{chain} ")), None)
    if declared is None:
        raise run.wrong(f"the table has no chain {chain} (No chain/target/match by that name)")
    match verb:
        case "-A":
            return [*lines, f"-A {chain} {rest}"]
        case "-I":
            position, rule = numbered(words[2:])
            if position - 1 > len(rules):
                raise run.wrong(f"the chain has {len(rules)} rules (Index of insertion too big)")
            place = rules[position - 1] if position - 1 < len(rules) else len(lines)
            return [*lines[:place], f"-A {chain} {rule}", *lines[place:]]
        case "-D":
            gone = deleted(run, lines, rules, chain, words[2:])
            return [*lines[:gone], *lines[gone + 1 :]]
        case "-F":
            return [line for number, line in enumerate(lines) if number not in set(rules)]
        case _:
            if rest not in ("ACCEPT", "DROP"):
                raise run.wrong("a policy is ACCEPT or DROP")
            return [f":{chain} {rest} [0:0]" if number == declared else line for number, line in enumerate(lines)]


def numbered(words: tuple[str, ...]) -> tuple[int, str]:
    """The position of an insertion, the first where none is given, and the rule."""
    if words and words[0].isdecimal():
        return max(int(words[0]), 1), " ".join(words[1:])
    return 1, " ".join(words)


def deleted(run: Run, lines: list[str], rules: list[int], chain: str, words: tuple[str, ...]) -> int:
    """The line of the rule that is taken away: by its number in the chain, or as it was printed."""
    if len(words) == 1 and words[0].isdecimal():
        if not 1 <= int(words[0]) <= len(rules):
            raise run.wrong(f"the chain has {len(rules)} rules (Index of deletion too big)")
        return rules[int(words[0]) - 1]
    wanted = f"-A {chain} {' '.join(words)}".split()
    for number in rules:
        if re.sub(r"^\[\d+:\d+\] ", "", lines[number]).split() == wanted:
            return number
    raise run.wrong("no rule of the chain is written so (give it as iptables-save prints it, or by its number)")


def reread(state: NodeState, run: Run, old: Source, new: Source) -> NodeState:
    """The state with another text in the place of one; a line that is not understood is refused."""
    before = {(item.reason) for item in SAVED.read(old) if isinstance(item, Gap)}
    found = list(SAVED.read(new))
    for item in found:
        if isinstance(item, Gap) and item.reason not in before:
            raise run.wrong(item.reason)
    rest = [
        fact
        for fact in state.facts
        if not (isinstance(fact, RulesetFact) and fact.scope == old.scope and fact.at.path == old.path)
    ]
    sources = tuple(new if source is old else source for source in state.sources)
    return replace(state, sources=sources, facts=(*rest, *(item for item in found if not isinstance(item, Gap))))
