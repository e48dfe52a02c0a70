"""OVN-Kubernetes: its ConfigMap, its flags, and OpenShift's Network objects (go-controller/pkg/config/config.go; openshift/api operator/v1)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import ConfigMapFact, Located, OtherObjectFact
from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import line_value, listing, mapping, prefixes, settings_of

NAME = "ovn-kubernetes"
MAP_RANGES = {"net_cidr": "pod", "svc_cidr": "service"}
LINES = {"cluster-subnets": "pod", "service-cidrs": "service", "v4-join-subnet": "join", "v4-transit-switch-subnet": "join"}
INNER = ("v4InternalSubnet", "v6InternalSubnet")


def ranges(objects: Objects) -> Iterator[Range]:
    """Pod, service and inner networks."""
    for fact in objects.maps:
        yield from of_map(fact, objects)
    for program in objects.programs:
        if program.container.startswith("ovn"):
            for flag, purpose in (("--cluster-subnets", "pod"), ("--k8s-service-cidrs", "service")):
                yield from networks(purpose, program.flags.get(flag), f"{flag} of {program.title}")
    for item in objects.others:
        if item.kind == "Network" and item.api_version.split("/")[0].endswith(".openshift.io"):
            yield from openshift(item)


def of_map(fact: ConfigMapFact, objects: Objects) -> Iterator[Range]:
    """``ovn-config`` of the upstream installation, and ``ovnkube-config`` of OpenShift, whose text is an ini file."""
    if fact.name == "ovn-config":
        for key, purpose in MAP_RANGES.items():
            yield from networks(purpose, fact.data.get(key), f"ConfigMap ovn-config {key}")
    elif fact.name == "ovnkube-config":
        for line, purpose in LINES.items():
            located = line_value(fact, "ovnkube.conf", line, objects.texts)
            yield from networks(purpose, located, f"ConfigMap ovnkube-config {line}")


def networks(purpose: str, located: Located | None, said_by: str) -> Iterator[Range]:
    """Networks with commas between; behind a pod network stands the length of a node's part (``10.128.0.0/14/23``)."""
    for part in located.value.split(",") if located is not None else ():
        text = part.strip().rpartition("/")[0] if part.count("/") == 2 else part
        for item in prefixes(text):
            yield Range(purpose, item, located.at, said_by, NAME)  # type: ignore[union-attr]


def openshift(fact: OtherObjectFact) -> Iterator[Range]:
    """The cluster's Network of OpenShift: what is wanted (config, operator)."""
    spec, said_by = mapping(fact.document.get("spec")), f"Network {fact.name}"
    for index, entry in enumerate(listing(spec.get("clusterNetwork"))):
        for item in prefixes(mapping(entry).get("cidr") or ""):
            yield Range("pod", item, fact.place("spec", "clusterNetwork", index, "cidr"), said_by, NAME)
    for index, text in enumerate(listing(spec.get("serviceNetwork"))):
        for item in prefixes(text):
            yield Range("service", item, fact.place("spec", "serviceNetwork", index), said_by, NAME)
    path = ("spec", "defaultNetwork", "ovnKubernetesConfig")
    settings = mapping(mapping(spec.get("defaultNetwork")).get("ovnKubernetesConfig"))
    for key in INNER:
        for item in prefixes(settings.get(key) or ""):
            yield Range("join", item, fact.place(*path, key), said_by, NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """MTU and Geneve's port."""
    for fact in objects.maps:
        if fact.name == "ovn-config":
            yield from settings_of(NAME, [("mtu", fact.data.get("mtu"), "ConfigMap ovn-config mtu")])
        elif fact.name == "ovnkube-config":
            found = (
                (key, line_value(fact, "ovnkube.conf", line, objects.texts), "ConfigMap ovnkube-config")
                for line, key in (("mtu", "mtu"), ("encap-port", "port"))
            )
            yield from settings_of(NAME, found)
    for item in objects.others:
        if item.kind == "Network" and item.api_version.startswith("operator.openshift.io"):
            path = ("spec", "defaultNetwork", "ovnKubernetesConfig")
            inner = mapping(mapping(mapping(item.document.get("spec")).get("defaultNetwork")).get("ovnKubernetesConfig"))
            for name, key in (("mtu", "mtu"), ("genevePort", "port")):
                if inner.get(name) is not None:
                    yield Setting(NAME, key, str(inner[name]), item.place(*path, name), f"Network {item.name}")


SYSTEM = System(NAME, ranges, settings)
