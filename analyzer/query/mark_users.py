"""Who uses the mark by which kube-proxy masquerades, beside kube-proxy: by a node's own rules.

``mark = (mark & ~mask) ^ value`` (net/netfilter/xt_mark.c, mark_tg); a routing rule holds where ``(mark & mask) == value`` (net/core/fib_rules.c,
fib_rule_match). kube-proxy sets its bit alone, in nat PREROUTING and OUTPUT, before the way out is looked up again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.netfilter import SetMark
from analyzer.model.network import Namespace
from analyzer.query.tables import Chain, chains, rulesets
from analyzer.source import Span

MARK = "KUBE-MARK-MASQ"
TABLES = ("raw", "mangle", "nat", "filter")
MOST = 200


class Bit(NamedTuple):
    """The bit that a node's kube-proxy marks packets with, and the rule that does."""

    value: int
    at: Span


class User(NamedTuple):
    """Somebody else with the bit, and what comes of it."""

    at: Span
    words: str


def bits(root: Namespace, family: int = 4) -> Iterator[Bit]:
    """The bit of each back end's rules."""
    for ruleset in rulesets(root, family):
        found = ruleset.tables.get("nat", {}).get(MARK)
        for rule in found.rules if found is not None else ():
            if isinstance(rule.target, SetMark) and rule.target.value.bit_count() == 1:
                yield Bit(rule.target.value, rule.at)


def may_mark(chain: Chain) -> bool:
    """Whether a chain may set marks: told by its text, so that rules which cannot are not read."""
    return "MARK" in chain.content if chain.content else len(chain.rules) < MOST


def of_others(chain: str) -> bool:
    """Whether a chain of this name is neither kube-proxy's nor that in which Kube-OVN means kube-proxy's bit (pkg/daemon/gateway_linux.go: what pods send to services is masqueraded)."""
    return not chain.startswith("KUBE-") and chain != "OVN-PREROUTING"


def users(root: Namespace, bit: int, family: int = 4) -> Iterator[User]:
    """Routing rules that such packets meet by their mark, and rules that give the mark to others."""
    for item in root.rules.get(family, ()):
        if item.mark is not None and item.mark & bit and bit & item.mask == item.mark and not item.inverted:
            yield User(item.at, "leads packets with this mark by a table of its own, and so what kube-proxy marks")
    for _, chain in (found for table in TABLES for found in chains(root, table, family, of_others)):
        for rule in chain.rules if may_mark(chain) else ():
            target = rule.target
            if isinstance(target, SetMark) and not target.connection and target.value & bit:
                yield User(rule.at, f"sets this bit in {chain.name}: kube-proxy masquerades what it marks so")
