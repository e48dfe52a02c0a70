"""Who talks to whom in the guarantees: the pods and the nodes of the capture, with their addresses, and the services with their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import Address
from analyzer.facts.kubernetes import EndpointsFact, PodFact, ServiceFact, ServicePort
from analyzer.facts.listings import NodeListing
from analyzer.model.attachments import in_node
from analyzer.model.listings import endpoints_of
from analyzer.model.network import Network
from analyzer.query.plan import node_networks, node_of
from analyzer.query.state import roots
from analyzer.ranges import Ranges, normalised, single
from analyzer.source import Scope, Span

Ends = Mapping[tuple[int, int, int], frozenset[tuple[int, int]]]
"""The endpoints (address, port) that each service port (protocol, address, port) stands for."""
Rows = tuple[tuple[Ranges, ...], ...]


@dataclass(frozen=True, slots=True)
class Party:
    """A pod or a node with one of its addresses. ``pod`` is its object, where it was captured."""

    name: str
    scope: Scope
    address: Address
    pod: PodFact | None = None


@dataclass(frozen=True, slots=True)
class Portal:
    """A port of a service at one of its cluster addresses, and the endpoints (address, port) that answer it. ``service`` is None for one that is only listed."""

    name: str
    address: Address
    protocol: int
    port: int
    endpoints: frozenset[tuple[int, int]]
    at: Span
    node_port: int = 0
    service: ServiceFact | None = field(default=None, compare=False, repr=False)
    shown_policy: str = ""

    @property
    def internal_policy(self) -> str:
        """Whose pods are led to endpoints: ``Cluster``, ``Local``, or empty where a listing does not show it."""
        return self.service.internal_policy if self.service is not None else self.shown_policy


def families(network: Network) -> tuple[int, ...]:
    """The families in which pods or nodes have addresses: those of pods, where there are any."""
    found = {address.family for item in network.attachments if item.scope.namespace for address in item.addresses}
    return tuple(sorted(found or {item.address.family for item in node_networks(network)}))


def pods(network: Network, family: int) -> tuple[Party, ...]:
    """Every pod with a captured namespace of its own and an address of the family, by name; finished pods are left out."""
    found = []
    for item in network.attachments:
        own = [address for address in item.addresses if address.family == family]
        if own and item.scope.namespace and item.scope in network.namespaces and not (item.pod and item.pod.finished):
            found.append(Party(item.name, item.scope, own[0], item.pod))
    return tuple(sorted(found, key=lambda party: (party.name, party.address)))


def absent_pods(network: Network, family: int) -> Iterator[str]:
    """The pods that have an address of the family by the API, and no captured namespace, by name."""
    known = {party.name for party in pods(network, family)}
    for pod in sorted(network.cluster.pods.values(), key=lambda one: (one.namespace, one.name)):
        name = f"{pod.namespace}/{pod.name}"
        addressed = any(address.family == family for address in pod.addresses)
        if addressed and name not in known and not (pod.finished or pod.host_network):
            yield name
    yield from listed_and_absent(network, family)


def listed_and_absent(network: Network, family: int) -> Iterator[str]:
    """The pods that a listing shows an address of the family of, with no captured namespace, by name."""
    known = {address for item in network.attachments for address in item.addresses}
    for listed in network.cluster.listed.pods:
        addressed = any(address.family == family for address in listed.addresses)
        if addressed and known.isdisjoint(listed.addresses) and not in_node(listed, network.cluster):
            yield f"{listed.namespace}/{listed.name}" if listed.namespace else listed.name


def absent_nodes(network: Network) -> Iterator[str]:
    """The nodes of the API of which nothing was captured, by name."""
    known = {node.name for root in roots(network) if (node := node_of(network, root.scope.node)) is not None}
    yield from (f"node:{name}" for name in sorted(network.cluster.nodes) if name not in known)
    listed = {item.name for item in network.cluster.listed.nodes} - {*known, *network.node_names}
    yield from (f"node:{name}" for name in sorted(listed))


def nodes(network: Network, family: int) -> tuple[Party, ...]:
    """Every captured node with the address that its object states (InternalIP), else the one of its uplink. Where the Node objects
    were captured, a machine without one (the VM of a peer pod) is no node of the cluster."""
    found = []
    shown: dict[str, list[NodeListing]] = {}
    for listed in network.cluster.listed.nodes:
        shown.setdefault(network.node_names.get(listed.name, listed.name), []).append(listed)
    uplinks: dict[Scope, list[Address]] = {}
    for item in node_networks(network):
        uplinks.setdefault(item.interface.scope, []).append(item.address)
    for root in roots(network):
        fact = node_of(network, root.scope.node)
        if fact is None and "Node" in network.cluster.known and root.scope.node not in shown:
            continue
        stated = [address for kind, address in (fact.addresses if fact else ()) if kind == "InternalIP"]
        stated = stated or [own for item in shown.get(root.scope.node, ()) for own in item.addresses]
        owned = {item.address for item in root.addresses}
        for address in [*(one for one in stated if one in owned), *uplinks.get(root.scope, ())]:
            if address.family == family:
                found.append(Party(f"node:{root.scope.node}", root.scope, address))
                break
    return tuple(found)


def owners(parties: Iterable[Party]) -> dict[int, tuple[Party, ...]]:
    """The parties by address."""
    found: dict[int, tuple[Party, ...]] = {}
    for party in parties:
        found[party.address.value] = (*found.get(party.address.value, ()), party)
    return found


def addresses(parties: Iterable[Party]) -> Ranges:
    """The addresses of the parties."""
    return normalised((party.address.value, party.address.value) for party in parties)


def portals(network: Network, family: int, policies: tuple[str, ...] = ("Cluster",)) -> tuple[Portal, ...]:
    """The service ports with a cluster address of the family that have a ready endpoint, by name. One with internalTrafficPolicy Local is
    for each node's own pods, and left out unless asked for."""
    return tuple(portal for key in sorted(network.cluster.services) for portal in portals_of(network, key, family, policies))


