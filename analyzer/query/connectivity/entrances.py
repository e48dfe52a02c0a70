"""What can be reached through services, Ingress, Gateway API routes and OpenShift routes, and whether policies let it in.

The packets of an Ingress, a Gateway or a Route come from the controller's pods. Where these are in the input they are the source, else
``{ingress-controller}`` or ``{gateway}``: a pod of which nothing is known. A LoadBalancer's or node port's packets come from outside,
and unless ``externalTrafficPolicy`` is Local perhaps with a node's address (kube-proxy's masquerading), so that both must be let in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import ServiceFact
from analyzer.policy.bits import members
from analyzer.policy.decision import decide, walks_of
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import All, AnyOf, Is, Kind, Not, Opaque, Peer, all_of
from analyzer.policy.tiers import Direction, Rules, Tier
from analyzer.query.connectivity.allowed import WITH_PORTS, Allow, Allowed
from analyzer.query.connectivity.endpoints import Party
from analyzer.query.connectivity.host_ports import host_ports
from analyzer.query.connectivity.routes import Route, routes
from analyzer.query.policies import Policies
from analyzer.query.policy_services import Backend, backends, has_node_ports, service_families
from analyzer.source import Span

NUMBERS = {name: number for number, name in WITH_PORTS.items()}
MASQUERADED = (
    "packets may come with the address of a node (externalTrafficPolicy Cluster), for which policies may decide otherwise"
)
SOME = "policies let in some addresses and others not"
NOWHERE = Span("", 1)
UNKNOWN = "the controller's pods are not in the input, and policies look at labels or namespaces that it may have or not"
OUTSIDE = "outside"
STRANGER = Entity("{stranger}", Kind.POD)


@dataclass(frozen=True, slots=True)
class Entrance:
    """A way in: through an object to an endpoint. ``source`` is an endpoint's id, a pseudo endpoint or ``outside``; ``port`` is what is asked for at the
    object's service. ``admitted``: whether policies let it in, None with ``why`` where that is not certain. ``requests``: those that it takes, in words."""

    kind: str
    name: str
    service: str
    source: str
    destination: str
    port: str
    allow: Allow
    admitted: bool | None
    why: str
    at: Span = field(compare=False, repr=False)
    requests: tuple[str, ...] = ()


def entrances(policies: Policies, everyone: tuple[Party, ...]) -> tuple[Entrance, ...]:
    """The ways in, in order."""
    found = Ways(policies, {entity.name: party.id for party in everyone for entity in party.entities})
    every = (*found.through_services(), *found.through_host_ports(), *found.through_routes())
    return tuple(sorted(dict.fromkeys(every), key=lambda item: (item.kind, item.name, item.source, item.destination, item.port)))


