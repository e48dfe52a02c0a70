"""How Romana isolates: by an annotation of the namespace, not by policies that select pods.

Follows listener/ (resources.go, translate.go): without ``net.beta.kubernetes.io/networkpolicy`` that asks for DefaultDeny, everything
into the namespace is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.policy.profiles import ROMANA
from analyzer.policy.reading import PolicyKind, Read
from analyzer.policy.terms import EVERYONE, Named, Of
from analyzer.policy.tiers import Action, Policy, Rule, Rules
from analyzer.policy.world import World, mapping
from analyzer.source import Span

ANNOTATION = "net.beta.kubernetes.io/networkpolicy"
BEFORE_ALL = -1.0


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """There are no objects of a kind of its own."""
    del fact, world
    return iter(())


def standing(world: World) -> Iterator[Read]:
    """For every namespace: all is allowed into it, or nothing but what policies allow."""
    if world.profile.name != ROMANA.name:
        return
    facts = {item.name: item for item in world.cluster.others if item.kind == "Namespace"}
    for name in sorted(world.namespaces):
        fact = facts.get(name)
        at = fact.at if fact is not None else Span(name, 1)
        closed = fact is not None and isolated(fact)
        rules = () if closed else (Rule(Action.ALLOW, EVERYONE, at),)
        subject = Named(Of.NAMESPACE, frozenset({name}))
        yield Policy("Namespace", "", name, at, subject, Rules(rules, isolates=closed), None, order=(BEFORE_ALL, name))


def isolated(fact: ObjectFact) -> bool:
    """Whether a namespace asks for isolation."""
    try:
        asked = json.loads(fact.annotations.get(ANNOTATION, "{}"))
    except (ValueError, RecursionError):
        return False
    return mapping(mapping(asked).get("ingress")).get("isolation") == "DefaultDeny"


KIND = PolicyKind(names=(), read=read, standing=standing)
