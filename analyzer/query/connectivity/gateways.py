"""Which Gateways a route of Gateway API is attached to, and for which hosts.

Follows gateway.networking.k8s.io/v1: a route names Gateways (ParentReference: of its own namespace by default, perhaps a listener by ``sectionName`` or ``port``), and a listener lets routes of
its own namespace attach unless ``allowedRoutes`` says otherwise, of the kinds that go with its protocol; hosts are those that both have (a wildcard stands for
one label or more in front). A Gateway that is not in the input is taken to let the route attach, as is one that asks for labels of a namespace that is not. A parent that the Gateway's controller has not accepted
(RouteParentStatus) is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.reading import group_of
from analyzer.policy.world import NAME_LABEL, World, listed, mapping

GROUP = "gateway.networking.k8s.io"
KINDS = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute", "TCPRoute"),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}
# Whose hosts count: the others look at no names.
NAMED = ("HTTPRoute", "GRPCRoute", "TLSRoute")
LISTENER_SETS = ("ListenerSet", "XListenerSet")
# Where sets of listeners stood before they were of the group itself.
EXPERIMENTAL = "gateway.networking.x-k8s.io"


@dataclass(frozen=True, slots=True)
class Attached:
    """The Gateways (and sets of listeners) that take a route's requests, and the hosts; none: every host."""

    parents: tuple[Mapping[str, Any], ...]
    hosts: tuple[str, ...]


def attached(world: World, fact: OtherObjectFact) -> Attached | None:
    """What a route is attached to; None where that is nothing, so that it leads nobody anywhere from outside."""
    spec, home = mapping(fact.document.get("spec")), fact.namespace or "default"
    own = [str(name).lower() for name in listed(spec.get("hostnames"))] if fact.kind in NAMED else []
    parents: list[Mapping[str, Any]] = []
    hosts: dict[str, None] = {}
    for parent in map(mapping, listed(spec.get("parentRefs"))):
        if (
            parent.get("kind", "Gateway") not in ("Gateway", *LISTENER_SETS)
            or parent.get("group", GROUP) not in (GROUP, EXPERIMENTAL)
            or refused(fact, parent)
        ):
            continue
        found = [names for listener in listeners(world, fact, parent, home) if (names := common(own, listener)) is not None]
        if found:
            parents.append(parent)
            hosts |= dict.fromkeys(name for names in found for name in names or [""])
    return Attached(tuple(parents), () if "" in hosts else tuple(hosts)) if parents else None


def refused(fact: OtherObjectFact, parent: Mapping[str, Any]) -> bool:
    """Whether the controller of a parent says that it does not accept the route."""
    keys = ("name", "namespace", "sectionName", "port")
    for item in map(mapping, listed(mapping(fact.document.get("status")).get("parents"))):
        told = mapping(item.get("parentRef"))
        if all(told.get(key, parent.get(key)) == parent.get(key, told.get(key)) for key in keys):
            conditions = [one for one in map(mapping, listed(item.get("conditions"))) if one.get("type") == "Accepted"]
            if conditions and all(one.get("status") == "False" for one in conditions):
                return True
    return False


def listeners(world: World, fact: OtherObjectFact, parent: Mapping[str, Any], home: str) -> Iterator[str]:
    """The hosts of the listeners of a parent that the route attaches to, empty for all; all of a Gateway that is not in the input."""
    namespace = parent.get("namespace") or home
    kind = "Gateway" if parent.get("kind", "Gateway") not in LISTENER_SETS else ""
    there = [
        item
        for item in world.cluster.others
        if item.kind == kind
        and group_of(item) == GROUP
        and (item.namespace or "default") == namespace
        and item.name == parent.get("name")
    ]
    if not there:
        yield ""
        return
    for listener in map(mapping, listed(mapping(there[0].document.get("spec")).get("listeners"))):
        if takes(world, listener, fact, str(namespace)) and all(
            parent.get(wanted) in (None, listener.get(key)) for wanted, key in (("sectionName", "name"), ("port", "port"))
        ):
            yield host_of(listener)


def host_of(listener: Mapping[str, Any]) -> str:
    """The hosts of a listener, as a pattern; empty for all."""
    return str(listener.get("hostname") or "").lower() if listener.get("protocol") in ("HTTP", "HTTPS", "TLS") else ""


def takes(world: World, listener: Mapping[str, Any], fact: OtherObjectFact, namespace: str) -> bool:
    """Whether a listener lets a route attach."""
    home = fact.namespace or "default"
    if not of_kind(listener, fact.kind):
        return False
    return of_home(listener, home, namespace, world.namespace_labels(home)) or (home not in world.given and asks_labels(listener))


def asks_labels(listener: Mapping[str, Any]) -> bool:
    """Whether a listener asks for labels of namespaces that only their objects say."""
    spaces = mapping(mapping(listener.get("allowedRoutes")).get("namespaces"))
    selector = mapping(spaces.get("selector"))
    keys = {
        *mapping(selector.get("matchLabels")),
        *(item.get("key") for item in map(mapping, listed(selector.get("matchExpressions")))),
    }
    return spaces.get("from") == "Selector" and bool(keys - {NAME_LABEL})


def of_kind(listener: Mapping[str, Any], kind: str) -> bool:
    """Whether a listener takes routes of a kind: those that it names, or those that go with its protocol."""
    named = map(mapping, listed(mapping(listener.get("allowedRoutes")).get("kinds")))
    kinds = [one.get("kind") for one in named if one.get("group", GROUP) == GROUP]
    return kind in (kinds or KINDS.get(str(listener.get("protocol")), (kind,)))


def of_home(listener: Mapping[str, Any], home: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a listener of a Gateway in a namespace takes routes of another, by its labels."""
    spaces = mapping(mapping(listener.get("allowedRoutes")).get("namespaces"))
    match spaces.get("from") or "Same":
        case "All":
            return True
        case "Selector":
            return "selector" in spaces and selects(mapping(spaces.get("selector")), labels)
        case "None":
            return False
        case _:
            return home == namespace


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects (apimachinery, meta/v1 LabelSelector)."""
    equal = all(labels.get(key) == value for key, value in mapping(selector.get("matchLabels")).items())
    return equal and all(meets(item, labels) for item in map(mapping, listed(selector.get("matchExpressions"))))


def meets(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels meet a requirement; one that the API does not know is met by none."""
    key, values = str(term.get("key")), listed(term.get("values"))
    match term.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def common(hosts: list[str], listener: str) -> list[str] | None:
    """The hosts of a route that a listener takes; empty for all, None where there are none."""
    if not hosts:
        return [listener] if listener else []
    found = [both for name in hosts if (both := intersected(name, listener))]
    return found or None


def intersected(one: str, other: str) -> str:
    """The hosts that two patterns have in common, as a pattern; empty where there are none."""
    if not other or one == other:
        return one
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith("*.") and narrow.removeprefix("*").endswith(wide[1:]) and narrow != wide[2:]:
            return narrow
    return ""
