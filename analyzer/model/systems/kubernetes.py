"""The control plane, the kubelet and kube-proxy: flags, component configuration, and the ConfigMaps of kubeadm.

Fields: kubeadm v1beta3/v1beta4 ``ClusterConfiguration``, kubelet.config.k8s.io/v1beta1, kubeproxy.config.k8s.io/v1alpha1; flags of
kube-apiserver, kube-controller-manager and kube-proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.kubernetes import ConfigMapFact, Located, OtherObjectFact
from analyzer.model.cluster import Range, Setting
from analyzer.model.embedded import part_of
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import LIMIT, line_of, line_value, listing, mapping, prefixes, ranges_of, settings_of

NAME = "kubernetes"
MASKS = ("node-cidr-mask-size", "node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6")
FLAGS = {
    "--node-cidr-mask-size": "node-mask",
    "--node-cidr-mask-size-ipv4": "node-mask-4",
    "--node-cidr-mask-size-ipv6": "node-mask-6",
    "--allocate-node-cidrs": "allocate-node-networks",
    "--cidr-allocator-type": "node-networks-by",
    "--service-node-port-range": "node-ports",
    "--proxy-mode": "proxy-mode",
    "--cluster-dns": "cluster-dns",
    "--cluster-domain": "cluster-domain",
    "--max-pods": "max-pods",
    "--iptables-masquerade-bit": "masquerade-bit",
    "--masquerade-all": "masquerade-all",
}
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "k3s")
RANGES = {"--cluster-cidr": "pod", "--service-cluster-ip-range": "service"}
KUBEADM = {"dnsDomain": "cluster-domain"}
EXTRA_ARGUMENTS = {
    "controllerManager": ("allocate-node-cidrs", "cidr-allocator-type", *MASKS),
    "apiServer": ("service-node-port-range",),
}
"""Flags that kubeadm hands on to its parts (``extraArgs``: by name in v1beta3, a list of names and values in v1beta4)."""
PARTS = {"apiServer": "kube-apiserver", "controllerManager": "kube-controller-manager"}
KUBELET = {"clusterDomain": "cluster-domain", "maxPods": "max-pods"}
PROXY = {"mode": "proxy-mode"}
MASQUERADES = ("iptables", "nftables")
"""The parts of kube-proxy's configuration that may have ``masqueradeAll``."""
MAPS = {
    "kubeadm-config": ("ClusterConfiguration", KUBEADM),
    "kube-proxy": ("config.conf", {**PROXY, "masqueradeAll": "masquerade-all"}),
    "kubelet-config": ("kubelet", KUBELET),
}


def ranges(objects: Objects) -> Iterator[Range]:
    """What templates of workloads and files of component configuration state; pods' flags and ConfigMaps are read beside all others."""
    for program in objects.programs:
        if program.fact.kind != "Pod" and program.container.startswith(PROGRAMS):
            for flag, purpose in RANGES.items():
                yield from ranges_of(purpose, program.flags.get(flag), f"{flag} of {program.title}", NAME)
    for fact in objects.others:
        if fact.kind == "ClusterConfiguration":
            yield from field(fact, "pod", "networking", "podSubnet")
            yield from field(fact, "service", "networking", "serviceSubnet")
            yield from extra_ranges(fact)
        elif fact.kind == "KubeProxyConfiguration":
            yield from field(fact, "pod", "clusterCIDR")


