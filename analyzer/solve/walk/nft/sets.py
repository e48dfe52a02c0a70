"""Sets and maps of nft as look-up tables (net/netfilter/nft_set_hash.c, nft_set_rbtree.c, nft_set_pipapo.c)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.facts.nftables import Element, NftSet, Value

Pattern = tuple[bool, ...]


class Unseen(NamedTuple):
    """A value that the packet has and that is not known, in words; ``limits`` are the least and the greatest that it may be,
    ``excluded`` says which it is not."""

    words: str
    limits: tuple[int, int] | None = None
    excluded: Callable[[int], bool] | None = None

    def may_be(self, wanted: Value) -> bool:
        """Whether it may be the element's."""
        if self.excluded is not None and not isinstance(wanted, str) and wanted[0] == wanted[1] and self.excluded(wanted[0]):
            return False
        return self.limits is None or isinstance(wanted, str) or (wanted[0] <= self.limits[1] and self.limits[0] <= wanted[1])

    def must_be(self, wanted: Value) -> bool:
        """Whether it is the element's, whatever it is."""
        return (
            self.limits is not None
            and not isinstance(wanted, str)
            and wanted[0] <= self.limits[0]
            and self.limits[1] <= wanted[1]
        )


Loaded = int | str | Unseen


@dataclass(frozen=True, slots=True)
class Rows:
    """Ranges of one part, ascending, with their elements."""

    lows: Sequence[int]
    elements: Sequence[Element]

    def find(self, value: int) -> Element | None:
        """The element whose range holds the value."""
        place = bisect_right(self.lows, value) - 1
        if place < 0:
            return None
        found = self.elements[place]
        return found if holds(found.key[0], value) else None


@dataclass(slots=True)
class Prepared:
    """A set: elements of single values by these; those with ranges by the values of their other parts; the ranges of one part sorted."""

    of: NftSet
    exact: Mapping[tuple[int | str, ...], Element]
    ranged: Mapping[Pattern, Mapping[tuple[int | str, ...], Sequence[Element]]]
    rows: Rows | None
    otherwise: Element | None = None
    fallback: list[Element] = field(default_factory=list)

    def find(self, values: tuple[Loaded, ...]) -> Element | None:
        """The element that holds the values; those that are not seen could be any."""
        return next(self.candidates(values), self.otherwise)

    def candidates(self, values: tuple[Loaded, ...]) -> Iterator[Element]:
        """The elements that could hold the values."""
        if any(isinstance(value, Unseen) for value in values):
            yield from (item for item in self.of.elements if item.key and matches(item, values))
            return
        plain = tuple(value for value in values if not isinstance(value, Unseen))
        if (found := self.exact.get(plain)) is not None:
            yield found
        if self.rows is not None and isinstance(plain[0], int) and (found := self.rows.find(plain[0])) is not None:
            yield found
        for pattern, groups in self.ranged.items():
            key = tuple(value for value, single in zip(plain, pattern, strict=True) if single)
            yield from (item for item in groups.get(key, ()) if matches(item, plain))


def prepared(of: NftSet) -> Prepared:
    """The look-up table of a set."""
    exact: dict[tuple[int | str, ...], Element] = {}
    ranged: dict[Pattern, dict[tuple[int | str, ...], list[Element]]] = {}
    rows: list[tuple[int, Element]] = []
    otherwise = None
    for item in of.elements:
        pattern = tuple(map(is_single, item.key))
        if not item.key:
            otherwise = item
        elif all(pattern):
            exact[single_values(item.key)] = item
        elif len(item.key) == 1 and not isinstance(item.key[0], str):
            rows.append((item.key[0][0], item))
        else:
            key = single_values(tuple(value for value, single in zip(item.key, pattern, strict=True) if single))
            ranged.setdefault(pattern, {}).setdefault(key, []).append(item)
    rows.sort(key=lambda row: row[0])
    sorted_rows = Rows([low for low, _ in rows], [item for _, item in rows]) if rows else None
    return Prepared(of, exact, ranged, sorted_rows, otherwise)


def is_single(value: Value) -> bool:
    """Whether an element names one value."""
    return not value.endswith("*") if isinstance(value, str) else value[0] == value[1]


def single_values(key: tuple[Value, ...]) -> tuple[int | str, ...]:
    """Single values as they are loaded."""
    return tuple(value if isinstance(value, str) else value[0] for value in key)


def matches(item: Element, values: tuple[Loaded, ...]) -> bool:
    """Whether an element holds the values as far as they are seen."""
    pairs = zip(item.key, values, strict=True)
    return all(value.may_be(wanted) if isinstance(value, Unseen) else holds(wanted, value) for wanted, value in pairs)


def surely(item: Element, values: tuple[Loaded, ...]) -> bool:
    """Whether an element that holds what is seen holds the rest too."""
    return all(value.must_be(wanted) for wanted, value in zip(item.key, values, strict=True) if isinstance(value, Unseen))


def holds(wanted: Value, value: int | str) -> bool:
    """Whether a value is the element's, or in its range."""
    if isinstance(wanted, str):
        return isinstance(value, str) and (value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted)
    return isinstance(value, int) and wanted[0] <= value <= wanted[1]
