"""Who may talk to whom: every pair of the answer, and every pair that is not in it, held against single decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.addresses import prefix
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import CALICO
from analyzer.policy.terms import Kind
from analyzer.query.connectivity.allowed import NUMBERS, Allow
from analyzer.query.connectivity.answer import Connectivity, Focus, connectivity
from analyzer.query.connectivity.table import OWN_NODE
from analyzer.query.policies import Policies
from analyzer.ranges import contains
from tests import test_calico_agreement as calico
from tests import test_cilium_agreement
from tests.policies import policies_of
from tests.test_policy_agreement import READINGS, Maker, flow_of, questions


def owned(objects: list[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The objects, with some of the pods made by one of two workloads."""
    for item in objects:
        if item["kind"] == "Pod" and random.random() < 0.7:
            owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": random.choice("vw"), "uid": "1", "controller": True}
            item["metadata"]["ownerReferences"] = [owner]
    return objects


NAMES = {number: name for name, number in NUMBERS.items()} | {1: "ICMP", 58: "ICMP"}


def holds(allow: Allow, flow: Flow) -> bool:
    """Whether the words mean a packet."""
    if allow[0].protocol == "ANY":
        return True
    return any(
        (item.protocol == NAMES.get(flow.protocol) or contains(item.numbers, flow.protocol))
        and contains(item.ports, flow.port)
        and contains(item.sources, flow.source_port)
        for item in allow
    )


class Answered:
    """The pairs of an answer by their ends, CIDRs apart."""

    def __init__(self, found: Connectivity) -> None:
        self.ids = {entity.name: party.id for party in found.parties for entity in party.entities}
        self.names = frozenset(self.ids.values())
        self.merged = {party.id for party in found.parties if len(party.entities) > 1}
        self.sure = [(pair.source, pair.destination, pair.link) for pair in found.pairs(found.links)]
        self.may = [(pair.source, pair.destination, pair.link) for pair in found.pairs(found.uncertain)]

    def matching(self, pairs: Any, source: Entity, destination: Entity, flow: Flow) -> list[Any]:
        """The links that a packet is in."""
        return [
            link
            for one, other, link in pairs
            if self.is_end(one, source)
            and self.is_end(other, destination)
            and link.family in (None, flow.family)
            and holds(link.allow, flow)
        ]

    def is_end(self, text: str, entity: Entity) -> bool:
        """Whether the text is the entity, or a block around its address."""
        if entity.kind is Kind.OUTSIDE:
            return text not in self.names and prefix(text).covers(entity.addresses[0])
        return text == self.ids.get(entity.name)


Asked = Iterator[tuple[Entity, Entity, Flow]]


def of_kubernetes(system: str, random: Random) -> tuple[PolicySet, Asked]:
    """Policies of the Kubernetes API as a network system reads them, and what to ask of them."""
    objects = owned(Maker(random).objects(), random)
    policies = policies_of(objects, READINGS[system][0])
    return policies, ((item.source, item.destination, flow_of(item.packet)) for item in questions(policies, objects, random))


def of_cilium(random: Random) -> tuple[PolicySet, Asked]:
    """Cilium's policies."""
    objects = owned(test_cilium_agreement.CiliumMaker(random).objects(), random)
    policies = test_cilium_agreement.policies_in(objects)
    return policies, ((item.source, item.destination, flow_of(item.packet)) for item in questions(policies, objects, random))


def of_calico(random: Random) -> tuple[PolicySet, Asked]:
    """Calico's policies, with source ports, ICMP by type and code, and protocols without a name."""
    policies = policies_of(owned(calico.Maker(random, random.random() < 0.5).objects(), random), CALICO)
    everyone = list(calico.ends(policies))
    return policies, (
        (source, destination, Flow(packet.family, packet.protocol, packet.port, packet.source_port))
        for source in everyone
        for destination in everyone
        if source.kind is not Kind.OUTSIDE or destination.kind is not Kind.OUTSIDE
        for packet in calico.packets(random, source, destination)
    )


MAKERS: dict[str, Callable[[Random], tuple[PolicySet, Asked]]] = {
    **{name: partial(of_kubernetes, name) for name in READINGS},
    "cilium": of_cilium,
    "calico": of_calico,
}


def agree(random: Random, system: str, per_pod: bool) -> Counter[str]:
    """Holds the answer for a random cluster against decisions."""
    policies, questions = MAKERS[system](random)
    whole = Policies(policies.world, policies)
    answer = Answered(connectivity(whole, Focus(per_pod=per_pod, nodes=True)))
    counts = Counter[str]()
    for source, destination, flow in questions:
        if flow.family not in whole.families() or (source is destination and source.replicas == 1):
            continue
        sure, may = (answer.matching(pairs, source, destination, flow) for pairs in (answer.sure, answer.may))
        verdict = decide(policies, source, destination, flow).admitted
        text = f"{source.name} to {destination.name} {flow}: {verdict}, sure {sure}, may {may}"
        assert len(sure) <= 1, text
        loose = any(link.why == OWN_NODE for link in may)
        if loose and {answer.ids.get(source.name), answer.ids.get(destination.name)} & answer.merged:
            assert verdict is True or not sure, text
        else:
            assert verdict is (True if sure else None if may else False), text
        counts[str(verdict)] += 1
    return counts


@pytest.mark.parametrize("system", MAKERS)
def test_every_pair_is_decided_so(system: str) -> None:
    counts = Counter[str]()
    for seed in range(40):
        try:
            counts += agree(Random(seed), system, per_pod=seed % 3 == 0)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert min(counts["True"], counts["False"]) > 300, counts


@settings(max_examples=50, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False), system=st.sampled_from(sorted(MAKERS)), per_pod=st.booleans())  # type: ignore[untyped-decorator]
def test_every_pair_is_decided_so_where_it_would_be_shrunk(random: Random, system: str, per_pod: bool) -> None:
    agree(random, system, per_pod)
