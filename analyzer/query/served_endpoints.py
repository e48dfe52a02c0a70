"""Whom kube-proxy's rules on a node send the packets of a service's port to, in each of its modes, and whom they should.

Follows kubernetes pkg/proxy: ``CategorizeEndpoints`` (topology.go: ready endpoints, whatever their node, where neither a traffic policy nor hints choose), the
chains of iptables/proxier.go and nftables/proxier.go by their names, and the virtual servers of ipvs/proxier.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.kubernetes import EndpointsFact, ServiceFact, ServicePort
from analyzer.model.network import Namespace, Network
from analyzer.query.native import goals, tables
from analyzer.source import Source, Span

Place = tuple[Address, int, int]
"""An address, a protocol by number, and a port."""
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
HINTS = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
WORDS: Mapping[int, str] = {6: "tcp", 17: "udp", 132: "sctp"}
PORTAL = re.compile(r"^-A KUBE-SERVICES -d ([^\s/]+)(?:/\d+)? -p (\w+) .*--dport (\d+) -j (KUBE-(?:SVC|SVL)-\w+)$", re.MULTILINE)
END = re.compile(r"^-A (KUBE-SEP-\w+) .*--to-destination (\[[^\]\s]+\]|[^\s:]+)", re.MULTILINE)
LED = re.compile(r"^-A (KUBE-SV[CL]-\w+) .*-j (KUBE-SEP-\w+)$", re.MULTILINE)
NAME = r"(?P<name>[\w.-]+/[\w.-]+)/(?P<protocol>tcp|udp|sctp)/(?P<port>[\w.-]*)"
START_NAME = re.compile(rf"service-\w+-{NAME}")
END_NAME = re.compile(rf"endpoint-\w+-{NAME}__(?P<to>[^/]+)/")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port of a service, and its endpoints that are ready."""

    service: ServiceFact
    port: ServicePort
    endpoints: Mapping[Address, Span]

    @property
    def name(self) -> str:
        """The service's namespace and name."""
        return f"{self.service.namespace}/{self.service.name}"

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.name} port {self.port.port}/{WORDS.get(self.port.protocol, str(self.port.protocol)).upper()}"


@dataclass(frozen=True, slots=True)
class Served:
    """To which of its ready endpoints a node's rules for a port of a service lead; of IPVS to whom at all."""

    mode: str
    endpoints: frozenset[Address]


def wanted(network: Network) -> dict[Place, Wanted]:
    """The ports of services that every node sends to all ready endpoints, by the services' own addresses."""
    found: dict[Place, Wanted] = {}
    for (namespace, name), service in network.cluster.services.items():
        slices = network.cluster.endpoints.get((namespace, name), ())
        if chosen(service, slices):
            continue
        for port in service.ports:
            for address in service.cluster_addresses:
                ready = of_port(port, slices, address.family)
                if ready:
                    found[address, port.protocol, port.port] = Wanted(service, port, ready)
    return found


def chosen(service: ServiceFact, slices: tuple[EndpointsFact, ...]) -> bool:
    """Whether nodes may choose among the endpoints, or another proxy serves it."""
    spec = service.document.get("spec")
    near = isinstance(spec, Mapping) and spec.get("trafficDistribution")
    hinted = any(key in service.annotations for key in HINTS) or any(
        "hints" in str(one.document.get("endpoints")) for one in slices
    )
    return bool(near or hinted or service.internal_policy == "Local" or OTHER_PROXY in service.labels)


def of_port(port: ServicePort, slices: tuple[EndpointsFact, ...], family: int) -> dict[Address, Span]:
    """The ready endpoints of a port. Of Endpoints and EndpointSlices that say the same, the slices count."""
    newer = [one for one in slices if one.kind == "EndpointSlice"] or slices
    return {
        endpoint.address: endpoint.at
        for one in newer
        if any(name == port.name and protocol == port.protocol for name, protocol, _ in one.ports)
        for endpoint in one.endpoints
        if endpoint.ready and not endpoint.terminating and endpoint.address.family == family
    }


