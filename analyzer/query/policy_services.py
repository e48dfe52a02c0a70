"""The pods behind a service, and the ports by which it reaches them, from what policies and manifests know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from analyzer.addresses import Address, address, host_prefix
from analyzer.facts.kubernetes import EndpointsFact, ServiceFact, ServicePort
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.policy.world import World


class Backend(NamedTuple):
    """A pod behind a service's port, or another end that its endpoints name: the flow that asks for ``port`` of the service arrives at ``target`` of it."""

    entity: Entity
    name: str
    protocol: int
    port: int
    target: int


def service_at(world: World, address: Address) -> tuple[str, str] | None:
    """The service (namespace, name) that has an address."""
    for key, fact in sorted(world.cluster.services.items()):
        if address in (*fact.cluster_addresses, *fact.external_addresses, *fact.load_balancer_addresses):
            return key
    return None


def service_named(world: World, text: str) -> tuple[str, str] | None:
    """The service (namespace, name) that is named, by its name or an address; None where it is something else."""
    kind, colon, rest = text.strip().partition(":")
    if colon and kind in ("svc", "service"):
        namespace, slash, name = rest.partition("/")
        key = (namespace, name) if slash else ("default", namespace)
        if key not in world.cluster.services:
            raise ValueError(f"there is no service {'/'.join(key)} in the input")
        return key
    try:
        own = address(text.strip())
    except ValueError:
        return None
    held = any(own in entity.addresses for entity in world.entities)
    return None if held else service_at(world, own)


def service_families(service: ServiceFact) -> tuple[int, ...]:
    """The families of a service's own addresses, the first one first: its pods are reached in these, as no service translates between them
    (pkg/proxy: a proxier for each family, with the endpoints of its own). Empty where there is none, or none is known."""
    return tuple(dict.fromkeys(item.family for item in service.cluster_addresses))


def balancer_refuses(service: ServiceFact, sender: Entity) -> bool:
    """Whether a service's load balancer takes nothing from an address outside: it is in none of ``loadBalancerSourceRanges`` of its family, where there are any, and what comes from
    elsewhere is dropped at the load balancer's addresses, at no others (pkg/proxy/iptables, the KUBE-FW chains; pkg/proxy/ipvs, KUBE-LOAD-BALANCER-FW)."""
    if sender.kind is not Kind.OUTSIDE or service.type != "LoadBalancer":
        return False
    ranges = [block for block in service.source_ranges if any(block.family == own.family for own in sender.blocks)]
    return bool(ranges) and not any(block.overlaps(own) for block in ranges for own in sender.blocks)


def other_ways(service: ServiceFact) -> bool:
    """Whether a service of type LoadBalancer is reached from outside past its load balancer: at node ports or at external addresses."""
    return has_node_ports(service) or bool(service.external_addresses)


def has_node_ports(service: ServiceFact) -> bool:
    """Whether a service of type LoadBalancer has node ports: unless ``allocateLoadBalancerNodePorts`` is false, or where they are given."""
    spec = service.document.get("spec")
    allocated = not isinstance(spec, dict) or spec.get("allocateLoadBalancerNodePorts") is not False
    return allocated or any(port.node_port for port in service.ports)


def backends(world: World, namespace: str, name: str) -> tuple[Backend, ...]:
    """The pods behind each port of a service, by its selector; by its captured endpoints where it has none, or where no pod is given that it selects. One of
    type ExternalName is a name, and nobody makes endpoints for it (pkg/controller/endpointslice, syncService)."""
    service = world.cluster.services.get((namespace, name))
    if service is None or service.type == "ExternalName":
        return ()
    selected = [entity for entity in world.entities if entity.namespace == namespace and selects(service, entity)]
    if selected:
        return tuple(dict.fromkeys(item for port in service.ports for item in selected_backends(port, selected)))
    return tuple(dict.fromkeys(captured(world, service, world.cluster.endpoints.get((namespace, name), ()))))


