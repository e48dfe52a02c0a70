"""Sets and maps of nft in the language."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from analyzer.facts.nftables import Bitwise, Ct, Element, Key, Meta, NftSet, NftTableFact, Payload, Pick, Value
from analyzer.ranges import Ranges
from analyzer.transfer.family import Family
from analyzer.transfer.ir import ALWAYS, KEEP, NEVER, All, Any, If, Match, Not, Opaque, Table, Transfer
from analyzer.transfer.netfilter import sets
from analyzer.transfer.netfilter.targets import unread as open_target
from analyzer.transfer.netfilter.where import Where
from analyzer.transfer.nft.matches import part
from analyzer.transfer.space import seq

DESTINATIONS = (Payload("ip", "daddr"), Payload("ip6", "daddr"))
SHORT = 8
Alike = Callable[[NftSet], Callable[[], Sequence[Family]]]


def element(item: Element, key: Key, where: Where) -> Match:
    """When an element holds the packet's values; one without a key stands for all else."""
    found = [one for one in (part(of, value, where) for of, value in zip(key, item.key, strict=True)) if one != ALWAYS]
    return NEVER if NEVER in found else found[0] if len(found) == 1 else All(tuple(found))


def held(of: NftSet, key: Key, where: Where) -> Match:
    """Whether a set holds the packet's values."""
    if any(not item.key for item in of.elements):
        return ALWAYS
    rows = [tuple(part(what, value, where) for what, value in zip(key, item.key, strict=True)) for item in of.elements]
    known = sets.joined([sets.Element(row, (), True) for row in rows if NEVER not in row]) if rows else NEVER
    if not of.unread:
        return known
    return Any((known, Opaque(f"{where.label}: the element {of.unread[0]!r} of the set {of.name} holds the packet", where.at)))


def members(given: NftSet | str, key: Key, table: NftTableFact, where: Where) -> Match:
    """Whether a set, named or a rule's own, holds the packet's values; a named one is worked out once."""
    if not isinstance(given, str):
        return held(given, key, where)
    of = table.sets.get(given)
    if of is None:
        return where.opaque(f"the set {given}, which is not in the text, holds the packet")
    known = where.context.matches
    place = (where.space.scope, table.family, table.name, given, key)
    if place not in known:
        known[place] = held(of, key, where)
    return known[place]


def changes(key: Key) -> bool:
    """Whether what a chain does could change the key: marks are set, addresses are translated only at a hook's end."""
    inner = [part.of if isinstance(part, Bitwise) else part for part in key]
    return any(part in (Meta("mark"), Ct("mark")) for part in inner)


@dataclass(slots=True)
class Rows(Sequence[Transfer]):
    """The elements of a map, each lowered when it is first looked at."""

    items: Sequence[Element]
    make: Callable[[Element], Transfer]
    made: dict[int, Transfer] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if index not in self.made:
            self.made[index] = self.make(self.items[index])
        return self.made[index]


def numbers(pick: Pick, of: NftSet) -> list[Element | None]:
    """The elements of all numbers that may be picked, one of those that give the same."""
    found: dict[object, Element | None] = {}
    stars = next((item for item in of.elements if not item.key), None)
    for number in range(pick.offset, pick.offset + min(pick.modulus, 1 << 16)):
        one = next((item for item in of.elements if item.key and holds(item.key[0], number)), stars)
        found.setdefault((one is None, one.data if one else None), one)
    return list(found.values())


def holds(value: Value, number: int) -> bool:
    """Whether a number is in an element's range."""
    return not isinstance(value, str) and value[0] <= number <= value[1]


def apart(of: NftSet) -> Callable[[], Sequence[Family]]:
    """No elements of a map are a family."""
    del of
    return tuple


def dispatched(of: NftSet, key: Key, where: Where, follow: Callable[[Element], Transfer], alike: Alike = apart) -> Transfer:
    """What follows by the element that holds the packet; where none does, the packet goes on. ``alike`` gives the elements that are families."""
    items = [item for item in of.elements if item.key]
    stars = [item for item in of.elements if not item.key]
    rest = follow(stars[0]) if stars else unread(of, where)
    if changes(key) or len(items) <= SHORT:
        for item in reversed(items):
            match = element(item, key, where)
            rest = rest if match == NEVER else If(match, follow(item), rest, where.at)
        return rest
    last = KEEP if rest == KEEP else If(Not(held(NftSet(of.name, of.types, of.data, tuple(items)), key, where)), rest, KEEP)

    def make(item: Element) -> Transfer:
        match = element(item, key, where)
        return KEEP if match == NEVER else If(match, follow(item), KEEP, where.at)

    table = Table(Rows(items, make), selector(items, key), alike(of))
    return seq(table, last) if last != KEEP else table


def unread(of: NftSet, where: Where) -> Transfer:
    """Elements that are not understood may do anything."""
    return open_target(where, f"the element {of.unread[0]!r} lets the packet pass unchanged") if of.unread else KEEP


def selector(items: Sequence[Element], key: Key) -> Callable[[Ranges], Sequence[int]]:
    """Which elements can matter to these destinations."""
    position = next((place for place, part in enumerate(key) if part in DESTINATIONS), None)
    everything = range(len(items))
    if position is None:
        return lambda _: everything
    singles: list[tuple[int, int]] = []
    others: list[int] = []
    for index, item in enumerate(items):
        value = item.key[position]
        if isinstance(value, tuple) and value[0] == value[1]:
            singles.append((value[0], index))
        else:
            others.append(index)
    singles.sort()

    def select(ranges: Ranges) -> Sequence[int]:
        found = list(others)
        for low, high in ranges:
            place = bisect_left(singles, (low, -1))
            while place < len(singles) and singles[place][0] <= high:
                found.append(singles[place][1])
                place += 1
        return sorted(found)

    return select
