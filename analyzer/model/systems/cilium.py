"""Cilium: ``cilium-config`` and the pools of its operator (cilium/cilium pkg/option/config.go, pkg/k8s/apis/cilium.io/v2alpha1)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import listing, mapping, prefixes, settings_of

NAME = "cilium"
KEYS = {
    "tunnel": "backend",
    "tunnel-protocol": "backend",
    "routing-mode": "routing",
    "tunnel-port": "port",
    "mtu": "mtu",
    "ipam": "ipam",
    "cluster-pool-ipv4-mask-size": "node-mask-4",
    "cluster-pool-ipv6-mask-size": "node-mask-6",
    "kube-proxy-replacement": "kube-proxy-replacement",
    "ipv4-native-routing-cidr": "native-4",
    "enable-wireguard": "wireguard",
}


def ranges(objects: Objects) -> Iterator[Range]:
    """The pools of ``CiliumPodIPPool`` and ``CiliumLoadBalancerIPPool``; those of the cluster's ConfigMap are read beside all others."""
    for fact in objects.others:
        if fact.kind == "CiliumPodIPPool":
            yield from pod_pool(fact)
        elif fact.kind == "CiliumLoadBalancerIPPool":
            spec = mapping(fact.document.get("spec"))
            key = "blocks" if "blocks" in spec else "cidrs"
            for index, item in enumerate(listing(spec.get(key)) if spec.get("disabled") is not True else ()):
                for prefix in prefixes(mapping(item).get("cidr") or ""):
                    yield Range("balancer", prefix, fact.place("spec", key, index, "cidr"), f"{fact.kind} {fact.name}", NAME)


def pod_pool(fact: OtherObjectFact) -> Iterator[Range]:
    """The networks of a pool of addresses for pods."""
    spec = mapping(fact.document.get("spec"))
    for family in ("ipv4", "ipv6"):
        for index, item in enumerate(listing(mapping(spec.get(family)).get("cidrs"))):
            for prefix in prefixes(item):
                yield Range("pod", prefix, fact.place("spec", family, "cidrs", index), f"{fact.kind} {fact.name}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The ConfigMap's values."""
    for fact in objects.maps:
        if fact.name == "cilium-config":
            found = ((key, fact.data.get(name), f"ConfigMap cilium-config {name}") for name, key in KEYS.items())
            yield from settings_of(NAME, found)


SYSTEM = System(NAME, ranges, settings)
