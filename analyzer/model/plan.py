"""The cluster's objects by kind, and the address ranges that they state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

from analyzer.addresses import host_prefix
from analyzer.facts.clouds import CloudInterfaceFact, CloudRouteFact, NameFact, SecurityGroupFact
from analyzer.facts.kubernetes import (
    ConfigMapFact,
    EndpointsFact,
    NodeFact,
    ObjectFact,
    OtherObjectFact,
    PodFact,
    RepeatedKeyFact,
    ServiceFact,
)
from analyzer.model import systems
from analyzer.model.cluster import Cluster, Range
from analyzer.model.listings import listed, most_said
from analyzer.model.merging_objects import merged_objects
from analyzer.model.ordering import Ordered
from analyzer.model.systems import Objects, System
from analyzer.model.systems.programs import programs
from analyzer.model.systems.reading import line_of, listing, mapping, prefixes
from analyzer.plugins import package_constants
from analyzer.source import Gap, Source

O = TypeVar("O", bound=ObjectFact)  # noqa: E741
TYPES: tuple[type[ObjectFact], ...] = (NodeFact, PodFact, ServiceFact, EndpointsFact, ConfigMapFact, OtherObjectFact)
FILE_KINDS: Mapping[str, str] = {
    "nodes": "Node",
    "pods": "Pod",
    "services": "Service",
    "svc": "Service",
    "endpointslices": "EndpointSlice",
    "endpoints": "Endpoints",
    "configmaps": "ConfigMap",
    "networkpolicies": "NetworkPolicy",
    "namespaces": "Namespace",
}
FLAGS: Mapping[str, str] = {"--cluster-cidr": "pod", "--service-cluster-ip-range": "service", "--service-cidr": "service"}


def flow(key: str) -> str:
    """The pattern of a value in block or flow style; two networks of a dual-stack cluster have a comma without a space between them."""
    return rf'(?:^|[{{,])\s*"?{key}"?:\s*"?([^\s"}}]+?),?(?=["\s}}]|$)'


TEXTS: tuple[tuple[str, str, str], ...] = (
    ("ClusterConfiguration", flow("podSubnet"), "pod"),
    ("ClusterConfiguration", flow("serviceSubnet"), "service"),
    ("config.conf", flow("clusterCIDR"), "pod"),
    ("net-conf.json", r'"(?:IPv6)?Network"\s*:\s*"([^"]+)"', "pod"),
    ("cluster-pool-ipv4-cidr", r"^(.+)$", "pod"),
    ("cluster-pool-ipv6-cidr", r"^(.+)$", "pod"),
)


def cluster(facts: Ordered, sources: Sequence[Source], troubled: frozenset[str]) -> tuple[Cluster, list[Gap]]:
    """The cluster, and a gap for each object that two texts state differently. ``troubled``: the paths of sources with gaps."""
    gaps: list[Gap] = []
    doubles: list[ObjectFact] = []
    nodes = unique(facts.all(NodeFact), gaps, doubles)
    pods = unique(facts.all(PodFact), gaps, doubles)
    services = unique(facts.all(ServiceFact), gaps, doubles)
    maps = unique(facts.all(ConfigMapFact), gaps, doubles)
    slices: dict[tuple[str, str], list[EndpointsFact]] = {}
    endpoints, more = merged_objects(facts.all(EndpointsFact), doubles)
    for fact in endpoints:
        slices.setdefault((fact.namespace, fact.service), []).append(fact)
    others, rest = merged_objects(most_said(facts.all(OtherObjectFact)), doubles)
    gaps += [*more, *rest]
    texts = {source.path: source for source in sources}
    containers = tuple(programs([*pods.values(), *others]))
    objects = Objects(
        {node.name: node for node in nodes.values()}, tuple(pods.values()), tuple(maps.values()), tuple(others), containers, texts
    )
    found = [*stated(nodes.values(), pods.values(), others), *configured(maps.values(), texts)]
    found += [item for system in every_system() for item in system.ranges(objects)]
    if not any(item.purpose == "service" for item in found):
        found += service_addresses(services.values())
    kinds = {fact.kind for kind in TYPES for fact in facts.all(kind) if not fact.unsaid} | empty_lists(sources, troubled)
    return (
        Cluster(
            nodes={node.name: node for node in nodes.values()},
            pods=pods,
            services=services,
            endpoints={key: tuple(found_slices) for key, found_slices in sorted(slices.items())},
            config_maps=maps,
            others=tuple(others),
            doubles=tuple(doubles),
            ranges=tuple(dict.fromkeys(found)),
            known=frozenset(kinds),
            settings=tuple(dict.fromkeys(item for system in every_system() for item in system.settings(objects))),
            names=tuple(facts.all(NameFact)),
            security_groups=tuple(facts.all(SecurityGroupFact)),
            cloud_interfaces=tuple(facts.all(CloudInterfaceFact)),
            cloud_routes=tuple(facts.all(CloudRouteFact)),
            repeated=tuple(facts.all(RepeatedKeyFact)),
            listed=listed(
                facts, {"Pod": pods.values(), "Node": nodes.values(), "Service": services.values(), "Endpoints": endpoints}
            ),
        ),
        gaps,
    )


@cache
def every_system() -> tuple[System, ...]:
    """The network systems whose configuration is read, by file name."""
    return package_constants(systems, "SYSTEM", System)


def unique(facts: Sequence[O], gaps: list[Gap], doubles: list[ObjectFact]) -> dict[tuple[str, str], O]:
    """Objects by namespace and name."""
    found, differences = merged_objects(facts, doubles)
    gaps += differences
    by_name: dict[tuple[str, str], O] = {}
    for fact in found:
        by_name.setdefault((fact.namespace, fact.name), fact)
    return dict(sorted(by_name.items()))


def stated(nodes: Iterable[ObjectFact], pods: Iterable[ObjectFact], others: Iterable[OtherObjectFact]) -> Iterator[Range]:
    """Ranges that objects' own fields and the control plane's flags state."""
    for pod in pods:
        yield from flags(pod)
    for node in nodes:
        if isinstance(node, NodeFact):
            for index, item in enumerate(node.pod_cidrs):
                at = node.place("spec", "podCIDRs", index)
                yield Range("pod", item, at, f"Node {node.name} spec.podCIDRs")
    for fact in others:
        spec = mapping(fact.document.get("spec"))
        if fact.kind == "IPPool" and "cidr" in spec and spec.get("disabled") is not True:
            for item in prefixes(spec["cidr"]):
                yield Range("pod", item, fact.place("spec", "cidr"), f"IPPool {fact.name}")
        elif fact.kind == "ServiceCIDR":
            for index, text in enumerate(listing(spec.get("cidrs"))):
                for item in prefixes(text):
                    yield Range("service", item, fact.place("spec", "cidrs", index), f"ServiceCIDR {fact.name}")


def flags(pod: ObjectFact) -> Iterator[Range]:
    """``--cluster-cidr`` and ``--service-cluster-ip-range`` of the control plane's static pods, of kube-proxy and of k3s."""
    containers = listing(mapping(pod.document.get("spec")).get("containers"))
    for number, container in enumerate(containers):
        for part in ("command", "args"):
            words = [str(word) for word in listing(mapping(container).get(part))]
            for index, word in enumerate(words):
                flag, equals, value = word.partition("=")
                if flag not in FLAGS:
                    continue
                position = index if equals else index + 1
                text = value if equals else words[position] if position < len(words) else ""
                at = pod.place("spec", "containers", number, part, position)
                for item in prefixes(text):
                    yield Range(FLAGS[flag], item, at, f"{flag} of {pod.name}")


