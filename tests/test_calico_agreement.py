"""What the analyzer decides by Calico's policies over random clusters, held against the plain reading of the same objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import CALICO
from analyzer.policy.terms import Kind
from tests.naive_calico import Cluster, Packet
from tests.policies import compiled, outside, policies_of

T = TypeVar("T")
Object = dict[str, Any]
V3 = "projectcalico.org/v3"
SPACES, NODES, KEYS, VALUES = ("n1", "n2"), ("k1", "k2"), ("a", "b"), ("1", "12", "2")
BLOCKS = {4: ("10.0.0.0/30", "10.0.0.0/8", "192.168.0.0/24", "8.8.0.0/16", "0.0.0.0/0"), 6: ("fd00::/126", "fd00::/16", "::/0")}
PORTS: tuple[int | str, ...] = (80, 81, "80:90", "8080", "web", "dns")
OUTSIDE = ("8.8.8.8", "2001:db8::1")
PROTOCOLS: tuple[int | str, ...] = ("TCP", "UDP", "SCTP", "ICMP", "ICMPv6", 6, 47)


class Maker:
    """Makes a cluster at random; ``hosts``: with host endpoints."""

    def __init__(self, random: Random, hosts: bool) -> None:
        self.random, self.hosts = random, hosts

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, *choices: T) -> T:
        return self.random.choice(choices)

    def many(self, least: int, most: int, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(self.random.randint(least, most))]

    def labels(self) -> dict[str, str]:
        return {key: self.pick(*VALUES) for key in KEYS if self.chance(0.6)}

    def objects(self) -> list[Object]:
        found = [self.thing("v1", "Namespace", name, labels=self.labels()) for name in SPACES]
        found += [self.thing("v1", "ServiceAccount", "sa", namespace=name, labels=self.labels()) for name in SPACES]
        found += [self.node(number) for number in range(2)]
        found += [self.pod(number) for number in range(self.random.randint(2, 4))]
        found += [self.service(name) for name in SPACES]
        found.append(self.thing(V3, "IPPool", "pool", {"cidr": "10.0.0.0/8", "natOutgoing": False}))
        found.append(self.thing(V3, "ClusterInformation", "default", {"calicoVersion": self.pick("v3.30.4", "v3.31.0")}))
        found += [self.thing(V3, "Tier", name, self.tier()) for name in ("early", "late") if self.chance(0.7)]
        found += [self.network_set(number) for number in range(self.random.randint(0, 2))]
        if self.hosts:
            found += [self.host(number) for number in range(2) if self.chance(0.8)]
        tiers = [item["metadata"]["name"] for item in found if item["kind"] == "Tier"]
        found += [self.policy(number, tiers) for number in range(self.random.randint(1, 6))]
        return found

    def thing(self, version: str, kind: str, name: str, spec: Object | None = None, **metadata: Any) -> Object:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name} | metadata, "spec": spec or {}}

    def tier(self) -> Object:
        found: Object = {"order": self.pick(-1, 5.5, 2_000_000, 20_000_000)} if self.chance(0.8) else {}
        return found | ({"defaultAction": self.pick("Deny", "Pass")} if self.chance(0.7) else {})

    def node(self, number: int) -> Object:
        own = [{"type": "InternalIP", "address": text.format(number + 1)} for text in ("192.168.0.{}", "fd01::{}")]
        return self.thing("v1", "Node", NODES[number]) | {"status": {"addresses": own}}

    def pod(self, number: int) -> Object:
        port = {"name": self.pick("web", "dns"), "containerPort": self.pick(80, 81, 8080), "protocol": self.pick("TCP", "UDP")}
        spec: Object = {"containers": [{"name": "c", "ports": [port]}], "nodeName": self.pick(*NODES)}
        spec |= {"serviceAccountName": "sa"} if self.chance(0.6) else {}
        status = {"phase": "Running", "podIPs": [{"ip": f"10.0.0.{number + 1}"}, {"ip": f"fd00::{number + 1}"}]}
        made = self.thing("v1", "Pod", f"p{number}", spec, namespace=self.pick(*SPACES), labels=self.labels())
        return made | {"status": status}

    def service(self, namespace: str) -> Object:
        spec = {"selector": {"a": "1"}, "ports": [{"port": 8000, "targetPort": 80, "protocol": "TCP"}]}
        return self.thing("v1", "Service", "s", spec, namespace=namespace)

    def network_set(self, number: int) -> Object:
        nets = self.many(
            1, 2, lambda: self.pick("10.0.0.1", "10.0.0.2/31", "192.168.0.0/31", "8.8.8.8", "fd00::2/127", "2001:db8::/32")
        )
        if self.chance(0.5):
            return self.thing(V3, "GlobalNetworkSet", f"s{number}", {"nets": nets}, labels=self.labels())
        return self.thing(V3, "NetworkSet", f"s{number}", {"nets": nets}, namespace=self.pick(*SPACES), labels=self.labels())

    def host(self, number: int) -> Object:
        spec: Object = {
            "node": NODES[number],
            "interfaceName": "*",
            "expectedIPs": [f"192.168.0.{number + 1}", f"fd01::{number + 1}"],
        }
        spec |= {"profiles": ["projectcalico-default-allow"]} if self.chance(0.5) else {}
        spec |= {"ports": [{"name": "web", "port": 81, "protocol": "TCP"}]} if self.chance(0.5) else {}
        return self.thing(V3, "HostEndpoint", f"h{number}", spec, labels=self.labels())

    def policy(self, number: int, tiers: list[str]) -> Object:
        spec: Object = {"order": self.pick(0, 10, 10.5, -3)} if self.chance(0.7) else {}
        spec |= {"tier": self.pick("default", *tiers)} if self.chance(0.7) else {}
        spec |= {"selector": self.selector()} if self.chance(0.7) else {}
        spec |= {"serviceAccountSelector": self.selector()} if self.chance(0.2) else {}
        everywhere = self.chance(0.5)
        spec |= {"namespaceSelector": self.selector()} if everywhere and self.chance(0.3) else {}
        for direction in ("ingress", "egress"):
            if self.chance(0.7):
                spec[direction] = self.many(0, 3, partial(self.rule, direction, everywhere))
        spec |= {"types": self.pick(["Ingress"], ["Egress"], ["Egress", "Ingress"])} if self.chance(0.4) else {}
        if not everywhere:
            return self.thing(V3, "NetworkPolicy", f"p{number}", spec, namespace=self.pick(*SPACES))
        if self.hosts and self.chance(0.6):
            spec |= {"applyOnForward": True} | self.pick({}, {}, {"doNotTrack": True}, {"preDNAT": True})
        if spec.get("preDNAT"):
            spec.pop("egress", None)
            spec["types"] = ["Ingress"]
        return self.thing(V3, "GlobalNetworkPolicy", f"p{number}", spec)

    def rule(self, direction: str, everywhere: bool) -> Object:
        rule: Object = {"action": self.pick("Allow", "Allow", "Deny", "Deny", "Pass", "Log")}
        family = self.pick(4, 4, 6)
        if self.chance(0.6):
            rule["protocol"] = self.pick(*PROTOCOLS)
        if self.chance(0.1):
            rule["notProtocol"] = self.pick("TCP", 17)
        if rule.get("protocol") in ("ICMP", "ICMPv6"):
            fields = ("icmp", "notICMP")
            rule |= {self.pick(*fields): self.pick({"type": 8}, {"type": 8, "code": 0}, {"type": 128}, {"type": 8, "code": 1})}
            family = 4 if rule["protocol"] == "ICMP" else 6
        elif self.chance(0.15) and rule.get("notProtocol") is None:
            rule["ipVersion"] = family
        with_ports = rule.get("protocol") in ("TCP", "UDP", "SCTP", 6)
        for end in ("source", "destination"):
            if self.chance(0.6):
                rule[end] = self.end(family, end, with_ports)
        place = "source" if direction == "ingress" else "destination"
        if self.chance(0.15) and not (place == "destination" and rule.get(place, {}).keys() & {"ports", "notPorts"}):
            kept = {key: value for key, value in rule.get(place, {}).items() if key in ("ports", "notPorts")}
            rule[place] = kept | {"services": {"name": "s"} | ({"namespace": "n1"} if everywhere or self.chance(0.5) else {})}
        return rule

    def end(self, family: int, end: str, with_ports: bool) -> Object:
        found: Object = {}
        for field, share in (("selector", 0.35), ("notSelector", 0.15)):
            found |= {field: self.selector()} if self.chance(share) else {}
        if self.chance(0.25):
            found["namespaceSelector"] = self.pick("global()", "all()", self.selector())
        if self.chance(0.15):
            found["serviceAccounts"] = self.pick({"names": ["sa"]}, {"selector": self.selector()}, {"names": ["default", "sa"]})
        for field, share in (("nets", 0.25), ("notNets", 0.15)):
            found |= {field: self.many(1, 2, lambda: self.pick(*BLOCKS[family]))} if self.chance(share) else {}
        for field, share in (("ports", 0.4), ("notPorts", 0.15)):
            if with_ports and self.chance(share):
                known = PORTS if field == "ports" else [80, 40000, "80:90", "30000:50000"]
                known = [*known, 40000, "30000:50000"] if end == "source" else known
                found[field] = self.many(1, 2, lambda known=known: self.pick(*known))  # type: ignore[misc]
        return found

    def selector(self, depth: int = 2) -> str:
        key, value = self.pick(*KEYS), self.pick(*VALUES)
        if depth and self.chance(0.35):
            joined = self.pick(" && ", "||").join(self.many(2, 3, lambda: self.selector(depth - 1)))
            return self.pick("", "!", "! !") + f"({joined})" if self.chance(0.7) else joined
        return self.pick(
            "all()",
            f"{key} == '{value}'",
            f'{key}!="{value}"',
            f"has({key})",
            f"!has({key})",
            f"{key} in {{'{value}', '2'}}",
            f"{key} not in {{'{value}'}}",
            f"{key} contains '2'",
            f"{key} starts with '1'",
            f"{key} ends with '2'",
        )


def ends(policies: PolicySet) -> Iterator[Entity]:
    """Everyone of the world, and addresses outside."""
    yield from policies.world.entities
    yield from map(outside, OUTSIDE)


def packets(random: Random, source: Entity, destination: Entity) -> Iterator[Packet]:
    """Packets between two ends in the families that both have."""
    for family in (4, 6):
        if all(any(own.family == family for own in end.addresses) for end in (source, destination)):
            names = (source.name, destination.name, family)
            yield Packet(*names, 1 if family == 4 else 58, random.choice((8 * 256, 8 * 256 + 1, 128 * 256)), 0)
            for _ in range(3):
                port = random.choice((22, 53, 80, 81, 85, 443, 8080))
                yield Packet(*names, random.choice((6, 17, 132)), port, random.choice((80, 40000, 60000)))
            yield Packet(*names, 47, 0, 0)


def disagreements(seed: int, hosts: bool) -> tuple[list[str], int, int]:
    """What the two say otherwise, how many questions were left open, and how many there were."""
    random = Random(seed)
    objects = Maker(random, hosts).objects()
    policies, naive = policies_of(objects, CALICO), Cluster(objects)
    assert not any(item.rejected for item in policies.complaints), policies.complaints
    wrong, undecided, asked = [], 0, 0
    known = {family: factors(policies, family) for family in (4, 6)}
    for source in ends(policies):
        for destination in ends(policies):
            if Kind.OUTSIDE in (source.kind, destination.kind) and source.kind is destination.kind:
                continue
            for packet in packets(random, source, destination):
                flow = Flow(packet.family, packet.protocol, packet.port, packet.source_port)
                found, expected = decide(policies, source, destination, flow).admitted, naive.admitted(packet)
                asked, undecided = asked + 1, undecided + (found is None)
                if found is not None and found != expected:
                    wrong.append(f"{packet}: the analyzer says {found}, the plain reading {expected}")
                if (other := compiled(policies, known[packet.family], source, destination, flow)) is not found:
                    wrong.append(f"{packet}: the analyzer says {found}, and {other} for all flows at once")
    return wrong, undecided, asked


def shown(seed: int, hosts: bool) -> str:
    return "\n".join(json.dumps(item) for item in Maker(Random(seed), hosts).objects())


@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "host endpoints"])
@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(seed=st.integers(0, 2**32))  # type: ignore[untyped-decorator]
def test_the_analyzer_agrees_with_the_plain_reading(hosts: bool, seed: int) -> None:
    wrong, undecided, asked = disagreements(seed, hosts)
    assert not wrong, "\n".join([*wrong[:5], shown(seed, hosts)])
    assert undecided == 0, f"{undecided} of {asked} questions are left open\n{shown(seed, hosts)}"
