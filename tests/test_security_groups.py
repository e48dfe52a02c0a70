"""Random security groups over random pods: what the analyzer decides and compiles, held against the naive reading of the same JSON."""

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
from analyzer.policy.profiles import AWS_VPC_CNI
from analyzer.policy.world import world_of
from analyzer.source import Source
from tests.naive_amazon import Cloud, verdict
from tests.naive_policy import NO, YES
from tests.policies import compiled, outside

GROUPS = ("sg-1", "sg-2", "sg-3", "sg-unknown")
BLOCKS = ("0.0.0.0/0", "10.0.0.0/30", "10.0.0.2/32", "203.0.113.0/24")
OUTSIDE = ("203.0.113.9", "198.51.100.1")
FLOWS = ((6, 80), (6, 443), (17, 53), (1, 8 * 256), (1, 3 * 256 + 1), (50, 0))


def rule(random: Random) -> dict[str, Any]:
    found: dict[str, Any] = {"IpProtocol": random.choice(("-1", "tcp", "tcp", "udp", "icmp", "50"))}
    if found["IpProtocol"] in ("tcp", "udp"):
        found |= dict(zip(("FromPort", "ToPort"), random.choice(((80, 80), (0, 65535), (53, 443))), strict=True))
    if found["IpProtocol"] == "icmp":
        found |= dict(zip(("FromPort", "ToPort"), random.choice(((-1, -1), (8, -1), (3, 1))), strict=True))
    peers = random.choice(("block", "block", "group", "list"))
    if peers == "block":
        return found | {"IpRanges": [{"CidrIp": random.choice(BLOCKS)} for _ in range(random.randint(1, 2))]}
    if peers == "list":
        return found | {"PrefixListIds": [{"PrefixListId": "pl-1"}]}
    return found | {"UserIdGroupPairs": [{"GroupId": random.choice(GROUPS)}]}


def cloud(seed: int) -> Cloud:
    random = Random(seed)
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}", "namespace": "a", "labels": {key: random.choice("12") for key in "xy"}},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"podIP": f"10.0.0.{number + 1}"},
        }
        for number in range(4)
    ]
    givers = [
        {
            "apiVersion": "vpcresources.k8s.aws/v1beta1",
            "kind": "SecurityGroupPolicy",
            "metadata": {"name": f"g{number}", "namespace": random.choice("aab")},
            "spec": {
                "podSelector": {"matchLabels": {random.choice("xy"): random.choice("12")}},
                "securityGroups": {"groupIds": random.sample(GROUPS, random.choice((1, 1, 2)))},
            },
        }
        for number in range(random.randint(1, 3))
    ]
    groups = [
        {
            "GroupId": name,
            **{side: [rule(random) for _ in range(random.randint(0, 3))] for side in ("IpPermissions", "IpPermissionsEgress")},
        }
        for name in GROUPS[:3]
    ]
    return Cloud(pods, givers, groups)


def read(given: Cloud) -> PolicySet:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*given.pods, *given.givers]})
    sources = (
        Source("o.json", text, "kubernetes"),
        Source("g.json", json.dumps({"SecurityGroups": given.groups}), "aws-security-groups"),
    )
    known, gaps = facts(sources)
    return policy_set(world_of(build(sources, known, gaps).cluster, AWS_VPC_CNI))


@pytest.mark.parametrize("seed", range(80))
def test_groups_decide_as_the_plain_reading_says(seed: int) -> None:
    given = cloud(seed)
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
            for protocol, port in FLOWS:
                flow = Flow(4, protocol, port, 0 if protocol == 1 else 40000)
                answers = verdict(given, source, destination, protocol, port)
                wanted = True if answers == YES else False if answers == NO else None
                assert decide(policies, one, other, flow).admitted is wanted, (source, destination, protocol, port)
                assert compiled(policies, known, one, other, flow) is wanted, (source, destination, protocol, port)
