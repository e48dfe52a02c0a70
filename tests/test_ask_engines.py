"""Answers about policies held against the plain reading: the factors, the truth tables and Z3 over random clusters, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, permutations, product
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analyzer.addresses import Address, prefix
from analyzer.findings import Verdict
from analyzer.policy.bits import members
from analyzer.policy.decision import decide, doubt, exemption
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet
from analyzer.policy.possible import End, Possible, Value, Variable, entity_of
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.policy.programs import Reader
from analyzer.policy.terms import (
    Box,
    Kind,
)
from analyzer.policy.truth_tables import Table, table
from analyzer.query.ask import ask
from analyzer.query.ask.asking import Asker
from analyzer.query.ask.pairs import meets
from analyzer.query.ask.questions import Word
from analyzer.query.ask.sides import host
from analyzer.query.ask.subsets import chosen, only
from analyzer.query.ask.traffic import boxes, inside, ordinary
from analyzer.query.policies import Policies
from analyzer.solve.smt.labels import Frame, Sought
from analyzer.solve.smt.symbolic_labels import Example, NoExample, exists
from tests.policies import policies_of
from tests.test_policy_agreement import Maker

PORTS = ((), ((6, 80, 80),), ((6, 53, 81), (17, 53, 53)), ((6, 0, 65535),))
SLOW = settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def fresh(policies: PolicySet) -> PolicySet:
    """The policies without what was remembered by name: cases are pods of one name."""
    return PolicySet(policies.world, policies.planes)


def cluster(seed: int) -> tuple[Random, Policies]:
    random = Random(seed)
    found = policies_of(Maker(random).objects(), UNKNOWN_SYSTEM)
    return random, Policies(found.world, found)


def ends(random: Random, policies: Policies) -> tuple[End, End]:
    """A pod that could be and another end."""
    one: End = possible(random, policies)
    known = [entity for entity in policies.world.entities if entity.kind is Kind.POD]
    outside = [item for item in policies.factors(4).universe.classes if item.kind is Kind.OUTSIDE]
    choices: list[End] = [*known, host(random.choice(outside), 4), possible(random, policies)]
    other = random.choice(choices)
    return (one, other) if random.random() < 0.5 else (other, one)


def possible(random: Random, policies: Policies) -> Possible:
    """A pod of the cluster with other labels, one in an existing namespace, or one in a new namespace."""
    world = policies.world
    pods = list(world.pods())
    networks = random.choice([None, (prefix("10.0.0.0/29"),), (prefix("10.0.0.0/8"), prefix("fd00::/16"))])
    kind = random.randrange(3) if pods else random.randrange(1, 3)
    if kind == 0:
        return Possible(random.choice(pods), free=False)
    existing = frozenset(world.namespaces)
    labels = random.choice([{}, {"a": "1"}])
    if kind == 1:
        name = random.choice(sorted(existing))
        base = Entity(f"{name}/new-pod", Kind.POD, name, labels, world.namespace_labels(name))
        return Possible(base, frozenset(labels), networks=networks)
    base = Entity("new-namespace/new-pod", Kind.POD, "new-namespace", labels)
    return Possible(base, frozenset(labels), True, networks=networks, existing=existing)


def entities(found: tuple[End, End], assignment: dict[Variable, Value], flow: Flow) -> tuple[Entity, Entity]:
    """The ends of a case."""
    port = flow.protocol, flow.port
    one, other = (
        entity_of(end, name, assignment, flow.family, port) for end, name in zip(found, ("source", "destination"), strict=True)
    )
    return one, other


def cases(made: Table, flows: tuple[Box, ...], family: int) -> Iterator[tuple[int, Flow, bool | None]]:
    """Each case with a flow of each part, and what the table says."""
    for case in made.cases:
        flow = ordinary(inside(made.atoms, case.flows, flows), (), family)
        for position in range(made.count):
            yield position, flow, True if case.sure >> position & 1 else None if case.may >> position & 1 else False


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_tables_say_of_each_case_what_the_plain_reading_says(seed: int) -> None:
    random, policies = cluster(seed)
    for _ in range(3):
        found, flows = ends(random, policies), boxes(random.choice(PORTS), 4)
        made = table(Reader(policies.all, *found, 4, flows).program(), *found, flows, 4)
        positions = set(random.sample(range(made.count), min(made.count, 40)))
        for position, flow, said in cases(made, flows, 4) if made.count <= 4096 else ():
            if position not in positions:
                continue
            one, other = entities(found, made.assignment(position), flow)
            if one is other or doubt(UNKNOWN_SYSTEM, one, other) is None or exemption(UNKNOWN_SYSTEM, one, other):
                continue
            assert decide(fresh(policies.all), one, other, flow).admitted is said, (seed, one, other, flow)


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_z3_finds_what_tables_find(seed: int) -> None:
    random, policies = cluster(seed)
    found, flows = ends(random, policies), boxes(random.choice(PORTS), 4)
    made = table(Reader(policies.all, *found, 4, flows).program(), *found, flows, 4)
    everything = (1 << made.count) - 1
    for sought in Sought:
        expected = any(
            {
                Sought.ADMITTED: case.sure,
                Sought.MAY_ADMIT: case.may,
                Sought.REFUSED: everything & ~case.may,
                Sought.MAY_REFUSE: everything & ~case.sure,
            }[sought]
            for case in made.cases
        )
        answer = exists(policies.all, [Frame(*found)], flows, 4, sought, least=random.random() < 0.3)
        assert isinstance(answer, Example if expected else NoExample), (seed, sought, answer)
        if isinstance(answer, Example):
            one, other = entities(found, answer.assignment, answer.flow)
            if one is not other and doubt(UNKNOWN_SYSTEM, one, other) is False and not exemption(UNKNOWN_SYSTEM, one, other):
                wanted = {"ADMITTED": (True,), "MAY_ADMIT": (True, None), "REFUSED": (False,), "MAY_REFUSE": (False, None)}
                assert decide(fresh(policies.all), one, other, answer.flow).admitted in wanted[sought.name], (seed, sought)


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_no_pod_is_outside_of_the_cases(seed: int) -> None:
    """A pod with labels from outside of what policies mention is decided as some case is."""
    random, policies = cluster(seed)
    world = policies.world
    flows = boxes(((6, 80, 80),), 4)
    name = random.choice(sorted(world.namespaces))
    base = Entity(f"{name}/new-pod", Kind.POD, name, {}, world.namespace_labels(name))
    networks = (prefix("10.0.0.0/29"),)
    for other in list(world.pods())[:2]:
        found = (Possible(base, networks=networks), other)
        made = table(Reader(policies.all, *found, 4, flows).program(), *found, flows, 4)
        said = {answer for _, _, answer in cases(made, flows, 4)}
        for _ in range(10):
            labels = {key: random.choice(["1", "2", "3", "other", "x"]) for key in ("a", "b", "c") if random.random() < 0.6}
            chosen = random.randrange(8)
            own = prefix(f"10.0.0.{chosen}/32")
            pod = Entity(
                f"{name}/chosen",
                Kind.POD,
                name,
                labels,
                world.namespace_labels(name),
                node="far",
                addresses=(Address(4, own.value),),
            )
            assert decide(fresh(policies.all), pod, other, Flow(4, 6, 80)).admitted in said, (seed, labels)


def expected(
    policies: Policies, sources: list[Entity], targets: list[Entity], flows: tuple[Box, ...]
) -> dict[str, list[list[bool | None]]]:
    """The plain verdict over each flow of each pair, in each family that both speak; none is admitted where there is no such."""
    found: dict[str, list[list[bool | None]]] = {
        "none": [[False] for pair in product(sources, targets) if apart(policies, *pair)]
    }
    for family in policies.families():
        known = policies.factors(family)
        for one, other in product(sources, targets):
            if not meets(one, other) or not all(policies.speaks(end, family) for end in (one, other)):
                continue
            left, right = host(one, family), host(other, family)
            wanted = list(members(union(known.atoms.of_box(box) for box in flows)))
            verdicts = []
            for place in wanted:
                flow = ordinary(inside(known.atoms, 1 << place, flows), (), family)
                verdicts.append(decide(policies.all, left, right, flow).admitted)
            found.setdefault(f"{family}", []).append(verdicts)
    return found


def union(masks: Iterator[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def in_family(entity: Entity, family: int) -> bool:
    """Whether an end may have an address of the family, whatever it has now."""
    return entity.kind is not Kind.OUTSIDE or any(block.family == family for block in entity.blocks)


def apart(policies: Policies, one: Entity, other: Entity) -> bool:
    """Whether two ends of the cluster have no family of addresses in common."""
    inner = Kind.OUTSIDE not in (one.kind, other.kind)
    return inner and not any(policies.speaks(one, family) and policies.speaks(other, family) for family in policies.families())


def every(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def some(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def negation(value: bool | None) -> bool | None:
    return None if value is None else not value


VERDICTS = {True: Verdict.PROVED, False: Verdict.REFUTED, None: Verdict.UNDECIDED}
TEXTS = ("", " on 80", " on 53-81, udp/53", " on tcp")


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
@example(626)  # type: ignore[untyped-decorator]
def test_factors_answer_as_the_plain_reading_of_every_pair_and_flow(seed: int) -> None:
    random, policies = cluster(seed)
    asker = Asker(policies)
    names = [*policies.world.by_name, "outside", "10.0.0.0/29", *(f"ns:{entity.namespace}" for entity in policies.world.pods())]
    for _ in range(4):
        one, other = random.choice(names), random.choice(names)
        number = random.randrange(len(PORTS))
        sources, targets = (list(asker.names.of_word(Word(text, 1))) for text in (one, other))
        if one == other and len(sources) == 1:
            continue
        pairs = [pair for family in expected(policies, sources, targets, boxes(PORTS[number], 4)).values() for pair in family]
        if not pairs:
            continue
        able = some([some(pair) for pair in pairs])
        assert ask(policies, f"can {one} reach {other}{TEXTS[number]}").verdict is VERDICTS[able], (seed, one, other)
        assert ask(policies, f"{one} cannot reach {other}{TEXTS[number]}").verdict is VERDICTS[negation(able)], (seed, one, other)
        all_of = every([every(pair) if number else some(pair) for pair in pairs])
        assert ask(policies, f"{one} reaches {other}{TEXTS[number]}").verdict is VERDICTS[all_of], (seed, one, other)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_question_has_the_same_answer(seed: int) -> None:
    first, second = (cluster(seed)[1] for _ in range(2))
    for question in (
        "can any pod reach some pod on 80",
        "some pod cannot reach some pod",
        "any new namespace cannot reach outside",
    ):
        try:
            answers = [ask(policies, question) for policies in (first, second)]
        except ValueError:
            continue
        shown = [(answer.verdict, answer.statement, repr(answer), answer.notes, answer.settle) for answer in answers]
        assert shown[0] == shown[1]


def able(policies: Policies, one: Entity, other: Entity, flows: tuple[Box, ...]) -> bool | None:
    """Whether some flow passes between two pods, by the plain reading of each."""
    values: list[bool | None] = []
    for family in policies.families():
        known = policies.factors(family)
        for place in members(union(known.atoms.of_box(box) for box in flows)):
            flow = ordinary(inside(known.atoms, 1 << place, flows), (), family)
            values.append(decide(policies.all, host(one, family), host(other, family), flow).admitted)
    return some(values)


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_hops_and_directions_are_those_of_every_pair(seed: int) -> None:
    random, policies = cluster(seed)
    pods, number = list(policies.world.pods()), random.randrange(1, len(PORTS))
    if len(pods) < 2 or len(policies.families()) > 1:
        return
    flows = boxes(PORTS[number], 4)
    table_of = {(one.name, other.name): able(policies, one, other, flows) for one in pods for other in pods if one is not other}
    names = [entity.name for entity in pods]
    start, goal = random.sample(names, 2)
    for hops in (1, 2, 3):
        walked = some([every([table_of[pair] for pair in pairwise(way)]) for way in ways(start, goal, names, hops)])
        said = ask(policies, f"can {start} reach {goal}{TEXTS[number]} in at most {hops} hops")
        assert said.verdict is VERDICTS[walked], (seed, start, goal, hops)
        if said.path:
            assert [item.source.name for item in said.path] + [said.path[-1].destination.name] in [
                list(way) for way in ways(start, goal, names, hops)
            ]
    single = [entity.name for entity in pods if entity.replicas == 1]
    if len(single) == len(pods):
        one_way = some([every([table_of[a, b], negation(table_of[b, a])]) for a in names for b in names if a != b])
        assert (
            ask(policies, f"is there a pair that can talk in one direction only{TEXTS[number]}").verdict is VERDICTS[one_way]
        ), seed


def ways(start: str, goal: str, names: list[str], hops: int) -> Iterator[tuple[str, ...]]:
    """Every way of so many hops at most, without a pod twice."""
    between = [name for name in names if name not in (start, goal)]
    for count in range(hops):
        for inner in permutations(between, count):
            yield (start, *inner, goal)


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_sets_of_policies_compare_as_their_decisions_do(seed: int) -> None:
    random, policies = cluster(seed)
    asker = Asker(policies)
    known = sorted({str(policy).partition(" ")[2] for policy in policies.all.policies() if policy.kind == "NetworkPolicy"})
    if len(known) < 2:
        return
    left, right = random.sample(known, random.randint(1, 2)), random.sample(known, random.randint(1, 2))
    sets = [only(asker, chosen(asker, tuple(Word(name, 1) for name in names))) for names in (left, right)]
    found: list[tuple[bool | None, bool | None]] = []
    for family in policies.families():
        factors = policies.factors(family)
        for one, other in product(asker.names.everyone, repeat=2):
            own_node = {one.kind, other.kind} == {Kind.POD, Kind.HOST}
            if own_node or not meets(one, other) or not (in_family(one, family) and in_family(other, family)):
                continue
            for place in members(factors.atoms.all):
                flow = ordinary(inside(factors.atoms, 1 << place, boxes((), 4)), (), family)
                first, second = (decide(policy_set, host(one, family), host(other, family), flow).admitted for policy_set in sets)
                found.append((first, second))
    said = ask(policies, f"policies {', '.join(left)} are contained in {', '.join(right)}").verdict
    beyond = some([every([first, negation(second)]) for first, second in found])
    if beyond is None:
        assert said in (Verdict.UNDECIDED, Verdict.PROVED), seed
    else:
        assert said is VERDICTS[negation(beyond)], (seed, left, right)
