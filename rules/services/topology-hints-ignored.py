"""A service asks to be answered nearby, and that does nothing, or only a part of what it says.

## What it finds
`service.kubernetes.io/topology-mode: Auto` (before 1.27 `topology-aware-hints`) and `trafficDistribution` where a traffic policy `Local`, a type without a proxy, or the other of the two takes
precedence; values that nobody knows; and hints that cannot be made: a node without a zone, nodes in one zone only, fewer endpoints than zones.

## Why it matters
Traffic crosses zones, which costs time and money, though the service says that it does not. `Local` drops what has no endpoint on its node; hints never do.

## Example
    annotations: {service.kubernetes.io/topology-mode: Auto}
    spec: {internalTrafficPolicy: Local}        # hints are not looked at

## How to mend
Choose one of the two, and of traffic policies and hints one. `Auto` wants an endpoint for each zone and works well from three on; `trafficDistribution: PreferClose` has no such condition.

## Sources
Kubernetes pkg/proxy/topology.go CategorizeEndpoints, pkg/proxy/serviceport.go UsesClusterEndpoints; endpointslice/topologycache hintsEnabled, SetNodes, getAllocations, and reconciler.go; pkg/apis/core/validation
ValidateService (trafficDistribution: KEP-4444, PreferClose from 1.30 on; KEP-3015, PreferSameZone and PreferSameNode from 1.33); "Topology Aware Routing", "Traffic distribution".
"""

from collections.abc import Iterator

from analyzer.query.plan import NodeFact
from analyzer.query.workloads import ServiceFact, Template, captured, is_number, mapping, others, wanted
from analyzer.rule import Finding, Network, Rule, Severity, Span

MODE, OLD = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
ZONE = "topology.kubernetes.io/zone"
WITHOUT_TRAFFIC = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
KNOWN = ("Auto", "auto", "Disabled", "disabled")
Told = tuple[Span, str, Severity]


def check(network: Network) -> Iterator[Finding]:
    zones = zones_of(network)
    reason = without_zones(network, zones)
    for _, service in sorted(network.cluster.services.items()):
        name = f"service {service.namespace}/{service.name}"
        for at, why, severity in (*values(service), *precedence(service), *few(network, service, zones, reason)):
            yield RULE.finding(at, f"{name}: {why}", severity=severity, help=HELP)


HELP = "leave out the setting that does nothing, or what takes precedence over it"


def asked(service: ServiceFact) -> tuple[str, str]:
    """The annotation that counts (the deprecated one before the other), and the traffic distribution; empty where they ask for nothing."""
    key = OLD if OLD in service.annotations else MODE
    distribution = mapping(service.document.get("spec")).get("trafficDistribution")
    automatic = service.annotations.get(key) in ("Auto", "auto")
    return key if automatic else "", distribution if isinstance(distribution, str) and distribution in DISTRIBUTIONS else ""


def values(service: ServiceFact) -> Iterator[Told]:
    """Values that nobody knows, and two annotations that say different things."""
    for key in (MODE, OLD):
        value = service.annotations.get(key)
        if value is not None and value not in KNOWN and "/" not in value:
            yield (
                place(service, key),
                f"{key} is {value!r}, which makes no hints: Kubernetes knows Auto and Disabled",
                Severity.WARNING,
            )
    one, two = (service.annotations.get(key, "").capitalize() for key in (MODE, OLD))
    if one and two and one != two:
        yield (
            place(service, MODE),
            f"{MODE} does nothing beside {OLD}, which is deprecated and takes precedence",
            Severity.WARNING,
        )
    distribution = mapping(service.document.get("spec")).get("trafficDistribution")
    if isinstance(distribution, str) and distribution not in DISTRIBUTIONS:
        text = f"trafficDistribution {distribution!r} is refused: it must be one of {', '.join(DISTRIBUTIONS)}"
        yield service.place("spec", "trafficDistribution"), text, Severity.ERROR


