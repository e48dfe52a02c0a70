"""What a selector of a policy that matches nobody is probably meant to say: labels and names that are there and are almost the same, with where they stand.

Of manifests, whoever matches may live elsewhere; a text that differs by one slip from one that is there is a slip all the same. Numbers are none: ``zone-1`` is not ``zone-2``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.network import Network
from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.policy.terms import All, AnyOf, LabelIn, Named, Of, Peer
from analyzer.policy.world import NAME_LABEL
from analyzer.query.policies import Policies, of_network
from analyzer.query.slips import slip
from analyzer.source import Span

BUILT_IN = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
NAMING = ("name", "namespace", "metadata.name")
"""Keys of labels by which people take a namespace's name, beside the one that each namespace has."""
FEWEST = 3
"""Of how many letters the longer of two words is, at least, where it is known that nobody else is meant."""


class Near(NamedTuple):
    """What is there, in words, and its place; ``asked`` is the test that it almost is."""

    asked: LabelIn | Named
    words: str
    meant: str
    at: Span | None


def near_namespace(network: Network, peer: Peer) -> Near | None:
    """What the tests of namespaces in a peer are probably meant to say, where no namespace meets them."""
    spaces = namespaces(network)
    for test in asked(peer):
        if test.of is not Of.NAMESPACE or any(met(test, labels) for labels in spaces.values()):
            continue
        if (found := next(alike_among(network, test, spaces), None)) is not None:
            return found
    return None


def near_pod(policies: Policies, peer: Peer, least: int = FEWEST) -> Near | None:
    """What the tests of pods' labels in a peer are probably meant to say, among the pods that meet its other tests. ``least``: of how many letters slips are, at least."""
    universe = policies.factors(policies.families()[0]).universe
    terms = flat(peer)
    for test in asked(peer):
        if test.of is not Of.POD or not isinstance(test, LabelIn):
            continue
        others = universe.sides(All(tuple(term for term in terms if term is not test)))[0]
        alike = (alike_of(test, next(iter(universe.members[position])), least) for position in members(others))
        if (found := next(filter(None, alike), None)) is not None:
            return found
    return None


def alike_of(test: LabelIn, entity: Entity, least: int) -> Near | None:
    """A label of a pod that is almost the one that is asked for."""
    for value in sorted(test.values):
        for key, has in sorted(entity.labels.items()):
            if (key == test.key and slip(value, has, least)) or (value == has and slip(test.key, key, least)):
                return Near(test, f"{entity.name} has {key}={has}", f"{key}: {has}", entity.at)
    return None


def namespaces(network: Network) -> dict[str, Mapping[str, str]]:
    """The labels of the namespaces that are there, and of those that every cluster has."""
    known = of_network(network).world.namespaces
    return {**{name: {NAME_LABEL: name} for name in sorted(BUILT_IN)}, **known}


def asked(peer: Peer) -> Iterator[LabelIn | Named]:
    """The tests that a peer's ends must meet, of labels and names."""
    return (term for term in flat(peer) if isinstance(term, LabelIn | Named))


def flat(peer: Peer) -> list[Peer]:
    """The tests that must all hold, those of conjunctions inside and of unions of one one by one."""
    match peer:
        case All(terms):
            return [one for term in terms for one in flat(term)]
        case AnyOf((term,)):
            return flat(term)
        case _:
            return [peer]


def met(test: LabelIn | Named, labels: Mapping[str, str]) -> bool:
    """Whether a namespace meets a test."""
    if isinstance(test, Named):
        return labels.get(NAME_LABEL) in test.names
    return labels.get(test.key) in test.values


def alike_among(network: Network, test: LabelIn | Named, spaces: Mapping[str, Mapping[str, str]]) -> Iterator[Near]:
    """The namespaces that almost meet a test, those with a misspelt value first."""
    key, values = (NAME_LABEL, test.names) if isinstance(test, Named) else (test.key, test.values)
    given = of_network(network).world.given
    for value in sorted(values):
        for name, labels in spaces.items():
            if slip(value, labels.get(key, "")):
                yield near(network, test, name, key, labels[key])
        for name, labels in spaces.items():
            others = (other for other, has in labels.items() if has == value and slip(key, other, FEWEST))
            yield from (near(network, test, name, other, value) for other in others)
        if value in given and key.rpartition("/")[2] in NAMING and key not in spaces[value]:
            yield near(network, test, value, NAME_LABEL, value)


def near(network: Network, test: LabelIn | Named, name: str, key: str, value: str) -> Near:
    """A namespace that almost meets a test, by its label."""
    objects = of_network(network).world.by_kind.get("Namespace", ())
    item = next((one for one in objects if one.name == name), None)
    words = f"there is the namespace {name}" if key == NAME_LABEL else f"namespace {name} has {key}={value}"
    path = ("name",) if key == NAME_LABEL else ("labels", key)
    return Near(test, words, f"{key}: {value}", item.place("metadata", *path) if item else None)


def place_of(item: OtherObjectFact, around: Span, test: LabelIn | Named) -> Span | None:
    """Where an object asks for a label, below the value that stands at a place."""
    if not isinstance(test, LabelIn):
        return None
    above = min((path for path, at in item.places.items() if at == around), key=len, default=None)
    if above is None:
        return None
    below = (
        path for path in item.places if path[: len(above)] == above and (path[-1:] == (test.key,) or path[-2:-1] == ("values",))
    )
    return next((item.places[path] for path in below if value_at(item, path) in test.values), None)


def text_below(item: OtherObjectFact, around: Span, text: str) -> Span | None:
    """Where an object has a text below the value that stands at a place."""
    above = min((path for path, at in item.places.items() if at == around), key=len, default=None)
    below = (path for path in item.places if above is not None and path[: len(above)] == above)
    return next((item.places[path] for path in below if value_at(item, path) == text), None)


def value_at(item: OtherObjectFact, path: tuple[str | int, ...]) -> str | None:
    """The text at a path."""
    found: object = item.document
    for key in path:
        found = (
            found.get(key)
            if isinstance(found, dict)
            else found[key]
            if isinstance(found, list) and isinstance(key, int)
            else None
        )
    return found if isinstance(found, str) else None
