"""The mesh: who is in it, under which names, and how its texts match.

Where no label of a namespace or a pod of the input says which pods are in the mesh, pods are taken to be in it, with mutual TLS, unless they say that they are not (labels
``sidecar.istio.io/inject: "false"`` and ``istio.io/dataplane-mode: none``); else those are that labels choose. Nodes, pods in their node's network and addresses outside have no identity. Follows
istio.io/docs/reference/config/security/authorization-policy, pilot/pkg/security/authz/matcher, and istio.io/docs/setup/additional-setup/sidecar-injection (a namespace that turns injection off comes
first, then the pod's own label) with istio.io/docs/ambient/usage/add-workloads and cni/pkg/util/podutil.go, PodRedirectionEnabled (what is said of sidecars is nothing to the node's proxy).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from analyzer.memory import Same
from analyzer.policy.terms import EVERYONE, NOBODY, All, HasLabel, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World
from analyzer.source import Span

CONFIG = ("istio-system", "istio")
INJECT = "sidecar.istio.io/inject"
WAYPOINT = "istio.io/use-waypoint"
INJECTION, REVISION, DATAPLANE, MODE = "istio-injection", "istio.io/rev", "istio.io/dataplane-mode", "security.istio.io/tlsMode"
PODS: Peer = Is(frozenset({Kind.POD}))
# A proxy beside the pod.
OPTED_OUT: Peer = LabelIn(Of.POD, INJECT, frozenset({"false"}))
OPTED_IN: Peer = either((LabelIn(Of.POD, INJECT, frozenset({"true"})), HasLabel(Of.POD, REVISION)))
INJECTED: Peer = LabelIn(Of.POD, MODE, frozenset({"istio"}))
CHOSEN: Peer = either((LabelIn(Of.NAMESPACE, INJECTION, frozenset({"enabled"})), HasLabel(Of.NAMESPACE, REVISION)))
CLOSED: Peer = LabelIn(Of.NAMESPACE, INJECTION, frozenset({"disabled"}))
BESIDE: Peer = either((INJECTED, All((either((CHOSEN, OPTED_IN)), Not(OPTED_OUT), Not(CLOSED)))))
# The proxy of the pod's node.
UNDIVERTED: Peer = LabelIn(Of.POD, DATAPLANE, frozenset({"none"}))
DIVERTED: Peer = either(LabelIn(of, DATAPLANE, frozenset({"ambient"})) for of in (Of.NAMESPACE, Of.POD))
AMBIENT: Peer = All((DIVERTED, Not(UNDIVERTED)))
PRINCIPAL = re.compile(r"([^/*]+)/ns/([^/*]+)/sa/([^/*]+)")
WHOLE_NAMESPACE = re.compile(r"([^/*]+)/ns/([^/*]+)/(?:sa/)?\*")
OF_ANY_DOMAIN = re.compile(r"\*/ns/([^/*]+)/sa/([^/*]+)")


@dataclass(frozen=True, slots=True)
class Mesh:
    """The settings of a mesh: policies of ``root`` are about every namespace, identities begin with ``domain``; pods ``by_nodes`` have no proxy but their node's, and
    those ``behind`` a waypoint may be reached through it, with its identity (istio.io/docs/ambient/usage/waypoint)."""

    world: World
    root: str = "istio-system"
    domain: str = "cluster.local"
    inside: Peer = PODS
    by_nodes: Peer = NOBODY
    behind: Peer = NOBODY

    def principal(self, text: str, at: Span) -> Peer:
        """A principal: ``domain/ns/namespace/sa/account``, with a star at its beginning or end."""
        if text == "*":
            return self.inside
        if match := PRINCIPAL.fullmatch(text):
            return self.of_domain(match[1], self.account(match[2], match[3]), at)
        if match := WHOLE_NAMESPACE.fullmatch(text):
            return self.of_domain(match[1], All((self.inside, Named(Of.NAMESPACE, frozenset({match[2]})))), at)
        if match := OF_ANY_DOMAIN.fullmatch(text):
            return self.account(match[1], match[2])
        pairs = {(pod.namespace, pod.account) for pod in self.world.pods()}
        known = [(space, name) for space, name in sorted(pairs) if matches(text, f"{self.domain}/ns/{space}/sa/{name}")]
        return either(self.account(space, name) for space, name in known) if known else NOBODY

    def of_domain(self, domain: str, peer: Peer, at: Span) -> Peer:
        """Who has identities of a trust domain; of another than the mesh's own it is not known whether it is an alias of it."""
        if domain in (self.domain, "cluster.local"):
            return peer
        return All((peer, Opaque(f"whether {domain} is a trust domain of this mesh", at)))

    def namespace(self, text: str) -> Peer:
        """A namespace by its name, with a star at its beginning or end."""
        if text == "*":
            return self.inside
        names = {text} if "*" not in text else {name for name in self.world.namespaces if matches(text, name)}
        return All((self.inside, Named(Of.NAMESPACE, frozenset(names))))

    def account(self, namespace: str, name: str) -> Peer:
        """The pods of a service account."""
        return All((self.inside, Named(Of.NAMESPACE, frozenset({namespace})), Named(Of.ACCOUNT, frozenset({name}))))


