"""Ports of nodes that lead to pods: ``hostPort`` of their containers.

The CNI plugin ``portmap``, and what stands for it, translates packets to the port of any address of the node (of ``hostIP``, where one is said) to the
pod, and leaves the sender's address as it is. A pod in its node's network has the port itself, and policies see it as its node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from analyzer.addresses import Address
from analyzer.policy.entities import Entity
from analyzer.policy.world import PROTOCOLS, World, listed, mapping, pod_template


class HostPort(NamedTuple):
    """A port of the node that leads to one of a pod."""

    entity: Entity
    protocol: int
    port: int
    target: int


def host_ports(world: World) -> Iterator[HostPort]:
    """The ports of nodes that lead to the pods of the world, each once."""
    pods = world.cluster.pods
    templates = {
        f"{item.namespace or 'default'}/{item.name}[{item.kind}]": item for item in world.cluster.others if pod_template(item)
    }
    for entity in world.pods():
        if entity.host_network:
            continue
        if (fact := pods.get((entity.namespace, entity.pod_name))) is not None and fact.at == entity.at:
            found = (
                (port.protocol, port.host_port, port.port)
                for port in fact.ports
                if port.host_port and not is_loopback(port.host_address)
            )
            yield from (HostPort(entity, *port) for port in dict.fromkeys(found))
        elif entity.name in templates:
            spec = mapping((pod_template(templates[entity.name]) or {}).get("spec"))
            yield from (HostPort(entity, *port) for port in dict.fromkeys(declared(spec)))


def declared(spec: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """The protocol, the node's port and the pod's of each port of a template."""
    for container in map(mapping, listed(spec.get("containers"))):
        for port in map(mapping, listed(container.get("ports"))):
            number, target = port.get("hostPort"), port.get("containerPort")
            if (
                isinstance(number, int)
                and isinstance(target, int)
                and number
                and not str(port.get("hostIP") or "").startswith(("127.", "::1"))
            ):
                yield PROTOCOLS.get(str(port.get("protocol") or "TCP"), 0), number, target


def is_loopback(own: Address | None) -> bool:
    """Whether only the node itself can ask at an address."""
    return own is not None and str(own).startswith(("127.", "::1"))
