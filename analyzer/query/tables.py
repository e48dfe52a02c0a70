"""Look-ups in a node's tables that several rules share: routes, and chains of iptables. None of them walks a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from analyzer.addresses import WIDTH, Address, network_mask
from analyzer.facts.matches import AddressMatch, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, Queue, Reject, RulesetFact, Translate, UnknownTarget, Verdict
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.memory import Same
from analyzer.model.network import Namespace

__all__ = ["Chain", "RouteFact", "RulesetFact"]


def main_route(namespace: Namespace, to: Address) -> RouteFact | None:
    """The route of the main table for an address by longest prefix, lowest metric, listing order; None when there is none."""
    width = WIDTH[to.family]
    for length, routes in by_length(Same(namespace.routes.get(to.family, {}).get(MAIN, ()))):
        if (found := routes.get(to.value >> (width - length))) is not None:
            return found
    return None


@lru_cache(maxsize=64)
def by_length(routes: Same[Sequence[RouteFact]]) -> tuple[tuple[int, Mapping[int, RouteFact]], ...]:
    """The best route to each network, by the bits of it that count; those of long prefixes first."""
    found: dict[int, dict[int, RouteFact]] = {}
    for route in sorted(routes.value, key=lambda route: (route.metric, route.order)):
        family, value, length = route.destination
        found.setdefault(length, {}).setdefault(value >> (WIDTH[family] - length), route)
    return tuple(sorted(found.items(), reverse=True))


def rulesets(namespace: Namespace, family: int = 4) -> Iterator[RulesetFact]:
    """The rulesets of the family, each back end."""
    return (item for item in namespace.rulesets if item.family == family)


def chains(
    namespace: Namespace, table: str, family: int = 4, wanted: Callable[[str], bool] | None = None
) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chains of a table in every back end, in the order of the text; those whose names are wanted, since a node may have a hundred thousand."""
    for ruleset in rulesets(namespace, family):
        held = ruleset.tables.get(table, {})
        yield from ((ruleset, held[name]) for name in held if wanted is None or wanted(name))


def chain(namespace: Namespace, table: str, name: str, family: int = 4) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chain of this name in each back end that has it."""
    for ruleset in rulesets(namespace, family):
        held = ruleset.tables.get(table, {})
        if name in held:
            yield ruleset, held[name]


def reachable_chains(table: Mapping[str, Chain], start: Chain) -> list[Chain]:
    """The chain and every chain of the table that its jumps can lead to, in the order in which they are met."""
    found, waiting = {start.name: start}, [start]
    while waiting:
        for rule in waiting.pop(0).rules:
            target = table.get(rule.target.chain) if isinstance(rule.target, Jump) else None
            if target is not None and target.name not in found:
                found[target.name] = target
                waiting.append(target)
    return list(found.values())


def accepts(rule: NfRule) -> bool:
    """Whether the rule can accept a packet: ACCEPT, a program, or a target that is not understood."""
    return isinstance(rule.target, UnknownTarget | Queue) or (isinstance(rule.target, Verdict) and rule.target.name == "ACCEPT")


def drops(rule: NfRule) -> bool:
    """Whether the rule drops or rejects."""
    return isinstance(rule.target, Reject) or (isinstance(rule.target, Verdict) and rule.target.name == "DROP")


def exact_destination(rule: NfRule) -> Address | None:
    """The single address that the rule's destination must be; None where it names more or none."""
    for match in rule.matches:
        if isinstance(match, AddressMatch) and match.side is Side.DESTINATION and not match.negated:
            whole = network_mask(match.family, WIDTH[match.family])
            return Address(match.family, match.value) if match.mask == whole else None
    return None


def destination_of(rule: NfRule, family: int) -> Address | None:
    """The single address that the rule translates the destination to; None where it does not, or chooses."""
    target = rule.target
    if (
        isinstance(target, Translate)
        and target.side is Side.DESTINATION
        and target.addresses
        and target.addresses[0] == target.addresses[1]
    ):
        return Address(family, target.addresses[0])
    return None