def field(fact: OtherObjectFact, purpose: str, *path: str) -> Iterator[Range]:
    """The networks of a field."""
    value: object = fact.document
    for part in path:
        value = mapping(value).get(part)
    for item in prefixes(value) if isinstance(value, str) else ():
        yield Range(purpose, item, fact.place(*path), f"{fact.kind} {path[-1]}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The values that rules compare."""
    for program in objects.programs:
        if not program.container.startswith((*PROGRAMS, "kubelet")):
            continue
        found = ((key, program.flags.get(flag), f"{flag} of {program.title}") for flag, key in FLAGS.items())
        yield from settings_of(NAME, found)
    for fact in objects.maps:
        for name, (key, fields) in MAPS.items():
            if fact.name == name or fact.name.startswith(f"{name}-1."):
                lines = (
                    (word, line_value(fact, key, line, objects.texts), f"ConfigMap {fact.name}") for line, word in fields.items()
                )
                yield from settings_of(NAME, lines)
                if name == "kubeadm-config":
                    yield from settings_of(NAME, extra_in_text(fact, objects))
                if name == "kubelet-config":
                    yield from settings_of(NAME, [("cluster-dns", first_server(fact, objects), f"ConfigMap {fact.name}")])
    for item in objects.others:
        yield from component(item)


def first_server(fact: ConfigMapFact, objects: Objects) -> Located | None:
    """The first address below ``clusterDNS`` of the kubelet's ConfigMap."""
    located = fact.data.get("kubelet")
    found = re.search(r"^clusterDNS:\s*\n\s*-\s*(\S+)", located.value[:65536], re.MULTILINE) if located is not None else None
    return Located(found[1].strip("\"'"), line_of(located, found[1], objects.texts)) if located is not None and found else None


def extra_in_text(fact: ConfigMapFact, objects: Objects) -> Iterator[tuple[str, Located | None, str]]:
    """The flags that kubeadm's ConfigMap hands on."""
    located = fact.data.get("ClusterConfiguration")
    if located is None:
        return
    for flag in (flag for flags in EXTRA_ARGUMENTS.values() for flag in flags):
        found = line_value(fact, "ClusterConfiguration", flag, objects.texts)
        listed = re.search(rf"^\s*-\s*name:\s*[\"']?{flag}[\"']?\s*\n\s*value:\s*(\S+)\s*$", located.value[:LIMIT], re.MULTILINE)
        if listed is not None:
            place = part_of(located.value, located.at, objects.texts.get(located.at.path), *listed.span(1))
            found = Located(listed[1].strip("\"'"), place)
        yield FLAGS[f"--{flag}"], found, f"ConfigMap {fact.name} {flag}"


def extra_arguments(fact: OtherObjectFact) -> Iterator[tuple[str, Located, str]]:
    """The flags that a file of kubeadm's hands on."""
    for part, flags in EXTRA_ARGUMENTS.items():
        given = handed_on(fact, part)
        yield from ((FLAGS[f"--{flag}"], given[flag], f"{fact.kind} {flag}") for flag in flags if flag in given)


def extra_ranges(fact: OtherObjectFact) -> Iterator[Range]:
    """The networks among them, which count for the part that they are handed to in place of those that kubeadm derives."""
    for part, program in PARTS.items():
        given = handed_on(fact, part)
        for flag, purpose in RANGES.items():
            yield from ranges_of(purpose, given.get(flag.removeprefix("--")), f"{flag} of {program} by {fact.kind}", NAME)


def handed_on(fact: OtherObjectFact, part: str) -> dict[str, Located]:
    """The flags of a part by their names."""
    given = mapping(fact.document.get(part)).get("extraArgs")
    found: dict[str, tuple[object, tuple[str | int, ...]]] = {
        str(name): (value, (name,)) for name, value in mapping(given).items()
    }
    for index, item in enumerate(listing(given)):
        found[str(mapping(item).get("name"))] = (mapping(item).get("value"), (index, "value"))
    texts = ((name, value, path) for name, (value, path) in found.items())
    return {name: Located(value, fact.place(part, "extraArgs", *path)) for name, value, path in texts if isinstance(value, str)}


def component(fact: OtherObjectFact) -> Iterator[Setting]:
    """A file of component configuration."""
    by_kind = {"KubeletConfiguration": KUBELET, "KubeProxyConfiguration": PROXY}
    for name, key in by_kind.get(fact.kind, {}).items():
        value = fact.document.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            yield Setting(NAME, key, str(value), fact.place(name), f"{fact.kind} {name}")
    for part in MASQUERADES if fact.kind == "KubeProxyConfiguration" else ():
        if mapping(fact.document.get(part)).get("masqueradeAll") is True:
            yield Setting(NAME, "masquerade-all", "true", fact.place(part, "masqueradeAll"), f"{fact.kind} masqueradeAll")
    if fact.kind == "KubeletConfiguration":
        for index, text in enumerate(listing(fact.document.get("clusterDNS"))):
            yield Setting(NAME, "cluster-dns", str(text), fact.place("clusterDNS", index), "KubeletConfiguration clusterDNS")
    if fact.kind == "ClusterConfiguration":
        domain = mapping(fact.document.get("networking")).get("dnsDomain")
        located = Located(domain, fact.place("networking", "dnsDomain")) if isinstance(domain, str) else None
        yield from settings_of(NAME, [("cluster-domain", located, "ClusterConfiguration dnsDomain"), *extra_arguments(fact)])


SYSTEM = System(NAME, ranges, settings)
