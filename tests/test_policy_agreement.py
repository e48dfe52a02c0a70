"""What the analyzer decides over random clusters, held against the naive reading of the same objects, packet by packet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile
from analyzer.policy.terms import Kind
from tests.naive_policy import NO, OPEN, YES, Answers, End, Object, Packet, Reading
from tests.naive_verdict import verdict
from tests.policies import NUMBERS, compiled, flow, outside, policies_of

T = TypeVar("T")
KEYS, VALUES, SPACES, NODES = ("a", "b"), ("1", "2"), ("n1", "n1", "n1", "n2", "n3"), ("k1", "k2")
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/30",
    "10.0.0.4/30",
    "10.0.0.1/32",
    "192.168.0.0/16",
    "fd00::/16",
    "::/0",
    "8.8.0.0/16",
)
PORT_NAMES, PORTS = ("web", "dns"), (53, 80, 81, 8080)
OUTSIDE = ("8.8.8.8", "10.0.0.6", "fd00::99", "2001:db8::1")
NAMES = {number: name for name, number in NUMBERS.items()}
PROTOCOLS = ("TCP", "UDP", "SCTP")
ACTIONS = {
    "AdminNetworkPolicy": ("Allow", "Deny", "Pass"),
    "BaselineAdminNetworkPolicy": ("Allow", "Deny"),
    "ClusterNetworkPolicy": ("Accept", "Deny", "Pass"),
}


class Maker:
    """Makes objects at random."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, *choices: T) -> T:
        return self.random.choice(choices)

    def many(self, least: int, most: int, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(self.random.randint(least, most))]

    def labels(self) -> dict[str, str]:
        return {key: self.pick(*VALUES) for key in KEYS if self.chance(0.6)}

    def selector(self) -> Object:
        found: Object = {}
        if self.chance(0.35):
            found["matchLabels"] = {self.pick(*KEYS): self.pick(*VALUES)}
        if self.chance(0.25):
            found["matchExpressions"] = self.many(1, 2, self.requirement)
        return found

    def requirement(self) -> Object:
        operator = self.pick("In", "NotIn", "Exists", "DoesNotExist")
        item: Object = {"key": self.pick(*KEYS), "operator": operator}
        return item | ({"values": self.many(1, 2, lambda: self.pick(*VALUES))} if operator in ("In", "NotIn") else {})

    def spaces(self) -> Object:
        named = {"matchLabels": {"kubernetes.io/metadata.name": self.pick(*SPACES)}}
        return named if self.chance(0.2) else self.selector()

    def objects(self) -> list[Object]:
        found: list[Object] = [
            self.object("Namespace", name, labels=self.labels()) for name in sorted(set(SPACES)) if self.chance(0.8)
        ]
        found += [self.node(number) for number in range(len(NODES)) if self.chance(0.8)]
        found += [self.pod(number) for number in range(self.random.randint(2, 4))]
        found += [self.workload(number) for number in range(2) if self.chance(0.3)]
        found += [self.network_policy(number) for number in range(self.random.randint(0, 6))]
        found += self.names() if self.chance(0.5) else []
        if self.chance(0.6):
            found += [self.cluster_policy("AdminNetworkPolicy", f"a{number}") for number in range(self.random.randint(1, 2))]
            found += [self.cluster_policy("ClusterNetworkPolicy", f"c{number}") for number in range(self.random.randint(1, 3))]
            found += [self.cluster_policy("BaselineAdminNetworkPolicy", "default")] if self.chance(0.4) else []
        return found

    def names(self) -> list[Object]:
        """What a resolver was told."""
        texts = (*OUTSIDE, "10.0.0.1", "192.168.0.1")
        told = [
            {"dnsName": f"{name}.", "resolvedAddresses": [{"ip": text} for text in self.many(1, 2, lambda: self.pick(*texts))]}
            for name in ("api.example.org", "www.api.example.org", "example.org", "example.com")
            if self.chance(0.6)
        ]
        item = {"apiVersion": "network.openshift.io/v1alpha1", "kind": "DNSNameResolver", "metadata": {"name": "dns-1"}}
        return [item | {"status": {"resolvedNames": told}}]

    def object(self, kind: str, name: str, *, spec: Object | None = None, **metadata: Any) -> Object:
        groups = {"Namespace": "v1", "Node": "v1", "Pod": "v1", "Deployment": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}
        version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
        return {
            "apiVersion": groups.get(kind, f"policy.networking.k8s.io/{version}"),
            "kind": kind,
            "metadata": {"name": name} | metadata,
            "spec": spec or {},
        }

    def node(self, number: int) -> Object:
        own = [
            {"type": "InternalIP", "address": f"192.168.0.{number + 1}"},
            {"type": "InternalIP", "address": f"fd01::{number + 1}"},
        ]
        return self.object("Node", NODES[number], labels=self.labels()) | {"status": {"addresses": own[: self.pick(1, 2)]}}

    def pod(self, number: int) -> Object:
        ports = self.many(1, 3, self.container_port)
        spec: Object = {"containers": [{"name": "c", "ports": ports}]}
        spec |= {"hostNetwork": True} if self.chance(0.15) else {}
        spec |= {"nodeName": self.pick(*NODES)} if self.chance(0.8) else {}
        own = [f"10.0.0.{number + 1}", f"fd00::{number + 1}"]
        own = self.pick(own[:1], own, own, []) if "hostNetwork" not in spec else []
        status = {"phase": self.pick(*["Running"] * 6, "Succeeded"), "podIPs": [{"ip": ip} for ip in own]}
        return self.object("Pod", f"p{number}", spec=spec, namespace=self.pick(*SPACES), labels=self.labels()) | {
            "status": status
        }

    def workload(self, number: int) -> Object:
        spec: Object = {"containers": [{"name": "c", "ports": self.many(0, 2, self.container_port)}]}
        spec |= {"hostNetwork": True} if self.chance(0.5) else {}
        template = {"metadata": {"labels": self.labels()}, "spec": spec}
        return self.object(
            "Deployment", f"d{number}", spec={"replicas": self.pick(1, 3), "template": template}, namespace=self.pick(*SPACES)
        )

    def container_port(self) -> Object:
        port: Object = {"name": self.pick(*PORT_NAMES), "containerPort": self.pick(*PORTS)}
        return port | ({"protocol": self.pick(*PROTOCOLS)} if self.chance(0.8) else {})

    def network_policy(self, number: int) -> Object:
        spec: Object = {"podSelector": self.pick(self.selector(), {}, None)}
        if self.chance(0.5):
            spec["policyTypes"] = self.pick(["Ingress"], ["Egress"], ["Egress", "Ingress"], [])
        for field, peers in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.6):
                spec[field] = self.many(0, 2, partial(self.rule, peers))
        return self.object("NetworkPolicy", f"np{number}", spec=spec, namespace=self.pick(*SPACES))

    def rule(self, peers: str) -> Object:
        found: Object = {}
        if self.chance(0.7):
            found[peers] = self.many(0, 2, self.peer)
        if self.chance(0.5):
            found["ports"] = self.many(0, 2, self.port)
        return found

    def peer(self) -> Object:
        if self.chance(0.4):
            return {"ipBlock": self.block()}
        fields: Object = {}
        if self.chance(0.6):
            fields["podSelector"] = self.selector()
        if self.chance(0.6) or not fields:
            fields["namespaceSelector"] = self.spaces()
        elif self.chance(0.3):
            fields["namespaceSelector"] = None
        return fields

    def block(self) -> Object:
        cidr = self.pick("10.0.0.0/8", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.0/29", "fd00::/16", "192.168.0.0/16", "10.0.0.1/32")
        holes = {"10.0.0.0/8": ["10.0.0.0/30"], "0.0.0.0/0": ["10.0.0.0/8", "8.8.8.0/24"], "10.0.0.0/29": ["10.0.0.2/32"]}
        return {"cidr": cidr} | ({"except": holes.get(cidr, [])[: self.pick(0, 1, 2)]} if self.chance(0.6) else {})

    def port(self) -> Object:
        found: Object = {"protocol": self.pick(*PROTOCOLS)} if self.chance(0.6) else {}
        match self.pick("number", "number", "range", "name", "all"):
            case "number":
                found["port"] = self.pick(*PORTS)
            case "range":
                found |= {"port": 60, "endPort": self.pick(60, 80, 8080)}
            case "name":
                found["port"] = self.pick(*PORT_NAMES)
            case _:
                pass
        return found

    def cluster_policy(self, kind: str, name: str) -> Object:
        spec: Object = {"subject": self.pods(kind)}
        spec |= {} if kind == "BaselineAdminNetworkPolicy" else {"priority": self.pick(0, 5, 1000)}
        spec |= {"tier": self.pick("Admin", "Baseline")} if kind == "ClusterNetworkPolicy" else {}
        for field, peers in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.6):
                spec[field] = self.many(0, 4, partial(self.cluster_rule, kind, peers))
        return self.object(kind, name, spec=spec)

    def cluster_rule(self, kind: str, peers: str) -> Object:
        found: Object = {"action": self.pick(*ACTIONS[kind])}
        found[peers] = self.many(1, 2, lambda: self.cluster_peer(kind, peers, found["action"]))
        if self.chance(0.5):
            named = all(peer.keys() <= {"namespaces", "pods"} for peer in found[peers])
            if kind == "ClusterNetworkPolicy":
                found["protocols"] = self.many(1, 2, lambda: self.protocol(named))
            else:
                found["ports"] = self.many(1, 2, lambda: self.cluster_port(named))
        return found

    def pods(self, kind: str) -> Object:
        if self.chance(0.5):
            return {"namespaces": self.spaces()}
        pods: Object = {"podSelector": self.selector()}
        if kind != "ClusterNetworkPolicy" or self.chance(0.7):
            pods["namespaceSelector"] = self.spaces()
        return {"pods": pods}

    def cluster_peer(self, kind: str, peers: str, action: str) -> Object:
        if self.chance(0.04):
            return self.pick({}, {"novel": {}})
        if peers == "from" or self.chance(0.5):
            if kind != "ClusterNetworkPolicy" and self.chance(0.15):
                return {"namespaces": {self.pick("sameLabels", "notSameLabels"): self.many(0, 2, lambda: self.pick(*KEYS))}}
            return self.pods(kind)
        if self.chance(0.2) and action in ("Allow", "Accept"):
            names = self.many(1, 2, lambda: self.pick("*.example.org", "api.example.org", "other.example.org"))
            return {"domainNames": list(dict.fromkeys(names))}
        if self.chance(0.45):
            return {"nodes": self.selector()}
        return {"networks": list(dict.fromkeys(self.many(1, 2, lambda: self.pick(*BLOCKS))))}

    def cluster_port(self, named: bool) -> Object:
        if named and self.chance(0.5):
            return {"namedPort": self.pick(*PORT_NAMES)}
        protocol = {"protocol": self.pick(*PROTOCOLS)} if self.chance(0.6) else {}
        if self.chance(0.5):
            return {"portNumber": protocol | {"port": self.pick(*PORTS)}}
        return {"portRange": protocol | {"start": 60, "end": self.pick(80, 8080)}}

    def protocol(self, named: bool) -> Object:
        if named and self.chance(0.5):
            return {"destinationNamedPort": self.pick(*PORT_NAMES)}
        port = self.pick({"number": self.pick(*PORTS)}, {"range": {"start": 60, "end": self.pick(80, 8080)}})
        return {self.pick("tcp", "udp", "sctp"): {"destinationPort": port}}


