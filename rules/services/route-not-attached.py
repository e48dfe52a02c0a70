"""A route of Gateway API is attached to no listener of the Gateway that it names.

## What it finds
HTTPRoute, GRPCRoute, TLSRoute, TCPRoute and UDPRoute objects that name a Gateway that is not in the input (where the input holds Gateways of that namespace), a listener (`sectionName`) or port that it does not have, or
none of whose listeners lets the route attach: by its kind (`allowedRoutes.kinds`, or the protocol), by its namespace (`allowedRoutes.namespaces`: only the Gateway's own, where nothing is said), or because they have no
host in common.

## Why it matters
The Gateway leaves the route out, and says so only in the route's status: requests get 404, or are refused.

## Example
    listeners: [{name: web, protocol: HTTP, port: 80}]         # takes routes of its own namespace only
    parentRefs: [{name: main, namespace: infra}]               # of an HTTPRoute in the namespace shop

## How to mend
Name a listener of the Gateway; let it take the route (`allowedRoutes: {namespaces: {from: All}}`, or a selector); give both a host in common.

## Sources
Gateway API, gateway.networking.k8s.io/v1: ParentReference (sectionName, port), AllowedRoutes and RouteNamespaces (`Same` by default), Listener.hostname and HTTPRouteSpec.hostnames ("must have at least one intersecting hostname"),
RouteConditionReason (NoMatchingParent, NotAllowedByListeners, NoMatchingListenerHostname).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from analyzer.query.connectivity.gateways import GROUP, NAMED, common, host_of, of_home, of_kind
from analyzer.query.workloads import OtherObjectFact, listed, mapping, others
from analyzer.rule import Finding, Network, Rule, Severity

ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
OWN_NAME = "kubernetes.io/metadata.name"
CHOSEN = (("sectionName", "name"), ("port", "port"))
"""How a route chooses among the listeners of a Gateway, and what of a listener that is."""
Listeners = list[Mapping[str, Any]]


class Refusal(NamedTuple):
    """Why no listener takes a route, what helps, and whether it is because of the hosts."""

    text: str
    help: str
    of_hosts: bool = False


def check(network: Network) -> Iterator[Finding]:
    gateways = {
        (item.namespace or "default", item.name): item
        for item in others(network, "Gateway")
        if item.api_version.startswith(GROUP)
    }
    for route in others(network, *ROUTES):
        for index, parent in enumerate(map(mapping, listed(mapping(route.document.get("spec")).get("parentRefs")))):
            if parent.get("kind", "Gateway") != "Gateway" or parent.get("group", GROUP) != GROUP or accepted(route):
                continue
            key = str(parent.get("namespace") or route.namespace or "default"), str(parent.get("name"))
            if key in gateways:
                yield from unattached(network, route, index, gateways[key])
            elif any(where == key[0] for where, _ in gateways):
                at = route.place("spec", "parentRefs", index, "name")
                text = f"{titled(route)} names the Gateway {key[0]}/{key[1]}, which is not there"
                yield RULE.finding(at, text, help="correct the name, or add the Gateway")


def unattached(network: Network, route: OtherObjectFact, index: int, gateway: OtherObjectFact) -> Iterator[Finding]:
    """What keeps a route from every listener of a Gateway: the first that it has in common with none."""
    every: Listeners = [mapping(item) for item in listed(mapping(gateway.document.get("spec")).get("listeners"))]
    parent = mapping(listed(mapping(route.document.get("spec")).get("parentRefs"))[index])
    wanted = [item for item in every if all(parent.get(key) in (None, item.get(own)) for key, own in CHOSEN)]
    if every and not wanted:
        key, own = next(one for one in reversed(CHOSEN) if one[0] in parent)
        has = ", ".join(dict.fromkeys(str(item.get(own)) for item in every))
        said = " and ".join(f"the {own} {parent[key]}" for key, own in CHOSEN if key in parent)
        text = f"{titled(route)} wants a listener of {titled(gateway)} with {said}, which it does not have"
        related = [(gateway.place("spec", "listeners"), f"it has {has}")]
        yield RULE.finding(route.place("spec", "parentRefs", index, key), text, related=related, help=f"one of {has}")
    elif every and (why := refusal(network, route, gateway, wanted)) is not None:
        text = f"{titled(route)} is attached to no listener of {titled(gateway)}: {why.text}"
        at = route.place("spec", "hostnames") if why.of_hosts else route.place("spec", "parentRefs", index, "name")
        yield RULE.finding(at, text, related=[(gateway.place("spec", "listeners"), "its listeners")], help=why.help)


def refusal(network: Network, route: OtherObjectFact, gateway: OtherObjectFact, wanted: Listeners) -> Refusal | None:
    """Why none of the listeners takes a route; None where one does, or may."""
    fitting = [item for item in wanted if of_kind(item, route.kind)]
    if not fitting:
        return Refusal("none takes routes of its kind", "name a listener of another protocol, or the kind in its allowedRoutes")
    open_ = [item for item in fitting if may_attach(network, item, route, gateway)]
    if not open_:
        text = f"none takes routes of the namespace {route.namespace or 'default'}"
        return Refusal(text, "allowedRoutes: {namespaces: {from: All}} in the listener, or a selector")
    if any(common(hosts_of(route), host_of(item)) is not None for item in open_):
        return None
    has = ", ".join(dict.fromkeys(map(host_of, open_)))
    return Refusal("it has no host in common with them", f"their hosts are {has}", of_hosts=True)


def hosts_of(route: OtherObjectFact) -> list[str]:
    """The hosts that a route is for; none: all."""
    names = listed(mapping(route.document.get("spec")).get("hostnames")) if route.kind in NAMED else []
    return [str(name).lower() for name in names]


def may_attach(network: Network, listener: Mapping[str, Any], route: OtherObjectFact, gateway: OtherObjectFact) -> bool:
    """Whether a listener takes routes of the namespace, or may: where a selector asks for labels of a namespace that is not in the input."""
    home = route.namespace or "default"
    selector = mapping(mapping(mapping(listener.get("allowedRoutes")).get("namespaces")).get("selector"))
    keys = {*mapping(selector.get("matchLabels")), *(mapping(one).get("key") for one in listed(selector.get("matchExpressions")))}
    known = next((mapping(item.document.get("metadata")) for item in others(network, "Namespace") if item.name == home), None)
    if known is None and keys - {OWN_NAME}:
        return True
    labels = {**mapping(mapping(known).get("labels")), OWN_NAME: home}
    return of_home(listener, home, gateway.namespace or "default", labels)


def accepted(route: OtherObjectFact) -> bool:
    """Whether a controller says that it has taken the route."""
    parents = map(mapping, listed(mapping(route.document.get("status")).get("parents")))
    conditions = (mapping(one) for parent in parents for one in listed(parent.get("conditions")))
    return any(one.get("type") == "Accepted" and one.get("status") == "True" for one in conditions)


def titled(route: OtherObjectFact) -> str:
    """How messages name a route."""
    return f"{route.kind} {route.namespace or 'default'}/{route.name}"


RULE = Rule("route-not-attached", Severity.ERROR, __doc__, check, absence=True)
