"""What comes to a pod of the mesh past its proxy, and so past the mesh's policies.

Follows manifests/charts/istio-control/istio-discovery/files/injection-template.yaml and tools/istio-iptables (``-b``, ``-d``): ports that annotations include or exclude, those of the sidecar's own
listeners; and cni/pkg of ambient (``ambient.istio.io/bypass-inbound-capture``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from analyzer.memory import Same
from analyzer.policy.istio.mesh import Mesh
from analyzer.policy.terms import EVERYONE, NOBODY, All, Box, Named, Not, Of, Peer, Traffic, both, either
from analyzer.policy.tiers import Action, Rule
from analyzer.policy.world import World, mapping, pod_template
from analyzer.ranges import Ranges, difference, normalised, single
from analyzer.source import Span

EXCLUDED, INCLUDED = "traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts"
BYPASS = "ambient.istio.io/bypass-inbound-capture"
# Metrics, readiness and statistics of the sidecar.
OWN: Ranges = ((15020, 15021), (15090, 15090))
EVERY: Ranges = ((0, 65535),)


def passing(mesh: Mesh, at: Span) -> tuple[Rule, ...]:
    """The rules that let pass what no proxy sees."""
    beside: Peer = Not(mesh.by_nodes)
    names, bypassing = annotated_in(Same(mesh.world))
    rules = [allowed(beside, OWN, at), *(allowed(both(beside, pods), found, at) for found, pods in names)]
    return (*rules, *([allowed(both(mesh.by_nodes, bypassing), EVERY, at)] if bypassing != NOBODY else ()))


@lru_cache(maxsize=2)
def annotated_in(key: Same[World]) -> tuple[tuple[tuple[Ranges, Peer], ...], Peer]:
    """The pods that annotations open ports of, by the ports, and those that nothing is captured of; worked out once."""
    names: dict[Ranges, list[Peer]] = {}
    bypassing = []
    for pod, notes in annotated(key.value):
        if found := past_sidecar(notes):
            names.setdefault(found, []).append(pod)
        if notes.get(BYPASS) == "true":
            bypassing.append(pod)
    return tuple((found, either(names[found])) for found in sorted(names)), either(bypassing)


def allowed(own: Peer, ports: Ranges, at: Span) -> Rule:
    """A rule for connections to ports."""
    traffic: Traffic = Box(single(6), ports)
    return Rule(Action.ALLOW, EVERYONE, at, traffic, own, name="past the proxy")


def annotated(world: World) -> Iterator[tuple[Peer, Mapping[str, str]]]:
    """Pods, and those of workloads, with their annotations."""
    for (space, name), fact in sorted(world.cluster.pods.items()):
        if fact.annotations:
            yield named(space, name), fact.annotations
    for item in world.cluster.others:
        template = pod_template(item)
        if template is not None and (found := mapping(mapping(template.get("metadata")).get("annotations"))):
            yield named(item.namespace or "default", f"{item.name}[{item.kind}]"), found


def named(space: str, name: str) -> Peer:
    """A pod."""
    return All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset({name}))))


def past_sidecar(annotations: Mapping[str, object]) -> Ranges:
    """The ports whose packets are not led to the sidecar."""
    excluded, included = annotations.get(EXCLUDED), annotations.get(INCLUDED)
    if isinstance(included, str) and included != "*":
        return difference(EVERY, ports_of(included))
    return ports_of(excluded) if isinstance(excluded, str) else ()


def ports_of(text: str) -> Ranges:
    """A list of ports."""
    numbers = [int(part) for part in text.replace(" ", "").split(",") if part.isdecimal() and len(part) < 6]
    return normalised((number, number) for number in numbers)
