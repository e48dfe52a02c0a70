"""One flow to a service where only manifests are given: an outcome for each end that it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import host_prefix
from analyzer.facts.kubernetes import OtherObjectFact, ServiceFact
from analyzer.policy.decision import decide
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.terms import Kind
from analyzer.policy.world import mapping
from analyzer.query.masquerading import masquerades_all, node_seen
from analyzer.query.policies import Policies
from analyzer.query.policy_outcomes import FATES, Wanted, families_of, flow_for, named, nowhere, one_way
from analyzer.query.policy_services import (
    Backend,
    at_port,
    balancer_refuses,
    open_ended,
    other_ways,
    service_families,
    service_meant,
)
from analyzer.solve.packet import ICMP, PROTOCOL_NAMES, Fate, Hop, Outcome

FROM_OUTSIDE = ("NodePort", "LoadBalancer")
# Systems of Cilium's agent.
SYSTEMS = ("cilium", "gke-dataplane-v2")


def past_balancer(policies: Policies, sender: Entity, key: tuple[str, str], wanted: Wanted, target: str) -> Iterator[Outcome]:
    """The outcomes of a service. Who is refused by its load balancer asks at a node port, where that is not the address that is asked for."""
    service = policies.world.cluster.services[key]
    if not balancer_refuses(service, sender):
        yield from to_service(policies, sender, key, wanted)
        return
    reason = f"the load balancer of service {'/'.join(key)} takes nothing from {sender.name} (loadBalancerSourceRanges)"
    if target.strip() in map(str, service.load_balancer_addresses) or not other_ways(service):
        yield nowhere(reason, service.at)
        return
    for outcome in to_service(policies, sender, key, wanted):
        yield outcome._replace(assumptions=(*outcome.assumptions, f"{reason}: it asks at a node port or an external address"))


def to_service(
    policies: Policies, sender: Entity, key: tuple[str, str], wanted: Wanted, before: tuple[tuple[str, str], ...] = ()
) -> Iterator[Outcome]:
    """An outcome for each pod behind a service's port. ``before`` are services that are other names for it."""
    service = policies.world.cluster.services[key]
    if service.type == "ExternalName" and sender.kind is not Kind.OUTSIDE:
        yield from to_name(policies, sender, service, wanted, (*before, key))
        return
    name, protocol, port = f"service {'/'.join(key)}", wanted.protocol, wanted.port
    if not port and protocol == ICMP and service.ports:
        protocol, port = service.ports[0].protocol, service.ports[0].port
    if sender.kind is not Kind.OUTSIDE and (redirect := redirecting(policies, service)) is not None:
        words = f"{redirect.kind} {redirect.namespace}/{redirect.name} leads what asks for {name} to pods on the sender's node, which is not followed"
        yield Outcome(Fate.UNKNOWN, reason=words, at=redirect.at)
        return
    found = at_port(policies.world, *key, protocol, port)
    if sender.kind is Kind.OUTSIDE and service.type not in FROM_OUTSIDE and not service.external_addresses:
        yield nowhere(f"{name} has no address that is reached from outside: its type is {service.type}", service.at)
    elif not found and not service.headless and (protocol, port) not in {(item.protocol, item.port) for item in service.ports}:
        yield nowhere(f"{name} has no port {port}/{PROTOCOL_NAMES.get(protocol, protocol)}", service.at)
    elif not found and open_ended(policies.world, service):
        reason = f"{name} has no selector, and its endpoints are not in the input (an EndpointSlice or Endpoints of its name)"
        yield Outcome(Fate.UNKNOWN, reason=reason, at=service.at)
    elif not found:
        yield nowhere(f"{name} has {'no pod' if service.selector else 'no endpoint'} behind port {port}", service.at)
    elif sender.kind is not Kind.OUTSIDE and service.internal_policy == "Local" and not service.headless:
        reached = (through(policies, sender, service, item, wanted) for item in found)
        yield from on_node(service, "internalTrafficPolicy", found, tuple(reached), sender.node)
    else:
        for item in found:
            yield through(policies, sender, service, item, wanted)


def redirecting(policies: Policies, service: ServiceFact) -> OtherObjectFact | None:
    """Cilium's policy that leads what asks for a service elsewhere (cilium.io/v2, CiliumLocalRedirectPolicy), by its name or its address."""
    if policies.profile.name not in SYSTEMS:
        return None
    for item in policies.world.by_kind.get("CiliumLocalRedirectPolicy", ()):
        front = mapping(mapping(item.document.get("spec")).get("redirectFrontend"))
        by_name, by_address = mapping(front.get("serviceMatcher")), mapping(front.get("addressMatcher"))
        named = (by_name.get("namespace"), by_name.get("serviceName")) == (service.namespace, service.name)
        if named or str(by_address.get("ip")) in map(str, service.cluster_addresses):
            return item
    return None


def on_node(
    service: ServiceFact, field: str, found: tuple[Backend, ...], outcomes: tuple[Outcome, ...], node: str
) -> Iterator[Outcome]:
    """The outcomes of the pods on one node, where a service leads to no others (pkg/proxy/topology.go, CategorizeEndpoints); with pods of which the node
    is not known it may."""
    pairs = [(item.entity.node, outcome) for item, outcome in zip(found, outcomes, strict=True)]
    here = [outcome for place, outcome in pairs if node and place == node]
    perhaps = [outcome for place, outcome in pairs if not node or not place]
    name = f"service {service.namespace}/{service.name}"
    if not here and not perhaps:
        yield nowhere(f"{name} has no endpoint on node {node}, and leads to no others ({field}: Local)", service.at)
    elif len({one.fate for one in (*here, *perhaps)} | ({Fate.UNREACHABLE} if not here else set())) == 1:
        yield from here or perhaps
    else:
        yield from here
        reason = f"which pods of {name} are on {f'node {node}' if node else 'the same node'}, is not known: it leads to no others ({field}: Local)"
        yield from (one._replace(fate=Fate.UNKNOWN, reason=reason, at=service.at, delivered_to=None) for one in perhaps)


