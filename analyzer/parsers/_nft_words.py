"""Expressions of ``nft list ruleset`` as libnftables-json(5) has them: what a rule looks at, and the constants beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Node = object
TOKEN = re.compile(r'"[^"]*"|==|!=|<=|>=|<<|>>|[{}(),&|^<>!=;]|[^\s{}(),&|^<>!=";]+')
BINARY = {"&": "&", "and": "&", "|": "|", "or": "|", "^": "^", "xor": "^", "<<": "<<", "lshift": "<<", ">>": ">>", "rshift": ">>"}
HEADERS = frozenset({"ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "th", "icmp", "icmpv6", "igmp", "ether", "vlan", "arp", "ah", "esp", "comp", "frag", "hbh", "dst", "mh", "srh"})  # fmt: skip
BARE = frozenset({"mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "iifgroup", "oifgroup", "skuid", "skgid", "nftrace", "rtclassid", "pkttype", "cpu", "cgroup", "ibrname", "obrname"})  # fmt: skip
VERDICTS = ("accept", "drop", "continue", "return")
ACTS = frozenset({*VERDICTS, "jump", "goto", "reject"})
"""What is done and never a constant: where one stands as a value, what is before it was not understood."""
OPERATORS = {"==": "==", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!": "!", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}  # fmt: skip


class Words:
    """The tokens of a rule and the place of the next one."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def peek(self, ahead: int = 0) -> str:
        """A token that is not taken yet; empty at the end."""
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self) -> str:
        """The next token; ValueError at the end."""
        if self.at >= len(self.tokens):
            raise ValueError("the rule breaks off")
        self.at += 1
        return self.tokens[self.at - 1]

    def given(self, *words: str) -> bool:
        """Takes the next token where it is one of these."""
        if self.peek() in words and self.peek():
            self.at += 1
            return True
        return False

    def need(self, word: str) -> None:
        """Takes a token that must be there."""
        if not self.given(word):
            raise ValueError(f"expected {word!r}, not {self.peek()!r}")


def expression(words: Words) -> Node:
    """A value that is looked at, or computed: parts joined by dots, binary operators, maps."""
    parts = [operand(words)]
    while words.given("."):
        parts.append(operand(words))
    found: Node = parts[0] if len(parts) == 1 else {"concat": parts}
    if words.given("map"):
        found = {"map": {"key": found, "data": values(words)}}
    return found


def operand(words: Words) -> Node:
    """A primary expression and the operators after it."""
    found = primary(words)
    while words.peek() in BINARY:
        operator = BINARY[words.take()]
        found = {operator: [found, constant(words)]}
    return found


def primary(words: Words) -> Node:
    """A selector, or a constant."""
    word = words.take()
    if word == "(":
        found = operand(words)
        words.need(")")
        return found
    special = PRIMARIES.get(word)
    if special is not None:
        return special(words)
    if word in HEADERS:
        return header(word, words)
    if word in BARE:
        return {"meta": {"key": word}}
    if word.startswith("@") and words.peek() == ",":
        words.take()
        offset = words.take()
        words.need(",")
        return {"payload": {"base": word[1:], "offset": int(offset), "len": int(words.take())}}
    if not re.match(r"[\w\"\[:*@-]", word):
        raise ValueError(f"{word!r} is no value")
    return word


def header(protocol: str, words: Words) -> Node:
    """A header's field, or an option."""
    if protocol in ("tcp", "ip") and words.given("option"):
        return {f"{protocol} option": part(words)}
    if protocol == "sctp" and words.given("chunk"):
        return {"sctp chunk": part(words)}
    field = words.take()
    if protocol == "arp" and field in ("saddr", "daddr") and words.peek() in ("ip", "ether"):
        field = f"{field} {words.take()}"
    return {"payload": {"protocol": protocol, "field": field}}


def part(words: Words) -> Node:
    """An option or a chunk: its name and its field; without a field where only its presence is asked."""
    name = words.take()
    while name.startswith("@") and words.given(","):
        name = f"{name},{words.take()}"
    if name.startswith("@") or words.peek() in ("exists", "missing", *OPERATORS):
        return {"name": name}
    return {"name": name, "field": words.take()}


def ct(words: Words) -> Node:
    """``ct [original|reply] key``."""
    inner: dict[str, str] = {}
    if words.peek() in ("original", "reply"):
        inner["dir"] = words.take()
    key = words.take()
    if key in ("ip", "ip6"):
        key = f"{key} {words.take()}"
    return {"ct": {"key": key, **inner}}


def fib(words: Words) -> Node:
    """``fib saddr . iif oif``."""
    flags = [words.take()]
    while words.given("."):
        flags.append(words.take())
    return {"fib": {"result": words.take(), "flags": flags}}


def numgen(words: Words) -> Node:
    """``numgen random mod 2 offset 0``."""
    mode = words.take()
    words.need("mod")
    modulus = int(words.take(), 0)
    return {"numgen": {"mode": mode, "mod": modulus, "offset": option(words, "offset")}}


def jhash(words: Words) -> Node:
    """``jhash ip saddr mod 2 seed 1``."""
    looked = expression(words)
    words.need("mod")
    modulus, seed = int(words.take(), 0), option(words, "seed")
    return {"jhash": {"expr": looked, "mod": modulus, "seed": seed, "offset": option(words, "offset")}}


