"""Ports of services that are only listed (``kubectl get svc``, ``kubectl describe svc``), for the guarantee about services.

Where all endpoints are shown, what is sent to the service has to arrive at one of them, unless the service is for each node's own pods alone, which
tables do not show: then a proof is one, and a failure is none. Beside policies nothing is said, which ask for more than is shown of services.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.listings import ListedPort, ServiceListing
from analyzer.model.listings import endpoints_of
from analyzer.model.network import Network
from analyzer.query.grouping import Group
from analyzer.query.parties import Portal, of_family
from analyzer.query.policies import of_network
from analyzer.query.reach import Reach

UNSAID = "whether a service is for each node's own pods (internalTrafficPolicy) is not shown by the listing of it"


def listed_portals(network: Network, family: int) -> Iterator[Portal]:
    """The ports of services that are only listed, and of which all endpoints are."""
    for service in network.cluster.listed.services if of_network(network).none else ():
        own = [address for address in service.cluster_addresses if address.family == family]
        for port in service.ports if own else ():
            if found := of_family(shown_endpoints(network, service, port), family):
                name = f"{service.namespace}/{service.name}" if service.namespace else service.name
                yield Portal(name, own[0], port.protocol, port.port, found, service.at, shown_policy=service.internal_policy)


def shown_endpoints(network: Network, service: ServiceListing, port: ListedPort) -> tuple[tuple[Address, int], ...] | None:
    """The endpoints of a port, by the listing of its service, else by that of its endpoints; None where not all are shown."""
    if port.endpoints is not None:
        return port.endpoints
    listed = network.cluster.listed.endpoints.get((service.namespace, service.name))
    return None if listed is None else endpoints_of(listed, port, len(service.ports) == 1)


def unshown(network: Network, family: int) -> int:
    """How many ports of listed services nothing is said of: not all of their endpoints are shown, or policies ask for more."""
    none = of_network(network).none
    return sum(
        not none or shown_endpoints(network, service, port) is None
        for service in network.cluster.listed.services
        for port in service.ports
        if any(address.family == family for address in service.cluster_addresses)
    )


def excused(reach: Reach, group: Group) -> Reach:
    """What is known of the flows of a group, where it may be wanted that some fail: then nothing is said of those that do."""
    if group.excuse and reach.failures:
        reach.doubts[f"{group.excuse}: {reach.failures[0].reason}"] = None
        reach.failures.clear()
    return reach
