"""An Ingress, a Gateway route or an OpenShift Route leads to a service or port that is not there.

## What it finds
Backends of Ingress, HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute, OpenShift Route, Traefik's IngressRoute (and its kinds for TCP and UDP) and Contour's HTTPProxy objects whose service is not in the input (where the input holds services of that namespace) or has no such port;
backends in another namespace that no ReferenceGrant allows.

## Why it matters
Requests get 503, or the controller leaves the rule out.

## Example
    backend: {service: {name: web, port: {number: 8080}}}      # the service web has port 80

## How to mend
Name the port of the service, not that of the container; add the service, or a ReferenceGrant in its namespace.

## Sources
Kubernetes API reference IngressBackend ("port of the referenced service"); Gateway API BackendRef and ReferenceGrant (gateway.networking.k8s.io); OpenShift route.openshift.io/v1 RouteSpec.to and port.targetPort
(a port of the endpoints: a number or a name of the service's ports); Traefik pkg/provider/kubernetes/crd/traefikio/v1alpha1 (LoadBalancerSpec), Contour apis/projectcontour/v1 (Service).
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.query.workloads import Key, OtherObjectFact, ServiceFact, is_number, listed, mapping, others
from analyzer.rule import Finding, Network, Rule, Severity, Span

# The AWS load balancer controller looks up an annotation by the "service's" name (pkg/ingress/enhanced_backend_builder.go, magicServicePortUseAnnotation).
IN_ANNOTATION = "use-annotation"
TRAEFIK = ("traefik.io/", "traefik.containo.us/")
# Kinds of controllers' own, with the groups that they are of.
CONTROLLERS = {
    "IngressRoute": TRAEFIK,
    "IngressRouteTCP": TRAEFIK,
    "IngressRouteUDP": TRAEFIK,
    "HTTPProxy": ("projectcontour.io/",),
}
ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


class Backend(NamedTuple):
    """What a route leads to: the service's namespace and name, its port by number or name (empty: any), and where each is said."""

    route: OtherObjectFact
    namespace: str
    name: str
    port: int | str
    at: Span
    port_at: Span


def check(network: Network) -> Iterator[Finding]:
    services = network.cluster.services
    for backend in backends(network):
        route = f"{backend.route.kind} {backend.route.namespace or 'default'}/{backend.route.name}"
        service = services.get((backend.namespace, backend.name))
        if service is None:
            if any(where == backend.namespace for where, _ in services):
                text = f"{route} leads to the service {backend.namespace}/{backend.name}, which is not there"
                yield RULE.finding(backend.at, text, help="correct the name, or add the service")
        elif (
            backend.port
            and service.type != "ExternalName"
            and not any(backend.port in offered(backend, one) for one in (service, *stated_too(network, service)))
        ):
            has = ", ".join(f"{port.port} ({port.name})" if port.name else str(port.port) for port in service.ports) or "none"
            related = [(service.place("spec", "ports"), f"it has {has}")]
            text = (
                f"{route} leads to port {backend.port} of the service {backend.namespace}/{backend.name}, which has no such port"
            )
            yield RULE.finding(backend.port_at, text, related=related, help="name a port of the service, not of its containers")
        abroad = backend.namespace != (backend.route.namespace or "default") and backend.route.kind in ROUTES
        if abroad and not granted(network, backend):
            text = f"{route} leads to a service of another namespace, which no ReferenceGrant in {backend.namespace} allows"
            yield RULE.finding(backend.at, text, certain="ReferenceGrant" in network.cluster.known)


def stated_too(network: Network, service: ServiceFact) -> Iterator[ServiceFact]:
    """The same service as other texts have it: which of them counts is not known."""
    for item in network.cluster.doubles:
        if isinstance(item, ServiceFact) and (item.namespace, item.name) == (service.namespace, service.name):
            yield item


def offered(backend: Backend, service: ServiceFact) -> set[int | str]:
    """The ports that a backend may name."""
    names = {port.name for port in service.ports if port.name}
    if backend.route.kind != "Route":
        return {port.port for port in service.ports} | names
    return names | at_pods(service, backend.port)


def at_pods(service: ServiceFact, wanted: int | str) -> set[int | str]:
    """The numbers of a service's pods that a Route may name, as numbers or texts (openshift/router, endpointsForAlias); any, where a target is a name."""
    targets = [port.target or port.port for port in service.ports]
    if str(wanted).isdecimal() and any(isinstance(target, str) for target in targets):
        return {wanted}
    numbers = {target for target in targets if isinstance(target, int)}
    return {*numbers, *map(str, numbers)}


def backends(network: Network) -> Iterator[Backend]:
    """The backends of all routes."""
    for item in others(network, "Ingress", *ROUTES, "Route", *CONTROLLERS):
        if item.kind == "Ingress":
            yield from of_ingress(item)
        elif item.kind in CONTROLLERS and item.api_version.startswith(CONTROLLERS[item.kind]):
            yield from of_controller(item)
        elif item.kind in ROUTES:
            yield from of_gateway(item)
        elif item.api_version.startswith("route.openshift.io/"):
            yield from of_openshift(item)


