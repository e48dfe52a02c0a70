"""What is said of tiers, held against single decisions over random clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.evaluation import holds, matches
from analyzer.policy.tiers import Direction, Policy
from analyzer.query.policies import of_network
from analyzer.query.policy_tiers import contradictions, never_asked
from analyzer.source import Source
from tests.policies import flow, outside
from tests.test_policy_agreement import OUTSIDE, PORTS, PROTOCOLS, Maker

SEEDS = range(250)


class Layered(Maker):
    """Makes policies of few forms, so that tiers often meet."""

    def pods(self, kind: str) -> dict[str, Any]:
        return super().pods(kind) if self.chance(0.4) else {"namespaces": {}}

    def cluster_peer(self, kind: str, peers: str, action: str) -> dict[str, Any]:
        if self.chance(0.4):
            return {"networks": ["0.0.0.0/0", "::/0"]} if peers == "to" else {"namespaces": {}}
        return super().cluster_peer(kind, peers, action)


def network(seed: int) -> Network:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": Layered(Random(seed)).objects()})
    source = Source("objects.json", text, "kubernetes")
    return build((source,), *facts((source,)))


def asked(
    found: Network, policy: Policy, direction: Direction, random: Random
) -> Iterator[tuple[Entity, Entity, Entity, Entity, Flow]]:
    """Flows of those whom a policy selects: subject, peer, source, destination and the flow."""
    everyone = [*of_network(found).world.entities, *map(outside, OUTSIDE)]
    for subject in everyone:
        for peer in everyone:
            family = random.choice(of_network(found).families())
            speak = all(of_network(found).speaks(end, family) for end in (subject, peer))
            if subject is not peer and speak and holds(policy.subject, subject, family):
                ends = (peer, subject) if direction is Direction.INGRESS else (subject, peer)
                for port in PORTS:
                    yield subject, peer, *ends, flow(random.choice(PROTOCOLS), port, family)


def test_what_earlier_tiers_deny_is_denied() -> None:
    told = 0
    for seed in SEEDS:
        found = network(seed)
        for item in contradictions(found):
            assert item.by
            for subject, peer, source, destination, first in asked(found, item.policy, item.direction, Random(seed)):
                meant = holds(item.rule.peer, peer, first.family) and holds(item.rule.own, subject, first.family)
                if meant and matches(item.rule.traffic, first, destination):
                    answer = decide(of_network(found).all, source, destination, first)
                    assert answer.exempt or answer.admitted is not True, (
                        f"seed {seed}: {item.policy}, {source.name} to {destination.name}"
                    )
                    assert not any(step.rule is item.rule for step in answer.steps), f"seed {seed}: {item.policy} is asked"
                    told += 1
    assert told > 100


def test_what_is_never_asked_takes_part_in_no_decision() -> None:
    told = 0
    for seed in SEEDS:
        found = network(seed)
        for item in never_asked(found):
            for _, _, source, destination, first in asked(found, item.policy, item.direction, Random(seed)):
                answer = decide(of_network(found).all, source, destination, first)
                steps = [step for step in answer.steps if step.direction is item.direction]
                assert all(step.policy is not item.policy for step in steps), f"seed {seed}: {item.policy} is asked"
                assert answer.exempt or any(step.tier != item.policy.tier for step in steps), f"seed {seed}: {item.policy}"
                told += 1
    assert told > 200
