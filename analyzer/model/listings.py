"""What listings of kubectl say of objects that no text of the input has whole: pods and nodes with their addresses, services with their endpoints.

An object that is there whole says all that a listing of it does. Listings that differ say nothing for sure: they are of different times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from analyzer.addresses import Address
from analyzer.facts.kubernetes import EndpointsFact, ObjectFact, ServicePort
from analyzer.facts.listings import EndpointsListing, ListedPort, NodeListing, PodListing, ServiceListing
from analyzer.model.listed import Listed
from analyzer.model.ordering import Ordered

L = TypeVar("L", PodListing, NodeListing, ServiceListing, EndpointsListing)
O = TypeVar("O", bound=ObjectFact)  # noqa: E741


def listed(facts: Ordered, whole: Mapping[str, Iterable[ObjectFact]]) -> Listed:
    """What listings add to the objects, given by kind."""
    pods = merged(facts.all(PodListing), pods_together)
    nodes = merged(facts.all(NodeListing), nodes_together)
    services = merged(facts.all(ServiceListing), services_together)
    endpoints = merged(facts.all(EndpointsListing), endpoints_together)
    return Listed(
        tuple(without(pods, whole["Pod"])),
        tuple(without(nodes, whole["Node"])),
        tuple(without(services, whole["Service"])),
        {(item.namespace, item.name): item for item in without(endpoints, whole["Endpoints"])},
    )


def without(items: Iterable[L], whole: Iterable[ObjectFact]) -> Iterator[L]:
    """The listings of objects that are not there whole; one without a namespace may be of any that has its name."""
    names = {(fact.namespace, named(fact)) for fact in whole}
    anywhere = {name for _, name in names}
    for item in items:
        if (item.namespace, item.name) not in names and not (item.name in anywhere and not item.namespace):
            yield item


def named(fact: ObjectFact) -> str:
    """An object's name; of a slice of endpoints its service's."""
    return fact.service if isinstance(fact, EndpointsFact) else fact.name


def merged(items: list[L], together: Callable[[L, L], L | None]) -> tuple[L, ...]:
    """Each object once, with what its listings say together; left out where they contradict each other. Of a name that a namespace is
    told for, listings without one are left out."""
    groups: dict[tuple[str, str], list[L]] = {}
    for item in items:
        groups.setdefault((item.namespace, item.name), []).append(item)
    told = {name for namespace, name in groups if namespace}
    found = []
    for (namespace, name), group in sorted(groups.items()):
        one: L | None = group[0] if namespace or name not in told or isinstance(group[0], NodeListing) else None
        for other in group[1:]:
            one = together(one, other) if one is not None else None
        if one is not None:
            found.append(one)
    return tuple(found)


def of_both(one: tuple[Address, ...], other: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses of two listings, of which one may show the first only; none where they differ."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return longer if longer[: len(shorter)] == shorter else ()


def pods_together(one: PodListing, other: PodListing) -> PodListing | None:
    """A pod by two listings."""
    addresses = of_both(one.addresses, other.addresses)
    if one.node != other.node or not addresses or (None not in (one.labels, other.labels) and one.labels != other.labels):
        return None
    labels = one.labels if one.labels is not None else other.labels
    return replace(one, addresses=addresses, host_address=one.host_address or other.host_address, labels=labels)


def nodes_together(one: NodeListing, other: NodeListing) -> NodeListing | None:
    """A node by two listings."""
    addresses = of_both(one.addresses, other.addresses)
    return replace(one, addresses=addresses) if addresses else None


def services_together(one: ServiceListing, other: ServiceListing) -> ServiceListing | None:
    """A service by two listings."""
    addresses = of_both(one.cluster_addresses, other.cluster_addresses)
    if not addresses or [numbers(port) for port in one.ports] != [numbers(port) for port in other.ports]:
        return None
    if len({one.internal_policy, other.internal_policy} - {""}) > 1:
        return None
    ports = tuple(ports_together(*both) for both in zip(one.ports, other.ports, strict=True))
    return replace(one, cluster_addresses=addresses, ports=ports, internal_policy=one.internal_policy or other.internal_policy)


def numbers(port: ListedPort) -> tuple[int, int]:
    """What every listing shows of a port."""
    return port.protocol, port.port


def ports_together(one: ListedPort, other: ListedPort) -> ListedPort:
    """A port by two listings; endpoints that differ are not known."""
    name = one.name if one.name is not None else other.name
    shown = {port.endpoints for port in (one, other) if port.endpoints is not None}
    return ListedPort(one.protocol, one.port, name, shown.pop() if len(shown) == 1 else None)


def endpoints_together(one: EndpointsListing, other: EndpointsListing) -> EndpointsListing | None:
    """Endpoints by two listings: the one that names the ports, where both say the same."""
    if {end[:2] for end in one.endpoints} != {end[:2] for end in other.endpoints}:
        return None
    return one if all(name is not None for _, _, name, _ in one.endpoints) else other


def endpoints_of(found: EndpointsListing, port: ServicePort | ListedPort, alone: bool) -> tuple[tuple[Address, int], ...] | None:
    """The endpoints of a service's port; None where it is not known which they are. ``alone``: the service has no other port."""
    if alone and len({number for _, number, _, _ in found.endpoints}) < 2:
        return tuple(end[:2] for end in found.endpoints)
    if port.name is None or any(name is None for _, _, name, _ in found.endpoints):
        return None
    return tuple(end[:2] for end in found.endpoints if end[2:] == (port.name, port.protocol))


def most_said(facts: Iterable[O]) -> list[O]:
    """The objects without those of listings that another text says more of."""
    every = list(facts)
    if not any(fact.unsaid for fact in every):
        return every
    least: dict[tuple[str, str, str], int] = {}
    for fact in every:
        for namespace in {fact.namespace, ""}:
            key = (fact.kind, namespace, fact.name)
            least[key] = min(least.get(key, len(fact.unsaid)), len(fact.unsaid))
    return [fact for fact in every if len(fact.unsaid) <= least[fact.kind, fact.namespace, fact.name]]
