"""``build``: facts become the network. Names are resolved here; what cannot be resolved is a gap.

The order in which facts arrive does not matter, and no fact makes it raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from analyzer.facts.base import Fact
from analyzer.facts.clouds import CloudInterfaceFact, CloudRouteFact, NameFact, SecurityGroupFact
from analyzer.facts.kubernetes import ObjectFact
from analyzer.facts.listings import Listing
from analyzer.model.fabric import fabric
from analyzer.model.network import Network
from analyzer.model.ordering import Ordered, ordered
from analyzer.model.plan import cluster
from analyzer.source import Gap, Source

if TYPE_CHECKING:
    from analyzer.model.again import Built

OF_CLUSTERS = (ObjectFact, Listing, CloudInterfaceFact, CloudRouteFact, NameFact, SecurityGroupFact)
"""The facts that no node is needed for."""


def build(
    sources: Sequence[Source],
    facts: Iterable[Fact],
    gaps: Iterable[Gap],
    assume_defaults: bool = False,
    earlier: Built | None = None,
) -> Network:
    """The network and the cluster. ``gaps`` are those of reading; the network's own are added to them.

    ``assume_defaults``: netfilter, switches and the like that were not captured are as the kernel has them by default
    (``Namespace.assumed``); without it they are ``missing``. ``earlier``: the namespaces of an earlier look at the same capture, for the next.
    What is installed is read, and all that reads it imported, only where a text or a fact is about a node.
    """
    known = ordered(facts)
    texts = tuple(sorted(sources, key=lambda source: (source.path, source.kind)))
    read = set(gaps)
    wanted, contradictions = cluster(known, texts, frozenset(gap.at.path for gap in read))
    every = tuple(sorted({*read, *contradictions}))
    objects = Network({}, wanted, sources=by_path(texts), gaps=every, fabric=fabric(wanted, (), {}))
    if of_clusters(texts, known):
        if earlier is not None:
            earlier.spaces = {}
        return objects
    from analyzer.model.installed import installed

    return installed(objects, texts, known, sorted(read), assume_defaults, earlier)


def of_clusters(texts: Iterable[Source], facts: Ordered) -> bool:
    """Whether everything is about the cluster's objects, and nothing about a node."""
    return all(issubclass(kind, OF_CLUSTERS) for kind in facts.by_type) and all(source.scope is None for source in texts)


def by_path(texts: Iterable[Source]) -> dict[str, Source]:
    """The texts by path: of a pasted session the whole text, not one of its parts."""
    found: dict[str, Source] = {}
    for source in texts:
        if source.path not in found or found[source.path].kind != "pasted":
            found[source.path] = source
    return found
