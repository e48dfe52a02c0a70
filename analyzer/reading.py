"""How policies of an input are to be read: the network system, points in which systems differ, a secondary network, the addresses of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.pipeline import Input
from analyzer.source import Source

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile

LARGEST = 16 << 20


def profile(given: Input, cni: str = "", switches: Mapping[str, str] | None = None, network: str = "") -> Profile:
    """The profile of the system that is named, else of the one that is recognised, with the switches; of a secondary network where one is named.
    ValueError, in words, for a name or switch that is not known."""
    from analyzer.policy.detection import settled
    from analyzer.policy.profiles import profile_named, with_switches
    from analyzer.query.policies import on_network, profile_of

    cluster = given.network.cluster
    found = settled(profile_named(cni), cluster) if cni else profile_of(given.network)
    return with_switches(on_network(cluster, network) if network else found, dict(switches or {}))


def with_names(given: Input, paths: Sequence[str]) -> Input:
    """The input with the addresses of names that files give: lines as in /etc/hosts, or the output of ``cilium-dbg fqdn cache list``. What of them cannot
    be read is a gap. ValueError, in words, for a file that cannot be opened."""
    from analyzer.capture.reading import facts
    from analyzer.facts.clouds import NameFact

    if not paths:
        return given
    sources = tuple(map(names_in, paths))
    known, gaps = facts(sources)
    cluster = given.network.cluster
    names = (*cluster.names, *(fact for fact in known if isinstance(fact, NameFact)))
    network = replace(given.network, cluster=replace(cluster, names=names))
    every = (*given.sources, *sources)
    return replace(given, network=network, sources=every, gaps=(*given.gaps, *gaps), unreadable=(*given.unreadable, *gaps))


def names_in(path: str) -> Source:
    """A file of names."""
    try:
        with Path(path).open("rb") as file:
            return Source(path, file.read(LARGEST).decode("utf-8", "replace"), "dns-names")
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror}") from None
