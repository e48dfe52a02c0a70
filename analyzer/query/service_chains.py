"""What kube-proxy's chains of a service say beside where they lead: with which chances, and whether clients stay with their endpoint.

Follows kubernetes pkg/proxy/iptables/proxier.go ``writeServiceToEndpointRules``: for each endpoint a rule with ``recent`` where clients stay, then one with a chance of 1/(n-i), the last without; and
net/netfilter/xt_statistic.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate, islice, pairwise
from typing import NamedTuple

from analyzer.facts.matches import RecentMatch, StatisticMatch
from analyzer.facts.netfilter import Chain, Jump, NfRule
from analyzer.model.network import Namespace
from analyzer.query.tables import chain as chain_of
from analyzer.query.tables import chains
from analyzer.source import Span

PREFIXES = ("KUBE-SVC-", "KUBE-SVL-")


class Shares(NamedTuple):
    """The rules by which a chain leads to endpoints, the share of new connections that comes to each, and what comes to none."""

    rules: tuple[NfRule, ...]
    parts: tuple[float, ...]
    rest: float


def service_chains(root: Namespace) -> Iterator[Chain]:
    """The chains of services of both families, in every back end."""
    for family in (4, 6):
        yield from (chain for _, chain in chains(root, "nat", family, lambda name: name.startswith(PREFIXES)))


def shares(chain: Chain) -> Shares | None:
    """What a chain's chances come to; None where its rules ask for more, or there are none."""
    rules = tuple(rule for rule in chain.rules if endpoint(rule) and not asking(rule))
    chances = [chance(rule) for rule in rules]
    known = [one for one in chances if one is not None]
    if not rules or len(known) < len(rules):
        return None
    left = list(accumulate(known, lambda rest, one: rest * (1 - one), initial=1.0))
    return Shares(rules, tuple(before - after for before, after in pairwise(left)), left[-1])


def endpoint(rule: NfRule) -> str:
    """The chain of an endpoint that a rule goes to; empty where it goes to none."""
    return rule.target.chain if isinstance(rule.target, Jump) and rule.target.chain.startswith("KUBE-SEP-") else ""


def asking(rule: NfRule) -> RecentMatch | None:
    """What a rule asks of the clients that were here before."""
    return next((match for match in rule.matches if isinstance(match, RecentMatch)), None)


def chance(rule: NfRule) -> float | None:
    """The chance with which a packet that comes to a rule matches it; None where more is asked for."""
    match rule.matches:
        case ():
            return 1.0
        case (StatisticMatch("random", float(one), negated=False),):
            return one
        case _:
            return None


class Unkept(NamedTuple):
    """What does not keep a client with its endpoint."""

    at: Span
    reason: str


def unkept(root: Namespace, name: str, family: int, seconds: int) -> Iterator[Unkept]:
    """What keeps no clients in a chain of a service: one of each kind."""
    for ruleset, chain in chain_of(root, "nat", name, family):
        rules = [rule for rule in chain.rules if endpoint(rule)]
        asked = {endpoint(rule): match for rule in rules if (match := asking(rule)) is not None and match.action == "rcheck"}
        plain = next((rule for rule in rules if asking(rule) is None and endpoint(rule) not in asked), None)
        other = next(
            (rule for rule in rules if (match := asking(rule)) is not None and match.seconds not in (None, seconds)), None
        )
        if plain is not None:
            yield Unkept(plain.at, f"nothing in {name} asks whether they were at {endpoint(plain)} before")
        if other is not None and (match := asking(other)) is not None:
            yield Unkept(other.at, f"{name} keeps them for {match.seconds} seconds")
        yield from islice(forgotten(ruleset.tables["nat"], asked), 1)


def forgotten(table: Mapping[str, Chain], asked: Mapping[str, RecentMatch]) -> Iterator[Unkept]:
    """Chains of endpoints that do not note the clients which are asked for."""
    for name, match in asked.items():
        found = table.get(name)
        noted = (
            {one.name for rule in found.rules if (one := asking(rule)) is not None and one.action == "set"} if found else set()
        )
        if found is not None and match.name not in noted:
            yield Unkept(found.at, f"{name} does not note them")
