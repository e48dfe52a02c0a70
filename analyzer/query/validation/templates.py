"""What the API server refuses of the network side of a pod, or of the template of pods (pkg/apis/core/validation ValidatePodSpec, validateContainerPorts,
validateHostNetwork, validatePodDNSConfig; pkg/apis/apps/validation ValidatePodTemplateSpecForReplicaSet and its like)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.validation.values import Key, Refused, address, label, labels, number, once, port_name, word
from analyzer.query.workloads import PROTOCOLS, Template, is_number, listed, mapping

DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
LISTS = ("initContainers", "containers")
SERVERS, SEARCHES = 3, 32


def template(spec: Mapping[str, Any], path: tuple[Key, ...]) -> Iterator[Refused]:
    """What is refused of the specification of a pod, which is at ``path``."""
    yield from resolver(spec, path)
    names: dict[tuple[Key, ...], Any] = {}
    for key in LISTS:
        for index, item in enumerate(map(mapping, listed(spec.get(key)))):
            at = (*path, key, index)
            yield from label(item.get("name"), (*at, "name"), "name of a container")
            if item.get("name"):
                names[(*at, "name")] = item["name"]
            yield from ports(item, at, host=spec.get("hostNetwork") is True)
    yield from once(names, "the name of the container")
    for index, item in enumerate(listed(spec.get("hostAliases"))):
        yield from address(mapping(item).get("ip"), (*path, "hostAliases", index, "ip"))


def ports(container: Mapping[str, Any], path: tuple[Key, ...], *, host: bool) -> Iterator[Refused]:
    """The ports of a container; ``host``: it shares its node's network."""
    names: dict[tuple[Key, ...], Any] = {}
    for index, item in enumerate(map(mapping, listed(container.get("ports")))):
        at = (*path, "ports", index)
        yield from number(item.get("containerPort"), 1, 65535, (*at, "containerPort"))
        yield from number(item.get("hostPort"), 0, 65535, (*at, "hostPort"))
        yield from word(item.get("protocol"), PROTOCOLS, (*at, "protocol"))
        yield from port_name(item.get("name"), (*at, "name"))
        if item.get("name"):
            names[(*at, "name")] = item["name"]
        if item.get("hostIP"):
            yield from address(item["hostIP"], (*at, "hostIP"))
        own, asked = item.get("containerPort"), item.get("hostPort")
        if host and is_number(own) and is_number(asked) and asked not in (0, own):
            other = ((*path[:-2], "hostNetwork"), "its node's network")
            yield Refused(
                (*at, "hostPort"), f"{asked} must be {own}: in its node's network a container's port is the host's", other
            )
    yield from once(names, "the name of the port")


def resolver(spec: Mapping[str, Any], path: tuple[Key, ...]) -> Iterator[Refused]:
    """How the pod resolves names."""
    yield from word(spec.get("dnsPolicy"), DNS, (*path, "dnsPolicy"))
    config = mapping(spec.get("dnsConfig"))
    servers, searches = listed(config.get("nameservers")), listed(config.get("searches"))
    for index, item in enumerate(servers):
        yield from address(item, (*path, "dnsConfig", "nameservers", index))
    if spec.get("dnsPolicy") == "None" and not servers:
        yield Refused((*path, "dnsPolicy"), "None needs a name server in dnsConfig.nameservers")
    if len(servers) > SERVERS:
        yield Refused((*path, "dnsConfig", "nameservers"), f"there may be {SERVERS} name servers, not {len(servers)}")
    if len(searches) > SEARCHES:
        yield Refused((*path, "dnsConfig", "searches"), f"there may be {SEARCHES} search domains, not {len(searches)}")


def template_labels(made: Template) -> Iterator[Refused]:
    """The labels of the pods that a workload makes."""
    yield from labels(made.labels, (*made.path[:-1], "metadata", "labels"))


def workload_selector(version: str, spec: Mapping[str, Any], made: Template) -> Iterator[Refused]:
    """The selector of a workload, which must match the labels of its own pods."""
    if version != "apps/v1":
        return
    labels = mapping(mapping(spec.get("selector")).get("matchLabels"))
    for key, value in labels.items():
        if isinstance(value, str) and made.labels.get(key) != value:
            has = f"{key}={made.labels[key]}" if key in made.labels else f"no label {key}"
            other = ((*made.path[:-1], "metadata", "labels", *([key] if key in made.labels else [])), f"its pods have {has}")
            yield Refused(
                ("spec", "selector", "matchLabels", key), f"{key}={value} does not match the pods of the template", other
            )
