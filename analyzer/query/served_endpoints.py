"""Whom kube-proxy's rules on a node send the packets of a service's port to, in each of its modes, and whom they should.

Follows kubernetes pkg/proxy: ``CategorizeEndpoints`` (topology.go: ready endpoints, whatever their node, where neither a traffic policy nor hints choose), the
chains of iptables/proxier.go and nftables/proxier.go by their names, and the virtual servers of ipvs/proxier.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.kubernetes import EndpointsFact, ServiceFact, ServicePort
from analyzer.model.network import Namespace, Network
from analyzer.query.native import goals, tables
from analyzer.source import Scope, Span

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
    """A port of a service, and its endpoints that are ready; ``written``: the same by their texts."""

    service: ServiceFact
    port: ServicePort
    endpoints: Mapping[Address, Span]
    written: Mapping[str, Address]

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
                    found[address, port.protocol, port.port] = Wanted(service, port, ready, {str(one): one for one in ready})
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


class Lack(NamedTuple):
    """What a node's rules lack of a port of a service: endpoints, or (``mode`` empty) every rule for it."""

    place: Place
    item: Wanted
    mode: str = ""
    missing: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The ports that are asked about, also by their texts; the texts of iptables by their scope, what each piece of these says, read once, and
    what nodes lack that have the same pieces."""

    wanted: Mapping[Place, Wanted]
    written: Mapping[tuple[str, str, str], Place]
    texts: Mapping[Scope | None, Sequence[str]]
    read: dict[str, Piece] = field(default_factory=dict)
    known: dict[tuple[int, ...], list[Lack]] = field(default_factory=dict)

    def pieces(self, scope: Scope) -> list[Piece]:
        """The pieces of a node that say something of services."""
        found = []
        for text in self.texts.get(scope, ()):
            one = self.read.get(text)
            if one is None:
                one = self.read[text] = read_piece(text)
            if one.portals or one.led or one.ends:
                found.append(one)
        return found

    def chains(self, scope: Scope) -> dict[Place, str]:
        """The chains of services by their ports, on a node whose rules are those of iptables."""
        whole = together(self.pieces(scope))
        return {self.written[words]: chain for words, chain in whole.portals.items() if words in self.written}


def asked(network: Network) -> Asked:
    """What is asked of every node."""
    found = wanted(network)
    written = {(str(address), WORDS.get(protocol, ""), str(port)): (address, protocol, port) for address, protocol, port in found}
    texts: dict[Scope | None, list[str]] = {}
    for source in network.sources.values() if found else ():
        if source.kind == "iptables-save":
            texts.setdefault(source.scope, []).extend(source.pieces())
    return Asked(found, written, texts)


def lacks(root: Namespace, question: Asked) -> list[Lack]:
    """What the rules of a node lack; nothing where it has none of kube-proxy's."""
    pieces = question.pieces(root.scope)
    key = tuple(map(id, pieces))
    alone = not root.virtual_servers and not any(True for _ in tables(root, "kube-proxy"))
    if alone and key in question.known:
        return question.known[key]
    found: dict[Place, list[Served]] = {}
    for place, one in (*in_iptables(together(pieces), question), *in_nftables(root, question.wanted), *in_ipvs(root)):
        found.setdefault(place, []).append(one)
    result = list(lacking(found, question.wanted))
    if alone:
        question.known[key] = result
    return result


def lacking(found: Mapping[Place, list[Served]], wanted: Mapping[Place, Wanted]) -> Iterator[Lack]:
    """Endpoints to which no rule leads, and ports without any where others of their family have one."""
    families = {address.family for address, _, _ in found}
    for place, item in wanted.items():
        told = found.get(place)
        if told is None:
            if place[0].family in families:
                yield Lack(place, item)
        elif missing := set(item.endpoints).difference(*(one.endpoints for one in told)):
            yield Lack(place, item, told[0].mode, tuple(sorted(missing)))


def together(pieces: list[Piece]) -> Piece:
    """The pieces of one node as one."""
    if len(pieces) == 1:
        return pieces[0]
    whole = Piece({}, {}, {})
    for one in pieces:
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


def in_ipvs(root: Namespace) -> Iterator[tuple[Place, Served]]:
    """The virtual servers with an address."""
    for server in root.virtual_servers:
        if server.address is not None and not server.mark:
            ends = frozenset(real.address for real in server.servers)
            yield (server.address, server.protocol, server.port), Served("IPVS", ends)


def in_iptables(piece: Piece, question: Asked) -> Iterator[tuple[Place, Served]]:
    """The endpoints to which the chains of services lead."""
    for words, chain in piece.portals.items():
        place = question.written.get(words)
        if place is not None:
            ends = {piece.ends.get(end, "").strip("[]") for end in piece.led.get(chain, ())}
            known = question.wanted[place].written
            yield place, Served("iptables", frozenset(known[end] for end in ends if end in known))


def in_nftables(root: Namespace, wanted: Mapping[Place, Wanted]) -> Iterator[tuple[Place, Served]]:
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
        for place, wanted_one in wanted.items():
            word = WORDS.get(place[1], "")
            told = ends.get((wanted_one.name, word, wanted_one.port.name), ends.get((wanted_one.name, word, "")))
            if place[0].family == family and told is not None:
                yield place, Served("nftables", frozenset(one for text, one in wanted_one.written.items() if text in told))
