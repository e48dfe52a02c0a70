"""Requests of probes, which a proxy admits besides what authorizations do: GET of the paths that the pod's own probes have, on their ports.

Follows policy-controller/k8s/index/src/inbound/index.rs (``default_inbound_http_routes``; ``http_routes``: of a server that a route is attached to, these alone count): whoever is in the
probe networks (``--probe-networks`` of the container "policy"; of the chart, policyController.probeNetworks, all) is admitted without an identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from analyzer.memory import Same
from analyzer.policy.linkerd.settings import DESTINATION, arguments, blocks
from analyzer.policy.terms import EVERYONE, All, Box, InBlocks, Named, Of, Opaque, Peer, Traffic, both, either
from analyzer.policy.tiers import Action, Rule
from analyzer.policy.world import World, listed, mapping, pod_template
from analyzer.ranges import Ranges, normalised, single
from analyzer.source import Span

PROBES = ("livenessProbe", "readinessProbe")
STARTUP = "startupProbe"
WORDS = "the request is a GET of a path that a probe of the pod has"


def probe_rules(world: World, traffic: Traffic, at: Span) -> Iterator[Rule]:
    """The rules that admit probes, of flows that a server, or a default policy, is for."""
    networks = networks_of(Same(world))
    for ports, sure, pods in probed(Same(world)):
        doubt = Opaque("whether the proxy knows the path of a startupProbe", at)
        peer = networks if sure else both(networks, doubt)
        yield Rule(Action.ALLOW, peer, at, All((traffic, Box(single(6), ports))), pods, "probes", (WORDS,))


@lru_cache(maxsize=2)
def networks_of(key: Same[World]) -> Peer:
    """Where probes come from."""
    for item in key.value.by_kind.get("Deployment", ()):
        found = dict(arguments(mapping(pod_template(item)).get("spec"))) if item.name == DESTINATION else {}
        if "--probe-networks" in found:
            given = tuple(blocks(found["--probe-networks"]))
            return EVERYONE if {one.length for one in given} == {0} and len(given) > 1 else InBlocks(given)
    return EVERYONE


@lru_cache(maxsize=2)
def probed(key: Same[World]) -> tuple[tuple[Ranges, bool, Peer], ...]:
    """The pods by the ports on which probes ask them for paths, those of a startupProbe alone apart (False)."""
    found: dict[tuple[Ranges, bool], list[Peer]] = {}
    for pod, spec in specs(key.value):
        sure, perhaps = ports_of(spec, PROBES), ports_of(spec, (STARTUP,))
        for ports, known in ((sure, True), (perhaps, False)):
            if ports:
                found.setdefault((ports, known), []).append(pod)
    return tuple((*one, either(found[one])) for one in sorted(found))


def specs(world: World) -> Iterator[tuple[Peer, Mapping[str, Any]]]:
    """Pods, and those of workloads, with what they are to be."""
    for (space, name), fact in sorted(world.cluster.pods.items()):
        yield named(space, name), mapping(fact.document.get("spec"))
    for item in world.cluster.others:
        if (template := pod_template(item)) is not None:
            yield named(item.namespace or "default", f"{item.name}[{item.kind}]"), mapping(template.get("spec"))


def named(space: str, name: str) -> Peer:
    """A pod."""
    return All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset({name}))))


def ports_of(spec: Mapping[str, Any], probes: tuple[str, ...]) -> Ranges:
    """The ports on which probes ask for paths (httpGet); a name is one of the container's own."""
    found = []
    for container in map(mapping, listed(spec.get("containers"))):
        names = {str(one.get("name")): one.get("containerPort") for one in map(mapping, listed(container.get("ports")))}
        for probe in probes:
            port = mapping(mapping(container.get(probe)).get("httpGet")).get("port")
            number = names.get(port) if isinstance(port, str) and not port.isdecimal() else port
            if isinstance(number, str) and number.isdecimal():
                number = int(number)
            if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 65536:
                found.append((number, number))
    return normalised(found)
