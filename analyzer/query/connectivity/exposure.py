"""What pods that are not there yet could reach, or be reached by: one pod for each thing that selectors mention, put into the world.

Such a pod has no labels, or those that make a selector true, and is in a namespace that is there or in a new one. It has no known address and
names no ports.
Policies that would select it apply to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.factors import rules_of
from analyzer.policy.terms import All, AnyOf, HasLabel, InBlocks, Is, Kind, LabelIn, LabelText, Named, Not, Of, Opaque, Part, Peer
from analyzer.policy.tiers import Direction
from analyzer.policy.world import NAME_LABEL
from analyzer.query.connectivity.answer import Focus, Link, inside_links, order
from analyzer.query.connectivity.endpoints import Party, named, parties
from analyzer.query.connectivity.table import Table
from analyzer.query.policies import Policies

NEW = "(new)"
DRAFTS = 16
REPRESENTATIVES = 2000


@dataclass(frozen=True, slots=True)
class Unknown:
    """A pod that is not there: ``shop/{pod}``, ``shop/{pod with app=web}``, ``{new with team=blue}/{pod}``. ``namespace`` is empty for a new
    namespace, whose labels are then ``namespace_labels``. ``base`` is the id of the pod without labels there, or in any new namespace."""

    id: str
    base: str
    entity: Entity
    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exposure:
    """The pods that are not there, and the links from and to them; ``links`` are sure, ``uncertain`` are not. ``open_ingress``, ``open_egress``: the
    endpoints that no policy selects in the direction. ``complete`` is False where there were more pods to think of than are looked at."""

    unknowns: tuple[Unknown, ...]
    links: tuple[Link, ...]
    uncertain: tuple[Link, ...]
    open_ingress: tuple[str, ...] = ()
    open_egress: tuple[str, ...] = ()
    complete: bool = True


@dataclass(slots=True)
class Draft:
    """What a pod must have for a test to hold."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace_labels: dict[str, str] = field(default_factory=dict)
    namespace: str = ""

    def joined(self, other: Draft) -> Draft | None:
        """What it must have for both; None where that cannot be."""
        for mine, others in ((self.labels, other.labels), (self.namespace_labels, other.namespace_labels)):
            if any(mine.get(key, value) != value for key, value in others.items()):
                return None
        if self.namespace and other.namespace and self.namespace != other.namespace:
            return None
        both = self.labels | other.labels, self.namespace_labels | other.namespace_labels
        return Draft(*both, self.namespace or other.namespace)


def exposure(policies: Policies, focus: Focus) -> Exposure:
    """What pods that are not there could reach, and be reached by; of the endpoints of the focus, where there is one."""
    found = unknowns(policies)
    extended = with_unknowns(policies, found)
    everyone = parties(policies, per_pod=focus.per_pod)
    strangers = tuple(Party(item.id, (item.entity,)) for item in found)
    asked = [entity for side in (focus.sources, focus.destinations) for entity in side or ()]
    known = named(everyone, asked) if asked else (1 << len(everyone)) - 1
    new = ((1 << len(strangers)) - 1) << len(everyone)
    none: tuple[()] = ()
    tables = (
        Table(extended, (*everyone, *strangers), (new, none), (known, none), focus.protocol, focus.port),
        Table(extended, (*everyone, *strangers), (known, none), (new, none), focus.protocol, focus.port),
    )
    links = sorted((link for table in tables for link in inside_links(table)), key=order)
    sure, doubtful = tuple(link for link in links if not link.why), tuple(link for link in links if link.why)
    family = policies.families()[0]
    into, out_of = (
        tuple(everyone[n].id for n in members(known) if not selecting(policies, family, everyone[n].entities[0], way))
        for way in (Direction.INGRESS, Direction.EGRESS)
    )
    return Exposure(found, sure, doubtful, into, out_of, len(found) < REPRESENTATIVES)


def selecting(policies: Policies, family: int, entity: Entity, direction: Direction) -> bool:
    """Whether a policy selects an entity in a direction, or may."""
    return any(tier for tier in policies.all.selecting(entity, family, direction))


def with_unknowns(policies: Policies, unknowns: Iterable[Unknown]) -> Policies:
    """The policies of a world in which the pods are there, too."""
    world = policies.world
    added = tuple(item.entity for item in unknowns)
    by_name = {**world.by_name, **{entity.name: entity for entity in added}}
    extended = replace(world, entities=(*world.entities, *added), by_name=by_name)
    return Policies(extended, replace(policies.all, world=extended, memory={}, homes={}))


