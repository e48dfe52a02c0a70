"""The kinds of objects whose fields the analyzer reads, with the defaults of the API (k8s.io/api core/v1, discovery/v1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from analyzer.addresses import Address, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import (
    ConfigMapFact,
    ContainerPort,
    Endpoint,
    EndpointsFact,
    Located,
    NodeFact,
    PodFact,
    ServiceFact,
    ServicePort,
)
from analyzer.parsers._view import View

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
AFFINITY_SECONDS = 10800
MIRRORED = "endpointslicemirroring-controller.k8s.io"


def common(view: View) -> dict[str, Any]:
    """What every object has, as the fields of ``ObjectFact``."""
    metadata = view.part("metadata")
    return {
        "at": view.at("metadata", "name"),
        "api_version": view.text("apiVersion"),
        "kind": view.text("kind"),
        "name": metadata.text("name"),
        "namespace": metadata.text("namespace"),
        "labels": metadata.strings("labels"),
        "annotations": metadata.strings("annotations"),
        "document": view.value,
        "places": view.places,
    }


def addresses(view: View, key: str) -> tuple[Address, ...]:
    """The addresses of a list of strings."""
    found = (view.read(text, address, key, index) for index, text in enumerate(view.texts(key)))
    return tuple(item for item in found if item is not None)


def protocol(view: View) -> int:
    """The protocol's number; TCP where none is given."""
    name = view.text("protocol", "TCP") or "TCP"
    if name not in PROTOCOLS:
        view.wrong(f"protocol {name!r} is none of TCP, UDP and SCTP", "protocol")
    return PROTOCOLS.get(name, 0)


