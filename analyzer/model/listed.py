"""What listings of kubectl say of objects that no text of the input has whole; ``listings.py`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.facts.listings import EndpointsListing, NodeListing, PodListing, ServiceListing


@dataclass(frozen=True, slots=True)
class Listed:
    """What is listed, each object once. ``endpoints``: those of services by namespace and name, also of services that are there whole."""

    pods: tuple[PodListing, ...] = ()
    nodes: tuple[NodeListing, ...] = ()
    services: tuple[ServiceListing, ...] = ()
    endpoints: Mapping[tuple[str, str], EndpointsListing] = field(default_factory=dict)