def unknowns(policies: Policies) -> tuple[Unknown, ...]:
    """A pod without labels in a new namespace and in each that is there; then one for each selector, where it is another one."""
    found: dict[str, Unknown] = {}
    plain = [Draft(), *(Draft(namespace=name) for name in sorted(policies.world.namespaces))]
    for item in (item for draft in chain(plain, selected(policies)) for item in made(policies, draft)):
        found.setdefault(item.id, item)
        if len(found) >= REPRESENTATIVES:
            break
    return tuple(found.values())


def selected(policies: Policies) -> Iterator[Draft]:
    """Drafts of pods for which the policies' selectors hold."""
    rules = (rule for policy in policies.all.policies() for way in Direction for rule in rules_of(policy, way))
    peers = dict.fromkeys([*(policy.subject for policy in policies.all.policies()), *(rule.peer for rule in rules)])
    for peer in peers:
        for draft in islice(drafts(peer, True), DRAFTS):
            if any(holds(peer, item.entity, 4) is True for item in made(policies, draft)):
                yield draft


def made(policies: Policies, draft: Draft) -> Iterator[Unknown]:
    """The pods of a draft: in each namespace that is there and fits, else in a new one."""
    wanted = draft.namespace_labels
    name = draft.namespace or wanted.get(NAME_LABEL, "")
    there = policies.world.namespaces
    if name:
        fitting = [name] if name in there and wanted.items() <= {**there[name], NAME_LABEL: name}.items() else []
    else:
        fitting = sorted(one for one, labels in there.items() if wanted and wanted.items() <= labels.items())
    for one in fitting:
        yield unknown(one, draft.labels, policies.world.namespace_labels(one), {})
    if not fitting and name not in there:
        yield unknown(name, draft.labels, {NAME_LABEL: name or NEW} | wanted, wanted)


def unknown(namespace: str, labels: Mapping[str, str], own: Mapping[str, str], wanted: Mapping[str, str]) -> Unknown:
    """A pod that is not there."""
    where = namespace or (f"{{new with {pairs(wanted)}}}" if wanted else "{new}")
    text = f"{where}/{{pod with {pairs(labels)}}}" if labels else f"{where}/{{pod}}"
    entity = Entity(text, Kind.POD, namespace or NEW, dict(labels), dict(own), account="default", replicas=2)
    return Unknown(text, f"{namespace or '{new}'}/{{pod}}", entity, namespace, dict(labels), dict(wanted))


def pairs(labels: Mapping[str, str]) -> str:
    """Labels as text."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def drafts(peer: Peer, wanted: bool) -> Iterator[Draft]:
    """What pods could have for which a test has the wanted value; what they must not have is left out of them."""
    match peer:
        case Not(term):
            yield from drafts(term, not wanted)
        case All(terms) | AnyOf(terms):
            yield from joined(terms, wanted) if isinstance(peer, All) is wanted else one_of(terms, wanted)
        case LabelIn(Of.POD | Of.NAMESPACE as of, key, values):
            yield from labelled(of, key, sorted(values) if wanted else [None])
        case HasLabel(Of.POD | Of.NAMESPACE as of, key):
            yield from labelled(of, key, ["any"] if wanted else [None])
        case LabelText(Of.POD | Of.NAMESPACE as of, key, part, text):
            value = {Part.START: f"{text}x", Part.END: f"x{text}", Part.ANYWHERE: text}[part]
            yield from labelled(of, key, [value] if wanted else [None])
        case Named(Of.NAMESPACE, names):
            yield from (Draft(namespace=name) for name in sorted(names)) if wanted else (Draft(),)
        case Is(kinds):
            yield from (Draft(),) if (Kind.POD in kinds) is wanted else ()
        case InBlocks() | Named() | LabelIn() | HasLabel() | LabelText():
            yield from () if wanted else (Draft(),)
        case Opaque():
            pass


def one_of(terms: tuple[Peer, ...], wanted: bool) -> Iterator[Draft]:
    """Drafts for one of the tests."""
    for term in terms:
        yield from drafts(term, wanted)


def joined(terms: tuple[Peer, ...], wanted: bool) -> Iterator[Draft]:
    """Drafts for all of the tests."""
    found = [Draft()]
    for term in terms:
        here = list(islice(drafts(term, wanted), DRAFTS))
        found = [both for one in found for other in here if (both := one.joined(other)) is not None][:DRAFTS]
    yield from found


def labelled(of: Of, key: str, values: Iterable[str | None]) -> Iterator[Draft]:
    """Drafts with a label; None: without it."""
    for value in values:
        own = {} if value is None else {key: value}
        yield Draft(labels=own) if of is Of.POD else Draft(namespace_labels=own)