class Piece(NamedTuple):
    """The chains of services by their addresses, protocols and ports; those of endpoints by the services' chains; the endpoints by theirs."""

    portals: dict[tuple[str, str, str], str]
    led: dict[str, set[str]]
    ends: dict[str, str]


@dataclass(slots=True)
class Texts:
    """What pieces of iptables' texts say, each read once, however many nodes have it."""

    read: dict[str, Piece]

    def of(self, pieces: Iterable[str]) -> Piece:
        """The pieces of one node together."""
        whole = Piece({}, {}, {})
        for text in pieces:
            one = self.read.get(text)
            if one is None:
                one = self.read[text] = read_piece(text)
            whole.portals.update(one.portals)
            whole.ends.update(one.ends)
            for chain, ends in one.led.items():
                whole.led[chain] = whole.led.get(chain, set()) | ends
        return whole


def read_piece(text: str) -> Piece:
    """kube-proxy's lines in a text of ``iptables-save``."""
    led: dict[str, set[str]] = {}
    for chain, end in LED.findall(text):
        led.setdefault(chain, set()).add(end)
    portals = {(address, protocol, port): chain for address, protocol, port, chain in PORTAL.findall(text)}
    return Piece(portals, led, dict(END.findall(text)))


def served(network: Network, root: Namespace, texts: Texts, asked: Mapping[Place, Wanted]) -> dict[Place, list[Served]]:
    """Whom the rules of a node send packets to, for the ports of services that have any."""
    found: dict[Place, list[Served]] = {}
    pieces = [piece for source in network.sources.values() if of_node(source, root) for piece in source.pieces()]
    for place, one in (*in_iptables(texts.of(pieces), asked), *in_nftables(root, asked), *in_ipvs(root)):
        found.setdefault(place, []).append(one)
    return found


def of_node(source: Source, root: Namespace) -> bool:
    """Whether a source has the rules of iptables of a node itself."""
    return source.kind == "iptables-save" and source.scope == root.scope


def in_ipvs(root: Namespace) -> Iterator[tuple[Place, Served]]:
    """The virtual servers with an address."""
    for server in root.virtual_servers:
        if server.address is not None and not server.mark:
            ends = frozenset(real.address for real in server.servers)
            yield (server.address, server.protocol, server.port), Served("IPVS", ends)


def in_iptables(piece: Piece, asked: Mapping[Place, Wanted]) -> Iterator[tuple[Place, Served]]:
    """The endpoints to which the chains of services lead."""
    for place, item in asked.items() if piece.portals else ():
        address, protocol, port = place
        chain = piece.portals.get((str(address), WORDS.get(protocol, ""), str(port)))
        if chain is not None:
            told = {piece.ends.get(end, "") for end in piece.led.get(chain, ())}
            yield place, Served("iptables", frozenset(one for one in item.endpoints if str(one) in told or f"[{one}]" in told))


def in_nftables(root: Namespace, asked: Mapping[Place, Wanted]) -> Iterator[tuple[Place, Served]]:
    """The chains of endpoints to which those of services in kube-proxy's own tables go, by the names of both."""
    for table in tables(root, "kube-proxy"):
        family = {"ip": 4, "ip6": 6}.get(table.family)
        ends: dict[tuple[str, str, str], set[str]] = {}
        for name, chain in table.chains.items():
            if (start := START_NAME.fullmatch(name)) is not None:
                led = (goal for rule in chain.rules for item in rule.statements for goal in goals(table, item))
                ends[start["name"], start["protocol"], start["port"]] = {
                    end["to"] for goal in led if (end := END_NAME.search(goal))
                }
        for place, wanted_one in asked.items():
            word = WORDS.get(place[1], "")
            told = ends.get((wanted_one.name, word, wanted_one.port.name), ends.get((wanted_one.name, word, "")))
            if place[0].family == family and told is not None:
                yield place, Served("nftables", frozenset(one for one in wanted_one.endpoints if str(one) in told))
