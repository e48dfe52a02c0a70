"""Two sets of policies against each other: each by itself, over the same pods, nodes and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from itertools import product
from typing import NamedTuple

from analyzer.findings import Verdict
from analyzer.policy.bits import members, set_of
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Compiler, Factors
from analyzer.policy.folding import Cell
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind, Peer
from analyzer.policy.tiers import Action, Direction, Policy, Rule
from analyzer.query.ask.answers import Answer, Disagreement, Witness
from analyzer.query.ask.asking import Asker, settling, several
from analyzer.query.ask.doubts import doubts, settled
from analyzer.query.ask.pairs import stops
from analyzer.query.ask.questions import Compare, Relation, Word
from analyzer.query.ask.sides import NameProblem, host
from analyzer.query.ask.traffic import EVERYTHING, alike, inside, ordinary, served

MOST_DOUBTS = 4
ENGINE = "the factors of each set of policies"


class Joint(NamedTuple):
    """Classes that are in one group of both sets, with their cells in each."""

    classes: int
    left: tuple[Cell, ...]
    right: tuple[Cell, ...]


class Found(NamedTuple):
    """Two classes and flows between them."""

    source: int
    destination: int
    flows: int


def compare(asker: Asker, text: str, question: Compare) -> Answer:
    """The answer."""
    left, right = (chosen(asker, words) for words in (question.left, question.right))
    if question.relation is Relation.DISJOINT:
        verdict, path, note = apart(asker, left, right)
    else:
        verdict, path, note = contained(asker, left, right)
        if question.relation is Relation.EQUIVALENT and verdict is not Verdict.REFUTED:
            other = contained(asker, right, left)
            verdict, path, note = other if verdict is Verdict.PROVED or other[0] is Verdict.REFUTED else (verdict, path, note)
    count = len(asker.policies.world.entities)
    over = (
        f"{several(len(left), 'policy')} and {several(len(right), 'policy')}, {several(count, 'pod and node')}, and the outside"
    )
    over = over.replace("pod and nodes", "pods and nodes")
    settle = settling(asker.policies, path) if verdict is Verdict.UNDECIDED else ()
    return Answer(text, verdict, text.rstrip("?"), over, ENGINE, path, (), (note,), settle)


def chosen(asker: Asker, words: tuple[Word, ...]) -> tuple[Policy, ...]:
    """The policies that are meant. NameProblem where a name means none."""
    known = tuple(asker.policies.all.policies())
    found: dict[int, Policy] = {}
    for word in words:
        meant = [policy for policy in known if means(word.text, policy)]
        if not meant:
            raise NameProblem(word, nothing(word.text, known))
        found |= {id(policy): policy for policy in meant}
    return tuple(found.values())


def means(text: str, policy: Policy) -> bool:
    """Whether a name means a policy: a namespace, a kind, a name, or a file or folder."""
    kind, colon, rest = text.partition(":")
    if colon and kind in ("ns", "namespace"):
        return policy.namespace == rest
    if colon and kind == "kind":
        return policy.kind.lower() == rest.lower()
    if colon and kind.lower() == policy.kind.lower():
        return rest in (policy.name, f"{policy.namespace}/{policy.name}")
    path, wanted = policy.at.path, text.removeprefix("./").rstrip("/")
    named = (text == policy.name and not policy.namespace) or text == f"{policy.namespace}/{policy.name}"
    return named or path == wanted or path.startswith(wanted + "/") or path.endswith("/" + wanted) or f"/{wanted}/" in path


def nothing(text: str, known: tuple[Policy, ...]) -> str:
    """That no policy is meant, with what is called nearly so."""
    names = sorted({name for policy in known for name in (f"{policy.namespace}/{policy.name}", policy.at.path)})
    near = get_close_matches(text, names[:20000], 3, 0.6)
    hint = f": did you mean {' or '.join(near)}?" if near else ": expected a file, a folder, NS/NAME, ns:NAME or kind:KIND"
    return f"{text!r} means no policy of the input{hint}"


def only(asker: Asker, kept: tuple[Policy, ...]) -> PolicySet:
    """The policies as if there were no others."""
    ids = {id(policy) for policy in kept}
    planes = tuple(
        replace(
            plane,
            tiers=tuple(replace(tier, policies=tuple(p for p in tier.policies if id(p) in ids)) for tier in plane.tiers),
        )
        for plane in asker.policies.all.planes
    )
    return PolicySet(asker.policies.world, planes)


def compiled(asker: Asker, policies: PolicySet, family: int) -> Factors:
    """Their factors, over the classes and flows that all policies tell apart."""
    whole = asker.policies.factors(family)
    out, into = (
        Compiler(policies.planes, whole.universe, whole.atoms, way).factor() for way in (Direction.EGRESS, Direction.INGRESS)
    )
    return Factors(policies, whole.universe, whole.atoms, out, into)


def contained(asker: Asker, left: tuple[Policy, ...], right: tuple[Policy, ...]) -> tuple[Verdict, tuple[Witness, ...], str]:
    """Whether all that one set admits by itself, the other does."""
    note = "each set is taken as if there were no other policies; where no policy of a set selects a pod, it admits all of its traffic"
    sets = only(asker, left), only(asker, right)
    for sure in (True, False):
        found = first_beyond(asker, sets, sure)
        if found is not None:
            if not sure and however(asker, sets):
                return Verdict.PROVED, (), note
            return Verdict.REFUTED if sure else Verdict.UNDECIDED, shown(asker, sets, *found, sure), note
    return Verdict.PROVED, (), note


def first_beyond(asker: Asker, sets: tuple[PolicySet, PolicySet], sure: bool) -> tuple[Factors, Found] | None:
    """The first flow that only the first set admits."""
    for family in asker.families:
        one, other = (compiled(asker, policies, family) for policies in sets)
        found = next(beyond(one, other, sure), None)
        if found is not None:
            return one, found
    return None


def however(asker: Asker, sets: tuple[PolicySet, PolicySet]) -> bool:
    """Whether the first set is contained in the second whatever the values are of what both leave open."""
    texts = tuple(dict.fromkeys(text for policies in sets for text in doubts(policies)))
    if not texts or len(texts) > MOST_DOUBTS:
        return False
    for chosen_values in product((False, True), repeat=len(texts)):
        known = dict(zip(texts, chosen_values, strict=True))
        if first_beyond(asker, (settled(sets[0], known), settled(sets[1], known)), False) is not None:
            return False
    return True


def joints(
    left: tuple[int, ...], right: tuple[int, ...], one: tuple[tuple[Cell, ...], ...], other: tuple[tuple[Cell, ...], ...]
) -> list[Joint]:
    """The groups of both sets together, in the order of their first class."""
    found: dict[tuple[int, int], list[int]] = {}
    for position, key in enumerate(zip(left, right, strict=True)):
        found.setdefault(key, []).append(position)
    return [Joint(set_of(positions), one[key[0]], other[key[1]]) for key, positions in found.items()]


def beyond(one: Factors, other: Factors, sure: bool) -> Iterator[Found]:
    """Flows that the first admits and the second does not; ``sure``: both for sure."""
    out = joints(one.egress.group, other.egress.group, one.egress.cells, other.egress.cells)
    into = joints(one.ingress.group, other.ingress.group, one.ingress.cells, other.ingress.cells)
    for source in out:
        for destination in into:
            if source.left == source.right and destination.left == destination.right and sure:
                continue
            for sources, destinations, flows in rectangles(source, destination, sure):
                yield from pairs(one, sources, destinations, flows)


def rectangles(source: Joint, destination: Joint, sure: bool) -> Iterator[tuple[int, int, int]]:
    """Classes of sources, of destinations, and flows that only the first set admits."""
    for leaving in source.left:
        reached = (leaving.sure if sure else leaving.may) & destination.classes
        for entering in destination.left if reached else ():
            flows, origins = leaving.flows & entering.flows, (entering.sure if sure else entering.may) & source.classes
            if not flows or not origins:
                continue
            for some, stopped in stops(source.right, flows, reached, sure):
                yield origins, stopped, some
            for some, stopped in stops(destination.right, flows, origins, sure):
                yield stopped, reached, some


def pairs(factors: Factors, sources: int, destinations: int, flows: int) -> Iterator[Found]:
    """Two classes with two different entities that are not both outside."""
    known = factors.universe.members
    for source in members(sources):
        for destination in members(destinations):
            if ends(known[source], known[destination]) is not None:
                yield Found(source, destination, flows)


def ends(left: tuple[Entity, ...], right: tuple[Entity, ...]) -> tuple[Entity, Entity] | None:
    """The first two entities about which policies are asked."""
    for one in left[:3]:
        for other in right[:3]:
            outside = one.kind is Kind.OUTSIDE and other.kind is Kind.OUTSIDE
            own_node = {one.kind, other.kind} == {Kind.POD, Kind.HOST} and (
                not one.node or not other.node or one.node == other.node
            )
            if (one is not other or one.replicas > 1) and not outside and not own_node:
                return one, other
    return None


def shown(asker: Asker, sets: tuple[PolicySet, PolicySet], factors: Factors, found: Found, sure: bool) -> tuple[Witness, ...]:
    """The flow with the decision of each set over it."""
    family, known = factors.universe.family, factors.universe.members
    both = ends(known[found.source], known[found.destination])
    assert both is not None
    source, destination = (host(end, family, asker.policies.held) for end in both)
    parts = list(inside(factors.atoms, found.flows, EVERYTHING))
    flow = ordinary(parts, served(asker.policies.world, destination), family)
    decisions = [decide(policies, source, destination, flow) for policies in sets]
    if sure and [item.admitted for item in decisions] != [True, False]:
        raise Disagreement(f"{source.name} to {destination.name}: the factors of the two sets and the replay do not agree")
    words = ("by the policies on the left", "by those on the right")
    return tuple(
        Witness(source, destination, flow, decision, alike(parts), about=about)
        for decision, about in zip(decisions, words, strict=True)
    )


class Allowed(NamedTuple):
    """What a rule allows: from classes to classes, flows; for sure and perhaps."""

    rule: Rule
    policy: Policy
    sources: tuple[int, int]
    destinations: tuple[int, int]
    flows: tuple[int, int]


def apart(asker: Asker, left: tuple[Policy, ...], right: tuple[Policy, ...]) -> tuple[Verdict, tuple[Witness, ...], str]:
    """Whether no flow is allowed by a rule of each set."""
    note = "disjoint: no flow is allowed by a rule of a policy of each set"
    for sure in (True, False):
        for family in asker.families:
            factors = asker.policies.factors(family)
            for one in allowed(factors, left):
                for other in allowed(factors, right):
                    found = next(common(factors, one, other, 0 if sure else 1), None)
                    if found is not None:
                        return Verdict.REFUTED if sure else Verdict.UNDECIDED, (of_rules(asker, factors, found),), note
    return Verdict.PROVED, (), note


def allowed(factors: Factors, policies: tuple[Policy, ...]) -> Iterator[Allowed]:
    """What the rules of policies allow."""
    for policy in policies:
        for direction in Direction:
            rules = policy.direction(direction)
            for rule in rules.rules if rules is not None else ():
                if rule.action is Action.ALLOW:
                    yield from of_rule(factors, policy, rule, direction)


def of_rule(factors: Factors, policy: Policy, rule: Rule, direction: Direction) -> Iterator[Allowed]:
    """What a rule allows: by the destinations' named ports, where it names some."""
    subject, own, peer = (factors.universe.sides(test) for test in peers(policy, rule))
    selected = subject[0] & own[0], subject[1] & own[1]
    sources, destinations = (selected, peer) if direction is Direction.EGRESS else (peer, selected)
    for ports, within in factors.universe.by_ports.items():
        flows = factors.atoms.of(rule.traffic, ports)
        inner = destinations[0] & within, destinations[1] & within
        if inner[1] and flows[1]:
            yield Allowed(rule, policy, sources, inner, flows)


def peers(policy: Policy, rule: Rule) -> tuple[Peer, Peer, Peer]:
    """The tests of a rule."""
    return policy.subject, rule.own, rule.peer


def common(factors: Factors, one: Allowed, other: Allowed, side: int) -> Iterator[Found]:
    """What both allow."""
    flows = one.flows[side] & other.flows[side]
    sources, destinations = one.sources[side] & other.sources[side], one.destinations[side] & other.destinations[side]
    if flows and sources and destinations:
        yield from pairs(factors, sources, destinations, flows)


def of_rules(asker: Asker, factors: Factors, found: Found) -> Witness:
    """The flow, with the decision of all policies over it."""
    family, known = factors.universe.family, factors.universe.members
    both = ends(known[found.source], known[found.destination])
    assert both is not None
    source, destination = (host(end, family, asker.policies.held) for end in both)
    parts = list(inside(factors.atoms, found.flows, EVERYTHING))
    flow = ordinary(parts, served(asker.policies.world, destination), family)
    return Witness(source, destination, flow, asker.decide(source, destination, flow), alike(parts), about="allowed by both sets")
