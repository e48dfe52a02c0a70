"""What the analyzer decides on secondary networks, and of primary networks of namespaces, over random clusters, held against the plain reading of the same objects."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import Factors, factors
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import OVN_KUBERNETES
from analyzer.policy.secondary import networks
from analyzer.query.policies import on_network as asked_on
from analyzer.query.policies import policies
from tests.naive_networks import ASKED, PART, POLICY_FOR, STATUS, on_network, parted
from tests.naive_policy import NO, OPEN, YES, Answers
from tests.policies import cluster_of, compiled, outside, policies_of

Object = dict[str, Any]
SPACES = ("n1", "n2", "n3")
NETWORKS = ("n1/blue", "n2/red")
OUTSIDE = ("10.1.0.200", "8.8.8.8")
FLOWS = ((6, 80), (6, 81), (6, 90), (17, 80), (1, 2048))


class Maker:
    """Makes clusters at random."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def selector(self) -> Object:
        requirement: Object = {"key": "app", "operator": self.some("In", "NotIn"), "values": ["x", "y"][: self.some(1, 2)]}
        found: Object = self.some(
            {}, {"matchLabels": {"app": "x"}}, {"matchExpressions": [requirement]}, {"matchLabels": {"tier": "a"}}
        )
        return found

    def labels(self) -> Object:
        return {"app": self.some("x", "y", "z")} | ({"tier": "a"} if self.chance(0.4) else {})

    def pod(self, number: int) -> Object:
        home, first, second = self.some(*SPACES), f"10.1.0.{number + 1}", f"10.2.0.{number + 1}"
        on: list[Object] = [{"name": "n1/blue", "ips": [first]}] if self.chance(0.8) else []
        on += [{"name": "red" if home == "n2" else "n2/red", "ips": [second]}] if self.chance(0.4) else []
        on += [{"name": "default", "default": True, "ips": ["10.0.0.9"]}] if self.chance(0.5) else []
        notes = {STATUS: json.dumps(on)} if self.chance(0.8) else {ASKED: "n1/blue@net1, n2/red"}
        metadata = {"name": f"p{number}", "namespace": home, "labels": self.labels(), "annotations": notes}
        ports = [{"name": "web", "containerPort": 80}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "c", "ports": ports}]}}

    def peer(self) -> Object:
        if self.chance(0.35):
            block: Object = {"cidr": self.some("10.1.0.0/24", "0.0.0.0/0", "10.1.0.2/32", "10.2.0.0/16")}
            holes = {"10.1.0.0/24": ["10.1.0.0/30"], "0.0.0.0/0": ["10.1.0.128/25"]}.get(block["cidr"])
            return {"ipBlock": block | ({"except": holes} if holes and self.chance(0.5) else {})}
        found: Object = {"namespaceSelector": self.selector()} if self.chance(0.5) else {}
        return found | ({"podSelector": self.selector()} if not found or self.chance(0.5) else {})

    def port(self) -> Object:
        found: Object = {"protocol": self.some("TCP", "UDP")} if self.chance(0.6) else {}
        if self.chance(0.8):
            found["port"] = self.some(80, 80, 81, "web")
        if isinstance(found.get("port"), int) and self.chance(0.3):
            found["endPort"] = 85
        return found

    def rule(self, key: str) -> Object:
        found: Object = {key: [self.peer() for _ in range(self.random.randint(1, 2))]} if self.chance(0.8) else {}
        return found | ({"ports": [self.port() for _ in range(self.random.randint(1, 2))]} if self.chance(0.7) else {})

    def policy(self, number: int) -> Object:
        spec: Object = {"podSelector": self.selector()}
        for key, peers in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.6):
                spec[key] = [self.rule(peers) for _ in range(self.random.randint(0, 2))]
        if self.chance(0.5):
            spec["policyTypes"] = self.some(["Ingress"], ["Egress"], ["Ingress", "Egress"])
        named = self.some("n1/blue", "n2/red", "n1/blue, n2/red", "n1/other")
        metadata = {"name": f"m{number}", "namespace": self.some(*SPACES), "annotations": {POLICY_FOR: named}}
        return {"apiVersion": "k8s.cni.cncf.io/v1beta1", "kind": "MultiNetworkPolicy", "metadata": metadata, "spec": spec}

    def space(self, name: str) -> Object:
        own = self.labels() | ({PART: ""} if self.chance(0.7) else {})
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}

    def secondary(self) -> list[Object]:
        found = [self.space(name) for name in SPACES] + [self.pod(number) for number in range(5)]
        return found + [self.policy(number) for number in range(self.random.randint(1, 5))]

    def network(self, topology: str, role: str) -> Object:
        return {"topology": topology, topology.lower(): {"role": role}}

    def primary(self) -> list[Object]:
        found = [self.space(name) for name in SPACES if self.chance(0.85)]
        for number in range(6):
            own = self.labels() | ({"k8s-app": "kube-dns"} if self.chance(0.2) else {})
            metadata = {"name": f"p{number}", "namespace": self.some(*SPACES, "n4"), "labels": own}
            status = {"podIPs": [{"ip": f"10.0.0.{number + 1}"}]}
            found.append(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": metadata,
                    "spec": {"containers": [{"name": "c"}]},
                    "status": status,
                }
            )
        role = ("Primary", "Primary", "Secondary")
        used = self.random.sample(("n1", "n2"), self.random.randint(0, 2))
        for name in used:
            spec = self.network(self.some("Layer2", "Layer3"), self.some(*role))
            found.append(
                {
                    "apiVersion": "k8s.ovn.org/v1",
                    "kind": "UserDefinedNetwork",
                    "metadata": {"name": f"u-{name}", "namespace": name},
                    "spec": spec,
                }
            )
        if self.chance(0.6):
            rest = [name for name in (*SPACES, "n4") if name not in used]
            names = {
                "key": "kubernetes.io/metadata.name",
                "operator": "In",
                "values": self.random.sample(rest, min(2, len(rest))),
            }
            spec = {"namespaceSelector": {"matchExpressions": [names]}, "network": self.network("Layer3", self.some(*role))}
            found.append(
                {"apiVersion": "k8s.ovn.org/v1", "kind": "ClusterUserDefinedNetwork", "metadata": {"name": "wide"}, "spec": spec}
            )
        return found


