"""The Kubernetes objects of a network of the lab, as ``kubectl get -o yaml`` would print them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.lab import romana_enforcer
from tests.lab.plan import Node, Pod, Service
from tests.lab.policies import PORTS
from tests.lab.proxy import endpoints

if TYPE_CHECKING:
    from tests.lab.build import Lab


def write(lab: Lab, folder: Path) -> None:
    """Writes ``k8s/*.yaml`` below the folder."""
    target = folder / "k8s"
    target.mkdir(parents=True, exist_ok=True)
    families = lab.scenario.families
    _write(target / "nodes.yaml", (_node(node) for node in lab.members))
    _write(target / "pods.yaml", (_pod(lab, pod) for pod in lab.pods))
    _write(target / "services.yaml", (_service(service) for service in lab.services))
    slices = (_slice(lab, service, family) for service in lab.services for family in families if family in service.addresses)
    _write(target / "endpointslices.yaml", slices)
    if lab.policies:
        _write(target / "policies.yaml", lab.policies)
        _write(target / "namespaces.yaml", (_namespace(lab, name) for name in sorted({pod.namespace for pod in lab.pods})))


def _write(path: Path, items: Iterable[dict[str, Any]]) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def _metadata(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def _node(node: Node) -> dict[str, Any]:
    cidrs = [node.pod_cidr(family) for family in node.families]
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": _metadata(node.name, annotations=dict(node.annotations)),
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [{"type": "InternalIP", "address": node.address(family)} for family in node.families],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def _pod(lab: Lab, pod: Pod) -> dict[str, Any]:
    ports: list[dict[str, Any]] = [{"containerPort": c, "hostPort": h, "protocol": protocol} for h, c, protocol in pod.host_ports]
    if lab.policies:
        ports += [{"name": name, "containerPort": port, "protocol": protocol} for name, (port, protocol) in PORTS.items()]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": _metadata(pod.name, pod.namespace, labels=dict(pod.labels)),
        "spec": {
            "nodeName": pod.node, "containers": [{"name": "server", "ports": ports}],
            **({"hostNetwork": True} if pod.host_network else {}),
        },
        "status": {
            "phase": "Running", "podIP": pod.addresses[0], "podIPs": [{"ip": address} for address in pod.addresses],
            "hostIP": lab.node(pod.node).address(lab.scenario.families[0]),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def _namespace(lab: Lab, name: str) -> dict[str, Any]:
    asked = romana_enforcer.asked_of(lab, name) if lab.scenario.enforcer == "romana" else {}
    more = {"annotations": asked} if asked else {}
    return {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}, **more},
    }  # fmt: skip


def _service(service: Service) -> dict[str, Any]:
    addresses = list(service.addresses.values())
    ports = [
        {"name": f"p-{protocol.lower()}", "protocol": protocol, "port": service.port, "targetPort": service.target,
         **({"nodePort": service.node_port} if service.node_port else {})}
        for protocol in service.protocols
    ]  # fmt: skip
    spec: dict[str, Any] = {
        "type": "LoadBalancer" if service.balancer_addresses else "NodePort" if service.node_port else "ClusterIP",
        "internalTrafficPolicy": service.internal_policy,
        "clusterIP": addresses[0], "clusterIPs": addresses,
        "selector": {"app": service.selector}, "ports": ports,
        "sessionAffinity": "ClientIP" if service.affinity else "None",
        "ipFamilies": [f"IPv{family}" for family in service.addresses],
    }  # fmt: skip
    if service.node_port or service.balancer_addresses:
        spec["externalTrafficPolicy"] = service.external_policy
    if service.external_addresses:
        spec["externalIPs"] = list(service.external_addresses)
    if service.source_ranges:
        spec["loadBalancerSourceRanges"] = list(service.source_ranges)
    status = {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"} for address in service.balancer_addresses]}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service.name, service.namespace),
        "spec": spec,
        **({"status": status} if service.balancer_addresses else {}),
    }


def _slice(lab: Lab, service: Service, family: int) -> dict[str, Any]:
    found = endpoints(lab, service, family)
    items = [
        {"addresses": [address], "conditions": {"ready": True}, "nodeName": pod.node,
         "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name}}
        for pod, address in found
    ]  # fmt: skip
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
        "metadata": _metadata(f"{service.name}-{family}", service.namespace, labels={"kubernetes.io/service-name": service.name}),
        "endpoints": items,
        "ports": [{"name": f"p-{p.lower()}", "protocol": p, "port": service.target} for p in service.protocols],
    }  # fmt: skip
