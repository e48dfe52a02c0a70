"""The addresses that nodes reach the API server by, as configuration states them: a virtual address among them is no address of a Node.

Sources: kubeadm ``controlPlaneEndpoint`` and ``advertiseAddress`` (kubeadm.k8s.io/v1beta3, v1beta4); ``clusters[].cluster.server`` of a kubeconfig (client-go
tools/clientcmd/api/v1), which kubeadm also puts into the ConfigMaps ``kube-proxy`` and ``cluster-info``; kube-vip pkg/kubevip/config_envvar.go
(``address``, ``vip_address`` with ``cp_enable``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.addresses import Address, address
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.model.systems.programs import TEMPLATES
from analyzer.model.systems.reading import line_of, listing, mapping
from analyzer.source import Span

ENDPOINT = re.compile(
    r"^[ \t]*controlPlaneEndpoint:[ \t]*[\"']?(\[[0-9a-fA-F:]+\]|[0-9a-fA-F.:]+?)(?::(\d+))?[\"']?[ \t]*$", re.MULTILINE
)
SERVER = re.compile(r"^[ \t-]*server:[ \t]*[\"']?https?://(\[[0-9a-fA-F:]+\]|[0-9.]+)(?::(\d+))?/?[\"']?[ \t]*$", re.MULTILINE)
URL = re.compile(r"https?://(\[[0-9a-fA-F:]+\]|[0-9.]+)(?::(\d+))?/?")
HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9.]+)(?::(\d+))?")
MAPS = {
    "kubeadm-config": ("ClusterConfiguration", ENDPOINT),
    "kube-proxy": ("kubeconfig.conf", SERVER),
    "cluster-info": ("kubeconfig", SERVER),
}
ADVERTISED: Mapping[str, tuple[str, ...]] = {"InitConfiguration": (), "JoinConfiguration": ("controlPlane",)}
API_PORT = 6443
LIMIT = 65536


class Endpoint(NamedTuple):
    """An address of the control plane, its port, and who says so. ``own``: it is this cluster's; a kubeconfig may be for another, which this one hosts."""

    address: Address
    port: int
    at: Span
    said_by: str
    own: bool = True


def endpoints(network: Network) -> Iterator[Endpoint]:
    """Every address that is stated, in the order of the objects."""
    for fact in network.cluster.others:
        if fact.kind == "ClusterConfiguration":
            found = HOST.fullmatch(str(fact.document.get("controlPlaneEndpoint")))
            yield from said(found, fact.place("controlPlaneEndpoint"), "controlPlaneEndpoint of kubeadm")
        elif fact.kind in ADVERTISED and fact.api_version.startswith("kubeadm.k8s.io/"):
            yield from advertised(fact, (*ADVERTISED[fact.kind], "localAPIEndpoint", "advertiseAddress"))
        elif fact.kind == "Config" and fact.api_version == "v1":
            yield from of_kubeconfig(fact)
    for (_, name), held in sorted(network.cluster.config_maps.items()):
        key, pattern = MAPS.get(name, ("", URL))
        located = held.data.get(key)
        for found in pattern.finditer(located.value[:LIMIT]) if located is not None else ():
            if located is not None:
                yield from said(found, line_of(located, found[0].strip(), network.sources), f"ConfigMap {name}")
    for workload in (*network.cluster.pods.values(), *network.cluster.others):
        yield from of_kube_vip(workload)


def advertised(fact: ObjectFact, path: tuple[str, ...]) -> Iterator[Endpoint]:
    """The address of a node of the control plane."""
    value: object = fact.document
    for key in path:
        value = mapping(value).get(key)
    yield from said(HOST.fullmatch(str(value)), fact.place(*path), f"advertiseAddress of {fact.kind}")


def of_kubeconfig(fact: ObjectFact) -> Iterator[Endpoint]:
    """The servers of a kubeconfig."""
    for index, item in enumerate(listing(fact.document.get("clusters"))):
        found = URL.fullmatch(str(mapping(mapping(item).get("cluster")).get("server")))
        for one in said(found, fact.place("clusters", index, "cluster", "server"), "a kubeconfig"):
            yield one._replace(own=False)


def of_kube_vip(fact: ObjectFact) -> Iterator[Endpoint]:
    """The address that kube-vip holds for the control plane."""
    path = TEMPLATES.get(fact.kind, ())
    spec: object = fact.document if path else None
    for part in path:
        spec = mapping(spec).get(part)
    for index, item in enumerate(listing(mapping(spec).get("containers"))):
        if str(mapping(item).get("name")) == "kube-vip":
            values = environment(mapping(item), (*path, "containers", index, "env"))
            given = next((values[key] for key in ("address", "vip_address") if key in values), None)
            if given is not None and values.get("cp_enable", ("", ()))[0] == "true":
                port = values.get("port", ("", ()))[0]
                for one in said(HOST.fullmatch(given[0]), fact.place(*given[1]), f"kube-vip in {fact.kind} {fact.name}"):
                    yield one._replace(port=int(port)) if port.isdecimal() and len(port) < 6 else one


def environment(container: Mapping[str, object], path: tuple[str | int, ...]) -> dict[str, tuple[str, tuple[str | int, ...]]]:
    """The variables with their values and paths."""
    items = enumerate(mapping(item) for item in listing(container.get("env")))
    return {str(item.get("name")): (str(item.get("value")), (*path, index, "value")) for index, item in items if "value" in item}


def said(found: re.Match[str] | None, at: Span, said_by: str) -> Iterator[Endpoint]:
    """The endpoint of a text; none where it is a name, or the node's own."""
    if found is None:
        return
    try:
        one = address(found[1].strip("[]"))
    except ValueError:
        return
    if one.value and not (one.value >> 24 == 127 if one.family == 4 else one.value == 1):
        port = found[2] if found.re.groups > 1 else None
        yield Endpoint(one, int(port) if port and len(port) < 6 else API_PORT, at, said_by)
