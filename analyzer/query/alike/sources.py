"""The addresses that nodes send from: asked of a few nodes about a few destinations, and said of all that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.model.network import Network
from analyzer.query.alike.ends import APART, BESIDE, End, by_end, end_of, ranges
from analyzer.query.alike.identities import Role
from analyzer.query.alike.kinds import Kinds, kinds
from analyzer.query.choosing import Sending, settled, sources_to
from analyzer.query.parties import Party
from analyzer.ranges import Ranges, difference, normalised
from analyzer.solve.walk.index import index_of
from analyzer.source import Scope

Chosen = Mapping[tuple[int, End, int], tuple[Role, ...]]
"""As what nodes of a kind own the addresses that they send from to a kind of end, on the node itself or on another."""


class Targets(NamedTuple):
    """The destinations by kind and node; ``few`` are some of each."""

    every: Mapping[End, Ranges]
    on: Mapping[End, Mapping[Scope, Ranges]]
    few: tuple[tuple[int, End, Scope], ...]


def node_sendings(network: Network, parties: Sequence[Party], targets: Mapping[int, tuple[Party, ...]]) -> list[Sending] | None:
    """What each node sends from to pods; None where that cannot be said of all by a few."""
    found = kinds(network)
    if found is None or not parties or any(party.scope.namespace for party in parties):
        return None
    family = parties[0].address.family
    ends = {value: (end_of(found, family, value, held), held[0].scope) for value, held in targets.items()}
    known = {value: (end, scope) for value, (end, scope) in ends.items() if end is not None and scope.namespace}
    if len(known) < len(targets) or any(end_of(found, family, one.address.value, (one,)) is None for one in parties):
        return None
    chosen = asked_of_few(network, found, parties, few_of(found, known))
    try:
        return None if chosen is None else list(of_all(network, found, parties, chosen, targets_of(found, known)))
    except KeyError:  # Nobody who stands for a kind was asked.
        return None


def few_of(found: Kinds, known: Mapping[int, tuple[End, Scope]]) -> list[tuple[int, End, Scope]]:
    """The destinations that stand for all."""
    return [(value, end, Scope(scope.node)) for value, (end, scope) in known.items() if scope in found.few]


def targets_of(found: Kinds, known: Mapping[int, tuple[End, Scope]]) -> Targets:
    """The destinations by kind and node."""
    on = {end: {home: ranges(values) for home, values in homes.items()} for end, homes in by_end(dict(known), known).items()}
    every = {end: normalised(pair for held in homes.values() for pair in held) for end, homes in on.items()}
    return Targets(every, on, tuple(few_of(found, known)))


def asked_of_few(
    network: Network, found: Kinds, parties: Sequence[Party], few: Sequence[tuple[int, End, Scope]]
) -> Chosen | None:
    """What a few nodes send from to a few destinations; None where some choose an address that is not theirs alone, or not as others of their kind."""
    index = index_of(network)
    chosen: dict[tuple[int, End, int], tuple[Role, ...]] = {}
    for party in parties:
        if party.scope not in found.few or settled(network.namespaces[party.scope], party.address):
            continue
        for value, end, home in few:
            roles = tuple(role_of(found, party, source) for source in sources_to(index, party, value))
            key = (found.of[party.scope], end, BESIDE if home == party.scope else APART)
            if () in roles or chosen.setdefault(key, roles) != roles:
                return None
    return chosen


def role_of(found: Kinds, party: Party, source: int) -> Role:
    """As what a node owns an address; empty where it is not its own alone."""
    owned = found.known.addresses.get(party.address._replace(value=source))
    return owned[1] if owned is not None and owned[0] == party.scope else ()


def of_all(network: Network, found: Kinds, parties: Sequence[Party], chosen: Chosen, targets: Targets) -> Iterator[Sending]:
    """What all nodes send from, with the destinations."""
    values = {owned: address.value for address, owned in found.known.addresses.items()}
    whole = normalised(pair for every in targets.every.values() for pair in every)
    for party in parties:
        if settled(network.namespaces[party.scope], party.address):
            yield Sending(party, party.address.value, whole)
            continue
        parts: dict[int, list[tuple[int, int]]] = {}
        for end, every in targets.every.items():
            own = targets.on[end].get(party.scope, ())
            for apart, asked in ((BESIDE, own), (APART, difference(every, own) if own else every)):
                for role in chosen[found.of[party.scope], end, apart] if asked else ():
                    parts.setdefault(values[party.scope, role], []).extend(asked)
        for source, pairs in sorted(parts.items()):
            yield Sending(party, source, normalised(pairs))
