"""Ignores in annotations: ``ignore.analyze/RULE: reason`` in an object's metadata is about what is found in that object."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from analyzer.facts.kubernetes import ObjectFact
from analyzer.findings import Ignored
from analyzer.model.cluster import Cluster
from analyzer.query.ignoring.ignore import Ignore
from analyzer.source import Span

PREFIX = "ignore.analyze/"


class Objects:
    """The objects of a cluster by the lines that they stand in, found when they are asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @cached_property
    def all(self) -> tuple[ObjectFact, ...]:
        """Every object."""
        cluster = self.cluster
        single = chain(cluster.nodes.values(), cluster.pods.values(), cluster.services.values(), cluster.config_maps.values())
        return (*single, *chain.from_iterable(cluster.endpoints.values()), *cluster.others)

    @cached_property
    def by_path(self) -> dict[str, list[tuple[int, int, ObjectFact]]]:
        """The objects of each file, with their first and last lines (0: to the next object), in order."""
        found: dict[str, list[tuple[int, int, ObjectFact]]] = {}
        for item in self.all:
            at = item.place()
            found.setdefault(at.path, []).append((at.line, at.end_line, item))
        for items in found.values():
            items.sort(key=lambda item: item[:2])
        return found

    def at(self, place: Span) -> ObjectFact | None:
        """The object around a place."""
        items = self.by_path.get(place.path, [])
        index = bisect_right(items, place.line, key=lambda item: item[0]) - 1
        if index < 0:
            return None
        _, last, found = items[index]
        return found if not last or place.line <= last else None

    def last_line(self, item: ObjectFact) -> int:
        """The last line of an object."""
        at = item.place()
        following = (first for first, _, _ in self.by_path[at.path] if first > at.line)
        return at.end_line or next(following, 1 << 30) - 1


def of_objects(objects: Objects) -> Iterator[Ignore]:
    """The ignores in the annotations of the objects."""
    for item in objects.all:
        for key, reason in item.annotations.items():
            if key.startswith(PREFIX) and len(key) > len(PREFIX):
                at, own = item.place("metadata", "annotations", key), item.place()
                rules, last = (key.removeprefix(PREFIX),), objects.last_line(item)
                yield Ignore(Ignored.IN_SOURCE, rules, reason.strip(), at, file=own.path, first=own.line, last=last)