def reached(world: World, namespace: str, name: str) -> tuple[Backend, ...]:
    """What clients reach at each port of a service. Without an address of its own nobody translates: its name means its pods' addresses, which are asked on the
    port itself (core/v1 ServicePort.targetPort: ignored for services with clusterIP=None)."""
    found = backends(world, namespace, name)
    service = world.cluster.services.get((namespace, name))
    if service is None or not service.headless:
        return found
    selected = [entity for entity in world.entities if entity.namespace == namespace and selects(service, entity)]
    if selected:
        return tuple(Backend(item, port.name, port.protocol, port.port, port.port) for port in service.ports for item in selected)
    return tuple(dict.fromkeys(item._replace(target=item.port) for item in found))


def at_port(world: World, namespace: str, name: str, protocol: int, port: int) -> tuple[Backend, ...]:
    """What clients reach who ask at one port. A name for pods leads to them whatever port is asked for."""
    found = reached(world, namespace, name)
    here = tuple(item for item in found if (item.protocol, item.port) == (protocol, port))
    service = world.cluster.services.get((namespace, name))
    if here or service is None or not service.headless:
        return here
    return tuple(Backend(pod, "", protocol, port, port) for pod in ends_of(world, namespace, name))


def ends_of(world: World, namespace: str, name: str) -> tuple[Entity, ...]:
    """The ends that a service leads to by any of its ports; a name for pods needs none."""
    service = world.cluster.services.get((namespace, name))
    if service is not None and service.headless and not service.ports:
        return tuple(entity for entity in world.entities if entity.namespace == namespace and selects(service, entity))
    return tuple(dict.fromkeys(item.entity for item in reached(world, namespace, name)))


def selects(service: ServiceFact, entity: Entity) -> bool:
    """Whether a service's selector holds for a pod; an empty one selects nothing (the endpoints are somebody else's to make)."""
    return bool(service.selector) and all(entity.labels.get(key) == value for key, value in (service.selector or {}).items())


def selected_backends(port: ServicePort, entities: Iterable[Entity]) -> Iterator[Backend]:
    """The pods of a port with the number that its target has at each: a name means the port that the pod's containers give it."""
    for entity in entities:
        if (number := target(port, entity)) is not None:
            yield Backend(entity, port.name, port.protocol, port.port, number)


def target(port: ServicePort, entity: Entity) -> int | None:
    """The number of a port's target at a pod: of a name, the first of that name and protocol (pkg/api/v1/pod, FindPort); a pod without the name has none."""
    if isinstance(port.target, int):
        return port.target or port.port
    named = (item.port for item in (*entity.ports, *entity.served) if item.name == port.target and item.protocol == port.protocol)
    return next(named, None)


def captured(world: World, service: ServiceFact, slices: Collection[EndpointsFact]) -> Iterator[Backend]:
    """The entities that have the addresses of endpoints; where nobody has one, it is outside."""
    owners = {own: entity for entity in reversed(world.entities) if not entity.host_network for own in entity.addresses}
    given = {endpoint.address for item in slices for endpoint in item.endpoints} - owners.keys()
    owners |= {own: Entity(str(own), Kind.OUTSIDE, blocks=(host_prefix(own),)) for own in given}
    for item in slices:
        for port in service.ports:
            numbers = [number for name, protocol, number in item.ports if (name, protocol) == (port.name, port.protocol)]
            for endpoint in item.endpoints:
                entity = owners[endpoint.address]
                yield from (Backend(entity, port.name, port.protocol, port.port, number or port.port) for number in numbers)


def open_ended(world: World, service: ServiceFact) -> bool:
    """Whether it is not known where a service leads: it has no selector, and its endpoints are not in the input, which is not of a whole cluster."""
    cluster = world.cluster
    whole = {"Node", "Pod"} <= cluster.known and ("EndpointSlice" in cluster.known or "Endpoints" in cluster.known)
    return not service.selector and not whole and (service.namespace, service.name) not in cluster.endpoints


def service_meant(world: World, service: ServiceFact) -> tuple[str, str] | None:
    """The service (namespace, name) that one of type ExternalName is another name for, by its name in the cluster's DNS; None where it is none of the input."""
    name, *rest = service.external_name.rstrip(".").lower().split(".")
    found = (rest[0], name) if len(rest) > 1 and rest[1] == "svc" else None
    return found if found in world.cluster.services else None