class Question(NamedTuple):
    """A packet between two ends, each as the analyzer and as the naive reading know it."""

    source: Entity
    one: End
    destination: Entity
    other: End
    packet: Packet

    def text(self, objects: list[Object], answers: dict[str, Answers], expected: Answers) -> str:
        """What a reader needs to see for himself."""
        told = ", ".join(f"{name} says {sorted(answer)}" for name, answer in answers.items())
        head = f"{self.source.name} to {self.destination.name}, {self.packet}: {told}, the naive reading {sorted(expected)}"
        return "\n".join([head, *(json.dumps(item) for item in objects)])


def ends(policies: PolicySet, objects: list[Object]) -> Iterator[tuple[Entity, End]]:
    """The entities of the world with their objects, and addresses outside."""
    for item in objects:
        if item["kind"] in ("Pod", "Node", "Deployment") and not finished(item):
            yield policies.world.by_name[name_of(item)], end_of(item)
    for text in OUTSIDE:
        yield outside(text), End(outside=text)


def name_of(item: Object) -> str:
    """What the analyzer calls a pod, a node, or the pods of a workload."""
    name = {"Node": "node:{1}", "Deployment": "{0}/{1}[Deployment]"}.get(item["kind"], "{0}/{1}")
    return name.format(item["metadata"].get("namespace"), item["metadata"]["name"])