def configured(maps: Iterable[ConfigMapFact], texts: Mapping[str, Source]) -> Iterator[Range]:
    """Ranges in the ConfigMaps of kubeadm, kube-proxy, flannel and Cilium."""
    for fact in maps:
        for key, pattern, purpose in TEXTS:
            located = fact.data.get(key)
            if located is None:
                continue
            for found in re.finditer(pattern, located.value[:65536], re.MULTILINE):
                for item in prefixes(found.group(1)):
                    yield Range(purpose, item, line_of(located, found.group(1), texts), f"ConfigMap {fact.name} {key}")


def service_addresses(services: Iterable[ServiceFact]) -> Iterator[Range]:
    """Where no range is stated: the services' own addresses."""
    for service in services:
        for address in service.cluster_addresses:
            at = service.place("spec", "clusterIP")
            yield Range("service", host_prefix(address), at, f"Service {service.namespace}/{service.name}")


def empty_lists(sources: Sequence[Source], troubled: frozenset[str]) -> set[str]:
    """The kinds of files such as ``k8s/pods.yaml`` that were read whole: an empty one says that there are none."""
    names = ((source.path.rsplit("/", 1)[-1].rsplit(".", 1)[0], source) for source in sources if source.kind == "kubernetes")
    return {
        FILE_KINDS[name]
        for name, source in names
        if name in FILE_KINDS and source.path not in troubled and "items" in source.text
    }
