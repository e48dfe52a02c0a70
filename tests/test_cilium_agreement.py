"""Random clusters with Cilium's policies: what the analyzer decides and compiles, held against the naive reading of the same objects."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.policy.decision import decide
from analyzer.policy.detection import settled
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import CILIUM
from analyzer.policy.world import world_of
from tests.naive_cilium import verdict
from tests.naive_cilium_ends import Cilium
from tests.naive_policy import NO, OPEN, YES, Answers, Object
from tests.policies import compiled, policies_of
from tests.test_policy_agreement import (
    NODES,
    PORT_NAMES,
    PROTOCOLS,
    SPACES,
    Maker,
    flow_of,
    questions,
    told,
)

KEYS = ("a", "b", "k8s:a", "any:b", "app.kubernetes.io/name", "statefulset.kubernetes.io/pod-name", "pod-template-hash")
RESERVED = ("host", "remote-node", "world", "health", "all")
CLUSTER = "io.cilium.k8s.policy.cluster"
CIDRS = ("10.0.0.0/8", "0.0.0.0/0", "8.8.8.0/24", "192.168.0.0/24", "192.168.0.1/32", "fd00::/8", "::/0", "8.8.8.8")
ENTITIES = (
    "all",
    "world",
    "world-ipv4",
    "world-ipv6",
    "cluster",
    "host",
    "remote-node",
    "kube-apiserver",
    "health",
    "ingress",
    "none",
)


class CiliumMaker(Maker):
    """Makes objects of Cilium at random."""

    def objects(self) -> list[Object]:
        found: list[Object] = [
            self.object("Namespace", name, labels=self.labels()) for name in sorted(set(SPACES)) if self.chance(0.8)
        ]
        found += [self.node(number) for number in range(len(NODES)) if self.chance(0.85)]
        found += [self.pod(number) for number in range(self.random.randint(2, 4))]
        found += [self.service(number) for number in range(self.random.randint(0, 2))]
        found += [self.group(number) for number in range(self.random.randint(0, 2))]
        found += [self.api_server()] if self.chance(0.5) else []
        found += [self.config()] if self.chance(0.7) else []
        found += self.names() if self.chance(0.5) else []
        found += [self.plain_policy(number) for number in range(self.random.randint(0, 1))]
        found += [self.policy("CiliumNetworkPolicy", number) for number in range(self.random.randint(1, 3))]
        return found + [self.policy("CiliumClusterwideNetworkPolicy", number) for number in range(self.random.randint(0, 2))]

    def pod(self, number: int) -> Object:
        found = super().pod(number)
        found["metadata"]["labels"] |= {key: self.pick("1", "2") for key in KEYS if ":" not in key and self.chance(0.3)}
        if self.chance(0.3):
            found["spec"]["serviceAccountName"] = "robot"
        return found

    def config(self) -> Object:
        data = {"cluster-name": self.pick("east", "default")} if self.chance(0.5) else {}
        for key, values in {
            "policy-cidr-match-mode": ("nodes", "", "pods", "nodes,pods"),
            "enable-host-firewall": ("true", "false"),
            "enable-node-selector-labels": ("true",),
            "policy-default-local-cluster": ("true", "false"),
            "enable-policy": ("default", "always", "never"),
            "allow-localhost": ("auto", "always", "policy"),
        }.items():
            data |= {key: self.pick(*values)} if self.chance(0.4) else {}
        data.setdefault("enable-node-selector-labels", "true")
        data |= {"enable-sctp": self.pick("true", "true", "false")} if self.chance(0.9) else {}
        metadata = {"name": "cilium-config", "namespace": "kube-system"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def service(self, number: int) -> Object:
        spec: Object = {"clusterIP": f"10.96.0.{number + 1}", "ports": [{"port": 80}]}
        spec |= {"selector": {"a": self.pick("1", "2")}} if self.chance(0.6) else {}
        metadata = {"name": f"s{number}", "namespace": self.pick(*SPACES), "labels": self.labels()}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    def api_server(self) -> Object:
        metadata = {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}}
        addresses = self.pick(["192.168.0.1"], ["8.8.8.8"], ["192.168.0.2", "8.8.8.8"])
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": [{"port": 6443}],
            "endpoints": [{"addresses": addresses}],
        }

    def group(self, number: int) -> Object:
        metadata = {"name": f"g{number}", "labels": self.labels()}
        spec = {"externalCIDRs": self.many(1, 2, lambda: self.pick(*CIDRS))}
        return {"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": metadata, "spec": spec}

    def plain_policy(self, number: int) -> Object:
        spec: Object = {
            "podSelector": self.pick({}, {"matchLabels": {"a": "1"}}),
            "policyTypes": self.pick(["Ingress"], ["Egress"]),
        }
        way, key = ("ingress", "from") if spec["policyTypes"] == ["Ingress"] else ("egress", "to")
        peer = self.plain_peer()
        spec[way] = self.pick(
            [], [{}], [{key: [peer]}], [{key: [peer], "ports": [{"port": 80}]}], [{"ports": [{"port": 53, "protocol": "UDP"}]}]
        )
        return self.object("NetworkPolicy", f"np{number}", spec=spec, namespace=self.pick(*SPACES))

    def plain_peer(self) -> Object:
        if self.chance(0.5):
            return {"podSelector": {"matchLabels": {"b": self.pick("1", "2")}}}
        spaces = {"matchExpressions": [{"key": "a", "operator": self.pick("DoesNotExist", "Exists")}]}
        return {"namespaceSelector": self.pick({}, spaces)} | ({"podSelector": self.selector()} if self.chance(0.4) else {})

    def policy(self, kind: str, number: int) -> Object:
        metadata = {"name": f"{kind[6].lower()}{number}"} | (
            {"namespace": self.pick(*SPACES)} if kind == "CiliumNetworkPolicy" else {}
        )
        found: Object = {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata}
        if self.chance(0.85):
            return found | {"spec": self.spec(kind)}
        return found | {"specs": self.many(1, 2, partial(self.spec, kind))}

    def spec(self, kind: str) -> Object:
        hosts = kind != "CiliumNetworkPolicy" and self.chance(0.35)
        spec: Object = {"nodeSelector": self.selector()} if hosts else {"endpointSelector": self.labels_of_pods()}
        ways = self.pick(("ingress",), ("egress",), ("ingress", "egress"))
        for way in ways:
            if self.chance(0.8):
                spec[way] = self.many(1, 2, partial(self.cilium_rule, way, False))
            if self.chance(0.35) or way not in spec:
                spec[f"{way}Deny"] = self.many(1, 2, partial(self.cilium_rule, way, True))
        if self.chance(0.2):
            spec["enableDefaultDeny"] = {self.pick("ingress", "egress"): self.pick(True, False)}
        return without_applications(spec) if hosts else spec

    def labels_of_pods(self) -> Object:
        found: Object = {}
        if self.chance(0.5):
            found["matchLabels"] = {self.pick(*KEYS): self.pick("1", "2")}
        if self.chance(0.25):
            found["matchExpressions"] = [self.cilium_requirement(*KEYS)]
        return found

    def cilium_requirement(self, *keys: str) -> Object:
        operator = self.pick("In", "NotIn", "Exists", "DoesNotExist")
        item: Object = {"key": self.pick(*keys), "operator": operator}
        return item | ({"values": self.many(1, 2, lambda: self.pick("1", "2"))} if operator in ("In", "NotIn") else {})

    def endpoint(self) -> Object:
        found = self.labels_of_pods()
        special = {
            "io.kubernetes.pod.namespace": self.pick(*SPACES),
            "k8s:io.kubernetes.pod.namespace": self.pick(*SPACES),
            "io.cilium.k8s.namespace.labels.a": self.pick("1", "2"),
            "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": self.pick(*SPACES),
            "io.cilium.k8s.policy.serviceaccount": self.pick("default", "robot"),
            CLUSTER: self.pick("east", "default"),
        }
        if self.chance(0.5):
            key = self.pick(*special)
            found["matchLabels"] = {**found.get("matchLabels", {}), key: special[key]}
        elif self.chance(0.3):
            found["matchExpressions"] = [*found.get("matchExpressions", []), self.about_namespaces()]
        elif self.chance(0.2):
            found["matchLabels"] = {**found.get("matchLabels", {}), f"reserved:{self.pick(*RESERVED[:4])}": ""}
        elif self.chance(0.1):
            key = f"reserved:{self.pick(*RESERVED[:4])}"
            found["matchExpressions"] = [{"key": key, "operator": self.pick("Exists", "DoesNotExist")}]
        return found

    def about_namespaces(self) -> Object:
        key = self.pick("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels.a")
        item: Object = {"key": key, "operator": self.pick("NotIn", "DoesNotExist", "Exists")}
        values = [self.pick(*SPACES) if key.endswith("namespace") else self.pick("1", "2")]
        return item | ({"values": values} if item["operator"] == "NotIn" else {})

    def cilium_rule(self, way: str, denies: bool) -> Object:
        found: Object = {}
        prefix = "from" if way == "ingress" else "to"
        if self.chance(0.85):
            found |= self.cilium_peers(prefix, denies)
        if "toServices" not in found and self.chance(0.5):
            found |= self.cilium_flows(denies)
        return found

    def cilium_peers(self, prefix: str, denies: bool) -> Object:
        kinds = ["Endpoints", "Endpoints", "Endpoints", "Entities", "Entities", "CIDR", "CIDRSet", "Nodes", "Groups"]
        kinds += [] if prefix == "from" else ["Services"] + ([] if denies else ["FQDNs"])
        kind = self.pick(*kinds)
        make = {
            "Endpoints": self.endpoint,
            "Entities": lambda: self.pick(*ENTITIES),
            "CIDR": lambda: self.pick(*CIDRS),
            "CIDRSet": self.cidr_rule,
            "Nodes": self.selector,
            "Groups": lambda: {"aws": {"securityGroupsIds": ["sg-1"]}},
            "Services": self.meant_service,
            "FQDNs": lambda: self.pick(
                {"matchName": "api.example.org"},
                {"matchPattern": "*.example.org"},
                {"matchPattern": "*"},
                {"matchName": "b.example"},
            ),
        }[kind]
        return {prefix + kind: self.many(0 if kind in ("Endpoints", "Entities") and self.chance(0.1) else 1, 2, make)}

    def cidr_rule(self) -> Object:
        match self.pick("cidr", "cidr", "ref", "selector"):
            case "cidr":
                whole = self.pick("10.0.0.0/8", "0.0.0.0/0", "8.8.0.0/16", "192.168.0.0/16")
                holes = {"0.0.0.0/0": ["8.8.8.0/24", "192.168.0.1/32"], "8.8.0.0/16": ["8.8.8.8/32"]}.get(whole, [])
                return {"cidr": whole} | ({"except": holes} if holes and self.chance(0.5) else {})
            case "ref":
                return {"cidrGroupRef": self.pick("g0", "g1")}
            case _:
                return {"cidrGroupSelector": self.selector() or {"matchLabels": {"a": "1"}}}

    def meant_service(self) -> Object:
        where = {"namespace": self.pick(*SPACES)} if self.chance(0.5) else {}
        if self.chance(0.6):
            return {"k8sService": {"serviceName": self.pick("s0", "s1")} | where}
        return {"k8sServiceSelector": {"selector": self.selector()} | where}

    def cilium_flows(self, denies: bool) -> Object:
        if self.chance(0.25):
            field = {"type": self.pick(8, "8", "EchoRequest", 3)} | (
                {} if self.chance(0.4) else {"family": self.pick("IPv4", "IPv6")}
            )
            return {"icmps": [{"fields": [field]}]}
        entry: Object = {"ports": self.many(1, 2, self.cilium_port)}
        if (
            not denies
            and self.chance(0.2)
            and all(port.get("protocol") == "TCP" and port["port"] != "0" for port in entry["ports"])
        ):
            entry["rules"] = {"http": [{"method": "GET"}]}
        return {"toPorts": [entry]}

    def cilium_port(self) -> Object:
        found: Object = {"port": self.pick("80", "53", "8080", "0", *PORT_NAMES)}
        found |= {"protocol": self.pick(*PROTOCOLS, "TCP", "ANY")} if self.chance(0.8) else {}
        return found | ({"endPort": self.pick(81, 90)} if found["port"] == "80" and self.chance(0.4) else {})


def without_applications(spec: Object) -> Object:
    """A policy about nodes may not speak of applications."""
    for rule in (rule for way in ("ingress", "egress") for rule in spec.get(way, ())):
        for entry in rule.get("toPorts", ()):
            entry.pop("rules", None)
    return spec


def policies_in(objects: list[Object]) -> PolicySet:
    """The policies as Cilium reads them, as it is set."""
    cluster = policies_of(objects, CILIUM).world.cluster
    return policy_set(world_of(cluster, settled(CILIUM, cluster)))


def agree(random: Random) -> Counter[Answers]:
    """Holds the readings of a random cluster against each other; how often each verdict came out."""
    objects = CiliumMaker(random).objects()
    policies = policies_in(objects)
    assert [item.message for item in policies.complaints if item.rejected] == []
    config = next((item["data"] for item in objects if item["kind"] == "ConfigMap"), None)
    known = {family: factors(policies, family) for family in (4, 6)}
    counts = Counter[Answers]()
    for asked in questions(policies, objects, random):
        flow = flow_of(asked.packet)
        expected = verdict(Cilium(objects, config), asked.one, asked.other, asked.packet)
        answers = {
            "decide": told(decide(policies, asked.source, asked.destination, flow).admitted),
            "factors": told(compiled(policies, known[flow.family], asked.source, asked.destination, flow)),
        }
        assert all(found == expected for found in answers.values()), asked.text(objects, answers, expected)
        counts[expected] += 1
    return counts


def test_every_verdict_is_the_naive_one() -> None:
    counts = Counter[Answers]()
    for seed in range(80):
        try:
            counts += agree(Random(seed))
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert min(counts[YES], counts[NO], counts[OPEN]) > 500, counts


@settings(max_examples=30, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False))  # type: ignore[untyped-decorator]
def test_verdicts_agree_where_they_would_be_shrunk(random: Random) -> None:
    agree(random)