def of_ingress(item: OtherObjectFact) -> Iterator[Backend]:
    """The default backend and the paths of an Ingress, in the form of v1 and of the versions before."""
    spec = mapping(item.document.get("spec"))
    places: list[tuple[Key, ...]] = [("spec", key) for key in ("defaultBackend", "backend") if spec.get(key)]
    for number, rule in enumerate(listed(spec.get("rules"))):
        for index, _ in enumerate(listed(mapping(mapping(rule).get("http")).get("paths"))):
            places.append(("spec", "rules", number, "http", "paths", index, "backend"))
    for place in places:
        backend = mapping(at(item, place))
        service = mapping(backend.get("service"))
        port = mapping(service.get("port"))
        name = service.get("name") or backend.get("serviceName")
        if isinstance(name, str):
            key = ("service", "name") if service.get("name") else ("serviceName",)
            port_key = ("service", "port", "number" if port.get("number") else "name") if port else ("servicePort",)
            wanted = port.get("number") or port.get("name") or backend.get("servicePort") or ""
            if wanted == IN_ANNOTATION:
                continue
            number_or_name = wanted if isinstance(wanted, int | str) else ""
            places_of = item.place(*place, *key), item.place(*place, *port_key)
            yield Backend(item, item.namespace or "default", name, number_or_name, *places_of)


def of_gateway(item: OtherObjectFact) -> Iterator[Backend]:
    """The backends of a route of the Gateway API."""
    for number, rule in enumerate(listed(mapping(item.document.get("spec")).get("rules"))):
        for index, reference in enumerate(listed(mapping(rule).get("backendRefs"))):
            one = mapping(reference)
            if one.get("kind", "Service") == "Service" and not one.get("group") and isinstance(one.get("name"), str):
                namespace = one.get("namespace") if isinstance(one.get("namespace"), str) else item.namespace or "default"
                port = one["port"] if is_number(one.get("port")) else ""
                place = ("spec", "rules", number, "backendRefs", index)
                yield Backend(item, str(namespace), one["name"], port, item.place(*place, "name"), item.place(*place, "port"))


def of_controller(item: OtherObjectFact) -> Iterator[Backend]:
    """The services of the routes of Traefik (IngressRoute, IngressRouteTCP, IngressRouteUDP) and Contour (HTTPProxy): each by its name and port."""
    spec = mapping(item.document.get("spec"))
    places: list[tuple[Key, ...]] = [("spec", "routes", number) for number, _ in enumerate(listed(spec.get("routes")))]
    for place in [*places, ("spec", "tcpproxy")]:
        for index, reference in enumerate(listed(mapping(at(item, place)).get("services"))):
            one = mapping(reference)
            if one.get("kind", "Service") == "Service" and isinstance(one.get("name"), str):
                namespace = one.get("namespace") if isinstance(one.get("namespace"), str) else item.namespace or "default"
                port = one["port"] if isinstance(one.get("port"), str) or is_number(one.get("port")) else ""
                own = (*place, "services", index)
                yield Backend(item, str(namespace), one["name"], port, item.place(*own, "name"), item.place(*own, "port"))


def of_openshift(item: OtherObjectFact) -> Iterator[Backend]:
    """The service of a Route and its alternates."""
    spec = mapping(item.document.get("spec"))
    wanted = mapping(spec.get("port")).get("targetPort") or ""
    port = wanted if isinstance(wanted, int | str) else ""
    places: list[tuple[Key, ...]] = [
        ("spec", "to"),
        *(("spec", "alternateBackends", number) for number, _ in enumerate(listed(spec.get("alternateBackends")))),
    ]
    for place in places:
        one = mapping(at(item, place))
        if one.get("kind", "Service") == "Service" and isinstance(one.get("name"), str):
            where = item.place(*place, "name"), item.place("spec", "port", "targetPort")
            yield Backend(item, item.namespace or "default", one["name"], port, *where)


def at(item: OtherObjectFact, path: tuple[Key, ...]) -> object:
    """The value at a path."""
    found: object = item.document
    for key in path:
        found = listed(found)[key] if isinstance(key, int) else mapping(found).get(key)
    return found


def granted(network: Network, backend: Backend) -> bool:
    """Whether a ReferenceGrant of the service's namespace allows the route to lead there."""
    for grant in others(network, "ReferenceGrant"):
        spec = mapping(grant.document.get("spec"))
        sources = [mapping(item) for item in listed(spec.get("from"))]
        targets = [mapping(item) for item in listed(spec.get("to"))]
        from_here = any(
            one.get("kind") == backend.route.kind and one.get("namespace") == (backend.route.namespace or "default")
            for one in sources
        )
        to_it = any(one.get("kind") == "Service" and one.get("name") in (None, "", backend.name) for one in targets)
        if grant.namespace == backend.namespace and from_here and to_it:
            return True
    return False


RULE = Rule("route-backend-missing", Severity.ERROR, __doc__, check, absence=True)
