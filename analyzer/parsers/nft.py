"""``nft list ruleset``, text and JSON: the base chains that iptables did not make, and whether they can do more than accept.

The rules themselves are not modelled here: a base chain that may drop or change a packet is an open test for whoever meets its hook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import NftChainFact
from analyzer.parsers import Parser, gap
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

TABLE = re.compile(r"^table\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?(\S+)\s*\{")
CHAIN = re.compile(r"^\s*chain\s+(\S+)\s*\{")
OTHER = re.compile(
    r"^\s*(set|map|flowtable|counter|quota|limit|ct helper|ct timeout|ct expectation|secmark|synproxy)\s+(\S+)\s*\{"
)
HOOK = re.compile(r"type (\w+) hook (\w+)(?: devices? .*?)? priority ([^;]+);(?: policy (\w+);)?")
QUOTED = re.compile(r'"[^"]*"')
ACTING = frozenset(
    {
        "drop",
        "reject",
        "dnat",
        "snat",
        "masquerade",
        "redirect",
        "queue",
        "tproxy",
        "notrack",
        "fwd",
        "dup",
        "set",
        "flow",
        "synproxy",
        "xt",
        "reset",
        "add",
        "update",
        "delete",
        "mangle",
    }
)
PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100, "out": 100}
IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


@dataclass(slots=True)
class ChainDraft:
    """A chain: its hook where it is a base chain, the words of its rules, and the chains that it goes to."""

    family: str
    table: str
    name: str
    line: int
    hook: tuple[str, str, int, str] | None = None
    acting: bool = False
    targets: set[str] = field(default_factory=set)
    rules: int = 0


@dataclass(slots=True)
class Ruleset:
    """All chains by (family, table, name), and the text of named maps by (family, table, name)."""

    chains: dict[tuple[str, str, str], ChainDraft] = field(default_factory=dict)
    maps: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)


def read(source: Source) -> Iterator[Fact | Gap]:
    """A fact for each base chain that is not iptables' own."""
    gaps: list[Gap] = []
    ruleset = from_json(json.loads(source.text)) if source.text.lstrip()[:1] == "{" else from_text(source, gaps)
    yield from gaps
    for key in sorted(ruleset.chains):
        draft = ruleset.chains[key]
        if draft.hook and not (draft.family in ("ip", "ip6") and draft.table in IPTABLES and draft.name in HOOKS):
            yield fact(source, draft, inert(ruleset, key))


def fact(source: Source, draft: ChainDraft, harmless: bool) -> NftChainFact:
    """The fact of a base chain."""
    assert draft.hook
    kind, hook, priority, policy = draft.hook
    return NftChainFact(
        at=Span(source.path, draft.line), scope=source.scope, family=draft.family, table=draft.table, name=draft.name, hook=hook, kind=kind, priority=priority,
        policy=policy, inert=harmless and policy == "accept", rules=draft.rules,
    )  # fmt: skip


def inert(ruleset: Ruleset, start: tuple[str, str, str]) -> bool:
    """Whether a chain, with all it goes to, can only let packets pass."""
    seen, waiting = {start}, [start]
    while waiting:
        key = waiting.pop()
        draft = ruleset.chains.get(key)
        if draft is None or draft.acting:
            return False
        found = {(key[0], key[1], name) for name in draft.targets} - seen
        seen |= found
        waiting += sorted(found)
    return True


def from_text(source: Source, gaps: list[Gap]) -> Ruleset:
    """The text form, by lines and braces."""
    ruleset = Ruleset()
    table: tuple[str, str] | None = None
    chain: ChainDraft | None = None
    named: list[str] | None = None
    depth = 0
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = QUOTED.sub('""', raw).strip()
        if not line or line.startswith("#"):
            continue
        if depth == 0:
            found = TABLE.match(line)
            if not found:
                gaps += stranger(source, number, raw)
                continue
            table = (found.group(1) or "ip", found.group(2))
        elif depth == 1 and table and (opened := CHAIN.match(line)):
            chain, named = ChainDraft(*table, opened.group(1), number), None
            ruleset.chains[(*table, chain.name)] = chain
        elif depth == 1 and table and (other := OTHER.match(line)):
            chain, named = None, ruleset.maps.setdefault((*table, other.group(2)), [])
        elif chain is not None and line != "}":
            rule_line(ruleset, chain, line)
        elif named is not None:
            named.append(line)
        depth = max(0, depth + line.count("{") - line.count("}"))
        if depth <= 1:
            chain = named = None
    if depth:
        gaps.append(gap(source, source.text.count("\n") + 1, "the ruleset breaks off here: a closing brace is missing"))
        for draft in ruleset.chains.values():
            draft.acting = True
    resolve_maps(ruleset)
    return ruleset


