"""Linkerd's mesh: which pods have its proxy, what comes past that, and the identities that clients have.

Where no annotation or label of the input says which pods have a proxy, all are taken to have one but those that refuse it (``linkerd.io/inject: disabled``); else those that do. Nodes, pods
in their node's network and addresses outside have no identity. Follows pkg/inject (ShouldInjectWebhook; the annotation of a pod before that of its namespace), proxy-init (``--inbound-ports-to-ignore``:
ports that are skipped) and policy-controller/k8s/index/src/cluster_info.rs (how identities are written).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from analyzer.memory import Same
from analyzer.policy.linkerd.settings import DefaultPolicy, default_of, mode_of
from analyzer.policy.terms import NOBODY, All, HasLabel, Is, Kind, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World, mapping, pod_template
from analyzer.ranges import Ranges, normalised
from analyzer.source import Span

INJECT, PROXIED = "linkerd.io/inject", "linkerd.io/control-plane-ns"
SKIPPED, SKIPPED_OUT = "config.linkerd.io/skip-inbound-ports", "config.linkerd.io/skip-outbound-ports"
DEFAULT = "config.linkerd.io/default-inbound-policy"
PODS: Peer = Is(frozenset({Kind.POD}))
IN_MESH = ("enabled", "ingress")
# The chart's proxyInit.ignoreInboundPorts.
USUALLY_SKIPPED: Ranges = ((4567, 4568),)
IDENTITY = re.compile(r"([^.*]+)\.([^.*]+)\.serviceaccount\.identity\.(.+)")
OF_NAMESPACE = re.compile(r"\*\.([^.*]+)\.serviceaccount\.identity\.(.+)")
DOMAIN = "linkerd.cluster.local"


@dataclass(frozen=True, slots=True)
class Mesh:
    """The mesh of a world. ``inside``: the pods with a proxy; ``clients``: those that have an identity, as their proxy sends for them. ``skipped``: pods with ports that
    are led past their proxy, ``silent`` those that say nothing of it; ``modes``: pods by what their annotations say of ports without a server; ``default``: what holds for the rest."""

    world: World
    inside: Peer = PODS
    clients: Peer = PODS
    skipped: tuple[tuple[Ranges, Peer], ...] = ()
    silent: Peer = PODS
    modes: tuple[tuple[str, Peer, Span], ...] = ()
    default: DefaultPolicy = field(default_factory=DefaultPolicy)

    def identity(self, text: str, at: Span) -> Peer:
        """Who has an identity: ``account.namespace.serviceaccount.identity.linkerd.cluster.local``, with a star for what stands before."""
        if text == "*" or (text.startswith("*.") and f".serviceaccount.identity.{DOMAIN}".endswith(text[1:])):
            return self.clients
        if match := OF_NAMESPACE.fullmatch(text):
            return of_domain(match[2], self.namespace(match[1]), at)
        if match := IDENTITY.fullmatch(text):
            return of_domain(match[3], self.account(match[2], match[1]), at)
        return All((Not(PODS), Opaque(f"who outside has the identity {text}", at)))

    def namespace(self, name: str) -> Peer:
        """The pods of a namespace."""
        return All((self.clients, Named(Of.NAMESPACE, frozenset({name}))))

    def account(self, namespace: str, name: str) -> Peer:
        """The pods of a service account."""
        return All((self.namespace(namespace), Named(Of.ACCOUNT, frozenset({name}))))


def of_domain(domain: str, peer: Peer, at: Span) -> Peer:
    """Who has identities of a trust domain; of another than the usual it is not known whether it is the mesh's."""
    return peer if domain == DOMAIN else All((peer, Opaque(f"whether {domain} is the mesh's trust domain", at)))


def mesh_of(world: World) -> Mesh:
    """The mesh of a world, worked out once."""
    return mesh_in(Same(world))


