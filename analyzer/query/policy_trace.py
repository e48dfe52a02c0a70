"""One flow where only manifests are given: policies and services decide, and the hops are what they decide (``analyze trace``).

There is no network to walk: where policies admit a flow it is taken to arrive, which every outcome says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.addresses import Address, address, host_prefix, prefix
from analyzer.facts.kubernetes import ServiceFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.calico.encapsulation import profile_for
from analyzer.policy.decision import Decision, Step, decide, doubt, own_node_passes
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.profiles import Profile
from analyzer.policy.secondary import having
from analyzer.policy.terms import Kind
from analyzer.policy.tiers import Action, Direction
from analyzer.query.endpoints import OUTSIDE
from analyzer.query.masquerading import masquerades_all, node_seen
from analyzer.query.policies import Identity, Policies, known, on_network
from analyzer.query.policy_parties import entities_named
from analyzer.query.policy_services import (
    Backend,
    balancer_refuses,
    open_ended,
    other_ways,
    reached,
    service_families,
    service_meant,
    service_named,
)
from analyzer.query.policy_switches import flipped
from analyzer.query.witness import deciding, explained
from analyzer.solve.packet import ICMP, ICMPV6, PROTOCOL_NAMES, Fate, Hop, Outcome, Packet, Trace
from analyzer.solve.walk.oracle import fate_of
from analyzer.source import Span

SWITCH = ", in which network systems differ (--policy-switch {}=yes or =no)"
ECHO = {4: (ICMP, 8 << 8), 6: (ICMPV6, 128 << 8)}
EPHEMERAL = 40000
TAKEN = "only manifests are given: what policies admit is taken to arrive"
FATES = {True: Fate.REACHABLE, False: Fate.UNREACHABLE, None: Fate.UNKNOWN}
FROM_OUTSIDE = ("NodePort", "LoadBalancer")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: protocol and port, and the family, where one of the ends is named by an address."""

    protocol: int
    port: int
    family: int | None = None


def policy_trace(network: Network, source: str, target: str, protocol: int, port: int, profile: Profile) -> Trace:
    """What policies say of a flow from each of the sources to each of the targets. ValueError when a name means nobody."""
    told = network_of_addresses(network.cluster, source, target) if not profile.network else None
    policies = known(Identity(network.cluster), on_network(network.cluster, told) if told else profile)
    policies = known(Identity(network.cluster), profile_for(policies.world, [(protocol, port, port)]))
    senders, wanted = named(policies, source), Wanted(protocol, port, family_named(source, target))
    if (asked := service_named(policies.world, target)) is not None:
        outcomes = [one for sender in senders for one in past_balancer(policies, sender, asked, wanted, target)]
    else:
        receivers = named(policies, target)
        pairs = [(one, other) for one in senders for other in receivers if one is not other or one.replicas > 1]
        pairs = pairs or [(senders[0], receivers[0])]
        outcomes = [in_a_family(policies, one, other, wanted) for one, other in pairs]
    kept = tuple(dict.fromkeys(outcomes))
    if told:
        kept = tuple(one._replace(assumptions=(f"asked on the network {told}, by the address", *one.assumptions)) for one in kept)
    return Trace(fate_of(kept), kept)


def in_a_family(policies: Policies, source: Entity, destination: Entity, wanted: Wanted) -> Outcome:
    """What becomes of a flow between two ends, with a word where it is otherwise in the other family that both may speak."""
    flow = flow_for(source, destination, wanted)
    outcome = one_way(policies, source, destination, flow)
    for family in policies.families() if wanted.family is None else ():
        if family == flow.family or not all(policies.speaks(end, family) for end in (source, destination)):
            continue
        fate = one_way(policies, source, destination, flow_for(source, destination, replace(wanted, family=family))).fate
        if fate is not outcome.fate:
            text = f"asked over IPv{flow.family}: over IPv{family} it is {fate.value}"
            outcome = outcome._replace(assumptions=(*outcome.assumptions, text))
    return outcome


def network_of_addresses(cluster: Cluster, *names: str) -> str | None:
    """The secondary network on which a pod has one of the addresses that is named, and that no pod has on the default one."""
    primary = {own for pod in cluster.pods.values() for own in pod.addresses}
    primary |= {own for node in cluster.nodes.values() for _, own in node.addresses}
    for name in names:
        try:
            own = address(name.strip())
        except ValueError:
            continue
        if own not in primary and (found := having(cluster, own)) is not None:
            return found[1]
    return None


