"""Endpoints and what is allowed between them in few words, and the matrix of namespaces that large clusters are shown as."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.addresses import default_prefix, prefix
from analyzer.policy.addressing import spanned
from analyzer.query.connectivity.allowed import Allow, Allowed
from analyzer.query.connectivity.answer import Connectivity, Link
from analyzer.query.connectivity.entrances import Entrance
from analyzer.ranges import difference, normalised

EVERYTHING = "everything"
OUTSIDE = "outside"
NODES = "nodes"
NUMBER = re.compile(r"(\d+)")
Natural = tuple[tuple[str | tuple[int, str], ...], str]


@lru_cache(maxsize=1 << 16)
def natural(name: str) -> Natural:
    """The order of names as people count: numbers in them by their value (``team-2`` before ``team-10``)."""
    parts = NUMBER.split(name)
    by_value = ((len(short := part.lstrip("0")), short) if index % 2 else part for index, part in enumerate(parts))
    return tuple(by_value), name


def words(allow: Allow) -> str:
    """What is allowed, as people say it: ``TCP 80,443; UDP 53``."""
    return "; ".join(word(item) for item in allow)


def asked_at(way: Entrance) -> str:
    """Where the outside asks: a port of a service, or of a node."""
    return f"service {way.service} {way.port}" if way.service else f"port {way.port}"


def asked(requests: Sequence[str], most: int | None = None) -> str:
    """Requests in words; of more than ``most`` the first, and how many more there are."""
    shown = requests if most is None or len(requests) <= most else requests[:most]
    more = f" and {len(requests) - len(shown)} more" if len(shown) < len(requests) else ""
    return ", ".join(shown) + more


def word(item: Allowed) -> str:
    """Flows of one protocol."""
    if item.protocol == "ANY":
        return EVERYTHING
    if item.protocol == "OTHER":
        return "other protocols"
    ports = "all" if item.ports_text() == "1-65535" else item.ports_text()
    return " ".join(filter(None, (item.protocol, ports, item.sources_text())))


@lru_cache(maxsize=1 << 16)
def namespace_of(name: str) -> str:
    """The namespace of an endpoint's id (``{new}`` of a pod that is not there); what nodes and addresses outside are shown under."""
    if name.startswith("node:"):
        return NODES
    if name.startswith("{"):
        return name.partition("}/")[0] + "}"
    head, _, tail = name.partition("/")
    return OUTSIDE if tail.isdecimal() else head


@lru_cache(maxsize=1 << 16)
def local(name: str) -> str:
    """An endpoint's id without its namespace."""
    space = namespace_of(name)
    return name if space in (OUTSIDE, NODES) else name[len(space) + 1 :]


@dataclass(frozen=True, slots=True)
class Known:
    """The endpoints of each namespace, and the namespaces in order; ``said`` is what was said of some of them, as many links have the same ends."""

    by_namespace: Mapping[str, set[str]]
    order: list[str]
    said: dict[tuple[str, ...], list[str]] = field(default_factory=dict, repr=False, compare=False)

    def has_all(self, space: str, names: Collection[str]) -> bool:
        """Whether the local names are all endpoints of a namespace."""
        there = self.by_namespace.get(space, set())
        return len(names) == len(there) and there.issuperset(names)


def known(found: Connectivity) -> Known:
    """The endpoints of an answer."""
    namespaces: dict[str, set[str]] = {}
    for party in found.parties:
        namespaces.setdefault(namespace_of(party.id), set()).add(local(party.id))
    return Known(namespaces, sorted(namespaces, key=natural))


def described(ids: Iterable[str], there: Known, most: int = 1_000_000) -> list[str]:
    """Endpoints in few words: whole namespaces as ``shop/*``, one name in many namespaces as one item, many networks by what is missing."""
    names = tuple(ids)
    result = there.said.get(names)
    if result is None:
        result = there.said[names] = items_of(names, there)
    return result if len(result) <= most else [*result[: most - 1], f"and {len(result) - most + 1} more"]


