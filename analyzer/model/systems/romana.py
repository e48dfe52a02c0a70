"""Romana: the topology that its daemon is started with (romana/core common/api/ipam.go), where a ConfigMap holds it."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range
from analyzer.model.embedded import inside
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import listing, mapping, prefixes

NAME = "romana"


def ranges(objects: Objects) -> Iterator[Range]:
    """The networks of the topology."""
    for fact in objects.maps:
        if "romana" not in fact.name:
            continue
        for key, located in sorted(fact.data.items()):
            found = inside(located.value, located.at, objects.texts.get(located.at.path))
            for index, item in enumerate(listing(mapping(found.value).get("networks"))):
                for prefix in prefixes(mapping(item).get("cidr") or ""):
                    at = found.places.get(("networks", index, "cidr"), located.at)
                    yield Range("pod", prefix, at, f"ConfigMap {fact.name} {key}", NAME)


SYSTEM = System(NAME, ranges)
