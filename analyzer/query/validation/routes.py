"""What the API server refuses of an Ingress (pkg/apis/networking/validation validateIngressRules, validateHTTPIngressPath, validateIngressBackend)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.validation.values import PLACEHOLDER, SUBDOMAIN, Key, Refused, known_address, number, port_name, word
from analyzer.query.workloads import listed, mapping

TYPES = ("Exact", "Prefix", "ImplementationSpecific")


def ingress(spec: Mapping[str, Any]) -> Iterator[Refused]:
    """What is refused of the specification of an Ingress."""
    if spec.get("defaultBackend") is not None:
        yield from backend(spec["defaultBackend"], ("spec", "defaultBackend"))
    elif not listed(spec.get("rules")):
        yield Refused(("spec",), "an Ingress needs a rule or a default backend")
    for index, item in enumerate(map(mapping, listed(spec.get("rules")))):
        yield from host(item.get("host"), ("spec", "rules", index, "host"))
        for number_, route in enumerate(map(mapping, listed(mapping(item.get("http")).get("paths")))):
            yield from path_of(route, ("spec", "rules", index, "http", "paths", number_))


def host(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """The name that a rule is for: a DNS name, also with ``*`` for its first label."""
    if not isinstance(value, str) or not value or PLACEHOLDER.search(value):
        return
    if known_address(value) is not None:
        yield Refused(path, f"{value!r} must be a DNS name, not an address")
    elif not SUBDOMAIN.fullmatch(value.removeprefix("*.")):
        yield Refused(path, f"{value!r} is no DNS name, in lower case")


def path_of(item: Mapping[str, Any], path: tuple[Key, ...]) -> Iterator[Refused]:
    """One path of a rule."""
    yield from word(item.get("pathType"), TYPES, (*path, "pathType"))
    own = item.get("path", "")
    whole = isinstance(own, str) and not own.startswith("/") and not PLACEHOLDER.search(own)
    if item.get("pathType") in ("Exact", "Prefix") and whole:
        yield Refused((*path, "path"), f"{own!r} must begin with a slash")
    yield from backend(item.get("backend"), (*path, "backend"))


def backend(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """What a path leads to: a service with a port by its name or its number, or another object."""
    item = mapping(value)
    service, port = mapping(item.get("service")), mapping(mapping(item.get("service")).get("port"))
    if item.get("service") is not None and item.get("resource") is not None:
        yield Refused((*path, "resource"), "a backend is a service or another object, not both")
    if service and not port:
        yield Refused((*path, "service"), "the service of a backend needs a port, by its name or its number")
    if port.get("name") and port.get("number"):
        yield Refused((*path, "service", "port"), "a port has a name or a number here, not both")
    yield from number(port.get("number"), 1, 65535, (*path, "service", "port", "number"))
    yield from port_name(port.get("name"), (*path, "service", "port", "name"))
