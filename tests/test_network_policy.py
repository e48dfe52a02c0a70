"""NetworkPolicy between pods, against a table of the points where readers go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from analyzer.addresses import address
from analyzer.facts.kubernetes import ContainerPort, OtherObjectFact, PodFact
from analyzer.model.cluster import Cluster
from analyzer.policy.decision import exemption
from analyzer.policy.terms import ALL_PORTS
from analyzer.query.policies import policies
from analyzer.ranges import Ranges
from analyzer.source import Span

AT = Span("policy.yaml", 1)


def pod(name: str, namespace: str = "x", ip: str = "10.0.0.1", host_network: bool = False, **labels: str) -> PodFact:
    ports = (ContainerPort("c", "web", 8080, 6, 0, None, AT),)
    return PodFact(
        at=AT,
        api_version="v1",
        kind="Pod",
        name=name,
        namespace=namespace,
        labels=labels,
        addresses=(address(ip),),
        ports=ports,
        host_network=host_network,
    )


def policy(spec: dict[str, Any], namespace: str = "x") -> OtherObjectFact:
    return OtherObjectFact(
        at=AT, api_version="networking.k8s.io/v1", kind="NetworkPolicy", name="p", namespace=namespace, document={"spec": spec}
    )


A, B, C = pod("a", ip="10.0.0.1", app="a"), pod("b", ip="10.0.0.2", app="b"), pod("c", "y", ip="10.0.1.3", app="a")

CASES: list[tuple[str, dict[str, Any] | None, PodFact, PodFact, Any]] = [
    ("no policy", None, A, B, ALL_PORTS),
    ("default deny", {"podSelector": {}}, A, B, ()),
    ("deny does not isolate egress", {"podSelector": {"matchLabels": {"app": "a"}}}, A, B, ALL_PORTS),
    ("empty egress without policyTypes does not isolate", {"podSelector": {}, "ingress": [{}], "egress": []}, A, B, ALL_PORTS),
    ("egress type with no rule", {"podSelector": {}, "policyTypes": ["Egress"]}, A, B, ()),
    ("an empty rule admits all", {"podSelector": {}, "ingress": [{}]}, A, B, ALL_PORTS),
    ("an empty from admits all", {"podSelector": {}, "ingress": [{"from": []}]}, A, B, ALL_PORTS),
    ("podSelector is of the own namespace", {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}, C, B, ()),
    (
        "empty namespaceSelector is everyone",
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]},
        C,
        B,
        ALL_PORTS,
    ),
    (
        "the name label is automatic",
        {
            "podSelector": {},
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "y"}}}]}],
        },
        C,
        B,
        ALL_PORTS,
    ),
    ("port defaults to TCP", {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}, A, B, ((80, 80),)),
    ("endPort", {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 90}]}]}, A, B, ((80, 90),)),
    ("named port of the target", {"podSelector": {}, "ingress": [{"ports": [{"port": "web"}]}]}, A, B, ((8080, 8080),)),
    ("named port that nobody has", {"podSelector": {}, "ingress": [{"ports": [{"port": "none"}]}]}, A, B, ()),
    ("another protocol", {"podSelector": {}, "ingress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}, A, B, ()),
    (
        "except cuts a hole",
        {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/24"]}}]}]},
        A,
        B,
        (),
    ),
    (
        "both selectors must match",
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "z"}}}]}]},
        C,
        B,
        (),
    ),
    (
        "NotIn holds where the label is absent",
        {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}},
        A,
        B,
        (),
    ),
    ("a pod reaches itself", {"podSelector": {}}, B, B, ALL_PORTS),
]


@pytest.mark.parametrize(("name", "spec", "source", "target", "ports"), CASES, ids=[case[0] for case in CASES])
def test_admitted_tcp_ports(name: str, spec: dict[str, Any] | None, source: PodFact, target: PodFact, ports: Any) -> None:
    del name
    sure, may = flows(spec, source, target)
    assert sure.get(6, ()) == may.get(6, ()) == ports


def flows(spec: dict[str, Any] | None, source: PodFact, target: PodFact) -> tuple[dict[int, Ranges], dict[int, Ranges]]:
    """Ports by protocol that are admitted for sure, and perhaps."""
    pods = {(item.namespace, item.name): item for item in (A, B, C)}
    found = policies(Cluster(pods=pods, others=(policy(spec),) if spec is not None else ()))
    ends = [found.world.by_name[f"{item.namespace}/{item.name}"] for item in (source, target)]
    if exemption(found.profile, *ends):
        every = dict.fromkeys((1, 6, 17, 132), ALL_PORTS)
        return every, every
    factors = found.factors(4)
    return tuple(  # type: ignore[return-value]
        {number: ports for (low, high), ports in factors.atoms.ports(mask) for number in (1, 6, 17, 132) if low <= number <= high}
        for mask in factors.between(*ends)
    )


def test_ports_leave_icmp_unspecified() -> None:
    sure, may = flows({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}, A, B)
    assert 1 not in sure
    assert 1 in may


def test_of_a_policy_of_the_wrong_shape_nothing_is_known() -> None:
    sure, may = flows({"podSelector": {}, "ingress": "all of them"}, A, B)
    assert not sure
    assert may[6] == ALL_PORTS
