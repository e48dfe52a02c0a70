"""The difference of two inputs, held against the plain decision for every pair and every box of flows on both sides."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.policy.bits import members
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity
from analyzer.policy.joint import Couple, Joint, joint
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.query.differences.blocks import Block, asked, blocks
from analyzer.query.differences.changes import Change
from analyzer.query.differences.difference import difference
from analyzer.query.policies import Policies
from analyzer.query.witness import flow_in
from tests.naive_policy import Object
from tests.policies import policies_of
from tests.test_policy_agreement import Maker


def altered(random: Random, objects: list[Object]) -> list[Object]:
    """The objects after some of them were changed, taken away, or joined by others."""
    maker = Maker(random)
    others = {(item["kind"], item["metadata"]["name"]): item for item in maker.objects()}
    found = []
    for item in objects:
        key = item["kind"], item["metadata"]["name"]
        choice = random.random()
        if choice < 0.25 and key in others:
            found.append(others[key])
        elif choice < 0.85:
            found.append(item)
    known = {(item["kind"], item["metadata"]["name"]) for item in objects}
    return found + [item for key, item in others.items() if key not in known and random.random() < 0.3]


def wrapped(objects: list[Object]) -> Policies:
    found = policies_of(objects, UNKNOWN_SYSTEM)
    return Policies(found.world, found)


def covering(found: list[Block]) -> dict[tuple[Couple, Couple], Block]:
    """The blocks by pair; none is in two of them."""
    pairs: dict[tuple[Couple, Couple], Block] = {}
    for block in found:
        for source in block.sources:
            for destination in block.destinations:
                assert (source, destination) not in pairs or block.undecided
                pairs.setdefault((source, destination), block)
    return pairs


def value(policies: PolicySet, both: Joint, ends: tuple[Entity | None, Entity | None], bit: int) -> bool | None:
    """What the plain reading says of a box of flows; nothing passes where an end is not there."""
    source, destination = ends
    if source is None or destination is None:
        return False
    flow = flow_in(both.atoms, bit, both.new.universe.family, Entity("", destination.kind))
    return decide(policies, source, destination, flow).admitted


def told(sides: tuple[int, int], bit: int) -> bool | None:
    return True if sides[0] & bit else None if sides[1] & bit else False


def held_against_decisions(old: Policies, new: Policies, family: int) -> Counter[str]:
    both = joint(old.all, new.all, family)
    pairs = covering(list(blocks(both)))
    counts = Counter[str]()
    for source in (couple for group in both.members for couple in group):
        for destination in (couple for group in both.members for couple in group):
            if not asked(both, source, destination):
                continue
            block = pairs.get((source, destination))
            for position in members(both.atoms.all):
                bit = 1 << position
                before = value(old.all, both, (source.old, destination.old), bit)
                after = value(new.all, both, (source.new, destination.new), bit)
                expected = (before, after) if block is None else (told(block.old, bit), told(block.new, bit))
                assert (before, after) == expected, (source, destination, flow_in(both.atoms, bit, family, source.known))
                assert block is not None or before == after, (source, destination)
                counts["same" if before == after else "differs"] += 1
    return counts


def test_every_difference_is_that_of_the_decisions() -> None:
    counts = Counter[str]()
    for seed in range(60):
        random = Random(seed)
        objects = Maker(random).objects()
        old, new = wrapped(objects), wrapped(altered(random, objects))
        try:
            counts += held_against_decisions(old, new, random.choice((4, 6)))
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert min(counts["same"], counts["differs"]) > 5000, counts


def rewritten(random: Random, objects: list[Object]) -> list[Object]:
    """The same, written otherwise: in another order, policies under other names, labels as expressions, rules and peers in another order."""
    found = copy.deepcopy(objects)
    random.shuffle(found)
    for number, item in enumerate(found):
        if item["kind"] == "NetworkPolicy":
            item["metadata"]["name"] = f"other-{number}"
            for rules in (item["spec"].get("ingress"), item["spec"].get("egress")):
                random.shuffle(rules or [])
                for rule in rules or []:
                    for part in rule.values():
                        random.shuffle(part)
        for selector in selectors(item):
            labels = selector.pop("matchLabels", None)
            more = [{"key": key, "operator": "In", "values": [value]} for key, value in (labels or {}).items()]
            selector["matchExpressions"] = more + selector.get("matchExpressions", [])
    return found


def selectors(value: object) -> Iterator[Object]:
    """The label selectors in a value."""
    if isinstance(value, dict):
        for key, part in value.items():
            related = isinstance(part, dict) and part.keys() & {"sameLabels", "notSameLabels", "namespaceSelector"}
            if key in ("podSelector", "namespaceSelector", "namespaces") and isinstance(part, dict) and not related:
                yield part
            yield from selectors(part)
    elif isinstance(value, list):
        for part in value:
            yield from selectors(part)


@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False))  # type: ignore[untyped-decorator]
def test_nothing_differs_where_only_the_writing_does(random: Random) -> None:
    objects = Maker(random).objects()
    found = difference(wrapped(objects), wrapped(rewritten(random, objects)))
    assert not found, (found, found.changes, json.dumps(objects))


@settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False))  # type: ignore[untyped-decorator]
def test_each_change_shows_a_flow_that_is_decided_so(random: Random) -> None:
    objects = Maker(random).objects()
    for item in difference(wrapped(objects), wrapped(altered(random, objects))).changes:
        old, new = item.witness.old, item.witness.new
        if item.certain:
            assert {old.admitted, new.admitted} == {True, False}
        elif item.change is Change.UNDECIDED:
            assert (old.admitted, new.admitted) == (None, None)
        else:
            assert old.admitted != new.admitted
        denying = new if old.admitted else old
        assert not item.certain or not denying.present or denying.lines, item
