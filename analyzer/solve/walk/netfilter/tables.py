"""The chains of a table, prepared for walking when they are first entered: which test each match is, and what needs the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.facts.matches import Match, RecentMatch
from analyzer.facts.netfilter import Chain, NfRule, Pass
from analyzer.solve.walk.netfilter.guess import DEFERRED, Guess
from analyzer.solve.walk.netfilter.matches import TESTS, Test

FEW = 8
"""Chains of so few rules are walked as they are: their rules need not be looked up by destination."""


class Prepared(NamedTuple):
    """A rule with the tests of its matches: those that the packet decides, then those that need the oracle."""

    rule: NfRule
    tests: tuple[tuple[Test, Match | None], ...]
    guesses: tuple[tuple[Guess, Match], ...]


def prepared(rule: NfRule) -> Prepared:
    """A rule's tests, in order."""
    tests = tuple((TESTS[type(match)], match) for match in rule.matches if type(match) in TESTS)
    guesses = tuple((DEFERRED[type(match)], match) for match in rule.matches if type(match) in DEFERRED)
    remembers = any(isinstance(match, RecentMatch) for match in rule.matches)
    if isinstance(rule.target, Pass) and not remembers:
        return Prepared(rule, ((never, None),), ())
    return Prepared(rule, tests, guesses)


def never(match: object, visit: object) -> bool:
    """The test of a rule that does nothing: whether it matches, which may cost a decision, is not seen."""
    del match, visit
    return False


@dataclass(slots=True)
class ReadyChain:
    """A chain and its prepared rules, each made when it is first looked at. ``all``: every rule, where there are few."""

    chain: Chain
    rules: list[Prepared | None]
    all: Sequence[int] | None

    @staticmethod
    def of(chain: Chain) -> ReadyChain:
        """A chain of which nothing was looked at yet."""
        count = len(chain.rules)
        return ReadyChain(chain, [None] * count, range(count) if count <= FEW else None)

    def read(self, index: int) -> Prepared:
        """A rule that was not looked at yet."""
        found = self.rules[index] = prepared(self.chain.rules[index])
        return found


@dataclass(slots=True)
class Table:
    """A table of one back end."""

    name: str
    chains: Mapping[str, Chain]
    backend: str = "nft"
    ready: dict[str, ReadyChain] = field(default_factory=dict)

    def chain(self, name: str) -> ReadyChain | None:
        """A chain by name; None: the text does not have it."""
        found = self.ready.get(name)
        if found is None and name in self.chains:
            found = self.ready[name] = ReadyChain.of(self.chains[name])
        return found