def node(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """A Node."""
    spec, status = view.part("spec"), view.part("status")
    known = []
    for item in status.parts("addresses"):
        kind = item.text("type")
        if kind in ("InternalIP", "ExternalIP") and (found := item.read(item.text("address"), address, "address")):
            known.append((kind, found))
    texts = spec.texts("podCIDRs")
    networks = [spec.read(text, prefix, "podCIDRs", index) for index, text in enumerate(texts)]
    if not texts:
        networks = [spec.read(spec.text("podCIDR"), prefix, "podCIDR")]
    conditions = {item.text("type"): item.text("status") for item in status.parts("conditions")}
    yield NodeFact(
        **shared,
        addresses=tuple(known),
        pod_cidrs=tuple(network for network in networks if network is not None),
        ready=condition(conditions, "Ready"),
        network_unavailable=condition(conditions, "NetworkUnavailable"),
    )


def condition(conditions: dict[str, str], name: str) -> bool | None:
    """A condition's status; None where it is absent or Unknown."""
    return {"True": True, "False": False}.get(conditions.get(name, ""))


def pod(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """A Pod."""
    spec, status, metadata = view.part("spec"), view.part("status"), view.part("metadata")
    phase = status.text("phase")
    conditions = {item.text("type"): item.text("status") for item in status.parts("conditions")}
    owners = [(item.text("kind"), item.text("name")) for item in metadata.parts("ownerReferences")]
    yield PodFact(
        **namespaced(shared),
        node=spec.text("nodeName"),
        addresses=pod_addresses(status),
        host_network=spec.truth("hostNetwork") or False,
        phase=phase,
        finished=phase in ("Succeeded", "Failed"),
        terminating=bool(metadata.value.get("deletionTimestamp")),
        ready=condition(conditions, "Ready"),
        ports=tuple(port for item in running(spec) for port in container_ports(item)),
        owner=owners[0] if owners else None,
        dns_policy=spec.text("dnsPolicy", "ClusterFirst"),
    )


def running(spec: View) -> Iterator[View]:
    """The containers that go on running: of the init containers those that are always restarted."""
    yield from spec.parts("containers")
    yield from (item for item in spec.parts("initContainers") if item.text("restartPolicy") == "Always")


def namespaced(shared: dict[str, Any]) -> dict[str, Any]:
    """The common fields of a kind that lives in a namespace: none given is ``default``."""
    return shared | {"namespace": shared["namespace"] or "default"}


def pod_addresses(status: View) -> tuple[Address, ...]:
    """``podIPs``, else ``podIP``."""
    found = [item.read(item.text("ip"), address, "ip") for item in status.parts("podIPs")]
    if not found:
        found = [status.read(status.text("podIP"), address, "podIP")]
    return tuple(item for item in found if item is not None)


def container_ports(container: View) -> Iterator[ContainerPort]:
    """The declared ports of a container."""
    for item in container.parts("ports"):
        yield ContainerPort(
            container=container.text("name"),
            name=item.text("name"),
            port=item.number("containerPort"),
            protocol=protocol(item),
            host_port=item.number("hostPort"),
            host_address=item.read(item.text("hostIP"), address, "hostIP"),
            at=item.at(),
        )


def service(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """A Service."""
    spec = view.part("spec")
    kind = spec.text("type", "ClusterIP") or "ClusterIP"
    texts = spec.texts("clusterIPs") or [text for text in (spec.text("clusterIP"),) if text]
    key = "clusterIPs" if spec.value.get("clusterIPs") else "clusterIP"
    found = [spec.read(text, address, key) for text in texts if text != "None"]
    affinity = spec.text("sessionAffinity", "None") == "ClientIP"
    seconds = spec.part("sessionAffinityConfig").part("clientIP").number("timeoutSeconds", AFFINITY_SECONDS)
    ranges = [
        spec.read(text.strip(), prefix, "loadBalancerSourceRanges", i)
        for i, text in enumerate(spec.texts("loadBalancerSourceRanges"))
    ]
    yield ServiceFact(
        **namespaced(shared),
        type=kind,
        cluster_addresses=() if kind == "ExternalName" else tuple(item for item in found if item is not None),
        headless="None" in texts,
        external_addresses=addresses(spec, "externalIPs"),
        load_balancer_addresses=balancer_addresses(view),
        ports=tuple(service_port(item) for item in spec.parts("ports")),
        selector=spec.strings("selector") if spec.value.get("selector") else None,
        external_policy=spec.text("externalTrafficPolicy", "Cluster"),
        internal_policy=spec.text("internalTrafficPolicy", "Cluster"),
        affinity_seconds=seconds if affinity else None,
        source_ranges=tuple(item for item in ranges if item is not None),
        publish_not_ready=spec.truth("publishNotReadyAddresses") or False,
        health_check_port=spec.number("healthCheckNodePort"),
        external_name=spec.text("externalName") if kind == "ExternalName" else "",
    )


def balancer_addresses(view: View) -> tuple[Address, ...]:
    """The addresses that the load balancer reports, but for those in ``Proxy`` mode, which kube-proxy leaves alone."""
    found = []
    for item in view.part("status").part("loadBalancer").parts("ingress"):
        if item.text("ipMode", "VIP") != "Proxy" and (known := item.read(item.text("ip"), address, "ip")):
            found.append(known)
    return tuple(found)


def service_port(item: View) -> ServicePort:
    """A port; its target is the port itself where none is given."""
    target = item.value.get("targetPort")
    port = item.number("port")
    if target is not None and (isinstance(target, bool) or not isinstance(target, int | str)):
        item.wrong("targetPort must be a number or a name", "targetPort")
        target = None
    if isinstance(target, str) and target.isdecimal():
        target = int(target)
    return ServicePort(
        name=item.text("name"),
        protocol=protocol(item),
        port=port,
        target=target if target not in (None, 0, "") else port,
        node_port=item.number("nodePort"),
        at=item.at("port"),
    )


def endpoint_slice(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """An EndpointSlice (discovery.k8s.io): a condition that is absent means ready and serving, and not terminating."""
    labels = shared["labels"]
    if view.text("addressType", "IPv4") == "FQDN":
        return
    yield EndpointsFact(
        **namespaced(shared),
        service=labels.get("kubernetes.io/service-name", ""),
        endpoints=tuple(item for part in view.parts("endpoints") for item in slice_endpoints(part)),
        ports=tuple(endpoint_ports(view)),
        mirrored=labels.get("endpointslice.kubernetes.io/managed-by") == MIRRORED,
    )


def slice_endpoints(item: View) -> Iterator[Endpoint]:
    """The addresses of one endpoint (kube-proxy uses the first)."""
    conditions = item.part("conditions")
    ready, serving = conditions.truth("ready"), conditions.truth("serving")
    for index, text in enumerate(item.texts("addresses")):
        if (known := item.read(text, address, "addresses", index)) is not None:
            yield Endpoint(
                address=known,
                ready=ready is not False,
                serving=(ready is not False) if serving is None else serving,
                terminating=conditions.truth("terminating") or False,
                node=item.text("nodeName"),
                target=target(item),
                at=item.at("addresses", index),
            )


def endpoint_ports(view: View) -> Iterator[tuple[str, int, int | None]]:
    """Name, protocol and number; no number means every port."""
    for item in view.parts("ports"):
        yield item.text("name"), protocol(item), item.number("port") if item.value.get("port") is not None else None


def target(item: View) -> tuple[str, str] | None:
    """The pod behind an endpoint: namespace and name."""
    if "targetRef" not in item.value:
        return None
    reference = item.part("targetRef")
    return (reference.text("namespace"), reference.text("name")) if reference.text("kind") == "Pod" else None


def endpoints(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """An Endpoints object, one fact for each subset."""
    for subset in view.parts("subsets"):
        known = [*subset_endpoints(subset, "addresses", ready=True), *subset_endpoints(subset, "notReadyAddresses", ready=False)]
        yield EndpointsFact(
            **namespaced(shared), service=shared["name"], endpoints=tuple(known), ports=tuple(endpoint_ports(subset))
        )


def subset_endpoints(subset: View, key: str, *, ready: bool) -> Iterator[Endpoint]:
    """The ready, or the other, addresses of a subset."""
    for item in subset.parts(key):
        if (known := item.read(item.text("ip"), address, "ip")) is not None:
            yield Endpoint(
                address=known,
                ready=ready,
                serving=ready,
                terminating=False,
                node=item.text("nodeName"),
                target=target(item),
                at=item.at("ip"),
            )


def config_map(view: View, shared: dict[str, Any]) -> Iterator[Fact]:
    """A ConfigMap."""
    data = {name: Located(text, view.at("data", name)) for name, text in view.strings("data").items()}
    yield ConfigMapFact(**namespaced(shared), data=data)


READERS: dict[tuple[str, str], Callable[[View, dict[str, Any]], Iterator[Fact]]] = {
    ("", "Node"): node,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("", "Endpoints"): endpoints,
    ("", "ConfigMap"): config_map,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice,
}
