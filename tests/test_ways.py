"""What edits do to the ways through services and routes, and to policies that look at other objects than themselves."""

from __future__ import annotations

from pathlib import Path

import analyzer
from analyzer.query.differences.changes import Flows
from analyzer.query.differences.ways import WayChange
from analyzer.ranges import contains

SAMPLES = Path(__file__).parent.parent / "samples"
SERVICES = SAMPLES / "diff" / "services-and-routes" / "old"


def changed(what: analyzer.api.WhatIf) -> list[tuple[WayChange, str]]:
    return [(item.change, str(item.way)) for item in what.diff().ways]


def test_a_service_that_is_deleted_takes_its_ways_along() -> None:
    found = changed(analyzer.load(SERVICES).whatif(delete=["service/shop/web"]))
    assert found == [
        (
            WayChange.DISAPPEARS,
            "Ingress shop/front for all requests port 80/TCP from {ingress-controller} -> shop/web[Deployment] TCP 8080",
        ),
        (WayChange.DISAPPEARS, "LoadBalancer shop/web port 80/TCP from outside -> shop/web[Deployment] TCP 8080"),
        (WayChange.DISAPPEARS, "Service shop/web port 80/TCP from pods -> shop/web[Deployment] TCP 8080"),
    ]


def test_a_way_that_stays_is_no_change() -> None:
    what = analyzer.load(SERVICES).whatif(scale=["deployment/shop/web=5"])
    found = what.diff()
    assert found.ways == ()
    assert found.policies.scaled


def test_labels_that_namespaces_share_are_looked_at_again() -> None:
    before = analyzer.load(SAMPLES / "policies" / "anp-first-releases" / "objects.yaml")
    found = before.whatif(label={"ns:b": "team=red"}).diff().policies.changes
    (one,) = (item for item in found if item.sources == ("b/db[Pod]",) and "a/web[Pod]" in item.destinations)
    assert (admits(one.old, 82), admits(one.new, 82)) == (True, False)


def admits(flows: Flows, port: int) -> bool:
    return any(contains(ports, port) for protocols, ports in flows.allowed if protocols[0] <= 6 <= protocols[1])
