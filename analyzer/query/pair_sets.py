"""Sets of pairs of names, by who is first: millions of pairs, of which most who are first go with the same others, are held as a few sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Names = frozenset[str]
Combined = Callable[[Names, Names], Names]


@dataclass(frozen=True, slots=True)
class PairSet:
    """Pairs of names: with whom each goes, where that is anybody."""

    by_first: Mapping[str, Names] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.by_first.values()))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((one, other) for one in sorted(self.by_first) for other in sorted(self.by_first[one]))

    def first(self) -> tuple[str, str]:
        """The first pair; there is one."""
        one = min(self.by_first)
        return one, min(self.by_first[one])

    def __sub__(self, other: PairSet) -> PairSet:
        return PairSet({one: names for one, names in combined(self, other, Names.difference) if names})

    def __or__(self, other: PairSet) -> PairSet:
        few, many = sorted((self, other), key=lambda pairs: len(pairs.by_first))
        return PairSet({**many.by_first, **dict(combined(few, many, Names.union))})


def whole(sets: Iterable[PairSet]) -> PairSet:
    """The pairs of all sets."""
    found: dict[str, Names] = {}
    for pairs in sets:
        added(found, pairs)
    return PairSet(found)


def added(found: dict[str, Names], pairs: PairSet) -> None:
    """Puts some pairs to those that were found; the same sets once."""
    known: dict[tuple[int, int], tuple[Names, Names]] = {}  # with the set, whose place no other is to have
    for one, names in pairs.by_first.items():
        before = found.get(one)
        if before is None or before is names:
            found[one] = names
            continue
        key = (id(before), id(names))
        if key not in known:
            known[key] = (before, before | names)
        found[one] = known[key][1]


def combined(pairs: PairSet, others: PairSet, how: Combined) -> Iterator[tuple[str, Names]]:
    """With whom each of the first goes, changed by with whom it goes in the other pairs; the same sets once."""
    known: dict[tuple[int, int], Names] = {}
    for one, names in pairs.by_first.items():
        beside = others.by_first.get(one)
        if beside is None:
            yield one, names
            continue
        key = (id(names), id(beside))
        if key not in known:
            known[key] = how(names, beside)
        yield one, known[key]


def pair_set(pairs: Iterable[tuple[str, str]]) -> PairSet:
    """Some pairs as a set."""
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        found.setdefault(one, set()).add(other)
    return PairSet({one: frozenset(names) for one, names in found.items()})


def of_rows(rows: Iterable[tuple[Iterable[str], Names]]) -> PairSet:
    """The pairs of rows, each of names that all go with some names."""
    found: dict[str, dict[int, Names]] = {}
    for some, names in rows:
        for one in some if names else ():
            found.setdefault(one, {})[id(names)] = names
    united: dict[tuple[int, ...], Names] = {}
    for sets in found.values():
        if (key := tuple(sets)) not in united:
            united[key] = next(iter(sets.values())) if len(sets) == 1 else frozenset().union(*sets.values())
    return PairSet({one: united[tuple(sets)] for one, sets in found.items()})


def within(pairs: PairSet, rows: Iterable[tuple[Iterable[str], Callable[[Names], Names]]]) -> PairSet:
    """Those of the pairs that are among the pairs of rows, each of names that go with those of some names that a function picks."""
    left, found = dict(pairs.by_first), list[tuple[tuple[str], Names]]()
    for some, picked in rows:
        known: dict[int, tuple[Names, Names, Names]] = {}
        for one in some:
            names = left.get(one)
            if not names:
                continue
            if id(names) not in known:  # with the set, whose place no other is to have
                met = picked(names)
                known[id(names)] = (names, met, names - met if met else names)
            _, met, left[one] = known[id(names)]
            if met:
                found.append(((one,), met))
    return of_rows(found)
