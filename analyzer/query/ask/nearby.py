"""Services that lead to endpoints on the asker's own node alone (``internalTrafficPolicy: Local``; pkg/proxy/topology.go, CategorizeEndpoints)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.model.cluster import Cluster
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.ask.asking import Job

TOLD = "service {} leads to endpoints on the asker's own node alone (internalTrafficPolicy: Local)"


@dataclass(frozen=True, slots=True)
class Nearby:
    """Jobs of which sources and targets are on one node where a service leads to no others. ``lonely``: a source has nobody on its node; ``unsure``: who is on
    one node is not known of some, who stay in the jobs."""

    jobs: list[Job]
    lonely: bool = False
    unsure: bool = False
    notes: tuple[str, ...] = ()


def nearby(cluster: Cluster, jobs: list[Job]) -> Nearby:
    """The jobs with the pairs that their services allow."""
    found = Nearby([])
    for job in jobs:
        if job.target.service is None or not local(cluster, job.target.service):
            found.jobs.append(job)
            continue
        own = list(by_node(job))
        found.jobs.extend(own)
        kept = {source for one in own for source in one.sources}
        ends = [end for end in (*job.sources, *job.target.entities) if end.kind is not Kind.OUTSIDE]
        found = Nearby(
            found.jobs,
            found.lonely or any(source not in kept for source in job.sources),
            found.unsure or any(not end.node for end in ends),
            tuple(dict.fromkeys((*found.notes, TOLD.format("/".join(job.target.service))))),
        )
    return found


def local(cluster: Cluster, key: tuple[str, str]) -> bool:
    """Whether a service leads pods to endpoints on their own node alone."""
    service = cluster.services[key]
    return service.internal_policy == "Local" and not service.headless


def by_node(job: Job) -> Iterator[Job]:
    """The job for the sources of each node; who is outside asks by other addresses, of which this says nothing."""
    groups: dict[str | None, list[Entity]] = {}
    for source in job.sources:
        groups.setdefault(None if source.kind is Kind.OUTSIDE else source.node, []).append(source)
    for node, sources in groups.items():
        ends = [end for end in job.target.entities if not node or not end.node or end.node == node]
        if ends:
            yield replace(job, sources=tuple(sources), target=replace(job.target, entities=tuple(ends)))