def finished(item: Object) -> bool:
    """Whether an object is a pod that is nobody any more."""
    return bool(item["kind"] == "Pod" and item["status"]["phase"] == "Succeeded")


def end_of(item: Object) -> End:
    """A pod or a node; of a workload a pod that it would make, of which nobody knows the address and the node."""
    if item["kind"] != "Deployment":
        return End(item)
    template = item["spec"]["template"]
    metadata = {
        "name": item["metadata"]["name"],
        "namespace": item["metadata"]["namespace"],
        "labels": template["metadata"]["labels"],
    }
    return End({"kind": "Pod", "metadata": metadata, "spec": template["spec"]}, several=item["spec"]["replicas"] > 1)


def packets(random: Random, source: Entity, destination: Entity) -> Iterator[Packet]:
    """Packets between two ends, in a family that both have or may have addresses of."""
    for family in (4, 6):
        if all(not end.addresses or any(own.family == family for own in end.addresses) for end in (source, destination)):
            yield Packet(family, "ICMP" if family == 4 else "ICMPv6", 8 * 256 if family == 4 else 128 * 256)
            yield from (Packet(family, random.choice(PROTOCOLS), random.choice(PORTS)) for _ in range(2))
            for port in random.sample(destination.ports, min(1, len(destination.ports))):
                yield Packet(family, NAMES[port.protocol], port.port)


