"""The pairs of parties that a set of packets is about, and the set apart by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from analyzer.query.flows import origin, spelled
from analyzer.query.grouping import Group
from analyzer.query.pair_sets import PairSet, of_rows, within
from analyzer.ranges import Ranges, contains, intersection, normalised, size
from analyzer.solve.sets.regions import State, narrowed, values_of, variables
from analyzer.solve.sets.sifting import combinations
from analyzer.transfer.ir import Field


def by_nodes(group: Group, state: State) -> Iterator[State]:
    """The set, apart for each pair of nodes."""
    if not group.homes:
        group.homes.update(sources=nodes_of_sources(group), targets=nodes_of_targets(group))
    sources, targets = group.homes["sources"], group.homes["targets"]
    for one in split(state, Field.SOURCE, sources):
        yield from split(one, Field.DESTINATION, targets)


def one_by_one(group: Group, state: State) -> Iterator[State]:
    """The set, apart for each pair of parties."""
    sources = {str(value): ((value, value),) for value in sorted(group.sources)}
    targets = {str(value): ((value, value),) for value in sorted(group.targets)}
    for one in split(state, Field.SOURCE, sources):
        yield from split(one, Field.DESTINATION, targets)


def split(state: State, field: Field, parts: Mapping[str, Ranges]) -> Iterator[State]:
    """The set, apart by the parts of a variable's values."""
    variable = origin(state, field)
    if not isinstance(variable, str) or variable not in variables(state):
        yield state
        return
    own = values_of(state, variable)
    for ranges in parts.values():
        part = intersection(own, ranges)
        if part and (after := narrowed(state, variable, part)) is not None:
            yield after


def nodes_of_sources(group: Group) -> dict[str, Ranges]:
    """The source addresses of each node."""
    found: dict[str, list[tuple[int, int]]] = {}
    for value, parties in group.sources.items():
        found.setdefault(parties[0].scope.node, []).append((value, value))
    return {node: normalised(pairs) for node, pairs in sorted(found.items())}


def nodes_of_targets(group: Group) -> dict[str, Ranges]:
    """The destination addresses of each node; all others together."""
    found: dict[str, list[tuple[int, int]]] = {}
    for value in group.targets:
        parties = group.pods.get(value, ())
        found.setdefault(parties[0].scope.node if parties else "", []).append((value, value))
    return {node: normalised(pairs) for node, pairs in sorted(found.items())}


def pairs_of(group: Group, state: State) -> PairSet:
    """The pairs of names that a set is about."""
    targets: dict[Ranges, frozenset[str]] = {}
    return of_rows((names_of_sources(group, own), targets_of(group, asked, targets)) for own, asked in rows(state))


def targets_of(group: Group, asked: Ranges, known: dict[Ranges, frozenset[str]]) -> frozenset[str]:
    """Who has these addresses and is asked, where it was not asked for before."""
    found = known.get(asked)
    if found is None:
        found = known[asked] = frozenset(names_of_targets(group, asked))
    return found


def rows(state: State) -> Iterator[tuple[Ranges, ...]]:
    """The sources and destinations of a set that go together, each two once."""
    return iter(dict.fromkeys(combinations(state, (origin(state, Field.SOURCE), origin(state, Field.DESTINATION)))))


def names_of_sources(group: Group, own: Ranges) -> list[str]:
    """Who has these addresses and sends."""
    return [party.name for value in spelled(own) for party in group.sources.get(value, ())]


def names_of_targets(group: Group, asked: Ranges) -> list[str]:
    """Who has these addresses and is asked."""
    return [name for value in spelled(asked) for name in group.targets.get(value, ())]


def common(group: Group, pairs: PairSet, states: Iterable[State]) -> PairSet:
    """Those of the pairs that the sets are about; what the sets are about beside them is not spelled out."""
    values: dict[str, list[int]] = {}
    for value, names in group.targets.items():
        for name in names:
            values.setdefault(name, []).append(value)
    picked = partial(asked_of, group, values)
    every = ((names_of_sources(group, own), partial(picked, asked)) for state in states for own, asked in rows(state))
    return within(pairs, every)


def asked_of(group: Group, values: Mapping[str, Sequence[int]], asked: Ranges, names: frozenset[str]) -> frozenset[str]:
    """Those of some names that have one of these addresses, by whichever of the two are fewer."""
    if size(asked) < len(names):
        return names.intersection(names_of_targets(group, asked))
    return frozenset(name for name in names if any(contains(asked, value) for value in values[name]))
