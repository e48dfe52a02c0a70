"""Texts of ``kubectl describe`` (k8s.io/kubectl/pkg/describe): pods, nodes, services, endpoints and network policies, one below the other.

Of a pod the names of ports and hostNetwork are not shown, of a service not which endpoints it has behind the third (``formatEndpointSlices``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.listings import EndpointsListing, ListedPort, NodeListing, PodListing, ServiceListing
from analyzer.parsers import UNREADABLE, gap, reason
from analyzer.parsers._kubectl_policies import described as described_policy
from analyzer.parsers._kubectl_tables import MORE, OVER, PROTOCOLS, pairs
from analyzer.parsers._kubectl_text import Described, Line, objects
from analyzer.source import Gap, Source

PORT = re.compile(r"(?P<name>\S+)\s+(?P<port>\d{1,5})/(?P<protocol>TCP|UDP|SCTP)")
ROW = re.compile(r"(?P<name>\S+)\s+(?P<port>\d{1,5})\s+(?P<protocol>TCP|UDP|SCTP)")
OTHER = "kubectl describe of this kind is not read: kubectl get with -o yaml gives the object"


def texts(source: Source) -> Iterator[Fact | Gap]:
    """What is said of each object; of kinds that are not read the first is told."""
    told = False
    for item in objects(source):
        try:
            found = of_object(item, source)
            if found is None and not told:
                yield gap(source, item.at.line, OTHER)
            told = told or found is None
            yield from found or ()
        except UNREADABLE as problem:
            yield gap(source, item.at.line, reason(problem))


def of_object(item: Described, source: Source) -> Iterable[Fact | Gap] | None:
    """What is said of one object; None of a kind that is not read."""
    if item.lines[0].key != "Name":
        return [gap(source, item.at.line, "what stands here is about no object: expected a line that begins with Name:")]
    if any(line.key == "PodSelector" for line in item.inside("Spec")):
        return [described_policy(item.at, item.value("Namespace"), item.value("Name"), item.inside("Spec"))]
    if item.has("Node", "Status", "IP") or item.has("Node", "Status", "IPs"):
        return pod(item)
    if item.has("Addresses", "Capacity"):
        return [node(item)]
    if item.has("Type", "Session Affinity"):
        return service(item, source)
    return [endpoints(item)] if item.has("Subsets") else None


def pod(item: Described) -> Iterator[Fact]:
    """A pod with addresses and a node, that is not over."""
    name, _, host = item.value("Node").partition("/")
    texts = [line.value for line in item.inside("IPs") if line.key == "IP"] or [item.value("IP")]
    own = tuple(dict.fromkeys(address(text) for text in texts if text))
    if name and own and not OVER.match(item.value("Status")):
        yield PodListing(
            at=item.at,
            name=item.value("Name"),
            namespace=item.value("Namespace"),
            node=name,
            addresses=own,
            host_address=address(host) if host else None,
            labels=item.labels("Labels"),
        )


def node(item: Described) -> Fact:
    """A node and its addresses."""
    own = tuple(address(line.value) for line in item.inside("Addresses") if line.key == "InternalIP")
    return NodeListing(at=item.at, name=item.value("Name"), addresses=own)


def service(item: Described, source: Source) -> Iterator[Fact | Gap]:
    """A service with cluster addresses, its ports and their endpoints."""
    given = item.value("IPs") or item.value("IP")
    if not given or item.value("Type") == "ExternalName":
        return
    own = tuple(address(text.strip()) for text in given.split(","))
    policy = item.value("Internal Traffic Policy")
    ports: list[ListedPort] = []
    for line in item.lines:
        if not line.indent and line.key == "Port":
            ports.append(listed_port(line))
        elif not line.indent and line.key == "Endpoints" and ports:
            ports[-1] = with_endpoints(ports[-1], line)
    yield ServiceListing(
        at=item.at,
        name=item.value("Name"),
        namespace=item.value("Namespace"),
        cluster_addresses=own,
        ports=tuple(ports),
        internal_policy=policy,
    )
    if not policy and " " in source.subject:
        yield gap(source, item.at.line, "this kubectl does not show internalTrafficPolicy: kubectl get services -A -o yaml does")


def listed_port(line: Line) -> ListedPort:
    """``http  80/TCP``."""
    found = PORT.fullmatch(line.value)
    if found is None:
        raise ValueError(f"expected a port such as 'http  80/TCP', not {line.value[:40]!r}")
    name = "" if found["name"] in ("<unset>", "<unnamed>") else found["name"]
    return ListedPort(PROTOCOLS[found["protocol"]], int(found["port"]), name)


def with_endpoints(port: ListedPort, line: Line) -> ListedPort:
    """The port with its endpoints, where all are shown."""
    return port if MORE.search(line.value) else ListedPort(port.protocol, port.port, port.name, tuple(pairs(line.value)))


def endpoints(item: Described) -> Fact:
    """An Endpoints object: in each subset every address with every port."""
    found: list[tuple[Address, int, str | None, int | None]] = []
    addresses: tuple[Address, ...] = ()
    for line in item.inside("Subsets"):
        if line.key == "Addresses":
            addresses = tuple(address(text) for text in line.value.split(",") if text != "<none>")
        elif row := ROW.fullmatch(line.whole):
            name = "" if row["name"] == "<unset>" else row["name"]
            found += [(own, int(row["port"]), name, PROTOCOLS[row["protocol"]]) for own in addresses]
    return EndpointsListing(at=item.at, name=item.value("Name"), namespace=item.value("Namespace"), endpoints=tuple(found))