def symhash(words: Words) -> Node:
    """``symhash mod 2``."""
    words.need("mod")
    return {"symhash": {"mod": int(words.take(), 0), "offset": option(words, "offset")}}


def option(words: Words, name: str) -> int:
    """A number that may be given; else 0."""
    return int(words.take(), 0) if words.given(name) else 0


def ipsec(words: Words) -> Node:
    """``ipsec in spnum 0 ip saddr``."""
    inner: dict[str, Node] = {"dir": words.take()}
    if words.given("spnum"):
        inner["spnum"] = words.take()
    key = words.take()
    return {"ipsec": {**inner, "key": f"{key} {words.take()}" if key in ("ip", "ip6") else key}}


def named(kind: str) -> Callable[[Words], Node]:
    """An expression of two words that is not modelled."""
    return lambda words: {kind: {"key": words.take()}}


def fingerprint(words: Words) -> Node:
    """``osf name``, ``osf ttl loose version``: which system sent a SYN."""
    inner: dict[str, Node] = {"ttl": words.take()} if words.given("ttl") else {}
    return {"osf": {"key": words.take(), **inner}}


def socket(words: Words) -> Node:
    """``socket transparent``, ``socket cgroupv2 level 1``."""
    inner: dict[str, Node] = {"key": words.take()}
    return {"socket": {**inner, "level": words.take()} if words.given("level") else inner}


def constant(words: Words) -> Node:
    """One constant; alternatives in parentheses or between bars are flags set together."""
    if words.given("("):
        found = constant(words)
        words.need(")")
        return found
    word = words.take()
    if not re.match(r"[\w\"\[:*-]", word):
        raise ValueError(f"{word!r} is no value")
    if words.peek() == "|" and not word[:1].isdigit():
        parts = [word]
        while words.given("|"):
            parts.append(words.take())
        return {"|": parts}
    if words.peek() == "," and word.isidentifier() and not word.isdecimal():
        return [word, *listed(words)]
    return word


def listed(words: Words) -> list[str]:
    """Further flags after commas."""
    found = []
    while words.peek() == "," and words.peek(1) not in ("", "}"):
        words.take()
        found.append(words.take())
    return found


def values(words: Words) -> Node:
    """The right side of a test: a set, the name of one, or constants."""
    if words.given("{"):
        return {"set": elements(words)}
    if words.peek().startswith("@"):
        return words.take()
    word = scalar(words)
    if words.peek() == "," and isinstance(word, str):
        return [word, *listed(words)]
    return word


def scalar(words: Words) -> Node:
    """Constants joined by dots."""
    parts = [flagged(words)]
    while words.given("."):
        parts.append(flagged(words))
    return parts[0] if len(parts) == 1 else {"concat": parts}


def flagged(words: Words) -> Node:
    """One constant; flags that are set together stand between bars, perhaps in parentheses."""
    closes = words.given("(")
    parts = [words.take()]
    if not re.match(r"[\w\"\[:*-]", parts[0]) or parts[0] in ACTS:
        raise ValueError(f"{parts[0]!r} is no value")
    if words.peek() == "-" and words.peek(1).startswith('"'):
        words.take()
        return {"range": [parts[0], words.take()]}
    while words.given("|"):
        parts.append(words.take())
    if closes:
        words.need(")")
    return parts[0] if len(parts) == 1 else {"|": parts}


def elements(words: Words) -> list[Node]:
    """The elements of a set up to its closing brace; in a map each with its data."""
    found: list[Node] = []
    while not words.given("}"):
        if words.given("{"):
            found += elements(words)
            words.given(",")
            continue
        key = scalar(words)
        while words.peek() in ("comment", "timeout", "expires", "counter", "packets", "bytes"):
            if words.take() != "counter":
                words.take()
        key, joined = parted(key)
        found.append([key, verdict(words)] if joined or words.given(":") else key)
        if not words.given(","):
            words.need("}")
            break
    return found


def parted(key: Node) -> tuple[Node, bool]:
    """A key and whether the colon before its data was written right behind it (``22: accept``)."""
    match key:
        case str() if key.endswith(":") and key != ":" and not key.endswith("::"):
            return key[:-1], True
        case {"concat": [*parts, str(last)]} if last.endswith(":") and not last.endswith("::"):
            return {"concat": [*parts, last[:-1]]}, True
        case _:
            return key, False


def verdict(words: Words) -> Node:
    """The data of a map's element."""
    if words.peek() in VERDICTS:
        return {words.take(): None}
    if words.peek() in ("jump", "goto"):
        return {words.take(): {"target": words.take().strip('"')}}
    return scalar(words)


PRIMARIES: Mapping[str, Callable[[Words], Node]] = {
    "meta": lambda words: {"meta": {"key": words.take()}},
    "ct": ct,
    "fib": fib,
    "numgen": numgen,
    "jhash": jhash,
    "symhash": symhash,
    "ipsec": ipsec,
    "rt": named("rt"),
    "socket": socket,
    "osf": fingerprint,
    "exthdr": named("exthdr"),
}