def to_name(
    policies: Policies, sender: Entity, service: ServiceFact, wanted: Wanted, before: tuple[tuple[str, str], ...]
) -> Iterator[Outcome]:
    """An outcome for each end that a service of type ExternalName is another name for: the pods of a service, or the addresses that are given for the name."""
    name, other = service.external_name, service_meant(policies.world, service)
    given = policies.world.names.get(name.rstrip(".").lower(), ())
    if other in before:
        found = [nowhere(f"service {service.namespace}/{service.name} is a name for itself", service.at)]
    elif other is not None:
        found = [*to_service(policies, sender, other, wanted, before)]
    else:
        ends = [end for own in given for end in named(policies, str(own))]
        found = [one_way(policies, sender, end, flow_for(sender, end, wanted)) for end in ends]
    if not found:
        reason = (
            f"the addresses of {name} are not known, for which service {service.namespace}/{service.name} is a name (--dns FILE)"
        )
        found = [Outcome(Fate.UNKNOWN, reason=reason, at=service.at)]
    hop = Hop(sender.name, "service", f"svc:{service.namespace}/{service.name} is a name for {name}", service.at)
    yield from (outcome._replace(hops=(hop, *outcome.hops)) for outcome in found)


def through(policies: Policies, sender: Entity, service: ServiceFact, backend: Backend, wanted: Wanted) -> Outcome:
    """What becomes of a flow through a service to one of its pods."""
    family = wanted.family or service_family(sender, service, backend.entity)
    flow = flow_for(sender, backend.entity, replace(wanted, protocol=backend.protocol, port=backend.target, family=family))
    if service.headless:
        outcome = one_way(policies, sender, backend.entity, flow)
        text = f"svc:{service.namespace}/{service.name} is a name for the address of {backend.entity.name}"
        return outcome._replace(hops=(Hop(sender.name, "service", text, service.at), *outcome.hops))
    own = [item for item in service.cluster_addresses if item.family == flow.family] or list(service.cluster_addresses)
    blocks = tuple(host_prefix(item) for item in own[:1])
    asked = Asked(
        Entity(f"svc:{service.namespace}/{service.name}", Kind.OUTSIDE, blocks=blocks), replace(flow, port=backend.port)
    )
    outcome = one_way(policies, sender, backend.entity, flow, asked)
    hop = Hop(
        sender.name,
        "service",
        f"{asked.entity.name} port {backend.port} -> {backend.entity.name} port {backend.target}",
        service.at,
    )
    hidden = hides_source(policies, sender, service, backend, flow, outcome)
    if sender.kind is Kind.POD and sender is not backend.entity:
        hidden = masked(policies, sender, backend.entity, flow, asked, outcome)
    return hidden._replace(hops=(hop, *hidden.hops), destination_translated=True)


def service_family(sender: Entity, service: ServiceFact, destination: Entity) -> int | None:
    """The first family of the service's addresses in which both ends may be; None where its addresses, or one of such a family, are not there."""
    ends = [set(families_of(end)) for end in (sender, destination)]
    return next((item for item in service_families(service) if all(item in end or not end for end in ends)), None)


def hides_source(
    policies: Policies, sender: Entity, service: ServiceFact, backend: Backend, flow: Flow, outcome: Outcome
) -> Outcome:
    """From outside, with externalTrafficPolicy Cluster, the pod may see a node as the source: where that changes the answer, it is not known."""
    if sender.kind is not Kind.OUTSIDE or service.external_policy == "Local":
        return outcome
    known = policies.behind_nodes.all
    answers = {FATES[decide(known, node, backend.entity, flow).admitted] for node in policies.nodes} | {outcome.fate}
    if len(answers) == 1:
        return outcome._replace(source_translated=True)
    reason = "the node that takes the packet in may put its own address in the source's place (externalTrafficPolicy: Cluster)"
    return outcome._replace(fate=Fate.UNKNOWN, reason=reason, at=service.at, delivered_to=None)


def masked(policies: Policies, sender: Entity, receiver: Entity, flow: Flow, asked: Asked, outcome: Outcome) -> Outcome:
    """Where kube-proxy masquerades all that asks for services (``masqueradeAll``), the receiver's policies see the sender's node, but for systems that look at packets before their own node
    masquerades them: where that changes the answer, or may, it is not known. Which of its addresses the node takes, manifests do not say."""
    told = masquerades_all(policies.world)
    if told is None:
        return outcome
    node = node_seen(policies, sender, receiver, flow, asked)
    if node is None:
        return outcome
    if FATES[decide(policies.all, node, receiver, flow).admitted] is outcome.fate:
        return outcome._replace(source_translated=True)
    reason = f"the sender's node may put its own address in the source's place ({told.said_by}): policies may say something else of that"
    return outcome._replace(fate=Fate.UNKNOWN, reason=reason, at=told.at, delivered_to=None)
