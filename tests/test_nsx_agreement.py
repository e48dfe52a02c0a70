"""What the analyzer decides by SecurityPolicies of NSX over random clusters, held against the plain reading of the same objects."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

from analyzer.policy.decision import decide
from analyzer.policy.entities import Flow
from analyzer.policy.factors import factors
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from tests.naive_nsx import verdict
from tests.naive_policy import NO, OPEN, YES, Answers
from tests.policies import compiled, outside, policies_of

Object = dict[str, Any]
SPACES, OUTSIDE, FLOWS = ("n1", "n2"), ("8.8.8.8", "10.0.0.200"), ((6, 80), (6, 81), (17, 80))


class Maker:
    """Makes a cluster at random."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def selector(self) -> Object:
        found: Object = self.some({}, {"matchLabels": {"app": "x"}}, {"matchLabels": {"app": "y"}})
        return found

    def thing(self, version: str, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.some(*SPACES)} | metadata,
            "spec": spec,
        }

    def pod(self, number: int) -> Object:
        ports = [{"name": "web", "containerPort": self.some(80, 81), "protocol": "TCP"}]
        made = self.thing(
            "v1", "Pod", f"p{number}", {"containers": [{"name": "c", "ports": ports}]}, labels={"app": self.some("x", "y")}
        )
        return made | {"status": {"podIPs": [{"ip": f"10.0.0.{number + 1}"}]}}

    def peer(self) -> Object:
        found: Object = {}
        for key, share in (("podSelector", 0.5), ("namespaceSelector", 0.4), ("vmSelector", 0.2)):
            found |= {key: self.selector()} if self.chance(share) else {}
        if self.chance(0.3) or not found:
            found["ipBlocks"] = [{"cidr": self.some("10.0.0.0/24", "8.8.0.0/16", "10.0.0.2/32")}]
        return found

    def port(self) -> Object:
        found: Object = {"protocol": self.some("TCP", "UDP")} if self.chance(0.5) else {}
        if self.chance(0.8):
            found["port"] = self.some(80, 81, 70, "web")
        if isinstance(found.get("port"), int) and self.chance(0.3):
            found["endPort"] = 81
        return found

    def targets(self) -> list[Object]:
        return [{self.some("podSelector", "podSelector", "vmSelector"): self.selector()} for _ in range(self.some(1, 2))]

    def rule(self, own: bool) -> Object:
        way = self.some("in", "Ingress", "out", "egress")
        found: Object = {"direction": way, "action": self.some("allow", "Drop", "reject")}
        found |= {"appliedTo": self.targets()} if own else {}
        if self.chance(0.7):
            found["sources" if way.lower().startswith("in") else "destinations"] = [self.peer() for _ in range(self.some(1, 2))]
        return found | ({"ports": [self.port()]} if self.chance(0.6) else {})

    def policy(self, number: int) -> Object:
        whole = self.chance(0.7)
        spec: Object = {"priority": self.some(0, 1, 5), "rules": [self.rule(not whole) for _ in range(self.some(1, 2, 3))]}
        version = self.some("nsx.vmware.com/v1alpha1", "crd.nsx.vmware.com/v1alpha1")
        return self.thing(version, "SecurityPolicy", f"s{number}", spec | ({"appliedTo": self.targets()} if whole else {}))

    def beside(self, number: int) -> Object:
        kind = self.some("Ingress", "Egress")
        spec: Object = {"podSelector": self.selector(), "policyTypes": [kind]}
        spec |= {kind.lower(): [{"ports": [{"port": 80}]}]} if self.chance(0.5) else {}
        return self.thing("networking.k8s.io/v1", "NetworkPolicy", f"n{number}", spec)

    def objects(self) -> list[Object]:
        found: list[Object] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"app": self.some("x", "y")}}}
            for name in SPACES
        ]
        found += [self.pod(number) for number in range(4)]
        found += [self.policy(number) for number in range(self.random.randint(1, 3))]
        return found + [self.beside(number) for number in range(self.some(0, 1))]


def agree(seed: int) -> Counter[Answers]:
    """Holds the readings of a random cluster against each other; how often each verdict came out."""
    objects = Maker(Random(seed)).objects()
    policies = policies_of(objects, UNKNOWN_SYSTEM)
    assert not any(item.rejected for item in policies.complaints), policies.complaints
    pods = {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in objects if item["kind"] == "Pod"}
    ends = [*policies.world.entities, *map(outside, OUTSIDE)]
    known, counts = factors(policies, 4), Counter[Answers]()
    for source, target in ((one, other) for one in ends for other in ends if one is not other):
        for flow in FLOWS if source.name in pods or target.name in pods else ():
            first = Flow(4, *flow)
            found = decide(policies, source, target, first).admitted
            assert compiled(policies, known, source, target, first) is found
            told = OPEN if found is None else YES if found else NO
            expected = verdict(objects, pods.get(source.name, source.name), pods.get(target.name, target.name), flow)
            assert told == expected, (seed, source.name, target.name, flow, json.dumps(objects))
            counts[expected] += 1
    return counts


def test_every_verdict_is_the_naive_one() -> None:
    counts = sum(map(agree, range(80)), Counter[Answers]())
    assert min(counts[YES], counts[NO], counts[OPEN]) > 30, counts
