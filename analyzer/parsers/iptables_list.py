"""``iptables -S`` and ``iptables -L -n -v`` (also ``-vnxL``, ``--line-numbers``): one table, as people paste it and sosreport keeps it.

A row of ``-L`` is turned into the words that ``iptables-save`` would print and read by the same grammar. Without ``-v`` the interfaces are not shown, so
every rule then has a match that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.parsers import Parser, gap, reason
from analyzer.parsers._iptables_drafts import TableDraft, strange
from analyzer.parsers._iptables_listed import EXTRAS, TARGETS
from analyzer.parsers._iptables_names import PROTOCOLS
from analyzer.parsers._words import refuse_errors
from analyzer.parsers.iptables_save import Memory, told
from analyzer.source import Gap, Source

CHAIN = re.compile(r"^Chain (\S+) \((?:policy (\w+)|\d+ references)")
HEADER = re.compile(r"^\s*(num\s+)?(pkts\s+bytes\s+)?target\s+prot\s+opt\s+(in\s+out\s+)?source\s+destination\s*$")
COUNTED = re.compile(r"^\s*(?:\d+[KMGTP]?\s+){2}")
TABLE = re.compile(r"-t[_ -]*(raw|mangle|nat|filter|security)")
COMPARED = {"==": "--{0}-eq", "!=": "! --{0}-eq", "<": "--{0}-lt", ">": "--{0}-gt"}
OPTIONS = re.compile(r"^(--|-f|!f)$")


def read(source: Source) -> Iterator[Fact | Gap]:
    """The ruleset of one table, and a gap for each line that is not understood."""
    gaps: list[Gap] = []
    draft = TableDraft("", 1)
    chain, columns = "", ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith(("-P ", "-N ", "-A ")):
            save_line(draft, number, line)
        elif found := CHAIN.match(line):
            chain = found.group(1)
            draft.declare(chain, found.group(2), number)
        elif HEADER.match(line):
            columns = line
        elif chain and columns:
            draft.append(chain, number, row(chain, line, columns))
        else:
            gaps += stranger(source, draft, number, line)
    draft.name = table_of(source, draft)
    yield from told(source, [draft], gaps, Memory())


def save_line(draft: TableDraft, number: int, line: str) -> None:
    """A line of ``iptables -S``."""
    words = line.split(" ", 3)
    if words[0] == "-A":
        draft.append(words[1], number, line)
    else:
        draft.declare(words[1], words[2] if words[0] == "-P" and len(words) > 2 else None, number)


def stranger(source: Source, draft: TableDraft, number: int, line: str) -> Iterator[Gap]:
    """A line that belongs to no chain."""
    strange(draft, number, line)
    try:
        refuse_errors(line)
        yield gap(source, number, f"expected a chain or a rule of iptables -L or -S, not {line[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, reason(problem))


def table_of(source: Source, draft: TableDraft) -> str:
    """The table, by the file's name, else by the chains that the kernel gives it."""
    if found := TABLE.search(source.name):
        return found.group(1)
    hooks = {name for name, (policy, _) in draft.policies.items() if policy}
    if "PREROUTING" in hooks:
        return "mangle" if "FORWARD" in hooks else "nat" if "POSTROUTING" in hooks else "raw"
    return "filter"


def row(chain: str, line: str, columns: str) -> str:
    """A row of ``iptables -L`` as the words of ``iptables-save``; one that is not understood stands in brackets."""
    words = line.split()
    if columns.startswith("num"):
        words = words[1:]
    if "pkts" in columns:
        words = words[2:]
    verbose = " in " in columns
    for target in (words[0] if words else "", ""):
        rest = words[1:] if target else words
        if (made := converted(chain, target, rest, verbose)) is not None:
            return made
    return f"(not understood: {line[:80]})"


