"""What each network system's own configuration states: one file per system, ending in ``SYSTEM``.

A system gives *ranges*, which go into the cluster's address plan with those of all others, and *settings*, single values with their places,
by which rules compare systems with each other, with the nodes and with Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from analyzer.facts.kubernetes import ConfigMapFact, NodeFact, OtherObjectFact, PodFact
from analyzer.model.cluster import Range, Setting
from analyzer.model.systems.programs import Program
from analyzer.source import Source


@dataclass(frozen=True, slots=True)
class Objects:
    """What a system's statements are read from. ``texts`` are the sources by path; ``programs`` the containers of network systems."""

    nodes: Mapping[str, NodeFact] = field(default_factory=dict)
    pods: tuple[PodFact, ...] = ()
    maps: tuple[ConfigMapFact, ...] = ()
    others: tuple[OtherObjectFact, ...] = ()
    programs: tuple[Program, ...] = ()
    texts: Mapping[str, Source] = field(default_factory=dict)


def no_ranges(_: Objects) -> Iterable[Range]:
    """A system that states no ranges of its own."""
    return ()


def no_settings(_: Objects) -> Iterable[Setting]:
    """A system that states no settings."""
    return ()


@dataclass(frozen=True, slots=True)
class System:
    """A network system, by the name that settings and ranges carry. Purposes of ranges: ``pod``, ``service``, ``join`` (a system's inner
    network between nodes and pods, which no one else may use), ``balancer`` (addresses for load balancers)."""

    name: str
    ranges: Callable[[Objects], Iterable[Range]] = no_ranges
    settings: Callable[[Objects], Iterable[Setting]] = no_settings