def named(policies: Policies, text: str) -> tuple[Entity, ...]:
    """The entities of a name; ``outside`` is one address that nobody has."""
    if text.strip() == "outside":
        return (outside_entity(OUTSIDE[policies.families()[0]]),)
    return entities_named(policies, text)


def outside_entity(address: Address) -> Entity:
    """An address outside."""
    return Entity(str(address), Kind.OUTSIDE, blocks=(host_prefix(address),))


def family_named(*names: str) -> int | None:
    """The family of the first of the names that is an address."""
    for name in names:
        try:
            return prefix(name.strip()).family
        except ValueError:
            continue
    return None


def flow_for(source: Entity, destination: Entity, wanted: Wanted) -> Flow:
    """The flow in the family that is asked for, else in the first that both ends have an address in."""
    family = wanted.family or family_of(source, destination)
    if wanted.protocol == ICMP:
        number, kind = ECHO[family]
        return Flow(family, number, kind, 0)
    return Flow(family, wanted.protocol, wanted.port, EPHEMERAL)


def family_of(source: Entity, destination: Entity) -> int:
    """The first family that both ends have an address in; that of one of them, where the other's are not known; IPv4 where nothing is known."""
    theirs, own = families_of(destination), families_of(source)
    common = [family for family in theirs if family in own] if theirs and own else [*theirs, *own]
    return (common or [4])[0]


def families_of(entity: Entity) -> list[int]:
    """The families of an entity's addresses, in their order."""
    return [item.family for item in entity.addresses] + [item.family for item in entity.blocks]


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
    found = [item for item in reached(policies.world, *key) if (item.protocol, item.port) == (protocol, port)]
    if sender.kind is Kind.OUTSIDE and service.type not in FROM_OUTSIDE and not service.external_addresses:
        yield nowhere(f"{name} has no address that is reached from outside: its type is {service.type}", service.at)
    elif not any((item.protocol, item.port) == (protocol, port) for item in service.ports):
        yield nowhere(f"{name} has no port {port}/{PROTOCOL_NAMES.get(protocol, protocol)}", service.at)
    elif not found and open_ended(policies.world, service):
        reason = f"{name} has no selector, and its endpoints are not in the input (an EndpointSlice or Endpoints of its name)"
        yield Outcome(Fate.UNKNOWN, reason=reason, at=service.at)
    elif not found:
        yield nowhere(f"{name} has {'no pod' if service.selector else 'no endpoint'} behind port {port}", service.at)
    for item in found if sender.kind is not Kind.OUTSIDE or service.type in FROM_OUTSIDE or service.external_addresses else ():
        yield through(policies, sender, service, item, wanted)


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


def nowhere(reason: str, at: Span) -> Outcome:
    """A flow that nobody answers."""
    return Outcome(Fate.UNREACHABLE, reason=reason, at=at)


def one_way(policies: Policies, source: Entity, destination: Entity, flow: Flow, asked: Asked | None = None) -> Outcome:
    """What policies say of one flow, as an outcome: none of a family that an end does not speak."""
    for end in (source, destination):
        if not policies.speaks(end, flow.family):
            return mute(end, flow.family)
    decision = decide(policies.all, source, destination, flow, asked)
    sent = Hop(
        source.name,
        "send",
        f"{PROTOCOL_NAMES.get(flow.protocol, flow.protocol)} to {destination.name}",
        source.at,
        packet(flow, source, destination),
    )
    hops = (sent, *dict.fromkeys(hops_of(policies, source, destination, flow, decision)))
    own, seen = (address_in(entity, flow.family) for entity in (source, destination))
    fate = FATES[decision.admitted]
    reason, at = "", None
    if fate is not Fate.REACHABLE:
        reason, at = why(policies, source, destination, flow, decision)
    provided = [text for step in decision.steps if step.rule is not None for text in step.rule.provided]
    kinds = dict.fromkeys(step.policy.kind for step in decision.steps if step.policy is not None)
    assumptions = (
        *((TAKEN,) if decision.admitted else ()),
        *filter(None, map(policies.profile.supposition, kinds)),
        *provided,
        *flipped(policies, source, destination, flow, asked, decision),
    )
    return Outcome(
        fate,
        delivered_to=delivered(destination) if fate is Fate.REACHABLE else None,
        source_seen=own,
        destination_seen=seen,
        port_seen=flow.port if flow.protocol not in (ICMP, ICMPV6) else None,
        reason=reason,
        at=at,
        hops=hops,
        assumptions=tuple(dict.fromkeys(assumptions)),
    )


