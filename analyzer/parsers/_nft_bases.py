"""What makes a chain of nft a base chain: kind, hook, devices, priority and policy (nft(8), CHAINS), in the text form and in JSON."""

from __future__ import annotations

import re
from dataclasses import replace

from analyzer.facts.nftables import Base

HOOK = re.compile(r"type (\w+) hook (\w+)(?: devices? (?:= )?(\{[^}]*\}|\S+))? priority ([^;]+)$")
PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100, "out": 100}
BRIDGE = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
KINDS, POLICIES = frozenset({"filter", "nat", "route"}), frozenset({"accept", "drop"})
CHAIN_HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"})


def base_of(text: str, family: str, base: Base | None) -> tuple[Base | None, bool]:
    """The base of a chain once a line is read, and whether the line says anything of it. Raises ValueError where what it says is not understood."""
    if found := HOOK.match(text):
        kind, hook, devices, rank = found.groups()
        return known_base(kind, hook, priority(rank, family), names(devices or "")), True
    if text.startswith("policy ") and base is not None:
        return replace(base, policy=one_of(text.split()[1], POLICIES)), True
    if text.startswith("type ") or re.search(r"\bhook \S+ .*priority\b", text):
        raise ValueError(f"expected 'type KIND hook HOOK priority NUMBER', not {text[:60]!r}")
    return base, False


def known_base(kind: str, hook: str, rank: int, devices: tuple[str, ...] = (), policy: str = "accept") -> Base:
    """The base of a chain. Raises ValueError for a kind, a hook or a policy that nft does not have."""
    return Base(one_of(kind, KINDS), one_of(hook, CHAIN_HOOKS), rank, one_of(policy, POLICIES), devices)


def one_of(word: str, words: frozenset[str]) -> str:
    """The word, where it is one of these; raises ValueError for any other."""
    if word not in words:
        raise ValueError(f"expected one of {', '.join(sorted(words))}, not {word[:60]!r}")
    return word


def names(text: str) -> tuple[str, ...]:
    """Device names, in braces or alone."""
    return tuple(sorted(re.findall(r"[^\s{},\"=]+", text.removeprefix("devices"))))


def priority(text: str, family: str) -> int:
    """``filter``, ``dstnat - 10``, ``-110``; names mean other numbers for bridges."""
    known = BRIDGE if family == "bridge" else PRIORITIES
    total, sign = 0, 1
    for word in text.replace("+", " + ").split():
        if word in "+-":
            sign = -1 if word == "-" else 1
        else:
            total += sign * (known[word] if word in known else int(word))
            sign = 1
    return total