def told(answer: bool | None) -> Answers:
    """A verdict as a set of answers."""
    return OPEN if answer is None else YES if answer else NO


def by_name(objects: list[Object]) -> dict[str, Object]:
    """The pods by the names of entities."""
    return {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in objects if item["kind"] == "Pod"}


def held(found: PolicySet, known: Factors, flow: tuple[int, int], source: Entity, target: Entity) -> Answers:
    """What the walk and the compiled policies say, which is one."""
    first = Flow(4, flow[0], flow[1], 0 if flow[0] == 1 else 40000)
    answer = decide(found, source, target, first).admitted
    assert compiled(found, known, source, target, first) is answer
    return told(answer)


def on_networks(seed: int) -> Counter[Answers]:
    """A cluster with secondary networks."""
    objects = Maker(Random(seed)).secondary()
    pods, counts = by_name(objects), Counter[Answers]()
    cluster = cluster_of(objects)
    for network in set(NETWORKS) & set(networks(cluster)):
        found = policies(cluster, asked_on(cluster, network)).all
        known = factors(found, 4)
        assert not any(item.rejected for item in found.complaints), found.complaints
        ends = [*found.world.entities, *map(outside, OUTSIDE)]
        for source, target in ((one, other) for one in ends for other in ends if one is not other):
            for flow in FLOWS if source.name in pods or target.name in pods else ():
                expected = on_network(
                    objects, network, pods.get(source.name, source.name), pods.get(target.name, target.name), flow
                )
                assert held(found, known, flow, source, target) == expected, (
                    seed,
                    network,
                    source.name,
                    target.name,
                    flow,
                    json.dumps(objects),
                )
                counts[expected] += 1
    return counts


def by_primary(seed: int) -> Counter[Answers]:
    """A cluster with primary networks of namespaces."""
    objects = Maker(Random(seed)).primary()
    pods, counts = by_name(objects), Counter[Answers]()
    found = policies_of(objects, OVN_KUBERNETES)
    known = factors(found, 4)
    assert not any(item.rejected for item in found.complaints), found.complaints
    ends = [*found.world.pods(), outside("8.8.8.8")]
    for source, target in ((one, other) for one in ends for other in ends if one is not other):
        expected = parted(objects, pods.get(source.name, source.name), pods.get(target.name, target.name))
        assert held(found, known, (6, 80), source, target) == expected, (seed, source.name, target.name, json.dumps(objects))
        counts[expected] += 1
    return counts


def test_every_verdict_on_a_secondary_network_is_the_naive_one() -> None:
    counts = sum(map(on_networks, range(60)), Counter[Answers]())
    assert min(counts[YES], counts[NO], counts[OPEN]) > 30, counts


def test_primary_networks_part_pods_as_the_naive_reading_does() -> None:
    counts = sum(map(by_primary, range(120)), Counter[Answers]())
    assert min(counts[YES], counts[NO], counts[OPEN]) > 30, counts
