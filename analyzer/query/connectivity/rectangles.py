"""All that the two factors of a family admit, as rows: for sets of source classes the destination classes, with the flows to each.

No pair is written down that is like another one. What is admitted for sure has the empty tag; what only may be has its reason as tag.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.policy.factors import Factors
from analyzer.policy.tiers import Direction
from analyzer.query.connectivity.doubts import Doubts


class Part(NamedTuple):
    """A part of a row: the classes of the other ends, the flows to each, and why they are not admitted for sure (empty: they are)."""

    why: str
    others: int
    flows: int


Row = tuple[Part, ...]
Tagged = tuple[int, str]


def rows(factors: Factors, sources: int, destinations: int) -> dict[Row, int]:
    """The rows of the source classes that reach any of the destinations, each with the sources of which it is true, as bits."""
    entering = entered_from(factors, sources, destinations)
    leaving = [cells_of(factors, Direction.EGRESS, number) for number in range(len(factors.egress.cells))]
    known: dict[tuple[object, ...], Row] = {}
    found: dict[Row, int] = {}
    for source in members(sources):
        group, into = factors.egress.group[source], entering[source]
        key = (group, *sorted(into.items()))
        if key not in known:
            known[key] = row(leaving[group], into)
        if known[key]:
            found[known[key]] = found.get(known[key], 0) | 1 << source
    return found


def columns(factors: Factors, sources: int, destinations: int) -> dict[Row, int]:
    """The same from the other side, for sources of few egress groups: rows of destination classes, whose parts hold the sources."""
    groups = {factors.egress.group[number] for number in members(sources)}
    leaving = [(factors.egress.classes[group] & sources, cells_of(factors, Direction.EGRESS, group)) for group in sorted(groups)]
    found: dict[Row, int] = {}
    for group, classes in enumerate(factors.ingress.classes):
        cells = cells_of(factors, Direction.INGRESS, group) if classes & destinations else []
        for inside in split(classes & destinations, (peers for _, own in leaving for _, peers, _ in own)) if cells else ():
            parts: dict[str, dict[int, int]] = {}
            for several, own in leaving:
                admitted = [(flows, several, why) for flows, peers, why in own if peers & inside]
                merge(parts, admitted, ((flows, peers & several, why) for flows, peers, why in cells))
            if column := parted_row(parts):
                found[column] = found.get(column, 0) | inside
    return found


def split(classes: int, sets: Iterable[int]) -> list[int]:
    """The classes in parts that are each inside or outside of every set."""
    found = [classes]
    for one in dict.fromkeys(sets):
        found = [part for have in found for part in (have & one, have & ~one) if part]
    return found


def cells_of(factors: Factors, direction: Direction, group: int) -> list[tuple[int, int, str]]:
    """The cells of a group as flows, peers, and the reason where they are admitted perhaps."""
    factor = factors.egress if direction is Direction.EGRESS else factors.ingress
    found = []
    for cell in factor.cells[group]:
        if cell.sure:
            found.append((cell.flows, cell.sure, ""))
        if doubtful := cell.may & ~cell.sure:
            reasons = Doubts(factors, direction).of(group, cell.flows, doubtful)
            found += [(cell.flows, peers, why) for peers, why in reasons]
    return found


def entered_from(factors: Factors, sources: int, destinations: int) -> list[dict[Tagged, int]]:
    """For each source class what lets it in: flows, and the destination classes whose ingress admits them."""
    merged: dict[tuple[int, int, str], int] = {}
    for group, classes in enumerate(factors.ingress.classes):
        if inside := classes & destinations:
            for flows, peers, why in cells_of(factors, Direction.INGRESS, group):
                key = (flows, peers & sources, why)
                merged[key] = merged.get(key, 0) | inside
    found: list[dict[Tagged, int]] = [{} for _ in factors.universe.classes]
    for (flows, peers, why), inside in merged.items():
        for source in members(peers):
            known = found[source]
            known[flows, why] = known.get((flows, why), 0) | inside
    return found


def row(leaving: list[tuple[int, int, str]], entering: dict[Tagged, int]) -> Row:
    """What both directions admit from one source."""
    found: dict[str, dict[int, int]] = {}
    merge(found, leaving, [(flows, inside, why) for (flows, why), inside in entering.items()])
    return parted_row(found)


def merge(
    found: dict[str, dict[int, int]], first: Iterable[tuple[int, int, str]], second: Iterable[tuple[int, int, str]]
) -> None:
    """Adds what both admit, flows with the other ends, by reason."""
    others = list(second)
    for flows, peers, why in first:
        for other_flows, inside, other_why in others:
            common, both = peers & inside, flows & other_flows
            if common and both:
                by_flows = found.setdefault(joined(why, other_why), {})
                by_flows[both] = by_flows.get(both, 0) | common


def parted_row(found: dict[str, dict[int, int]]) -> Row:
    """The parts of a row by reason."""
    return tuple(Part(why, *part) for why, by_flows in sorted(found.items()) for part in parted(by_flows.items()))


@lru_cache(maxsize=1 << 12)
def joined(first: str, second: str) -> str:
    """Two reasons as one: each text once, in the order of the alphabet, so that reasons that say the same are equal."""
    if not (first and second):
        return first or second
    return "; ".join(sorted({*first.split("; "), *second.split("; ")}))


def parted(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Flows with their destinations as destinations apart from each other, with all flows to each; sorted."""
    found: list[tuple[int, int]] = []
    for flows, rest in parts:
        after = []
        for have, known in found:
            common = have & rest
            if not common:
                after.append((have, known))
                continue
            rest &= ~common
            after.append((common, known | flows))
            if common != have:
                after.append((have & ~common, known))
        if rest:
            after.append((rest, flows))
        found = after
    merged: dict[int, int] = {}
    for destinations, flows in found:
        merged[flows] = merged.get(flows, 0) | destinations
    return sorted((destinations, flows) for flows, destinations in merged.items())
