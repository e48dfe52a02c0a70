"""Random policies of what leaves a cluster, of OpenShift SDN and of OVN-Kubernetes: what the analyzer decides and compiles, held against the naive reading of the same objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.profiles import OVN_KUBERNETES, UNKNOWN_SYSTEM
from tests.naive_egress import Cluster, Packet, leaves
from tests.naive_policy import NO, YES
from tests.policies import NUMBERS, compiled, outside, policies_of

Object = dict[str, Any]
SPACES = ("default", "a", "b", "c", "d")
OUTSIDE = ("203.0.113.9", "198.51.100.1", "0.0.0.0")
BLOCKS = ("0.0.0.0/0", "0.0.0.0/32", "203.0.113.0/24", "203.0.113.9/32", "192.0.2.1/32", "192.0.2.0/24", "10.0.0.0/8")
FLOWS = (Packet("TCP", 80), Packet("TCP", 53), Packet("UDP", 53), Packet("ICMP", 8 * 256))
SDN, OVN = "network.openshift.io/v1", "k8s.ovn.org/v1"


def thing(version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": {}}, **more}


def rule(random: Random, ovn: bool) -> Object:
    to: Object = {"cidrSelector": random.choice(BLOCKS)} if random.random() < 0.9 else {"dnsName": "www.example.org"}
    found: Object = {"type": random.choice(("Allow", "Deny"))}
    if ovn and random.random() < 0.3:
        to = {"nodeSelector": random.choice(({}, {"matchLabels": {"role": "x"}}))}
    if ovn and random.random() < 0.4:
        found["ports"] = [{"protocol": "TCP", "port": random.choice((80, 53))} for _ in range(random.choice((0, 1, 2)))]
    return {**found, "to": to}


def policies(random: Random, ovn: bool) -> list[Object]:
    found = []
    for space in SPACES:
        for number in range(random.choice((0, 1, 1)) if ovn else random.choice((0, 1, 1, 1, 2))):
            spec = {"egress": [rule(random, ovn) for _ in range(random.randrange(4))]}
            kind = (OVN, "EgressFirewall", "default") if ovn else (SDN, "EgressNetworkPolicy", f"policy{number}")
            found.append(thing(*kind, space, spec=spec))
    if not ovn:
        numbers = [number for number in (0, 1, 1, 2, 3) if random.random() < 0.5]
        chosen = zip(random.sample(SPACES[1:], min(len(numbers), 4)), numbers, strict=False)
        found += [thing(SDN, "NetNamespace", name, netname=name, netid=number) for name, number in chosen]
    return found


def nodes() -> list[Object]:
    labels = {"n1": {"role": "x"}, "n2": {}}
    found = []
    for number, name in enumerate(("n1", "n2"), 1):
        status = {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]}
        found.append(thing("v1", "Node", name, status=status))
        found[-1]["metadata"]["labels"] = labels[name]
    return found


def pods(random: Random) -> list[Object]:
    found = []
    for number, space in enumerate(SPACES, 1):
        spec = {"nodeName": random.choice(("n1", "n2")), "containers": [{"name": "c"}]}
        found.append(thing("v1", "Pod", "p", space, spec=spec, status={"podIPs": [{"ip": f"10.0.0.{number}"}]}))
    return found


@pytest.mark.parametrize("ovn", [False, True], ids=["openshift-sdn", "ovn-kubernetes"])
def test_what_leaves_a_cluster_is_decided_as_the_plain_reading_says(ovn: bool) -> None:
    counts = Counter[str]()
    profile = OVN_KUBERNETES if ovn else replace(UNKNOWN_SYSTEM, own_node_asks_egress=True)
    for seed in range(50):
        random = Random(seed)
        given, there = policies(random, ovn), [*pods(random), *nodes()]
        read = policies_of([*there, *given], profile)
        known, cluster = factors(read, 4), Cluster([*there, *given])
        ends: list[tuple[Object | None, str, Entity]] = [(None, text, outside(text)) for text in OUTSIDE]
        for item in there:
            name = f"node:{item['metadata']['name']}" if item["kind"] == "Node" else f"{item['metadata']['namespace']}/p"
            status = item["status"]
            text = status["addresses"][0]["address"] if item["kind"] == "Node" else status["podIPs"][0]["ip"]
            ends.append((item, text, read.world.by_name[name]))
        for pod, _, one in ends:
            for to, text, other in ends:
                if pod is None or pod["kind"] != "Pod" or one is other:
                    continue
                for packet in FLOWS:
                    flow = Flow(4, NUMBERS[packet.protocol], packet.port)
                    answers = leaves(cluster, pod, to, text, packet)
                    wanted = True if answers == YES else False if answers == NO else None
                    found = decide(read, one, other, flow).admitted
                    about = seed, one.name, other.name, packet, found, wanted
                    assert found is wanted, about
                    assert compiled(read, known, one, other, flow) is found, about
                    counts[str(wanted)] += 1
    assert min(counts[word] for word in ("True", "False", "None")) > 5, counts
