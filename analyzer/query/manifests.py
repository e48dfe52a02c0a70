"""Objects of the input as somebody wrote them: what they say that their kind does not allow, looked up here for the rules in ``rules/manifests``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.query.policies import Identity
from analyzer.query.schemas import Problem, meant, problems
from analyzer.query.workloads import mapping

__all__ = ["ObjectFact", "Problem", "Wrong", "meant", "named", "written", "wrong"]


PATCH = re.compile(r"patch", re.IGNORECASE)


class Wrong(NamedTuple):
    """An object, and what it says that its kind does not allow."""

    item: ObjectFact
    problem: Problem


def objects(cluster: Cluster) -> Iterator[ObjectFact]:
    """Every object; one of several subsets is one object."""
    single = chain(cluster.nodes.values(), cluster.pods.values(), cluster.services.values(), cluster.config_maps.values())
    yield from single
    yield from (subsets[0] for subsets in cluster.endpoints.values() if subsets)
    yield from cluster.others


def written(network: Network) -> Iterator[ObjectFact]:
    """The objects that an API server has not seen (what it gives back it has taken, and has a state) and that are whole: of a patch, most is elsewhere."""
    for item in objects(network.cluster):
        metadata = mapping(item.document.get("metadata"))
        patch = "$patch" in item.document or PATCH.search(item.at.path.rsplit("/", 1)[-1])
        seen = metadata.get("uid") or metadata.get("resourceVersion") or any(mapping(item.document.get("status")).values())
        if not patch and not seen:
            yield item


def wrong(network: Network) -> tuple[Wrong, ...]:
    """What objects say that their kinds do not allow."""
    return found_in(Identity(network.cluster))


@lru_cache(maxsize=2)
def found_in(key: Identity) -> tuple[Wrong, ...]:
    """The same, worked out once for a cluster."""
    network = Network({}, key.cluster)
    every = ((item, problem) for item in written(network) for problem in problems(item.api_version, item.kind, item.document))
    return tuple(Wrong(item, problem) for item, problem in every)


def named(item: ObjectFact) -> str:
    """An object in words."""
    return f"{item.kind} {item.namespace + '/' if item.namespace else ''}{item.name}"
