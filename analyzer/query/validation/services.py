"""What the API server refuses of a Service (pkg/apis/core/validation ValidateService, ValidateServiceClusterIPsRelatedFields, validateServicePort;
pkg/registry/core/service/storage/alloc.go, initIPFamilyFields)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.validation.values import (
    PLACEHOLDER,
    SUBDOMAIN,
    Key,
    Refused,
    address,
    known_address,
    label,
    labels,
    network,
    number,
    once,
    qualified,
    target_port,
    word,
)
from analyzer.query.workloads import PROTOCOLS, is_number, listed, mapping

WORDS = {
    "type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    "sessionAffinity": ("None", "ClientIP"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "internalTrafficPolicy": ("Cluster", "Local"),
    "ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
}
FAMILIES = ("IPv4", "IPv6")
DAY = 86400


def service(spec: Mapping[str, Any]) -> Iterator[Refused]:
    """What is refused of the specification of a service."""
    for key, among in WORDS.items():
        yield from word(spec.get(key), among, ("spec", key))
    yield from labels(spec.get("selector"), ("spec", "selector"))
    yield from addresses(spec)
    yield from ports(spec)
    timeout = mapping(mapping(spec.get("sessionAffinityConfig")).get("clientIP")).get("timeoutSeconds")
    yield from number(timeout, 1, DAY, ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"))
    for index, item in enumerate(listed(spec.get("loadBalancerSourceRanges"))):
        yield from network(item, ("spec", "loadBalancerSourceRanges", index))
    for index, item in enumerate(listed(spec.get("externalIPs"))):
        yield from external_address(item, ("spec", "externalIPs", index))
    if spec.get("type") == "ExternalName":
        yield from external_name(spec.get("externalName"))


def addresses(spec: Mapping[str, Any]) -> Iterator[Refused]:
    """The cluster addresses: each one of its family, and none at all of a service that must have one."""
    families = listed(spec.get("ipFamilies"))
    for index, family in enumerate(families):
        yield from word(family, FAMILIES, ("spec", "ipFamilies", index))
    given: list[tuple[Any, tuple[Key, ...]]] = [
        (value, ("spec", "clusterIPs", index)) for index, value in enumerate(listed(spec.get("clusterIPs")))
    ]
    if spec.get("ipFamilyPolicy") == "SingleStack":
        for key in ("ipFamilies", "clusterIPs"):
            if len(listed(spec.get(key))) > 1:
                wanted = "SingleStack is for one family: it must be RequireDualStack or PreferDualStack"
                yield Refused(("spec", "ipFamilyPolicy"), wanted, (("spec", key), "two of them"))
    given = given or [(spec.get("clusterIP"), ("spec", "clusterIP"))]
    for index, (value, path) in enumerate(given):
        if value == "None":
            if spec.get("type") in ("NodePort", "LoadBalancer"):
                yield Refused(path, f"a service of type {spec['type']} cannot be headless")
            continue
        yield from address(value, path)
        found = known_address(value) if isinstance(value, str) and value else None
        if found and index < len(families) and families[index] in FAMILIES and families[index] != f"IPv{found.family}":
            other = (("spec", "ipFamilies", index), f"the family {families[index]}")
            yield Refused(path, f"{value} is not of the family {families[index]}", other)


def external_address(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """An address from outside; none that only a host itself has (ValidateNonSpecialIP)."""
    yield from address(value, path)
    found = known_address(value) if isinstance(value, str) and value else None
    if found is None:
        return
    if found.family == 4:
        own = found.value == 0 or found.value >> 24 == 127
        link = found.value >> 16 == 0xA9FE or found.value >> 8 == 0xE00000
    else:
        own, link = found.value in (0, 1), found.value >> 118 == 0x3FA or found.value >> 112 in (0xFF02, 0xFF12)
    if own or link:
        yield Refused(path, f"{value} is an address of {'a host itself' if own else 'a single link'}, which nothing outside has")


def external_name(value: Any) -> Iterator[Refused]:
    """The name that an ExternalName leads to."""
    if not value:
        yield Refused(("spec", "externalName"), "a service of type ExternalName needs one")
    elif isinstance(value, str) and not SUBDOMAIN.fullmatch(value.removesuffix(".")) and not PLACEHOLDER.search(value):
        yield Refused(("spec", "externalName"), f"{value!r} is no DNS name, in lower case")


def ports(spec: Mapping[str, Any]) -> Iterator[Refused]:
    """The ports: some, each with a name where there are several, and no two alike."""
    found = {index: mapping(item) for index, item in enumerate(listed(spec.get("ports")))}
    if (
        not found
        and spec.get("clusterIP") != "None"
        and "None" not in listed(spec.get("clusterIPs"))
        and spec.get("type") != "ExternalName"
    ):
        yield Refused(("spec",), "a service needs a port, unless it is headless")
    nameless = [index for index, item in found.items() if not item.get("name")]
    if nameless and len(found) > 1:
        others = f" ({len(nameless)} have none)" if len(nameless) > 1 else ""
        yield Refused(("spec", "ports", nameless[0]), f"each of several ports needs a name{others}")
    for index, item in found.items():
        yield from port(item, ("spec", "ports", index), spec)
    names = {("spec", "ports", index, "name"): item["name"] for index, item in found.items() if item.get("name")}
    yield from once(names, "the name of the port")
    pairs = {
        ("spec", "ports", index, "port"): (item["port"], item.get("protocol") or "TCP")
        for index, item in found.items()
        if is_number(item.get("port"))
    }
    yield from once(pairs, "the port with its protocol")
    node_ports = {
        ("spec", "ports", index, "nodePort"): (item["nodePort"], item.get("protocol") or "TCP")
        for index, item in found.items()
        if is_number(item.get("nodePort")) and item["nodePort"]
    }
    yield from once(node_ports, "the node port with its protocol")


def port(item: Mapping[str, Any], path: tuple[Key, ...], spec: Mapping[str, Any]) -> Iterator[Refused]:
    """One port of a service."""
    yield from label(item.get("name"), (*path, "name"), "name of a service's port")
    yield from number(item.get("port"), 1, 65535, (*path, "port"))
    yield from word(item.get("protocol"), PROTOCOLS, (*path, "protocol"))
    yield from qualified(item.get("appProtocol"), (*path, "appProtocol"))
    if item.get("targetPort") not in (0, ""):
        yield from target_port(item.get("targetPort"), (*path, "targetPort"))
    if is_number(item.get("nodePort")) and item["nodePort"] and spec.get("type") in (None, "", "ClusterIP"):
        yield Refused((*path, "nodePort"), "a service of type ClusterIP has no node port")