def stranger(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line outside of tables."""
    try:
        refuse_errors(line)
        yield gap(source, number, f"expected 'table ip NAME {{', not {line.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, str(problem))


def rule_line(ruleset: Ruleset, chain: ChainDraft, line: str) -> None:
    """The hook line of a base chain, or one rule (or a part of one that spans lines)."""
    del ruleset
    if found := HOOK.search(line):
        chain.hook = (found.group(1), found.group(2), priority(found.group(3)), found.group(4) or "accept")
        return
    if re.match(r"^(policy \w+;?|comment \"\"|flags \w+;?)$", line):
        return
    chain.rules += 1
    words = re.findall(r"[@\w./-]+", line)
    chain.acting |= bool(ACTING & set(words))
    for position, word in enumerate(words[:-1]):
        if word in ("jump", "goto") or (word == "vmap" and words[position + 1].startswith("@")):
            chain.targets.add(words[position + 1])


def resolve_maps(ruleset: Ruleset) -> None:
    """A verdict map that a rule looks up stands for the chains that it goes to; one with a drop in it acts."""
    for (family, table, _), chain in ruleset.chains.items():
        for name in [target for target in chain.targets if target.startswith("@")]:
            chain.targets.discard(name)
            words = re.findall(r"[\w./-]+", " ".join(ruleset.maps.get((family, table, name[1:]), ["drop"])))
            chain.acting |= bool(ACTING & set(words))
            chain.targets |= {words[i + 1] for i, word in enumerate(words[:-1]) if word in ("jump", "goto")}


def priority(text: str) -> int:
    """``filter``, ``dstnat - 10``, ``-110``."""
    total, sign = 0, 1
    for word in text.replace("+", " + ").split():
        if word in "+-":
            sign = -1 if word == "-" else 1
        else:
            total += sign * (PRIORITIES[word] if word in PRIORITIES else int(word))
            sign = 1
    return total


def from_json(document: Mapping[str, Any]) -> Ruleset:
    """The JSON form."""
    ruleset = Ruleset()
    for item in document["nftables"]:
        if chain := item.get("chain"):
            key = (chain["family"], chain["table"], chain["name"])
            draft = ruleset.chains.setdefault(key, ChainDraft(*key, 1))
            if "hook" in chain:
                draft.hook = (chain["type"], chain["hook"], int(chain["prio"]), chain.get("policy", "accept"))
        elif rule := item.get("rule"):
            key = (rule["family"], rule["table"], rule["chain"])
            draft = ruleset.chains.setdefault(key, ChainDraft(*key, 1))
            draft.rules += 1
            collect(rule.get("expr", []), draft)
        elif named := item.get("map"):
            text = json.dumps(named.get("elem", []))
            ruleset.maps[(named["family"], named["table"], named["name"])] = [
                re.sub(r'\{"(jump|goto)": \{"target": "([^"]*)"\}\}', r"\1 \2", text)
            ]
    resolve_maps(ruleset)
    return ruleset


def collect(value: object, draft: ChainDraft) -> None:
    """Marks a chain by the statements of a rule: verdicts and statements that change the packet are keys of objects."""
    if isinstance(value, list):
        for item in value:
            collect(item, draft)
    elif isinstance(value, dict):
        draft.acting |= bool((ACTING - {"set", "add", "flow"}) & value.keys()) or "flow" in value
        for key, inner in value.items():
            if key in ("jump", "goto") and isinstance(inner, dict):
                draft.targets.add(str(inner.get("target")))
            elif key == "vmap" and isinstance(inner, dict) and isinstance(inner.get("data"), str):
                draft.targets.add(str(inner["data"]))
            if key == "mangle" or (key == "set" and isinstance(inner, dict) and "op" in inner):
                draft.acting = True
            collect(inner, draft)


PARSER = Parser(
    kind="nft",
    read=read,
    names=(r"nft(_-\S+)*(_list)?(_ruleset)?(\.json)?", r"(nft[-_]ruleset|nftables)(\.json)?"),
    content=re.compile(r"^table (ip6?|inet|arp|bridge|netdev) \S+ \{|^\{\s*\"nftables\"", re.MULTILINE),
)
