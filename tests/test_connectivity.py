"""Who may talk to whom: every pair of the answer, and every pair that is not in it, held against single decisions."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.addresses import prefix
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.allowed import NUMBERS, Allow
from analyzer.query.connectivity import Connectivity, Focus, connectivity
from analyzer.query.policies import Policies
from analyzer.query.table import OWN_NODE
from analyzer.ranges import contains
from tests.policies import policies_of
from tests.test_policy_agreement import READINGS, Maker, flow_of, questions


def owned(objects: list[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The objects, with some of the pods made by one of two workloads."""
    for item in objects:
        if item["kind"] == "Pod" and random.random() < 0.7:
            owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": random.choice("vw"), "uid": "1", "controller": True}
            item["metadata"]["ownerReferences"] = [owner]
    return objects


def holds(allow: Allow, protocol: str, port: int) -> bool:
    """Whether the words mean a packet."""
    if allow[0].protocol == "ANY":
        return True
    number = NUMBERS.get(protocol)
    name = protocol if number else "ICMP"
    return any(item.protocol == name and contains(item.ports, port) for item in allow)


class Answered:
    """The pairs of an answer by their ends, CIDRs apart."""

    def __init__(self, found: Connectivity) -> None:
        self.ids = {entity.name: party.id for party in found.parties for entity in party.entities}
        self.names = frozenset(self.ids.values())
        self.merged = {party.id for party in found.parties if len(party.entities) > 1}
        self.sure = [(pair.source, pair.destination, pair.link) for pair in found.pairs(found.links)]
        self.may = [(pair.source, pair.destination, pair.link) for pair in found.pairs(found.uncertain)]

    def matching(self, pairs: Any, source: Entity, destination: Entity, family: int, protocol: str, port: int) -> list[Any]:
        """The links that a packet is in."""
        return [
            link
            for one, other, link in pairs
            if self.is_end(one, source)
            and self.is_end(other, destination)
            and link.family in (None, family)
            and holds(link.allow, protocol, port)
        ]

    def is_end(self, text: str, entity: Entity) -> bool:
        """Whether the text is the entity, or a block around its address."""
        if entity.kind is Kind.OUTSIDE:
            return text not in self.names and prefix(text).covers(entity.addresses[0])
        return text == self.ids.get(entity.name)


def agree(random: Random, system: str, per_pod: bool) -> Counter[str]:
    """Holds the answer for a random cluster against decisions."""
    objects = owned(Maker(random).objects(), random)
    policies = policies_of(objects, READINGS[system][0])
    answer = Answered(connectivity(Policies(policies.world, policies), Focus(per_pod=per_pod, nodes=True)))
    families = Policies(policies.world, policies).families()
    counts = Counter[str]()
    for asked in questions(policies, objects, random):
        source, destination, flow = asked.source, asked.destination, flow_of(asked.packet)
        if flow.family not in families or (source is destination and source.replicas == 1):
            continue
        packet = (source, destination, flow.family, asked.packet.protocol, flow.port)
        sure, may = (answer.matching(pairs, *packet) for pairs in (answer.sure, answer.may))
        verdict = decide(policies, source, destination, flow).admitted
        text = f"{source.name} to {destination.name} {asked.packet}: {verdict}, sure {sure}, may {may}\n{objects}"
        assert len(sure) <= 1, text
        loose = any(link.why == OWN_NODE for link in may)
        if loose and {answer.ids.get(source.name), answer.ids.get(destination.name)} & answer.merged:
            assert verdict is True or not sure, text
        else:
            assert verdict is (True if sure else None if may else False), text
        counts[str(verdict)] += 1
    return counts


@pytest.mark.parametrize("system", READINGS)
def test_every_pair_is_decided_so(system: str) -> None:
    counts = Counter[str]()
    for seed in range(60):
        try:
            counts += agree(Random(seed), system, per_pod=seed % 3 == 0)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert min(counts["True"], counts["False"]) > 500, counts


@settings(max_examples=50, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False), system=st.sampled_from(sorted(READINGS)), per_pod=st.booleans())  # type: ignore[untyped-decorator]
def test_every_pair_is_decided_so_where_it_would_be_shrunk(random: Random, system: str, per_pod: bool) -> None:
    agree(random, system, per_pod)
