"""Terway: ``eni_conf`` of its ConfigMap (AliyunContainerService/terway types/daemon/config.go)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range, Setting
from analyzer.model.embedded import inside
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import mapping, prefixes

NAME = "terway"
KEYS = {"ip_stack": "ip-stack", "max_pool_size": "pool-most", "min_pool_size": "pool-least", "ipam_type": "ipam"}


def ranges(objects: Objects) -> Iterator[Range]:
    """The services' network, as Terway is told."""
    for fact in objects.maps:
        if (located := fact.data.get("eni_conf")) is not None:
            found = inside(located.value, located.at, objects.texts.get(located.at.path))
            for item in prefixes(mapping(found.value).get("service_cidr") or ""):
                at = found.places.get(("service_cidr",), located.at)
                yield Range("service", item, at, f"ConfigMap {fact.name} eni_conf", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The values of ``eni_conf``."""
    for fact in objects.maps:
        if (located := fact.data.get("eni_conf")) is not None:
            found = inside(located.value, located.at, objects.texts.get(located.at.path))
            for name, key in KEYS.items():
                if (value := mapping(found.value).get(name)) is not None:
                    yield Setting(NAME, key, str(value), found.places.get((name,), located.at), f"ConfigMap {fact.name} eni_conf")


SYSTEM = System(NAME, ranges, settings)