def decidable(network: Network, family: int, policies: tuple[str, ...] = ("Cluster",)) -> tuple[Portal, ...]:
    """The portals of which every endpoint is a pod or a node of the capture."""
    return captured(network, family, portals(network, family, policies))


def captured(network: Network, family: int, found: Sequence[Portal]) -> tuple[Portal, ...]:
    """Those of the portals of which every endpoint is a pod or a node of the capture."""
    known = {party.address.value for party in (*pods(network, family), *nodes(network, family))}
    return tuple(portal for portal in found if all(address in known for address, _ in portal.endpoints))


def nearby(network: Network, portal: Portal, node: str) -> frozenset[tuple[int, int]]:
    """The endpoints of a portal that are on a node: those that a policy Local leaves (pkg/proxy/topology.go ``CategorizeEndpoints``)."""
    here = {address.value for item in network.attachments if item.scope.node == node for address in item.addresses}
    return frozenset(one for one in portal.endpoints if one[0] in here)


def portals_of(network: Network, key: tuple[str, str], family: int, policies: tuple[str, ...]) -> Iterator[Portal]:
    """The ports of one service."""
    service = network.cluster.services[key]
    slices = network.cluster.endpoints.get(key, ())
    listed = None if slices else network.cluster.listed.endpoints.get(key)
    own = [address for address in service.cluster_addresses if address.family == family]
    for port in service.ports if own and service.internal_policy in policies and service.type != "ExternalName" else ():
        found = frozenset(targets(slices, service, port, family))
        if listed is not None:
            found = of_family(endpoints_of(listed, port, len(service.ports) == 1), family)
        if found:
            yield Portal(f"{key[0]}/{key[1]}", own[0], port.protocol, port.port, found, port.at, port.node_port, service)


def of_family(ends: Iterable[tuple[Address, int]] | None, family: int) -> frozenset[tuple[int, int]]:
    """The endpoints of a family, as numbers."""
    return frozenset((address.value, port) for address, port in ends or () if address.family == family)


def targets(slices: Iterable[EndpointsFact], service: ServiceFact, port: ServicePort, family: int) -> Iterator[tuple[int, int]]:
    """The ready endpoints of a port."""
    for item in slices:
        numbers = [number for name, protocol, number in item.ports if name == port.name and protocol == port.protocol and number]
        for endpoint in item.endpoints:
            if endpoint.address.family == family and (endpoint.ready or service.publish_not_ready):
                yield from ((endpoint.address.value, number) for number in numbers)


def rows_of(portals: Iterable[tuple[int, int, int]]) -> Rows:
    """Service ports (protocol, address, port), each alone, in order."""
    return tuple((single(protocol), single(address), single(port)) for protocol, address, port in sorted(portals))


def meant_for(translated: Ends, holders: Mapping[int, frozenset[Scope]]) -> dict[Scope, frozenset[tuple[Ranges, ...]]]:
    """Protocol, address and port of a service, and address and port of an endpoint, each alone, by the namespaces that hold the endpoint."""
    found: dict[Scope, list[tuple[Ranges, ...]]] = {}
    own = {value: single(value) for value in holders}
    for (protocol, address, port), ends in translated.items():
        asked = (single(protocol), single(address), single(port))
        for end, number in ends:
            for scope in holders.get(end, ()):
                found.setdefault(scope, []).append((*asked, own[end], single(number)))
    return {scope: frozenset(rows) for scope, rows in found.items()}
