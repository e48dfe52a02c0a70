"""Objects that lead to services from outside: Ingress, the routes of Gateway API, OpenShift's Route; with the pods that send for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.entities import Entity
from analyzer.policy.reading import group_of
from analyzer.policy.world import World, mapping
from analyzer.query.connectivity.gateways import GROUP, attached
from analyzer.query.connectivity.requests import ALL, OTHERS, of_gateway, of_openshift, of_rule
from analyzer.query.policy_services import Backend
from analyzer.source import Span

INGRESS_CONTROLLER, GATEWAY = "{ingress-controller}", "{gateway}"
# The controllers' names in IngressClass objects, and the label app.kubernetes.io/name that their charts give the pods.
CONTROLLERS = {
    "k8s.io/ingress-nginx": "ingress-nginx",
    "nginx.org/ingress-controller": "nginx-ingress",
    "traefik.io/ingress-controller": "traefik",
    "haproxy.org/ingress-controller/haproxy": "kubernetes-ingress",
    "haproxy-ingress.github.io/controller": "haproxy-ingress",
    "ingress-controllers.konghq.com/kong": "kong",
    "projectcontour.io/ingress-controller": "contour",
}
DEFAULT = "ingressclass.kubernetes.io/is-default-class"
APPLICATION = "app.kubernetes.io/name"
# Labels of the pods that a Gateway's implementation makes: GEP-1762, and Envoy Gateway's own.
OF_GATEWAY = ("gateway.networking.k8s.io/gateway-name", "gateway.envoyproxy.io/owning-gateway-name")
OPENSHIFT_ROUTER = "ingresscontroller.operator.openshift.io/deployment-ingresscontroller"
T = TypeVar("T")
GATEWAY_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")


@dataclass(frozen=True, slots=True)
class Route:
    """An object that leads to a port of a service: by number or name, of the service; ``of_pods``: by the number or name that its endpoints have (openshift/router,
    endpointsForAlias: the pods' number, the name of the service's port); None: every port. ``controllers`` are the pods that send for it, as far as they are in the
    input; ``pseudo`` stands for them. ``requests``: which ones it takes, in words."""

    kind: str
    name: str
    service: tuple[str, str]
    port: int | str | None
    controllers: tuple[Entity, ...]
    pseudo: str
    at: Span = field(compare=False, repr=False)
    of_pods: bool = False
    requests: tuple[str, ...] = ()

    def takes(self, backend: Backend) -> bool:
        """Whether a backend is of the port."""
        if self.port is None:
            return True
        if self.of_pods:
            return str(self.port) in (backend.name, str(backend.target))
        return self.port in (backend.name, backend.port)


def routes(world: World) -> Iterator[Route]:
    """Every such object of the world, a route for each service and port."""
    readers: dict[str, Callable[[World, OtherObjectFact], Iterator[Route]]] = {
        "networking.k8s.io/Ingress": ingress,
        "extensions/Ingress": ingress,
        "route.openshift.io/Route": openshift,
        **{f"gateway.networking.k8s.io/{kind}": gateway_route for kind in GATEWAY_ROUTES},
    }
    for item in world.cluster.others:
        if (reader := readers.get(f"{group_of(item)}/{item.kind}")) is not None:
            yield from reader(world, item)


def items(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list."""
    yield from (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def ingress(world: World, fact: OtherObjectFact) -> Iterator[Route]:
    """The backends of an Ingress: of its rules and by default (v1, and the names of the fields before it)."""
    spec, home = mapping(fact.document.get("spec")), fact.namespace or "default"
    rest = OTHERS if spec.get("rules") else ALL
    found: list[tuple[Any, str]] = [(spec.get("defaultBackend"), rest), (spec.get("backend"), rest)]
    for rule in items(spec.get("rules")):
        found += [(path.get("backend"), of_rule(rule, path)) for path in items(mapping(rule.get("http")).get("paths"))]
    controllers = ingress_controllers(world, fact, spec)
    for (service, port), requests in by_target((ingress_target(mapping(one)), request) for one, request in found).items():
        yield Route(
            fact.kind, named(fact), (home, service), port, controllers, INGRESS_CONTROLLER, fact.at, requests=tuple(requests)
        )


def by_target(found: Iterable[tuple[T | None, str]]) -> dict[T, dict[str, None]]:
    """The requests of each target."""
    known: dict[T, dict[str, None]] = {}
    for target, request in found:
        if target is not None:
            known.setdefault(target, {})[request] = None
    return known


def ingress_target(backend: Mapping[str, Any]) -> tuple[str, int | str] | None:
    """The service and the port of a backend."""
    service = mapping(backend.get("service"))
    port = mapping(service.get("port"))
    name = service.get("name") or backend.get("serviceName")
    number = port_of(port.get("number") or port.get("name") or backend.get("servicePort"))
    return (name, number) if isinstance(name, str) and number is not None else None


def port_of(value: Any) -> int | str | None:
    """A port's number or name."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def ingress_controllers(world: World, fact: OtherObjectFact, spec: Mapping[str, Any]) -> tuple[Entity, ...]:
    """The pods of the controller of an Ingress: by its class, or the only default one (plugin/pkg/admission/network/defaultingressclass); of
    every controller that is known by its labels, where that says nothing."""
    wanted = spec.get("ingressClassName") or fact.annotations.get("kubernetes.io/ingress.class")
    known = [item for item in world.cluster.others if item.kind == "IngressClass"]
    classes = [item for item in known if (item.name == wanted if wanted else item.annotations.get(DEFAULT) == "true")]
    classes = classes if wanted or len(classes) == 1 else []
    controller = str(mapping(classes[0].document.get("spec")).get("controller", "")) if classes else ""
    names = {CONTROLLERS[controller]} if controller in CONTROLLERS else set() if controller else set(CONTROLLERS.values())
    return tuple(item for item in world.entities if item.namespace and item.labels.get(APPLICATION) in names)


def openshift(world: World, fact: OtherObjectFact) -> Iterator[Route]:
    """The services of an OpenShift Route; its port is one of the pods' (spec.port.targetPort). One that every router has refused leads nowhere."""
    spec, admitting = mapping(fact.document.get("spec")), [*items(mapping(fact.document.get("status")).get("ingress"))]
    if admitting and all(refused(one) for one in admitting):
        return
    port = port_of(mapping(spec.get("port")).get("targetPort"))
    routers = tuple(item for item in world.entities if item.namespace and OPENSHIFT_ROUTER in item.labels)
    for target in (mapping(spec.get("to")), *items(spec.get("alternateBackends"))):
        if isinstance(target.get("name"), str) and target.get("kind", "Service") == "Service" and target.get("weight") != 0:
            service = fact.namespace or "default", target["name"]
            requests = of_openshift(spec, [one.get("host") for one in admitting if not refused(one)])
            yield Route(fact.kind, named(fact), service, port, routers, INGRESS_CONTROLLER, fact.at, True, requests)


def refused(ingress: Mapping[str, Any]) -> bool:
    """Whether a router says that it does not admit a Route (RouteIngress: its host is claimed by another namespace, as a rule)."""
    conditions = [one.get("status") for one in items(ingress.get("conditions")) if one.get("type") == "Admitted"]
    return bool(conditions) and all(status == "False" for status in conditions)


def gateway_route(world: World, fact: OtherObjectFact) -> Iterator[Route]:
    """The services of a Gateway API route; those of another namespace only where a ReferenceGrant lets it refer to them."""
    home, to = fact.namespace or "default", attached(world, fact)
    if to is None:
        return
    controllers = tuple(dict.fromkeys(pod for parent in to.parents for pod in gateway_pods(world, parent, home)))
    found = ((backend(world, fact, target), request) for target, request in gateway_targets(fact, to.hosts))
    for (service, port), requests in by_target(found).items():
        yield Route(fact.kind, named(fact), service, port, controllers, GATEWAY, fact.at, requests=tuple(requests))


def gateway_targets(fact: OtherObjectFact, hosts: tuple[str, ...]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The backends of a route with the requests that are sent to them, and to which copies are (RequestMirror). A backend of no weight gets none."""
    for rule in items(mapping(fact.document.get("spec")).get("rules")):
        targets = [target for target in items(rule.get("backendRefs")) if target.get("weight") != 0]
        filters = (item for holder in (rule, *targets) for item in items(holder.get("filters")))
        mirrors = [mapping(mapping(item.get("requestMirror")).get("backendRef")) for item in filters]
        for request in of_gateway(fact.kind, hosts, rule):
            yield from ((target, request) for target in targets)
            yield from ((target, f"copies of {request}") for target in mirrors)


def backend(world: World, fact: OtherObjectFact, target: Mapping[str, Any]) -> tuple[tuple[str, str], int | str] | None:
    """The service and the port of a backend; None where it is none, or stands in another namespace that lets nobody refer to it."""
    home, name, port = fact.namespace or "default", target.get("name"), port_of(target.get("port"))
    namespace = str(target.get("namespace") or home)
    if target.get("kind", "Service") != "Service" or target.get("group") or not isinstance(name, str) or port is None:
        return None
    return ((namespace, name), port) if namespace == home or granted(world, fact, home, namespace, name) else None


def gateway_pods(world: World, parent: Mapping[str, Any], home: str) -> Iterator[Entity]:
    """The pods of a Gateway."""
    namespace, name = parent.get("namespace") or home, parent.get("name")
    for item in world.entities:
        here = item.namespace == namespace or OF_GATEWAY[1] in item.labels
        if item.namespace and here and any(item.labels.get(label) == name for label in OF_GATEWAY):
            yield item


def granted(world: World, fact: OtherObjectFact, home: str, namespace: str, service: str) -> bool:
    """Whether a ReferenceGrant of the other namespace lets routes of this kind refer to the service."""
    for item in world.cluster.others:
        if item.kind == "ReferenceGrant" and item.namespace == namespace:
            spec = mapping(item.document.get("spec"))
            sources = (one for one in items(spec.get("from")) if one.get("group", GROUP) == GROUP)
            whence = any(one.get("kind") == fact.kind and one.get("namespace") == home for one in sources)
            targets = (one for one in items(spec.get("to")) if one.get("kind") == "Service" and not one.get("group"))
            whither = any((one.get("name") or service) == service for one in targets)
            if whence and whither:
                return True
    return False


def named(fact: OtherObjectFact) -> str:
    """Namespace and name of an object."""
    return f"{fact.namespace or 'default'}/{fact.name}"
