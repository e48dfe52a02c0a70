"""What the analyzer decides by Linkerd's policies over random clusters, held against the plain reading of the same objects."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from tests.naive_linkerd import SUFFIX, verdict
from tests.naive_policy import NO, OPEN, YES, Answers
from tests.policies import compiled, outside, policies_of

Object = dict[str, Any]
SPACES, ACCOUNTS, PORTS = ("n1", "n2"), ("a", "b"), (80, 81, 9000)
NETWORKS: list[Object] = [
    {"cidr": "10.0.0.0/8"},
    {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/30"]},
    {"cidr": "10.0.0.2/32"},
    {"cidr": "0.0.0.0/0"},
    {"cidr": "8.8.0.0/16"},
]
IDENTITIES = ("*", f"*.n1.{SUFFIX}", f"a.n1.{SUFFIX}", f"b.n2.{SUFFIX}", f"*.{SUFFIX}")
WORDS = ("deny", "all-authenticated", "cluster-authenticated", "cluster-unauthenticated", "all-unauthenticated", "audit")
OUTSIDE = ("8.8.8.8", "172.16.9.9")


class Maker:
    """Makes a cluster at random."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def thing(self, version: str, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.some(*SPACES)} | metadata,
            "spec": spec,
        }

    def objects(self) -> list[Object]:
        found = [self.pod(number) for number in range(4)]
        found[0]["metadata"].setdefault("annotations", {})["linkerd.io/inject"] = "enabled"
        found += [
            self.of_mesh("MeshTLSAuthentication", f"m{number}", self.tls())
            | {"metadata": {"name": f"m{number}", "namespace": "n1"}}
            for number in range(2)
        ]
        networks = {"networks": self.random.sample(NETWORKS, 2)}
        found.append(self.of_mesh("NetworkAuthentication", "near", networks) | {"metadata": {"name": "near", "namespace": "n1"}})
        found += [self.server(number) for number in range(self.random.randint(1, 4))]
        found += [self.authorization(number) for number in range(self.random.randint(0, 3))]
        return found + [self.policy(number) for number in range(self.random.randint(0, 3))]

    def of_mesh(self, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
        return self.thing("policy.linkerd.io/v1alpha1", kind, name, spec, **metadata)

    def pod(self, number: int) -> Object:
        ports = [
            {"name": self.some("web", "admin"), "containerPort": self.some(*PORTS), "protocol": self.some("TCP", "TCP", "UDP")}
        ]
        container: Object = {"name": "c", "ports": ports}
        for key in ("livenessProbe", "readinessProbe") if self.chance(0.4) else ():
            port = self.some(*PORTS, ports[0]["name"])
            container |= {key: self.some({"httpGet": {"path": "/", "port": port}}, {"tcpSocket": {"port": port}})}
        spec = {"serviceAccountName": self.some(*ACCOUNTS), "containers": [container]}
        notes = {"linkerd.io/inject": "enabled"} if self.chance(0.7) else {}
        notes |= {"config.linkerd.io/default-inbound-policy": self.some(*WORDS)} if self.chance(0.3) else {}
        notes |= {"config.linkerd.io/skip-inbound-ports": "81,9000"} if self.chance(0.1) else {}
        made = self.thing("v1", "Pod", f"p{number}", spec, labels={"app": self.some("x", "y")}, annotations=notes)
        return made | {"status": {"podIPs": [{"ip": f"10.0.0.{number + 1}"}]}}

    def server(self, number: int) -> Object:
        spec = {
            "podSelector": self.some({}, {"matchLabels": {"app": "x"}}),
            "port": self.some(*PORTS, "web"),
            "proxyProtocol": self.some("opaque", "HTTP/1", "unknown"),
        }
        spec |= {"accessPolicy": self.some(*WORDS)} if self.chance(0.3) else {}
        return self.of_mesh("Server", f"s{number}", spec, labels={"of": self.some("x", "y")})

    def tls(self) -> Object:
        if self.chance(0.6):
            return {"identities": self.random.sample(IDENTITIES, 1)}
        return {"identityRefs": [self.some({"kind": "Namespace", "name": "n2"}, {"kind": "ServiceAccount", "name": "a"})]}

    def authorization(self, number: int) -> Object:
        client: Object = {"networks": self.random.sample(NETWORKS, 1)} if self.chance(0.4) else {}
        tls = self.some(
            {"unauthenticatedTLS": True}, {"identities": [self.some(*IDENTITIES)]}, {"serviceAccounts": [{"name": "a"}]}
        )
        client |= {"unauthenticated": True} if self.chance(0.3) else {"meshTLS": tls}
        server = self.some({"name": self.some("s0", "s1")}, {"selector": {"matchLabels": {"of": "x"}}})
        return self.of_mesh("ServerAuthorization", f"z{number}", {"server": server, "client": client})

    def policy(self, number: int) -> Object:
        refs: list[Object] = (
            [{"kind": "MeshTLSAuthentication", "name": self.some("m0", "m1"), "namespace": "n1"}] if self.chance(0.5) else []
        )
        refs += [{"kind": "NetworkAuthentication", "name": "near", "namespace": "n1"}] if self.chance(0.4) else []
        refs = refs or self.some([], [{"kind": "ServiceAccount", "name": "b"}])
        target = self.some({"kind": "Namespace", "name": "n1"}, {"kind": "Server", "name": self.some("s0", "s1", "s2")})
        return self.of_mesh("AuthorizationPolicy", f"a{number}", {"targetRef": target, "requiredAuthenticationRefs": refs})


def agree(seed: int) -> Counter[Answers]:
    """Holds the readings of a random cluster against each other; how often each verdict came out."""
    objects = Maker(Random(seed)).objects()
    policies = policies_of(objects, UNKNOWN_SYSTEM)
    assert not any(item.rejected for item in policies.complaints), policies.complaints
    pods = {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in objects if item["kind"] == "Pod"}
    ends = [*policies.world.entities, *map(outside, OUTSIDE)]

    def of(end: Entity) -> Object | str:
        return pods.get(end.name, end.name)

    known, counts = factors(policies, 4), Counter[Answers]()
    for source in ends:
        for destination in ends:
            for protocol, port in ((6, 80), (6, 81), (6, 9000), (17, 80)):
                if not (source.name in OUTSIDE and destination.name in OUTSIDE):
                    flow = Flow(4, protocol, port)
                    expected = verdict(objects, of(source), of(destination), protocol, port)
                    found = decide(policies, source, destination, flow).admitted
                    assert compiled(policies, known, source, destination, flow) is found
                    told = OPEN if found is None else YES if found else NO
                    words = "\n".join(map(json.dumps, objects))
                    assert told == expected, f"seed {seed}: {source.name} to {destination.name} {protocol}/{port}\n{words}"
                    counts[expected] += 1
    return counts


def test_every_verdict_is_the_naive_one() -> None:
    counts = sum(map(agree, range(60)), Counter[Answers]())
    assert min(counts[YES], counts[NO], counts[OPEN]) > 30, counts
