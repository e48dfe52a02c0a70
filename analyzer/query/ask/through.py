"""Whether flows through a service are as wanted, where rules of egress are, or may be, held against the service's own address.

The two factors do not know of services: here the plain reading decides for each two classes (each two entities, where a node is one of them), with the service that is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import host_prefix
from analyzer.policy.decision import Decision, decide, doubt, through_service
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.terms import Kind
from analyzer.query.ask.answers import Witness
from analyzer.query.ask.asking import ANSWERS, Asker, Job, Unanswerable, families_for, search
from analyzer.query.ask.pairs import Want
from analyzer.query.ask.sides import host
from analyzer.query.masquerading import node_seen

POSITIVE = (Want.ADMITTED, Want.MAY_ADMIT)
SPARED = (Want.REFUSED, Want.SILENT)
SOURCE_PORTS = "a rule tests source ports: ask about the pods behind the service"


def applies(asker: Asker, job: Job) -> bool:
    """Whether a job is about a service with an address of its own that rules of egress may see, or about a pod that reaches itself through one."""
    if asks_itself(asker, job) or (asker.masquerades and has_address(asker, job)):
        return True
    if job.target.service is None or (asker.policies.profile.egress_sees_service is False and not asker.names_services):
        return False
    return bool(asker.policies.world.cluster.services[job.target.service].cluster_addresses)


def asks_itself(asker: Asker, job: Job) -> bool:
    """Whether one pod is asked about itself, through a service that has an address of its own, whether it is known or not."""
    if job.target.service is None or len(job.sources) > 1 or job.sources != job.target.entities:
        return False
    return has_address(asker, job)


def has_address(asker: Asker, job: Job) -> bool:
    """Whether it is about a service that has an address of its own, known or not."""
    return job.target.service is not None and not asker.policies.world.cluster.services[job.target.service].headless


def find_through(asker: Asker, job: Job, want: Want) -> Witness | None:
    """The first flow that is as wanted. Unanswerable where source ports matter."""
    if asker.tests_source_ports:
        raise Unanswerable(SOURCE_PORTS)
    for family in families_for(asker, job):
        for source, destination in couples(asker, job, family):
            if (found := decided(asker, job, source, destination, family)) is None:
                continue
            flow, decision = found
            if decision.admitted in ANSWERS[want] and counts(asker, job, want, source, destination):
                return Witness(
                    host(source, family, asker.policies.held),
                    destination,
                    flow,
                    decision,
                    (),
                    (),
                    job.target.service_port,
                    job.about,
                    job.target.service,
                )
    return None


def decided(asker: Asker, job: Job, source: Entity, destination: Entity, family: int) -> tuple[Flow, Decision] | None:
    """The flow that arrives, and what is decided over it; None where the service has no address of the family."""
    flow, asked = flow_of(asker, job, family)
    if asked is None:
        return None
    found = decide(asker.policies.all, host(source, family, asker.policies.held), destination, flow, asked)
    if asker.masquerades and source.kind is Kind.POD and source is not destination:
        node = node_seen(asker.policies, source, destination, flow, asked)
        if node is not None and decide(asker.policies.all, node, destination, flow).admitted is not found.admitted:
            return flow, replace(found, admitted=None)
    return flow, found


def counts(asker: Asker, job: Job, want: Want, source: Entity, destination: Entity) -> bool:
    """Whether a pair counts: what policies are not asked about shows nothing that is denied, and is left out where the job leaves it out."""
    profile = asker.policies.profile
    exempt = bool(through_service(profile, source, destination))
    if want in POSITIVE:
        return job.exempt or not exempt
    perhaps = doubt(profile, source, destination) is None and source is not destination
    return not exempt and not (want in SPARED and perhaps)


def flow_of(asker: Asker, job: Job, family: int) -> tuple[Flow, Asked | None]:
    """The flow that arrives at the pods, and what is asked of the service; None where it has no address of the family."""
    assert job.target.service is not None
    namespace, name = job.target.service
    service = asker.policies.world.cluster.services[namespace, name]
    (box,) = job.target.flows
    flow = Flow(family, box.protocols[0][0], box.destinations[0][0])
    own = next((address for address in service.cluster_addresses if address.family == family), None)
    if own is None and not (asks_itself(asker, job) or asker.masquerades):
        return flow, None
    entity = Entity(f"svc:{namespace}/{name}", Kind.OUTSIDE, blocks=(host_prefix(own),) if own is not None else ())
    return flow, Asked(entity, Flow(family, flow.protocol, job.target.service_port))


def couples(asker: Asker, job: Job, family: int) -> Iterator[tuple[Entity, Entity]]:
    """Two entities for each two classes; all that are nodes, or meet themselves, or where policies may see the nodes of senders, one by one."""
    asked = search(asker, job, family)
    alone = len(job.sources) == 1 and job.sources == job.target.entities
    for left in asked.sources.members.values():
        for right in asked.targets.members.values():
            if asker.masquerades:
                yield from ((one, other) for one in left for other in right if one is not other or one.replicas > 1 or alone)
            else:
                yield from representatives(left, right, alone)


def representatives(left: Members, right: Members, alone: bool) -> Iterator[tuple[Entity, Entity]]:
    """The pairs of two classes that stand for all of them."""
    if left[0].kind is Kind.HOST or right[0].kind is Kind.HOST:
        yield from ((one, other) for one in left for other in right if one is not other or one.replicas > 1 or alone)
        return
    apart = ((one, other) for one in left for other in right if one is not other or one.replicas > 1 or alone)
    yield from (pair for pair in [next(apart, None)] if pair is not None)


Members = tuple[Entity, ...]
