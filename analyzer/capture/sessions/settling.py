"""Which network namespace a pod or a container of a pasted session has: told by the objects of the same input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address
from analyzer.capture.sessions.elsewhere import Elsewhere
from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import NodeFact, PodFact
from analyzer.facts.listings import NodeListing, PodListing
from analyzer.parsers import kubernetes, kubernetes_listing, read
from analyzer.source import Scope, Source

SHORT = 6


@dataclass(frozen=True, slots=True)
class Known:
    """What the input tells of pods: the objects, the names of nodes, the namespaces that other texts are about, and the pods of listings."""

    pods: Sequence[PodFact]
    nodes: frozenset[str]
    scopes: frozenset[Scope]
    rows: Sequence[PodListing] = ()
    addresses: Mapping[str, frozenset[Address]] = field(default_factory=dict)


PARSERS = {parser.kind: parser for parser in (kubernetes.PARSER, kubernetes_listing.PARSER)}


def known(sources: Iterable[Source]) -> Known:
    """Reads the objects, and kubectl's listings of them, among the sources; only asked where something must be settled."""
    every = list(sources)
    facts = [fact for source in every if source.kind in PARSERS for fact in read(PARSERS[source.kind], source)]
    pods = [fact for fact in facts if isinstance(fact, PodFact)]
    nodes = {fact.name for fact in facts if isinstance(fact, NodeFact)} | {pod.node for pod in pods if pod.node}
    addresses: dict[str, frozenset[Address]] = {}
    for name, address in of_nodes(fact for fact in facts if isinstance(fact, Fact)):
        addresses[name] = addresses.get(name, frozenset()) | {address}
    scopes = frozenset(source.scope for source in every if source.scope is not None)
    return Known(
        pods, frozenset({*nodes, *addresses}), scopes, [fact for fact in facts if isinstance(fact, PodListing)], addresses
    )


def of_nodes(facts: Iterable[Fact]) -> Iterator[tuple[str, Address]]:
    """The nodes with their addresses."""
    for fact in facts:
        if isinstance(fact, NodeFact):
            yield from ((fact.name, address) for _, address in fact.addresses)
        elif isinstance(fact, NodeListing):
            yield from ((fact.name, address) for address in fact.addresses)
        elif isinstance(fact, PodListing) and fact.host_address:
            yield fact.node, fact.host_address


def settled(place: Elsewhere, given: Known) -> Scope | str:
    """The namespace, or why it cannot be known; one that was entered from a pod or a container is on the same node."""
    if place.unknown:
        return place.unknown
    if not place.container and not place.pod:
        return Scope(place.node, place.namespace)
    found = of_container(place, given) if place.container else of_pod(place.pod, given)
    return Scope(found.node, place.namespace) if isinstance(found, Scope) and place.namespace else found


def of_container(place: Elsewhere, given: Known) -> Scope | str:
    """A container that is a node (kind), or one of a pod by the identifier in its status."""
    if place.container in given.nodes:
        return Scope(place.container)
    found = {id(pod): pod for pod in given.pods for name in identifiers(pod) if name.startswith(place.container)}
    if len(place.container) >= SHORT and len(found) == 1:
        return of_object(next(iter(found.values())), given)
    return (
        f"which pod container {place.container} belongs to is not known: no pod in the input has a container of this identifier"
    )


def identifiers(pod: PodFact) -> list[str]:
    """The containers' identifiers, without the runtime's name (``containerd://…``)."""
    status: Mapping[str, Any] = pod.document.get("status") or {}
    groups = (status.get(key) for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"))
    items = [item for group in groups if isinstance(group, list) for item in group if isinstance(item, dict)]
    return [str(item.get("containerID") or "").rpartition("//")[2] for item in items]


def of_pod(text: str, given: Known) -> Scope | str:
    """A pod by name; without a namespace (kubectl takes that of its context) it must be the only one of its name."""
    namespace, _, name = text.partition("/")
    found = [pod for pod in given.pods if pod.name == name and namespace in ("", pod.namespace)]
    if len(found) == 1:
        return of_object(found[0], given)
    if found:
        return f"which pod {name} it was is not said: {', '.join(sorted(pod.namespace for pod in found))} have one"
    folders = {scope for scope in given.scopes if matches(scope.namespace, namespace, name)}
    if len(folders) == 1:
        return next(iter(folders))
    listed = [row for row in given.rows if row.name == name and (not namespace or row.namespace in ("", namespace))]
    if len({(row.addresses, row.node) for row in listed}) == 1 and listed[0].node in given.addresses:
        return of_row(listed[0], namespace, given)
    option = f" -n {namespace}" if namespace else ""
    return (
        f"the network namespace of pod {name} is not known: whether it has one of its own, and on which node, says its object"
        f" (kubectl get pod{option} {name} -o yaml)"
    )


def of_row(row: PodListing, namespace: str, given: Known) -> Scope:
    """The namespace of a pod of a listing: its node's own where it has the node's address."""
    if not given.addresses[row.node].isdisjoint(row.addresses):
        return Scope(row.node)
    title = row.namespace or namespace
    return Scope(row.node, f"{title}_{row.name}" if title else row.name)


def matches(folder: str, namespace: str, name: str) -> bool:
    """Whether a folder of the capture layout (``namespace_pod``) is the pod's."""
    return folder == f"{namespace}_{name}" if namespace else folder.partition("_")[2] == name


def of_object(pod: PodFact, given: Known) -> Scope | str:
    """The namespace of a pod whose object is known: its node's own with hostNetwork, else the folder of the capture, or that which it would have."""
    title = f"{pod.namespace}_{pod.name}"
    folders = {scope for scope in given.scopes if scope.namespace == title}
    if len(folders) == 1 and not pod.host_network:
        return next(iter(folders))
    if not pod.node:
        return f"the node of pod {pod.namespace}/{pod.name} is not known: its object names none"
    return Scope(pod.node, "" if pod.host_network else title)