def converted(chain: str, target: str, words: list[str], verbose: bool) -> str | None:
    """The rule, when the words after the target are protocol, options, interfaces, addresses and extras; None otherwise."""
    if not words or (words[0].lstrip("!") not in PROTOCOLS and not words[0].lstrip("!").isdecimal()):
        return None
    result = [f"-A {chain}", *named("-p", words[0], ("all", "0"))]
    words = words[1:]
    if words and OPTIONS.match(words[0]):
        result += {"-f": ["-f"], "!f": ["!", "-f"]}.get(words[0], [])
        words = words[1:]
    if len(words) < (4 if verbose else 2):
        return None
    if verbose:
        result += [*named("-i", words[0], ("*", "any")), *named("-o", words[1], ("*", "any"))]
        words = words[2:]
    else:
        result.append("-m interfaces-that-are-not-shown")
    if not all(re.fullmatch(r"!?[\da-fA-F:.]+(/[\da-fA-F:.]+)?|anywhere", word) for word in words[:2]):
        return None
    everywhere = ("0.0.0.0/0", "::/0", "anywhere")
    result += [*named("-s", words[0], everywhere), *named("-d", words[1], everywhere)]
    return " ".join((*result, *extras(target, " ".join(words[2:]))))


def named(option: str, value: str, nothing: tuple[str, ...]) -> list[str]:
    """An option with its value, with ``!`` before it where the value has one; nothing for the value that says nothing."""
    if value in nothing:
        return []
    return ["!", option, value[1:]] if value.startswith("!") else [option, value]


def extras(target: str, text: str) -> list[str]:
    """What stands behind the addresses: matches, then the target with its options."""
    goto = "[goto]" in text
    matches, text = consumed(EXTRAS, text, target)
    options, text = consumed(TARGETS, text, target)
    if text and target not in ("LOG", "NFLOG"):
        matches.append(f'-m listed-as --text "{text}"')
    jump = [f"-{'g' if goto else 'j'} {target}", *options] if target else []
    return [*matches, *jump]


def consumed(patterns: tuple[tuple[re.Pattern[str], str], ...], text: str, target: str) -> tuple[list[str], str]:
    """The words for the parts of a text that are known, and the rest."""
    result = []
    for pattern, words in patterns:
        while found := pattern.search(text):
            if made := filled(words, found, target):
                result.append(made)
            text = f"{text[: found.start()].rstrip()} {text[found.end() :].lstrip()}".strip()
    return result, text


def filled(words: str, found: re.Match[str], target: str) -> str:
    """The words of a pattern with its groups."""
    side = {"dpt": "dport", "spt": "sport"}
    for position, value in enumerate(found.groups(""), 1):
        words = words.replace(f"{{not{position}}}", "! " if value.startswith("!") else "")
        words = words.replace(f"{{port{position}}}", side.get(value, value))
        if f"{{flags{position}}}" in words:
            words = words.replace(f"{{flags{position}}}", flag_names(int(value, 16)))
        words = words.replace(f"\\{position}", value)
    if "{than}" in words:
        words = words.replace("{than}", COMPARED[found.group(1)].format("hl" if words.startswith("-m hl") else "ttl"))
    if "{switches}" in words:
        words = words.replace("{switches}", " ".join(f"--{value}" for value in found.group(1).split()))
    words = words.replace("{icmp}", "/".join(value for value in found.groups("") if value))
    side_option = {"DNAT": "--to-destination", "SNAT": "--to-source", "NETMAP": "--to"}.get(target, "--to")
    return words.replace("{to}", f"{side_option} {found.group(1)}" if found.groups() else "")


def flag_names(value: int) -> str:
    """TCP flags by name."""
    names = [name for bit, name in enumerate(("FIN", "SYN", "RST", "PSH", "ACK", "URG")) if value >> bit & 1]
    return ",".join(names) or "NONE"


PARSER = Parser(
    kind="iptables-list",
    read=read,
    names=(
        r"ip6?tables(-(?P<subject>nft|legacy))?([_ ]-t[_ ]\w+)?([_ ]--?[a-zA-Z-]+)*[_ ]-(\w*L\w*|S|-list|-list-rules)([_ ]\S+)*",
    ),
    content=re.compile(
        r"^Chain \S+ \((policy|\d+ references)|\A(\s|[#$].*\n)*-P (INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING) (ACCEPT|DROP)",
        re.MULTILINE,
    ),
)