def flow_of(packet: Packet) -> Flow:
    return flow(packet.protocol, packet.port, packet.family)


def told(admitted: bool | None) -> Answers:
    """A verdict of the analyzer as a set of answers."""
    return OPEN if admitted is None else YES if admitted else NO


READINGS: dict[str, tuple[Profile, dict[str, Any]]] = {
    "unknown": (UNKNOWN_SYSTEM, {}),
    "outside blocks": (
        Profile("p", blocks_match_pods=False, own_node_admitted=False, port_rules_admit_other_protocols=False),
        {"blocks_match_pods": False, "own_node_passes": False, "icmp_under_ports": NO},
    ),
    "icmp passes": (Profile("p", port_rules_admit_other_protocols=True), {"icmp_under_ports": YES}),
}


def questions(policies: PolicySet, objects: list[Object], random: Random) -> Iterator[Question]:
    """Packets between all pairs, but for those between two addresses outside."""
    everyone = list(ends(policies, objects))
    for source, one in everyone:
        for destination, other in everyone:
            if Kind.OUTSIDE not in (source.kind, destination.kind) or source.kind is not destination.kind:
                for packet in packets(random, source, destination):
                    yield Question(source, one, destination, other, packet)


def agree(random: Random, system: str) -> Counter[Answers]:
    """Holds all readings of a random cluster against each other; how often each verdict came out."""
    profile, differences = READINGS[system]
    objects = Maker(random).objects()
    policies, reading = policies_of(objects, profile), Reading(objects, **differences)
    assert not policies.world.by_name.keys() & {name_of(item) for item in objects if finished(item)}
    assert [item.message for item in policies.complaints if item.rejected and "fails closed" not in item.message] == []
    known = {family: factors(policies, family) for family in (4, 6)}
    counts = Counter[Answers]()
    for asked in questions(policies, objects, random):
        source, destination, first = asked.source, asked.destination, flow_of(asked.packet)
        expected = verdict(reading, asked.one, asked.other, asked.packet)
        answers = {
            "decide": told(decide(policies, source, destination, first).admitted),
            "factors": told(compiled(policies, known[first.family], source, destination, first)),
        }
        assert set(answers.values()) == {expected}, asked.text(objects, answers, expected)
        counts[expected] += 1
    return counts


@pytest.mark.parametrize("system", READINGS)
def test_every_verdict_is_the_naive_one(system: str) -> None:
    counts = Counter[Answers]()
    for seed in range(110):
        try:
            counts += agree(Random(seed), system)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert min(counts[YES], counts[NO]) > 1000, counts
    assert counts[OPEN] > (300 if system == "unknown" else 0), counts


@settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False), system=st.sampled_from(sorted(READINGS)))  # type: ignore[untyped-decorator]
def test_verdicts_agree_where_they_would_be_shrunk(random: Random, system: str) -> None:
    agree(random, system)