def items_of(ids: Iterable[str], there: Known) -> list[str]:
    """The same, one by one."""
    grouped: dict[str, set[str]] = {}
    for name in ids:
        grouped.setdefault(namespace_of(name), set()).add(local(name))
    outside = networks(frozenset(grouped.pop(OUTSIDE, ())))
    whole = [space for space, names in grouped.items() if len(names) > 2 and there.has_all(space, names)]
    result = [f"{whole[0]}/*"] if len(whole) == 1 else [f"all of {space_list(whole, there)}"] if whole else []
    by_name: dict[str, list[str]] = {}
    for space, names in grouped.items():
        for name in names if space not in whole else ():
            by_name.setdefault(name, []).append(space)
    for name, spaces in sorted(by_name.items(), key=lambda item: (min(map(natural, item[1])), natural(item[0]))):
        if spaces[0] == NODES:
            result.append(name)
        elif len(spaces) > 3:
            result.append(f"{name} of {space_list(spaces, there)}")
        else:
            result += [f"{space}/{name}" for space in sorted(spaces, key=natural)]
    return [*result, *outside]


@lru_cache(maxsize=1 << 12)
def networks(texts: frozenset[str]) -> tuple[str, ...]:
    """Networks of each family in order; as all addresses but some where that is shorter."""
    found = sorted(map(prefix, texts))
    result: list[str] = []
    for family in (4, 6):
        own = [item for item in found if item.family == family]
        whole = default_prefix(family)
        left = difference(((0, whole.last),), normalised((item.value, item.last) for item in own))
        holes = [str(part) for low, high in left for part in spanned(family, low, high + 1)]
        if len(own) > 3 and len(holes) < len(own) / 2:
            result.append(f"{whole} but for {' and '.join(holes)}")
        else:
            result += map(str, own)
    return tuple(result)


def space_list(spaces: Iterable[str], there: Known) -> str:
    """Namespaces by name, and how many they are, where they are many; ``a to b`` are all from one to the other."""
    every = sorted(spaces, key=natural)
    found, new = [name for name in every if name[0] != "{"], [name for name in every if name[0] == "{"]
    if len(every) <= 3:
        return ", ".join(every)
    if new:
        return f"{space_list(found, there)} and {', '.join(new)}"
    first, last = (bisect_left(there.order, natural(name), key=natural) for name in (found[0], found[-1]))
    between = last - first + 1
    some = f"{found[0]} to {found[-1]}" if between == len(found) else f"{found[0]}, {found[1]} … {found[-1]}"
    return f"{len(found)} namespaces ({some})"


@dataclass(slots=True)
class Cell:
    """What passes between two namespaces: how many pairs of endpoints, whether all of them everything, and how many only perhaps."""

    pairs: int = 0
    everything: bool = True
    perhaps: int = 0


Matrix = dict[tuple[str, str], Cell]


def by_namespace(found: Connectivity) -> Matrix:
    """The pairs of namespaces with what passes between them."""
    cells: Matrix = {}
    for link in found.links:
        whole = link.allow[0].protocol == "ANY"
        for key, count in counted(found, link).items():
            cell = cells.setdefault(key, Cell())
            cell.pairs += count
            cell.everything = cell.everything and whole
    for link in found.uncertain:
        for key, count in counted(found, link).items():
            cells.setdefault(key, Cell()).perhaps += count
    return cells


def counted(found: Connectivity, link: Link) -> dict[tuple[str, str], int]:
    """How many pairs of endpoints a link has between namespaces; addresses outside count as one."""
    sides = [sized(side) for side in (link.sources, link.destinations)]
    result = {(one, other): own * others for one, own in sides[0].items() for other, others in sides[1].items()}
    for name in {*link.sources} & {*link.destinations} & found.singles:
        space = namespace_of(name)
        result[space, space] -= 1
    return {key: count for key, count in result.items() if count}


def sized(ids: Iterable[str]) -> dict[str, int]:
    """How many endpoints are of each namespace."""
    result: dict[str, int] = {}
    for name in ids:
        space = namespace_of(name)
        result[space] = 1 if space == OUTSIDE else result.get(space, 0) + 1
    return result


def spaces_of(found: Connectivity, cells: Matrix) -> list[str]:
    """The namespaces in order, nodes and the outside last."""
    names = {namespace_of(party.id) for party in found.parties} | {space for key in cells for space in key}
    return sorted(names, key=lambda name: ((name in (NODES, OUTSIDE)) + (name == OUTSIDE), natural(name)))
