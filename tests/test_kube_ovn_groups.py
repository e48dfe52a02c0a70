"""Random security groups of Kube-OVN over random pods: what the analyzer decides and compiles, held against the ACLs that its controller would write."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import KUBE_OVN
from analyzer.policy.world import world_of
from analyzer.source import Source
from tests.naive_kube_ovn import Cluster, Packet, verdict
from tests.naive_policy import NO, YES
from tests.policies import compiled, outside

GROUPS = ("one", "two", "three")
OUTSIDE = ("203.0.113.9", "198.51.100.1")
FLOWS = (
    (6, 80, 40000),
    (6, 80, 100),
    (6, 443, 40000),
    (17, 53, 40000),
    (17, 67, 68),
    (17, 68, 67),
    (1, 8 * 256, 0),
    (112, 0, 40000),
)


def rule(random: Random, tier: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ipVersion": random.choice(("ipv4", "ipv4", "ipv4", "ipv6")),
        "priority": random.choice((1, 2, 2, 3, 200, 16384)),
        "protocol": random.choice(("all", "tcp", "tcp", "udp", "icmp")),
        "policy": random.choice(("allow", "allow", "drop", "deny", *(["pass"] if tier == 0 else []))),
    }
    if random.random() < 0.3:
        found |= {"remoteType": "securityGroup", "remoteSecurityGroup": random.choice(GROUPS)}
    else:
        blocks = ("::/0",) if found["ipVersion"] == "ipv6" else ("0.0.0.0/0", "10.16.0.0/30", "10.16.0.2", "203.0.113.0/24")
        found |= {"remoteType": "address", "remoteAddress": random.choice(blocks)}
    if found["protocol"] in ("tcp", "udp"):
        found |= dict(zip(("portRangeMin", "portRangeMax"), random.choice(((80, 80), (1, 65535), (53, 443))), strict=True))
    if found["ipVersion"] == "ipv4" and random.random() < 0.2:
        found |= {
            "localAddress": random.choice(("10.16.0.0/31", "10.16.0.2")),
            "sourcePortRangeMin": 1024,
            "sourcePortRangeMax": 65535,
        }
    return found


def cluster(seed: int) -> Cluster:
    random = Random(seed)
    pods = []
    for number in range(4):
        names = ",".join(random.sample(GROUPS, random.choice((0, 1, 1, 2))))
        given = {"ovn.kubernetes.io/port_security": "true", "ovn.kubernetes.io/security_groups": names} if names else {}
        pods.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"p{number}", "namespace": "a", "labels": {"n": str(number)}, "annotations": given},
                "spec": {"containers": [{"name": "c"}]},
                "status": {"podIP": f"10.16.0.{number + 1}"},
            }
        )
    groups = []
    for name in GROUPS:
        tier = random.choice((0, 0, 1))
        sides = {side: [rule(random, tier) for _ in range(random.randint(0, 3))] for side in ("ingressRules", "egressRules")}
        spec = {"tier": tier, "allowSameGroupTraffic": random.random() < 0.4, **sides}
        groups.append({"apiVersion": "kubeovn.io/v1", "kind": "SecurityGroup", "metadata": {"name": name}, "spec": spec})
    return Cluster(pods, groups, [f"p{number}" for number in range(4) if random.random() < 0.4])


def read(given: Cluster) -> PolicySet:
    closed = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "a"},
            "spec": {"podSelector": {"matchLabels": {"n": name[1:]}}, "policyTypes": ["Ingress"]},
        }
        for name in given.closed
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*given.pods, *given.groups, *closed]})
    sources = (Source("o.json", text, "kubernetes"),)
    known, gaps = facts(sources)
    assert gaps == ()
    return policy_set(world_of(build(sources, known, gaps).cluster, KUBE_OVN))


@pytest.mark.parametrize("seed", range(80))
def test_groups_decide_as_the_acls_of_the_controller_do(seed: int) -> None:
    given = cluster(seed)
    policies = read(given)
    known = factors(policies, 4)
    ends: dict[str, Entity] = {
        pod["status"]["podIP"]: policies.world.by_name[f"a/{pod['metadata']['name']}"] for pod in given.pods
    }
    ends |= {text: outside(text) for text in OUTSIDE}
    for source, one in ends.items():
        for destination, other in ends.items():
            if one is other or {source, destination} <= set(OUTSIDE):
                continue
            for protocol, port, source_port in FLOWS:
                flow = Flow(4, protocol, port, source_port)
                answers = verdict(given, Packet(source, destination, protocol, port, source_port))
                wanted = True if answers == YES else False if answers == NO else None
                assert decide(policies, one, other, flow).admitted is wanted, (source, destination, protocol, port)
                assert compiled(policies, known, one, other, flow) is wanted, (source, destination, protocol, port)