class Ways:
    """Looks for the ways in. ``party`` are the names of endpoints by those of entities."""

    def __init__(self, policies: Policies, party: Mapping[str, str]) -> None:
        self.policies, self.party = policies, party
        self.loosened: PolicySet | None = None

    def through_services(self) -> Iterator[Entrance]:
        """Ways through services with an address or a port that the outside can use."""
        for key, service in sorted(self.policies.world.cluster.services.items()):
            if service.type in ("LoadBalancer", "NodePort") or service.external_addresses:
                for backend in backends(self.policies.world, *key):
                    for kind, ranges in doors(service):
                        admitted, why = self.from_outside(service, backend, ranges)
                        yield self.entrance(kind, "/".join(key), "/".join(key), OUTSIDE, backend, admitted, why, service.at)

    def through_host_ports(self) -> Iterator[Entrance]:
        """Ways through ports of nodes that lead to pods."""
        for item in host_ports(self.policies.world):
            backend = Backend(item.entity, "", item.protocol, item.port, item.target)
            seen = (value for flow in self.flows(backend) for value in self.decided(self.outside((), flow), item.entity, flow))
            admitted = one_verdict(seen)
            why = "" if admitted is not None else SOME
            at, name = item.entity.at or NOWHERE, self.party.get(item.entity.name, item.entity.name)
            yield self.entrance("HostPort", name, "", OUTSIDE, backend, admitted, why, at)

    def through_routes(self) -> Iterator[Entrance]:
        """Ways through Ingress, Gateway API routes and OpenShift routes."""
        for route in routes(self.policies.world):
            found = backends(self.policies.world, *route.service)
            for backend in (item for item in found if route.takes(item)):
                for source, admitted, why in self.from_controller(route, backend):
                    service = "/".join(route.service)
                    found_way = self.entrance(route.kind, route.name, service, source, backend, admitted, why, route.at)
                    yield replace(found_way, requests=route.requests)

    def entrance(
        self, kind: str, name: str, service: str, source: str, backend: Backend, admitted: bool | None, why: str, at: Span
    ) -> Entrance:
        """A way to a backend."""
        protocol = WITH_PORTS.get(backend.protocol, str(backend.protocol))
        allow = (Allowed(protocol, ((backend.target, backend.target),)),)
        destination = self.party.get(backend.entity.name, backend.entity.name)
        return Entrance(kind, name, service, source, destination, f"{backend.port}/{protocol}", allow, admitted, why, at)

    def flows(self, backend: Backend, service: ServiceFact | None = None) -> list[Flow]:
        """The flow that reaches a backend, in each family; of a service's, where these are known."""
        own = service_families(service) if service is not None else ()
        families = [family for family in self.policies.families() if not own or family in own]
        return [Flow(family, backend.protocol, backend.target) for family in families]

    def from_outside(self, service: ServiceFact, backend: Backend, ranges: tuple[Prefix, ...]) -> tuple[bool | None, str]:
        """Whether every address outside that may use a service is let in to a backend."""
        flows = self.flows(backend, service)
        seen = [self.decided(self.outside(ranges, flow), backend.entity, flow) for flow in flows]
        direct = one_verdict(value for values in seen for value in values)
        if service.external_policy == "Local":
            return direct, "" if direct is not None else SOME
        known = self.policies.behind_nodes.all
        masked = one_verdict(decide(known, node, backend.entity, flow).admitted for flow in flows for node in self.policies.nodes)
        if direct is masked:
            return direct, "" if direct is not None else SOME
        return None, MASQUERADED

    def outside(self, allowed: tuple[Prefix, ...], flow: Flow) -> list[Entity]:
        """The addresses outside, of those that are allowed; all of a family of which none are named (pkg/proxy: ranges of the other family are not looked at)."""
        classes = self.policies.factors(flow.family).universe.classes
        ranges = [block for block in allowed if block.family == flow.family]
        found = [classes[place] for place in members(self.policies.elsewhere(flow.family))]
        if ranges:
            found = [entity for entity in found if any(own.overlaps(block) for own in entity.blocks for block in ranges)]
        return found

    def decided(self, sources: Iterable[Entity], destination: Entity, flow: Flow) -> list[bool | None]:
        """What is decided from each source."""
        return [decide(self.policies.all, source, destination, flow).admitted for source in sources]

    def from_controller(self, route: Route, backend: Backend) -> Iterator[tuple[str, bool | None, str]]:
        """Whether a controller's pods are let in to a backend: by each endpoint that they are, else as pods of which nothing is known."""
        by_party: dict[str, list[bool | None]] = {}
        for pod in route.controllers:
            values = [decide(self.policies.all, pod, backend.entity, flow).admitted for flow in self.flows(backend)]
            by_party.setdefault(self.party.get(pod.name, pod.name), []).extend(values)
        for source, values in sorted(by_party.items()):
            yield source, all_of(values), "" if all_of(values) is not None else "not certain by the policies"
        if not by_party:
            value = self.from_strangers(backend)
            yield route.pseudo, value, "" if value is not None else UNKNOWN

    def from_strangers(self, backend: Backend) -> bool | None:
        """Whether a pod of which nothing is known is let in: only where every pod would be. What holds it back itself is not asked."""
        if self.loosened is None:
            self.loosened = about_strangers(self.policies.all)
        return all_of(
            walk.admitted
            for flow in self.flows(backend)
            for walk in walks_of(self.loosened, Direction.INGRESS, STRANGER, backend.entity, flow)
        )


def doors(service: ServiceFact) -> Iterator[tuple[str, tuple[Prefix, ...]]]:
    """How the outside comes to a service, and who may: ``loadBalancerSourceRanges`` are held against what comes to the load balancer's addresses, not to node ports
    or other addresses (pkg/proxy/iptables, the KUBE-FW chains)."""
    yield (
        service.type if service.type != "ClusterIP" else "ExternalIP",
        service.source_ranges if service.type == "LoadBalancer" else (),
    )
    if service.type == "LoadBalancer" and service.source_ranges:
        if has_node_ports(service):
            yield "NodePort", ()
        if service.external_addresses:
            yield "ExternalIP", ()


def about_strangers(policies: PolicySet) -> PolicySet:
    """The policies for traffic from a pod of which nothing is known: what rules ask about their peers is open."""
    planes = tuple(replace(plane, tiers=tuple(map(loosened_tier, plane.tiers))) for plane in policies.planes)
    return replace(policies, planes=planes, memory={}, homes={})


def loosened_tier(tier: Tier) -> Tier:
    """The tier with rules of ingress whose peers are open."""
    return replace(tier, policies=tuple(replace(policy, ingress=loosened(policy.ingress)) for policy in tier.policies))


def loosened(rules: Rules | None) -> Rules | None:
    """The rules with open peers."""
    return rules and replace(rules, rules=tuple(replace(rule, peer=opened(rule.peer, rule.at)) for rule in rules.rules))


def opened(peer: Peer, at: Span) -> Peer:
    """The test as far as it is one of pods at all; what it asks about labels, names and addresses is open."""
    match peer:
        case All(terms):
            return All(tuple(opened(term, at) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(opened(term, at) for term in terms))
        case Not(term):
            return Not(opened(term, at))
        case Is() | Opaque():
            return peer
        case _:
            return Opaque("what the controller's pods are", at)


def one_verdict(values: Iterable[bool | None]) -> bool | None:
    """The verdict that all values are; None where they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
