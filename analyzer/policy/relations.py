"""Rules about namespaces that share labels with the subject's own (``sameLabels`` and its like).

A test of ``terms.py`` is about one end, so that such a rule becomes one for every set of values that namespaces of the input have. What namespaces that are not there yet
may share stays open, in a rule that is about no namespace of the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.policy.terms import EVERYONE, NOBODY, All, HasLabel, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer, both, either
from analyzer.policy.tiers import Rule
from analyzer.policy.world import World
from analyzer.source import Span

PODS: Peer = Is(frozenset({Kind.POD}))


@dataclass(frozen=True, slots=True)
class Relation:
    """What a peer is in one of the cases: where the subject is ``own``."""

    own: Peer
    peer: Peer


def same_namespace(world: World, at: Span) -> Iterator[Relation]:
    """The subject's own namespace."""
    names = sorted({*world.namespaces, *(pod.namespace for pod in world.pods())})
    for name in names:
        here: Peer = Named(Of.NAMESPACE, frozenset({name}))
        yield Relation(here, here)
    other: Peer = Not(Named(Of.NAMESPACE, frozenset(names)))
    yield Relation(both(PODS, other), All((other, Opaque("whether both are in one namespace", at))))


def same_node(world: World, spaces: set[str], at: Span) -> Iterator[Relation]:
    """The node that the subject runs on, a pod of the namespaces, and what is on it; of nodes without such pods it is not known."""
    names = sorted({pod.node for pod in world.pods() if pod.namespace in spaces and pod.node})
    for name in names:
        here: Peer = Named(Of.PLACE, frozenset({name}))
        yield Relation(here, here)
    other: Peer = Not(Named(Of.PLACE, frozenset(names)))
    yield Relation(both(PODS, other), All((other, Opaque("whether both are on one node", at))))


def same_labels(world: World, keys: Sequence[str], at: Span) -> Iterator[Relation]:
    """Namespaces that have all of the labels, with the values that they have on the subject's; of no labels: none."""
    for values in values_of(world, keys):
        here = valued(keys, values)
        yield Relation(here, here)
    yield unseen(world, keys, at)


def not_same_labels(world: World, keys: Sequence[str], at: Span) -> Iterator[Relation]:
    """Namespaces that have all of the labels, and one of them with another value than the subject's; where the subject has not all, it is not said."""
    labelled: Peer = All(tuple(HasLabel(Of.NAMESPACE, key) for key in keys))
    for values in values_of(world, keys):
        here = valued(keys, values)
        yield Relation(here, All((labelled, Not(here))))
    yield unseen(world, keys, at)
    text = f"which namespaces have not the subject's {', '.join(keys)}, which it has not itself"
    yield Relation(Not(labelled), All((labelled, Opaque(text, at)))) if keys else Relation(EVERYONE, NOBODY)


def values_of(world: World, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """The values that namespaces of the input have for all of the labels."""
    named = {*world.namespaces, *(pod.namespace for pod in world.pods())}
    every = (world.namespace_labels(name) for name in named)
    return sorted({tuple(labels[key] for key in keys) for labels in every if all(key in labels for key in keys)}) if keys else []


def valued(keys: Sequence[str], values: tuple[str, ...]) -> Peer:
    """Namespaces that have these values."""
    terms = tuple(LabelIn(Of.NAMESPACE, key, frozenset({value})) for key, value in zip(keys, values, strict=True))
    return terms[0] if len(terms) == 1 else All(terms)


def unseen(world: World, keys: Sequence[str], at: Span) -> Relation:
    """Namespaces with values that none of the input has: whether two have the same is not known."""
    if not keys:
        return Relation(EVERYONE, NOBODY)
    known: tuple[Peer, ...] = tuple(valued(keys, values) for values in values_of(world, keys))
    other: Peer = All((*(HasLabel(Of.NAMESPACE, key) for key in keys), *(Not(test) for test in known)))
    return Relation(other, All((other, Opaque(f"whether both namespaces have the same {' and '.join(keys)}", at))))


def spread(rule: Rule, anywhere: Sequence[Peer], related: Sequence[tuple[Peer, Sequence[Relation]]]) -> Iterator[Rule]:
    """The rule for peers that do not depend on the subject, and for each relation with the peers that it is about: one for each case. Which of them matches first is the same to
    all, as they do the same."""
    if anywhere:
        yield with_ends(rule, either(anywhere), EVERYONE)
    for whom, relations in related:
        for case in relations:
            if case.peer != NOBODY:
                yield with_ends(rule, both(case.peer, whom), case.own)


def with_ends(rule: Rule, peer: Peer, own: Peer) -> Rule:
    """The rule for a peer and a subject."""
    return Rule(rule.action, peer, rule.at, rule.traffic, both(rule.own, own), rule.name, rule.provided)
