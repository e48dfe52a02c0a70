"""Two Ingresses give one path of one host to different services.

## What it finds
Ingresses of one class, or of none, with the same host, the same path and the same kind of path that lead to different backends, in one namespace or in several; and two such paths in one Ingress. Canary Ingresses of
ingress-nginx are meant to share a path, and Ingresses that get a load balancer of their own (the classes of GKE; AWS's where no group is the same) may.

## Why it matters
One of the two services gets no request, and the API does not say which: ingress-nginx's webhook refuses the later Ingress, and without it the older one wins; others choose by names, or at random at each start.

## Example
    rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: old, port: {number: 80}}}}]}}]
    rules: [{host: shop.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: new, port: {number: 80}}}}]}}]   # of another Ingress

## How to mend
Give one of them another host or path, or another class; take the path out of the Ingress that is no longer meant.

## Sources
networking.k8s.io/v1 HTTPIngressPath; "Ingress", Multiple matches (precedence by length and kind of path, none for equal ones; of Prefix a slash at the end does not count); ingress-nginx docs/how-it-works.md ("the
oldest rule wins") and internal/ingress/controller/controller.go (checkOverlap: host and path already defined, canaries aside); aws-load-balancer-controller, IngressGroup; GKE, one load balancer for each Ingress.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.query.workloads import Key, OtherObjectFact, listed, mapping, others
from analyzer.rule import Finding, Network, Rule, Severity

CLASS = "kubernetes.io/ingress.class"
CANARY = "nginx.ingress.kubernetes.io/canary"
GROUP = "alb.ingress.kubernetes.io/group.name"
ALONE = ("gce", "gce-internal")


class Path(NamedTuple):
    """One path of an Ingress: what it matches, with the class, what it leads to, and where it is said."""

    ingress: OtherObjectFact
    matches: tuple[str, str, str, str]
    backend: str
    place: tuple[Key, ...]


def check(network: Network) -> Iterator[Finding]:
    first: dict[tuple[str, str, str, str], Path] = {}
    numbers = {
        f"{where}/{named}:{port.name}": f"{where}/{named}:{port.port}"
        for (where, named), service in network.cluster.services.items()
        for port in service.ports
        if port.name
    }
    for path in (path for item in others(network, "Ingress") for path in paths(item)):
        other = first.setdefault(path.matches, path)
        if numbers.get(other.backend, other.backend) != numbers.get(path.backend, path.backend):
            yield finding(path, other)


def finding(path: Path, other: Path) -> Finding:
    """That a path has been given away before."""
    kind, host, where, _ = path.matches
    what = f"{where} of {host or 'any host'}"
    here = "itself" if path.ingress is other.ingress else f"Ingress {name(other.ingress)}"
    return RULE.finding(
        path.ingress.place(*path.place),
        f"Ingress {name(path.ingress)} gives {what} to {path.backend}, and {here} gives it to {other.backend}",
        related=[(other.ingress.place(*other.place), f"to {other.backend}")],
        help="which of the two gets the requests is up to the controller: give one of them another path, host or class",
        certain=bool(kind),
    )


def paths(item: OtherObjectFact) -> Iterator[Path]:
    """The paths of an Ingress that may meet those of others."""
    kind = group(item)
    if kind is None:
        return
    for number, rule in enumerate(listed(mapping(item.document.get("spec")).get("rules"))):
        for index, given in enumerate(listed(mapping(mapping(rule).get("http")).get("paths"))):
            path, one = ("spec", "rules", number, "http", "paths", index), mapping(given)
            written, sort = str(one.get("path") or "/"), str(one.get("pathType") or "ImplementationSpecific")
            matched = (written.rstrip("/") or "/") if sort == "Prefix" else written
            if backend := backend_of(item, mapping(one.get("backend"))):
                yield Path(
                    item,
                    (kind, str(mapping(rule).get("host") or ""), matched, sort),
                    backend,
                    (*path, "path") if "path" in one else path,
                )


def group(item: OtherObjectFact) -> str | None:
    """The Ingresses that share a load balancer with one, by their class; None where none does, and where it is meant to share paths."""
    notes = item.annotations
    kind = str(mapping(item.document.get("spec")).get("ingressClassName") or notes.get(CLASS) or "")
    if notes.get(CANARY) == "true" or kind in ALONE or (kind == "alb" and not notes.get(GROUP)):
        return None
    return f"{kind} {notes.get(GROUP, '')}".strip()


def backend_of(item: OtherObjectFact, backend: Mapping[str, object]) -> str:
    """What a path leads to, in words; empty where that is no service."""
    service = mapping(backend.get("service"))
    port = mapping(service.get("port"))
    named = service.get("name") or backend.get("serviceName")
    number = port.get("number") or port.get("name") or backend.get("servicePort") or ""
    return f"{item.namespace or 'default'}/{named}:{number}".rstrip(":") if named else ""


def name(item: OtherObjectFact) -> str:
    """The Ingress's namespace and name."""
    return f"{item.namespace or 'default'}/{item.name}"


RULE = Rule("ingress-path-taken", Severity.WARNING, __doc__, check)