def precedence(service: ServiceFact) -> Iterator[Told]:
    """What takes precedence over hints."""
    key, distribution = asked(service)
    if key and distribution:
        yield (
            service.place("spec", "trafficDistribution"),
            f"trafficDistribution does nothing beside {key}: Auto",
            Severity.WARNING,
        )
    what, at = key or "trafficDistribution", place(service, key)
    if not (key or distribution):
        return
    if service.headless or service.type == "ExternalName":
        yield at, f"{what} does nothing: no proxy stands before a service of this kind", Severity.NOTE
        return
    outside = service.type in ("NodePort", "LoadBalancer") or bool(service.external_addresses)
    inner, outer = service.internal_policy == "Local", outside and service.external_policy == "Local"
    if inner and (outer or not outside):
        yield at, f"{what} does nothing: internalTrafficPolicy: Local takes precedence", Severity.WARNING
    elif inner:
        yield at, f"{what} counts for what comes from outside only: internalTrafficPolicy: Local takes precedence", Severity.NOTE
    elif outer:
        yield at, f"{what} counts for what comes from inside only: externalTrafficPolicy: Local takes precedence", Severity.NOTE


def few(network: Network, service: ServiceFact, zones: set[str], reason: str) -> Iterator[Told]:
    """Hints that the controller does not make: it wants two zones, and an endpoint for each."""
    key, _ = asked(service)
    if not key or service.headless or service.type == "ExternalName" or not service.selector:
        return
    count = endpoints(network, service)
    if reason:
        yield place(service, key), f"{key}: Auto does nothing: {reason}", Severity.WARNING
    elif count and count < max(2, len(zones)):
        there = f"{len(zones)} zones have nodes" if zones else "there must be two zones"
        text = f"{key}: Auto does nothing with {count} endpoint{'s' if count > 1 else ''}: each zone wants one, and {there}"
        yield place(service, key), text, Severity.WARNING


def without_zones(network: Network, zones: set[str]) -> str:
    """Why no hints are made for any service; empty where nothing says so. Nodes that are not ready, and control planes, do not count."""
    unplaced = next((node.name for node in working(network) if not node.labels.get(ZONE)), "")
    if unplaced:
        return f"node {unplaced} has no label {ZONE}"
    return f"all nodes are in zone {min(zones)}" if len(zones) == 1 else ""


def zones_of(network: Network) -> set[str]:
    """The zones of the nodes that count."""
    return {node.labels.get(ZONE, "") for node in working(network)}


def working(network: Network) -> list[NodeFact]:
    """The nodes that the controller looks at."""
    nodes = network.cluster.nodes.values()
    return [node for node in nodes if node.ready is not False and not any(label in node.labels for label in WITHOUT_TRAFFIC)]


def endpoints(network: Network, service: ServiceFact) -> int:
    """How many endpoints the service has, or could have at most; 0 where that is not known."""
    if captured(network):
        groups = network.cluster.endpoints.get((service.namespace, service.name), ())
        return max((sum(item.ready for item in group.endpoints) for group in groups), default=0) if len(groups) < 2 else 0
    found = [most(network, item) for item in wanted(network).selected(service)]
    return 0 if 0 in found else sum(found)


def most(network: Network, item: Template) -> int:
    """How many pods a workload may have; 0 where that is not known, or rests on the nodes."""
    for scaler in others(network, "HorizontalPodAutoscaler"):
        spec = mapping(scaler.document.get("spec"))
        target = mapping(spec.get("scaleTargetRef"))
        if (scaler.namespace or "default", target.get("kind"), target.get("name")) == (
            item.namespace,
            item.owner.kind,
            item.owner.name,
        ):
            number = spec.get("maxReplicas")
            return number if isinstance(number, int) and is_number(number) else 0
    return item.replicas or 0


def place(service: ServiceFact, key: str) -> Span:
    """Where the service asks for hints."""
    return service.place("metadata", "annotations", key) if key else service.place("spec", "trafficDistribution")


RULE = Rule("topology-hints-ignored", Severity.WARNING, __doc__, check)