def mute(end: Entity, family: int) -> Outcome:
    """No flow: an end has no address of the family."""
    reason = f"{end.name} has no IPv{family} address"
    if not end.addresses:
        reason = f"no pod and no node of the input has an IPv{family} address: {end.name}, for which none is given, is taken to have none"
    return Outcome(Fate.UNREACHABLE, reason=reason, at=end.at, hops=(Hop(end.name, "addresses", reason, end.at),))


def why(policies: Policies, source: Entity, destination: Entity, flow: Flow, decision: Decision) -> tuple[str, Span | None]:
    """Why a flow is denied, or not known to be admitted, and the line that decides."""
    for direction in (Direction.EGRESS, Direction.INGRESS):
        for step in deciding(decision, direction):
            subject = source if direction is Direction.EGRESS else destination
            text, lines = explained(policies.all, subject, flow.family, step)
            spared = spared_perhaps(policies, source, destination) if decision.admitted is None and step.certain else ""
            return f"{spared}; else {text}" if spared else text, lines[0].at if lines else None
    return "what decides is not known", None


def spared_perhaps(policies: Policies, source: Entity, destination: Entity) -> str:
    """Why policies are perhaps not asked about two ends, and what would settle it; empty where they are asked."""
    if source is destination:
        return f"whether policies are asked about a pod and itself through a service{SWITCH.format('own-service-admitted')}"
    if doubt(policies.profile, source, destination) is not None:
        return ""
    if own_node_passes(policies.profile, source) is None:
        return f"whether policies are asked about a pod and its own node{SWITCH.format('own-node-admitted')}"
    pod, node = (source, destination) if source.kind is Kind.POD else (destination, source)
    return f"whether {pod.name} runs on the node of {node.name}, which passes (nodeName)"


def hops_of(policies: Policies, source: Entity, destination: Entity, flow: Flow, decision: Decision) -> Iterator[Hop]:
    """The decisions in their order, what almost matched, and where the flow ends."""
    if decision.exempt:
        yield Hop(source.name, "policy", decision.exempt)
    for direction, subject in ((Direction.EGRESS, source), (Direction.INGRESS, destination)):
        steps = [step for step in decision.steps if step.direction is direction]
        for step in steps:
            if step.policy is None and step.action is Action.ALLOW:
                yield Hop(subject.name, direction.value, "no policy denies it")
                continue
            yield step_hop(policies, subject, flow, step)
        if not steps and not decision.exempt:
            yield Hop(subject.name, direction.value, f"no policy selects {subject.name}")
        for near in decision.near:
            if near.direction is direction:
                missed = "its peers do not match" if near.missed == "peer" else "its ports do not match"
                yield Hop(subject.name, "near", f"{near.policy}: a rule of {direction} almost matches: {missed}", near.rule.at)
    if decision.admitted:
        yield Hop(destination.name, "deliver", f"admitted to {destination.name}", destination.at)


def step_hop(policies: Policies, subject: Entity, flow: Flow, step: Step) -> Hop:
    """One decision."""
    if step.action is Action.PASS:
        return Hop(
            subject.name,
            step.direction.value,
            f"{step.policy} passes it on to the next tier",
            step.rule.at if step.rule else None,
        )
    text, lines = explained(policies.all, subject, flow.family, step)
    return Hop(subject.name, step.direction.value, text, lines[0].at if lines else None)


def delivered(entity: Entity) -> str:
    """The name of who has the flow."""
    return "outside" if entity.kind is Kind.OUTSIDE else entity.name


def address_in(entity: Entity, family: int) -> Address | None:
    """The address of the entity in the family, where it is known."""
    own = next((item for item in entity.addresses if item.family == family), None)
    block = next((item for item in entity.blocks if item.family == family), None)
    return own or (Address(family, block.value) if block is not None else None)


def packet(flow: Flow, source: Entity, destination: Entity) -> Packet | None:
    """The packet of a flow, where the addresses of both ends are known."""
    own, seen = (address_in(entity, flow.family) for entity in (source, destination))
    if own is None or seen is None:
        return None
    if flow.protocol in (ICMP, ICMPV6):
        return Packet(flow.family, own.value, seen.value, flow.protocol, 1, 0, flow.port >> 8, flow.port & 255)
    return Packet(flow.family, own.value, seen.value, flow.protocol, flow.source_port, flow.port)
