"""What Istio's proxies send nowhere: with ``outboundTrafficPolicy`` ``REGISTRY_ONLY``, of a Sidecar (networking.istio.io) or of the whole mesh, connections to what is not
in the mesh's registry (services, ServiceEntry, as far as ``egress.hosts`` of a Sidecar takes them in) are closed.

Follows istio.io/docs/reference/config/networking/sidecar and .../istio.mesh.v1alpha1. What is in the registry is not worked out: such connections are open, of
a more specific Sidecar that says ALLOW_ANY as well. Where nothing says REGISTRY_ONLY they pass, as is Istio's default, whatever ``egress.hosts`` says. A node's
proxy (ambient) heeds no Sidecar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.istio.mesh import CONFIG, Mesh, all_together, mesh_of
from analyzer.policy.istio.rules import TCP
from analyzer.policy.reading import PolicyKind, Read, complaints_of, view_of
from analyzer.policy.terms import LabelIn, Named, Not, Of, Opaque, Peer
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Span

PLANE, TIER = "istio out", "registry"
MODES = ("ALLOW_ANY", "REGISTRY_ONLY")
OF_MESH = re.compile(r"^outboundTrafficPolicy:\s*(?:\{\s*)?[\"']?mode[\"']?:\s*[\"']?REGISTRY_ONLY\b", re.MULTILINE)


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A Sidecar, as far as it closes what is not in the registry."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec, mesh = view.part("spec"), mesh_of(world)
    outbound = spec.part("outboundTrafficPolicy")
    mode = outbound.text("mode", "ALLOW_ANY")
    if mode not in MODES:
        outbound.wrong(f"mode {mode!r} must be one of {', '.join(MODES)}", "mode")
    yield from complaints_of(view)
    if mode != "ALLOW_ANY":
        yield closing(fact.kind, fact.namespace, fact.name, outbound.at("mode"), subject_of(fact, spec, mesh))


def subject_of(fact: OtherObjectFact, spec: View, mesh: Mesh) -> Peer:
    """The pods with a proxy beside them that a Sidecar is for: of its namespace, or of all where it is in the root namespace, by their labels."""
    terms: list[Peer] = [mesh.inside, Not(mesh.by_nodes)]
    if fact.namespace != mesh.root:
        terms.append(Named(Of.NAMESPACE, frozenset({fact.namespace})))
    chosen = spec.part("workloadSelector").strings("labels")
    terms += [LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(chosen.items())]
    return all_together(terms)


def closing(kind: str, namespace: str, name: str, at: Span, subject: Peer) -> Policy:
    """Connections out of pods that may be closed."""
    doubt = Opaque("whether the destination is in the registry of the mesh: outboundTrafficPolicy is REGISTRY_ONLY", at)
    rules = Rules((Rule(Action.DENY, doubt, at, TCP),), isolates=False)
    return Policy(kind, namespace, name, at, subject, None, rules, TIER, (0.0, f"{namespace}/{name}"), PLANE)


def standing(world: World) -> Iterator[Read]:
    """What the settings of the whole mesh close."""
    fact = world.cluster.config_maps.get(CONFIG)
    found = fact.data.get("mesh") if fact is not None else None
    if found is not None and OF_MESH.search(found.value):
        mesh = mesh_of(world)
        yield closing("ConfigMap", *CONFIG, found.at, all_together([mesh.inside, Not(mesh.by_nodes)]))


KIND = PolicyKind(
    names=("networking.istio.io/Sidecar",),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    standing=standing,
    versions={"networking.istio.io": ("v1alpha3", "v1beta1", "v1")},
)
