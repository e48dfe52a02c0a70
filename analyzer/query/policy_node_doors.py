"""Flows to a node's address that services and pods have there, where only manifests are given: node ports, and host ports of pods.

kube-proxy and the plugin portmap translate what comes to such a port before the node could take it (pkg/proxy/iptables, KUBE-NODEPORTS; CNI-HOSTPORT-DNAT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import ServiceFact, ServicePort
from analyzer.policy.decision import decide, walks_of
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind, all_of
from analyzer.policy.tiers import Direction
from analyzer.query.connectivity.host_ports import host_ports
from analyzer.query.policies import Policies
from analyzer.query.policy_outcomes import FATES, Wanted, flow_for, one_way
from analyzer.query.policy_service_trace import FROM_OUTSIDE, on_node, through
from analyzer.query.policy_services import Backend, backends
from analyzer.solve.packet import Fate, Hop, Outcome


def at_node(policies: Policies, sender: Entity, node: Entity, wanted: Wanted) -> tuple[Outcome, ...]:
    """The outcomes of a flow to a port of a node that leads elsewhere; none where it leads nowhere else."""
    for key, service in sorted(policies.world.cluster.services.items()):
        if (port := asked_at(service, node, wanted)) is not None:
            behind = (item for item in backends(policies.world, *key) if (item.protocol, item.port) == (port.protocol, port.port))
            return tuple(to_backends(policies, sender, node, service, tuple(behind), wanted))
    held = [item for item in host_ports(policies.world) if (item.protocol, item.port) == (wanted.protocol, wanted.port)]
    return tuple(
        to_pod(policies, sender, item.entity, replace(wanted, port=item.target)) for item in held if item.entity.node == node.node
    )


def asked_at(service: ServiceFact, node: Entity, wanted: Wanted) -> ServicePort | None:
    """The port of a service that is asked at a node: its node port, or its own, where it has the node's address as one for the world outside."""
    shared = not {*node.addresses}.isdisjoint((*service.external_addresses, *service.load_balancer_addresses))
    for port in service.ports:
        if port.protocol != wanted.protocol or not wanted.port:
            continue
        if (port.node_port == wanted.port and service.type in FROM_OUTSIDE) or (shared and port.port == wanted.port):
            return port
    return None


def to_backends(
    policies: Policies, sender: Entity, node: Entity, service: ServiceFact, found: tuple[Backend, ...], wanted: Wanted
) -> Iterator[Outcome]:
    """An outcome for each pod behind a node port, for those outside of the node's own with externalTrafficPolicy Local."""
    outcomes = tuple(by_node(policies, sender, node, service, item, wanted) for item in found)
    if not found:
        name = f"service {service.namespace}/{service.name}"
        yield Outcome(Fate.UNREACHABLE, reason=f"{name} has no endpoint behind port {wanted.port} of {node.name}", at=service.at)
    elif sender.kind is Kind.OUTSIDE and service.external_policy == "Local":
        yield from on_node(service, "externalTrafficPolicy", found, outcomes, node.node)
    else:
        yield from outcomes


def by_node(policies: Policies, sender: Entity, node: Entity, service: ServiceFact, backend: Backend, wanted: Wanted) -> Outcome:
    """What becomes of a flow to a node port. Of a sender in the cluster policies may see the node where it is translated, at either end."""
    outcome = through(policies, sender, service, backend, wanted)
    outcome = outcome._replace(
        hops=(
            Hop(
                sender.name,
                "service",
                f"port {wanted.port} of {node.name} leads to svc:{service.namespace}/{service.name}",
                service.at,
            ),
            *outcome.hops[1:],
        )
    )
    if sender.kind is Kind.OUTSIDE:
        return outcome
    flow = flow_for(sender, backend.entity, replace(wanted, port=backend.target))
    out, into = (
        all_of(walk.admitted for walk in walks_of(policies.all, way, sender, backend.entity, flow))
        for way in (Direction.EGRESS, Direction.INGRESS)
    )
    leaves = (out, decide(policies.all, sender, node, flow_for(sender, node, wanted)).admitted)
    comes = (into, decide(policies.behind_nodes.all, node, backend.entity, flow).admitted)
    if {FATES[all_of((one, other))] for one in leaves for other in comes} <= {outcome.fate}:
        return outcome
    reason = f"whether policies see {node.name} or the ends themselves, of what is asked at its port {wanted.port}"
    return outcome._replace(fate=Fate.UNKNOWN, reason=reason, at=service.at, delivered_to=None)


def to_pod(policies: Policies, sender: Entity, pod: Entity, wanted: Wanted) -> Outcome:
    """What becomes of a flow to a pod's host port."""
    outcome = one_way(policies, sender, pod, flow_for(sender, pod, wanted))
    hop = Hop(sender.name, "service", f"a host port of {pod.name}", pod.at)
    return outcome._replace(hops=(hop, *outcome.hops), destination_translated=True)