def mesh_of(world: World) -> Mesh:
    """The mesh of a world, worked out once."""
    return mesh_in(Same(world))


@lru_cache(maxsize=2)
def mesh_in(key: Same[World]) -> Mesh:
    """The mesh as its ConfigMap sets it."""
    world = key.value
    fact = world.cluster.config_maps.get(CONFIG)
    text = fact.data["mesh"].value if fact is not None and "mesh" in fact.data else ""
    root, domain = set_to(text, "rootNamespace") or "istio-system", set_to(text, "trustDomain") or "cluster.local"
    if not labelled(world):
        return Mesh(world, root, domain, inside(world))
    by_nodes: Peer = All((PODS, AMBIENT, Not(BESIDE)))
    behind = either(using_waypoints(world))
    return Mesh(world, root, domain, inside(world), by_nodes, All((by_nodes, behind)) if behind != NOBODY else NOBODY)


def using_waypoints(world: World) -> Iterator[Peer]:
    """Pods that a waypoint stands before, by their own label, their namespace's or that of a service there."""
    if any(WAYPOINT in pod.labels for pod in world.pods()):
        yield All((HasLabel(Of.POD, WAYPOINT), Not(LabelIn(Of.POD, WAYPOINT, frozenset({"none"})))))
    named = {name for name, own in world.namespaces.items() if own.get(WAYPOINT, "none") != "none"}
    services = world.cluster.services.items()
    named |= {space for (space, _), service in services if service.labels.get(WAYPOINT, "none") != "none"}
    if named:
        yield Named(Of.NAMESPACE, frozenset(named))


def inside(world: World) -> Peer:
    """The pods that are in the mesh."""
    if labelled(world):
        return All((PODS, either((BESIDE, AMBIENT))))
    return All((PODS, Not(OPTED_OUT), Not(CLOSED), Not(UNDIVERTED)))


def labelled(world: World) -> bool:
    """Whether labels of the input say who is in the mesh."""
    return any(map(choosing, world.namespaces.values())) or any(opting(pod.labels) for pod in world.pods())


def choosing(labels: Mapping[str, str]) -> bool:
    """Whether the labels of a namespace put its pods into the mesh."""
    return labels.get(INJECTION) == "enabled" or REVISION in labels or labels.get(DATAPLANE) == "ambient"


def opting(labels: Mapping[str, str]) -> bool:
    """Whether a pod's own labels put it into the mesh, or say that it is."""
    wanted = labels.get(INJECT) == "true" or REVISION in labels
    return wanted or labels.get(MODE) == "istio" or labels.get(DATAPLANE) == "ambient"


def set_to(text: str, key: str) -> str:
    """The value of a top-level key of the mesh's settings; empty where there is none."""
    found = re.search(rf"^{key}: *[\"']?([A-Za-z0-9.-]+)", text, re.MULTILINE)
    return found[1] if found else ""


def matches(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, or begins or ends as it does."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text.endswith(pattern[1:]) if pattern.startswith("*") else text == pattern


def all_together(terms: Iterable[Peer]) -> Peer:
    """All of the tests."""
    found = tuple(term for term in terms if term != EVERYONE)
    return found[0] if len(found) == 1 else All(found)