@lru_cache(maxsize=2)
def mesh_in(key: Same[World]) -> Mesh:
    """The mesh as annotations and labels have it."""
    world = key.value
    notes = list(annotated(world))
    spaces = {item.name: (item.annotations, item.at) for item in world.by_kind.get("Namespace", ())}
    skipping = [(peer, own[SKIPPED]) for peer, own, _ in notes if SKIPPED in own]
    skipping += [(of_rest(name, notes, SKIPPED), own[SKIPPED]) for name, (own, _) in sorted(spaces.items()) if SKIPPED in own]
    modes = [(mode, peer, at) for peer, own, at in notes if (mode := mode_of(own.get(DEFAULT)))]
    modes += [
        (mode, of_rest(name, notes, DEFAULT), at)
        for name, (own, at) in sorted(spaces.items())
        if (mode := mode_of(own.get(DEFAULT)))
    ]
    proxied = inside(world, notes, {name: own for name, (own, _) in spaces.items()})
    return Mesh(
        world,
        proxied,
        clients_of(proxied, notes, spaces),
        tuple((ports_of(text), peer) for peer, text in skipping),
        All((PODS, *(Not(peer) for peer, _ in skipping))),
        tuple(modes),
        default_of(world),
    )


Notes: TypeAlias = list[tuple[Peer, Mapping[str, str], Span]]


def inside(world: World, notes: Notes, spaces: Mapping[str, Mapping[str, str]]) -> Peer:
    """The pods that have a proxy."""
    refusing: list[Peer] = [Not(peer) for peer, own, _ in notes if own.get(INJECT) == "disabled"]
    asking = [peer for peer, own, _ in notes if own.get(INJECT) in IN_MESH]
    named = frozenset(name for name, own in spaces.items() if own.get(INJECT) in IN_MESH)
    labelled = any(PROXIED in pod.labels for pod in world.pods())
    if not asking and not named and not labelled:
        return All((PODS, *refusing))
    by_namespace: Peer = All((Named(Of.NAMESPACE, named), *refusing)) if named else NOBODY
    wanted = either((*asking, by_namespace))
    if labelled and (running := without_proxy(world)):
        wanted = All((wanted, Not(either(running))))
    return All((PODS, either((HasLabel(Of.POD, PROXIED), wanted))))


def without_proxy(world: World) -> list[Peer]:
    """The pods that run without the label that pods with a proxy have, where some have it: they are from before their namespace asked for it."""
    found: dict[str, set[str]] = {}
    for pod in world.pods():
        if pod.addresses and PROXIED not in pod.labels:
            found.setdefault(pod.namespace, set()).add(pod.pod_name)
    return [
        All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset(names)))) for space, names in sorted(found.items())
    ]


def clients_of(proxied: Peer, notes: Notes, spaces: Mapping[str, tuple[Mapping[str, str], Span]]) -> Peer:
    """The pods that have an identity; of those with ports that they send to past their proxy, it is not known by which port they ask."""
    skipping = [(peer, at) for peer, own, at in notes if SKIPPED_OUT in own]
    skipping += [(of_rest(name, notes, SKIPPED_OUT), at) for name, (own, at) in sorted(spaces.items()) if SKIPPED_OUT in own]
    if not skipping:
        return proxied
    text = "whether what it sends goes through its proxy, of which skip-outbound-ports takes out some"
    doubts: list[Peer] = [All((peer, Opaque(text, at))) for peer, at in skipping]
    return All((proxied, either((All(tuple(Not(peer) for peer, _ in skipping)), *doubts))))


def of_rest(namespace: str, notes: Notes, key: str) -> Peer:
    """The pods of a namespace that do not say it themselves."""
    return All((PODS, Named(Of.NAMESPACE, frozenset({namespace})), *(Not(peer) for peer, own, _ in notes if key in own)))


def annotated(world: World) -> Iterator[tuple[Peer, Mapping[str, str], Span]]:
    """Pods, and those of workloads, with their annotations."""
    for (space, name), fact in sorted(world.cluster.pods.items()):
        if fact.annotations:
            yield named(space, name), fact.annotations, fact.at
    for item in world.cluster.others:
        template = pod_template(item)
        if template is not None and (found := mapping(mapping(template.get("metadata")).get("annotations"))):
            texts = {str(key): value for key, value in found.items() if isinstance(value, str)}
            yield named(item.namespace or "default", f"{item.name}[{item.kind}]"), texts, item.at


def named(space: str, name: str) -> Peer:
    """A pod."""
    return All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset({name}))))


def ports_of(text: str) -> Ranges:
    """A list of ports and ranges, ``25,3306,8000-8010``."""
    found = []
    for part in text.replace(" ", "").split(","):
        low, _, high = part.partition("-")
        if low.isdecimal() and (high or low).isdecimal() and len(low) < 6 and len(high) < 6:
            found.append((int(low), int(high or low)))
    return normalised(found)
