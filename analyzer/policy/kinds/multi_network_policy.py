"""MultiNetworkPolicy (k8s.cni.cncf.io): a NetworkPolicy of secondary networks, those that ``policy-for`` names.

Follows k8snetworkplumbingwg/multi-networkpolicy (pkg/apis/k8s.cni.cncf.io/v1beta1/types.go and the scheme of multi-networkpolicy-iptables). Questions here are about
the default network of pods, on which it decides nothing: its text is checked, and said to be of no effect there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.kinds.network_policy import TYPES, Reader, types
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import Of
from analyzer.policy.tiers import Direction
from analyzer.policy.world import World

ANNOTATION = "k8s.v1.cni.cncf.io/policy-for"
FIELDS = {"podSelector", "policyTypes", "ingress", "egress"}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """What is wrong with it, and which networks it is about."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, FIELDS)
    selector(spec.part("podSelector"), Of.POD)
    advice: list[Complaint] = []
    reader = Reader(fact, world.profile, advice)
    for name in TYPES:
        if name in types(spec):
            reader.rules(spec, Direction(name.lower()))
    yield from advice
    yield from complaints_of(view)
    named = [name.strip() for name in fact.annotations.get(ANNOTATION, "").split(",") if name.strip()]
    if not named:
        text = f"it names no network: the annotation {ANNOTATION} is missing"
    else:
        text = f"it is about {', '.join(named)}, not about the default network of pods: nothing of it is decided here"
    yield Complaint(fact.at, text)
    yield from missing(fact, named, world)


def missing(fact: OtherObjectFact, named: list[str], world: World) -> Iterator[Complaint]:
    """Networks that are named and not given, where any are given."""
    networks = world.by_kind.get("NetworkAttachmentDefinition", ())
    given = {(item.namespace or "default", item.name) for item in networks}
    for text in named:
        space, slash, name = text.rpartition("/")
        if given and (space if slash else fact.namespace, name) not in given:
            yield Complaint(fact.at, f"there is no NetworkAttachmentDefinition {text}")


KIND = PolicyKind(
    names=("k8s.cni.cncf.io/MultiNetworkPolicy",), read=read, supporting=("k8s.cni.cncf.io/NetworkAttachmentDefinition",)
)
