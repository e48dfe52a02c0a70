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

__all__ = ["ObjectFact", "Problem", "Wrong", "meant", "named", "of_policies", "written", "wrong"]


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


def written(network: Network) -> tuple[ObjectFact, ...]:
    """The objects that an API server has not seen (what it gives back it has taken, and has a state) and that are whole: of a patch, most is elsewhere."""
    return written_in(Identity(network.cluster))


@lru_cache(maxsize=2)
def written_in(key: Identity) -> tuple[ObjectFact, ...]:
    """The same, once for all who ask."""
    return tuple(item for item in chain(objects(key.cluster), key.cluster.doubles) if not seen(item))


def seen(item: ObjectFact) -> bool:
    """Whether an API server has seen an object, or it is a patch of one."""
    document = item.document
    metadata = mapping(document.get("metadata"))
    if metadata.get("uid") or metadata.get("resourceVersion") or "$patch" in document:
        return True
    status = document.get("status")
    return bool(status and any(mapping(status).values())) or is_patch(item.at.path)


@lru_cache(maxsize=1 << 12)
def is_patch(path: str) -> bool:
    """Whether a file is a patch by its name."""
    return PATCH.search(path.rsplit("/", 1)[-1]) is not None


def wrong(network: Network) -> tuple[Wrong, ...]:
    """What objects say that their kinds do not allow."""
    return found_in(Identity(network.cluster))


@lru_cache(maxsize=2)
def found_in(key: Identity) -> tuple[Wrong, ...]:
    """The same, worked out once for a cluster."""
    network = Network({}, key.cluster)
    every = ((item, problem) for item in written(network) for problem in problems(item.api_version, item.kind, item.document))
    return tuple(Wrong(item, problem) for item, problem in every)


def of_policies(network: Network, item: ObjectFact) -> bool:
    """Whether what is wrong with an object is told of it as a policy: of those that are read."""
    return item.kind == "NetworkPolicy" and not any(item is other for other in network.cluster.doubles)


def named(item: ObjectFact) -> str:
    """An object in words."""
    place = f"{item.namespace}/" if item.namespace else ""
    return f"{item.kind} {place}{item.name}" if item.name else f"a {item.kind}"
