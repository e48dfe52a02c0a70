"""What Linkerd does about ports that no server is for: the control plane's settings, and the words of annotations.

Follows policy-controller/k8s/index/src/defaults.rs (the words) and charts/linkerd-control-plane/templates/destination.yaml (``--default-policy``, ``--cluster-networks`` of the container "policy").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Prefix, prefix
from analyzer.policy.world import World, listed, mapping, pod_template
from analyzer.source import Span

OPEN = "all-unauthenticated"
MODES = (OPEN, "all-authenticated", "cluster-unauthenticated", "cluster-authenticated", "deny", "audit")
NETWORKS = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8"
DESTINATION = "linkerd-destination"
VALUE = re.compile(r"^ *defaultInboundPolicy: *[\"']?([a-z-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """What holds for ports of pods that say nothing; ``networks`` are what "cluster" means."""

    mode: str = OPEN
    networks: tuple[Prefix, ...] = tuple(map(prefix, NETWORKS.split(",")))
    at: Span | None = None


def mode_of(text: object) -> str:
    """A default policy by its word; empty where it is none."""
    return text if isinstance(text, str) and text in MODES else ""


def default_of(world: World) -> DefaultPolicy:
    """The control plane's own settings, where they are given."""
    for item in world.by_kind.get("Deployment", ()):
        if item.name == DESTINATION:
            found = dict(arguments(mapping(pod_template(item)).get("spec")))
            mode, networks = mode_of(found.get("--default-policy")), found.get("--cluster-networks", NETWORKS)
            return DefaultPolicy(mode or OPEN, tuple(blocks(networks)), item.at)
    for (_, name), fact in sorted(world.cluster.config_maps.items()):
        value = fact.data.get("values") if name == "linkerd-config" else None
        if value is not None and (match := VALUE.search(value.value)) and mode_of(match[1]):
            return DefaultPolicy(match[1], at=fact.at)
    return DefaultPolicy()


def arguments(spec: object) -> Iterator[tuple[str, str]]:
    """The arguments of a pod's containers, ``--name=value``."""
    for container in listed(mapping(spec).get("containers")):
        for text in listed(mapping(container).get("args")):
            name, _, value = str(text).partition("=")
            yield name, value


def blocks(text: str) -> Iterator[Prefix]:
    """A list of blocks; what is none is left out."""
    for part in text.split(","):
        try:
            yield prefix(part.strip())
        except ValueError:
            continue
