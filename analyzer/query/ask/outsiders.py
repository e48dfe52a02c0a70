"""Whom services let in from outside: nobody, where they have no address there; of those that a load balancer takes, the ones in ``loadBalancerSourceRanges``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import ServiceFact
from analyzer.model.cluster import Cluster
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.ask.asking import Job
from analyzer.query.policy_services import other_ways


def let_in(cluster: Cluster, jobs: list[Job]) -> tuple[list[Job], tuple[str, ...]]:
    """The jobs without the sources that their services keep out, and what is to be said of that."""
    found = []
    notes: dict[str, None] = {}
    for job in jobs:
        kept = tuple(sources_of(cluster.services[job.target.service], job.sources)) if job.target.service else job.sources
        if job.target.service and kept != job.sources:
            service = cluster.services[job.target.service]
            notes[told(service)] = None
            kept = job.sources if past_balancer(service) else kept
        found.append(job if kept == job.sources else replace(job, sources=kept))
    return found, tuple(sorted(notes))


def sources_of(service: ServiceFact, sources: Iterable[Entity]) -> Iterator[Entity]:
    """The sources that a service does not keep out at its address for the world outside."""
    for entity in sources:
        if entity.kind is not Kind.OUTSIDE:
            yield entity
        elif open_to_outside(service) and (kept := within(entity, service)) is not None:
            yield kept


def within(entity: Entity, service: ServiceFact) -> Entity | None:
    """The addresses of an entity outside that a load balancer takes; all of a family of which no range is named (pkg/proxy)."""
    ranges = service.source_ranges if service.type == "LoadBalancer" else ()
    families = {block.family for block in ranges}
    blocks = tuple(part for block in entity.blocks for part in (common(block, ranges) if block.family in families else (block,)))
    if not blocks or blocks == entity.blocks:
        return entity if blocks else None
    return Entity(", ".join(map(str, blocks)), Kind.OUTSIDE, blocks=blocks)


def common(block: Prefix, ranges: Iterable[Prefix]) -> Iterator[Prefix]:
    """The parts of a block that are in one of the ranges."""
    yield from dict.fromkeys(block if item.covers(block) else item for item in ranges if item.overlaps(block))


def open_to_outside(service: ServiceFact) -> bool:
    """Whether the outside has an address for a service."""
    return service.type in ("NodePort", "LoadBalancer") or bool(service.external_addresses or service.load_balancer_addresses)


def past_balancer(service: ServiceFact) -> bool:
    """Whether those whom a service's load balancer does not take reach it in another way."""
    return open_to_outside(service) and other_ways(service)


def told(service: ServiceFact) -> str:
    """Why a service keeps somebody out, or what they ask instead."""
    name = f"service {service.namespace}/{service.name}"
    if not open_to_outside(service):
        return f"{name} has no address that is reached from outside"
    ranges = ", ".join(map(str, service.source_ranges))
    more = ": others ask at a node port or an external address" if past_balancer(service) else ""
    return f"the load balancer of {name} takes nothing from outside but from {ranges} (loadBalancerSourceRanges){more}"
