"""Which requests an Ingress, a route of Gateway API or an OpenShift Route takes, in words: hosts and paths, and what else is looked at.

Follows networking/v1 (IngressRule, HTTPIngressPath), gateway.networking.k8s.io/v1 (HTTPRouteMatch, GRPCRouteMatch: without a match every request, ``/`` by prefix) and route.openshift.io/v1
(RouteSpec). The same requests are the same words, however they are written; which of several matches takes a request that fits more than one is not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analyzer.policy.world import listed, mapping

ANY_HOST = "any host"
ALL, OTHERS = "all requests", "all other requests"
GENERATED = "the host that the router gives it"
# Routes that look at no requests.
OF_KIND = {"TCPRoute": "all connections", "UDPRoute": "all packets"}


def of_rule(rule: Mapping[str, Any], path: Mapping[str, Any]) -> str:
    """A path of a rule of an Ingress. Of paths by prefix a slash at the end says nothing."""
    kind, text = str(path.get("pathType") or "ImplementationSpecific"), str(path.get("path") or "")
    if kind == "Prefix":
        return f"{host(rule.get('host'))}{text.rstrip('/')}/*"
    return f"{host(rule.get('host'))}{text}" if kind == "Exact" else f"{host(rule.get('host'))}{text or '/'} ({kind})"


def host(value: Any) -> str:
    """A host, or all of them."""
    return str(value).lower() if value else ANY_HOST


def of_openshift(spec: Mapping[str, Any], admitted: Iterable[Any]) -> tuple[str, ...]:
    """The requests of an OpenShift Route: paths are prefixes, and none are looked at in TLS that is passed through. Without a host the routers give it one of
    its own (those that have ``admitted`` it say which); ``wildcardPolicy: Subdomain`` means its whole domain."""
    hosts = [str(one).lower() for one in (spec.get("host"), *admitted) if one]
    names = hosts[:1] if spec.get("host") else [*dict.fromkeys(hosts)]
    if spec.get("wildcardPolicy") == "Subdomain":
        names = [f"*.{name.partition('.')[2]}" for name in names]
    if mapping(spec.get("tls")).get("termination") == "passthrough":
        return tuple(f"TLS to {name}" for name in names or [GENERATED])
    return tuple(f"{name}{str(spec.get('path') or '').rstrip('/')}/*" for name in names or [GENERATED])


def of_gateway(kind: str, hosts: Iterable[str], rule: Mapping[str, Any]) -> tuple[str, ...]:
    """The requests of a rule of a Gateway API route, whose hosts these are (none: all)."""
    names = [*hosts] or [ANY_HOST]
    if kind == "TLSRoute":
        return tuple(f"TLS to {name}" for name in names)
    if kind in OF_KIND:
        return (OF_KIND[kind],)
    found = [matched(mapping(match)) for match in listed(rule.get("matches"))] or ["/*"]
    return tuple(dict.fromkeys(name + text for name in names for text in found))


def matched(match: Mapping[str, Any]) -> str:
    """What one match looks at, behind the host."""
    path, method = mapping(match.get("path")), match.get("method")
    kind, value = str(path.get("type") or "PathPrefix"), str(path.get("value") or "/")
    where = f"{value.rstrip('/')}/*" if kind == "PathPrefix" else value if kind == "Exact" else f" {value} ({kind})"
    if isinstance(method, Mapping):
        where = f" {method.get('service') or 'any service'}/{method.get('method') or '*'}"
    words = [f"by {method}"] if isinstance(method, str) else []
    words += sorted(texts(match, "headers", "header")) + sorted(texts(match, "queryParams", "parameter"))
    return f"{where} {' '.join(words)}" if words else where


def texts(match: Mapping[str, Any], key: str, word: str) -> Iterator[str]:
    """The headers or parameters that a match looks at."""
    for item in map(mapping, listed(match.get(key))):
        name = str(item.get("name"))
        yield f"with {word} {name.lower() if key == 'headers' else name}={item.get('value')}"
