"""Secondary networks of pods: who is on one, by the annotations that Multus reads and writes.

Follows the Kubernetes Network Custom Resource Definition De-facto Standard, version 1.3 (k8snetworkplumbingwg/multi-net-spec): ``k8s.v1.cni.cncf.io/networks`` asks for attachments, as a list of
``namespace/name@interface`` or as JSON; ``k8s.v1.cni.cncf.io/network-status`` says what came of it. A network is named by its NetworkAttachmentDefinition, ``namespace/name``. On such a network there
are pods and addresses outside; nodes and services are not on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.addresses import Address, address
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.policy.entities import Entity
from analyzer.policy.profiles import Profile
from analyzer.policy.reading import group_of
from analyzer.policy.world import World, mapping, pod_template, port_names_of, templates, world_of

STATUS, ASKED = "k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks"
OLD_STATUS = "k8s.v1.cni.cncf.io/networks-status"
Attached = Mapping[str, tuple[Address, ...]]


def attached(annotations: Mapping[str, Any], namespace: str) -> dict[str, tuple[Address, ...]]:
    """The secondary networks of a pod with the addresses that it has on them; none where they are not known yet."""
    status = annotations.get(STATUS) or annotations.get(OLD_STATUS)
    if isinstance(status, str) and status.strip():
        items = [item for item in listed(status) if not item.get("default") and isinstance(item.get("name"), str)]
        return joined((qualified(item["name"], namespace), item.get("ips")) for item in items)
    return joined(asked(str(annotations.get(ASKED) or ""), namespace))


def makes_primary(item: OtherObjectFact) -> bool:
    """Whether an object makes a network of their own for pods (docs/features/user-defined-networks of OVN-Kubernetes)."""
    if group_of(item) != "k8s.ovn.org" or item.kind not in ("UserDefinedNetwork", "ClusterUserDefinedNetwork"):
        return False
    spec = mapping(item.document.get("spec"))
    network = mapping(spec.get("network")) if item.kind.startswith("Cluster") else spec
    return any(mapping(part).get("role") == "Primary" for part in network.values() if isinstance(part, Mapping))


def asked(text: str, namespace: str) -> Iterator[tuple[str, Any]]:
    """The networks that a pod asks for, and the addresses where it asks for certain ones."""
    if text.lstrip().startswith("["):
        for item in listed(text):
            if isinstance(item.get("name"), str):
                yield f"{item.get('namespace') or namespace}/{item['name']}", item.get("ips")
        return
    for part in filter(None, map(str.strip, text.split(","))):
        yield qualified(part.partition("@")[0], namespace), None


def listed(text: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list in JSON; nothing where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def joined(found: Iterator[tuple[str, Any]]) -> dict[str, tuple[Address, ...]]:
    """Networks with their addresses; a pod may be on one twice."""
    known: dict[str, list[Address]] = {}
    for name, texts in found:
        own = known.setdefault(name, [])
        for text in texts if isinstance(texts, list) else ():
            try:
                own.append(address(str(text).partition("/")[0]))
            except ValueError:
                continue
    return {name: tuple(dict.fromkeys(own)) for name, own in known.items()}


def qualified(name: str, namespace: str) -> str:
    """A network's name with its namespace."""
    return name if "/" in name else f"{namespace}/{name}"


def attachments(cluster: Cluster) -> dict[str, Attached]:
    """The networks of each pod, and of the pods that workloads would make, by the names of entities."""
    found: dict[str, Attached] = {}
    for (namespace, name), fact in cluster.pods.items():
        if not fact.host_network and (own := attached(fact.annotations, namespace)):
            found[f"{namespace}/{name}"] = own
    for item in templates(cluster):
        namespace = item.namespace or "default"
        metadata = mapping((pod_template(item) or {}).get("metadata"))
        if own := attached(mapping(metadata.get("annotations")), namespace):
            found[f"{namespace}/{item.name}[{item.kind}]"] = own
    return found


def networks(cluster: Cluster) -> tuple[str, ...]:
    """The secondary networks of the input: those that are defined, and those that pods are on."""
    defined = {
        f"{item.namespace or 'default'}/{item.name}" for item in cluster.others if item.kind == "NetworkAttachmentDefinition"
    }
    return tuple(sorted(defined | {name for own in attachments(cluster).values() for name in own}))


def having(cluster: Cluster, wanted: Address) -> tuple[str, str] | None:
    """The pod and the network on which it has an address."""
    found = attachments(cluster).items()
    return next(((pod, name) for pod, own in sorted(found) for name, texts in sorted(own.items()) if wanted in texts), None)


def world_for(cluster: Cluster, profile: Profile, before: World | None = None) -> World:
    """The world of a cluster as the profile sees it: on the network that it is about. ``before`` as in ``world_of``."""
    return world_on(cluster, profile) if profile.network else world_of(cluster, profile, before)


def world_on(cluster: Cluster, profile: Profile) -> World:
    """The pods that are on the profile's network, with their addresses there."""
    world = world_of(cluster, replace(profile, network=""))
    known = attachments(cluster)
    found = tuple(
        there(entity, known[entity.name][profile.network])
        for entity in world.entities
        if profile.network in known.get(entity.name, ())
    )
    return replace(
        world,
        cluster=replace(cluster, services={}, endpoints={}, nodes={}),
        profile=profile,
        entities=found,
        by_name={entity.name: entity for entity in found},
        by_port_name=port_names_of(found),
    )


def there(entity: Entity, own: tuple[Address, ...]) -> Entity:
    """A pod as it is on another network."""
    return replace(entity, addresses=own)
