"""Random policies of GKE by names, beside NetworkPolicies: what the analyzer decides and compiles, held against the naive reading of the same objects."""

from __future__ import annotations

from collections import Counter
from random import Random

from analyzer.policy.decision import decide
from analyzer.policy.factors import factors
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from tests.naive_gke import leaves
from tests.naive_policy import NO, OPEN, YES, Answers, End, Object, Packet, Reading
from tests.policies import compiled, outside, policies_of
from tests.test_policy_agreement import Maker, flow_of, told

SPACES = ("a", "b")
NAMES = ("api.example.org", "www.api.example.org", "example.org", "example.com", "nowhere.example")
PATTERNS = ("*.example.org", "*.example.*", "*", "*w.api.example.org")
ADDRESSES = ("8.8.8.8", "10.0.0.6", "203.0.113.9", "2001:db8::1")
FLOWS = (("TCP", 443), ("TCP", 53), ("UDP", 53), ("UDP", 443), ("SCTP", 443), ("ICMP", 8 * 256))


class NamesMaker(Maker):
    """Makes pods, what names mean, and policies about both."""

    def given(self) -> list[Object]:
        found = [self.one_pod(number, space) for number, space in enumerate((*SPACES, "a"), 1)]
        found += self.names() if self.chance(0.8) else []
        found += [self.by_names(number) for number in range(self.random.randint(1, 3))]
        return found + [self.plain(number) for number in range(self.random.randint(0, 2))]

    def one_pod(self, number: int, space: str) -> Object:
        found = self.object("Pod", f"p{number}", namespace=space, labels=self.labels())
        return found | {"spec": {"containers": [{"name": "c"}]}, "status": {"podIPs": [{"ip": f"10.0.1.{number}"}]}}

    def by_names(self, number: int) -> Object:
        spec = {"podSelector": self.selector(), "egress": self.many(0, 2, self.rule_of_names)}
        found = self.object("FQDNNetworkPolicy", f"f{number}", spec=spec, namespace=self.pick(*SPACES))
        return found | {"apiVersion": "networking.gke.io/v1alpha1"}

    def rule_of_names(self) -> Object:
        found: Object = {"matches": self.many(0 if self.chance(0.2) else 1, 2, self.match)}
        return found | ({"ports": self.many(0, 2, self.named_port)} if self.chance(0.6) else {})

    def match(self) -> Object:
        return {"name": self.pick(*NAMES)} if self.chance(0.6) else {"pattern": self.pick(*PATTERNS)}

    def named_port(self) -> Object:
        found: Object = {"protocol": self.pick("TCP", "UDP", "SCTP")} if self.chance(0.7) else {}
        return found | ({"port": self.pick(443, 53)} if self.chance(0.7) else {})

    def plain(self, number: int) -> Object:
        peer = self.pick({"podSelector": self.selector()}, {"ipBlock": {"cidr": "8.8.8.0/24"}}, {"namespaceSelector": {}})
        rules = self.pick([], [{}], [{"to": [peer]}], [{"to": [peer], "ports": [{"port": 443}]}])
        spec = {"podSelector": self.selector(), "policyTypes": ["Egress"], "egress": rules}
        return self.object("NetworkPolicy", f"n{number}", spec=spec, namespace=self.pick(*SPACES))


def agree(seed: int) -> Counter[Answers]:
    """Holds the readings of a random cluster against each other; how often each verdict came out."""
    objects = NamesMaker(Random(seed)).given()
    policies, counts = policies_of(objects, UNKNOWN_SYSTEM), Counter[Answers]()
    known = {family: factors(policies, family) for family in (4, 6)}
    pods = [item for item in objects if item["kind"] == "Pod"]
    by_name = {id(item): policies.world.by_name[f"{item['metadata']['namespace']}/{item['metadata']['name']}"] for item in pods}
    ends = [(End(item), by_name[id(item)]) for item in pods] + [(End(outside=text), outside(text)) for text in ADDRESSES]
    for pod in pods:
        source = by_name[id(pod)]
        for other, destination in ((one, entity) for one, entity in ends if one.object is not pod):
            for protocol, port in FLOWS:
                packet = Packet(
                    6 if ":" in other.outside else 4, "ICMPv6" if ":" in other.outside and protocol == "ICMP" else protocol, port
                )
                wanted, flow = leaves(Reading(objects), pod, other, packet), flow_of(packet)
                found = (
                    decide(policies, source, destination, flow).admitted,
                    compiled(policies, known[packet.family], source, destination, flow),
                )
                assert {told(one) for one in found} == {wanted}, (
                    seed,
                    source.name,
                    destination.name,
                    packet,
                    found,
                    wanted,
                    objects,
                )
                counts[wanted] += 1
    return counts


def test_what_pods_send_to_names_is_decided_as_the_plain_reading_says() -> None:
    counts = sum((agree(seed) for seed in range(40)), Counter[Answers]())
    assert min(counts[YES], counts[NO], counts[OPEN]) > 200, counts
