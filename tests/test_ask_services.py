"""Questions through a service, where rules of egress are held against its own address: the answers are those of the plain reading over every pair."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analyzer.addresses import host_prefix
from analyzer.api import load
from analyzer.capture.reading import facts
from analyzer.findings import Verdict
from analyzer.model.build import build
from analyzer.policy.decision import decide
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.profiles import UNKNOWN_SYSTEM, profile_named
from analyzer.policy.terms import Kind
from analyzer.query.ask import ask
from analyzer.query.policies import Policies, policies
from analyzer.query.policy_services import backends
from analyzer.solve.packet import Fate
from analyzer.source import Source
from tests.test_policy_agreement import Maker

ADDRESS = "10.0.0.6"


def given_by(seed: int, sees: bool | None) -> Policies:
    """A random cluster with a service whose address stands in blocks of policies."""
    import json

    random = Random(seed)
    objects: list[dict[str, Any]] = [
        item for item in Maker(random).objects() if "v1alpha" not in item["apiVersion"] or random.random() < 0.5
    ]
    ports = [{"name": "a", "port": 53, "targetPort": random.choice((53, 80, 8080)), "protocol": random.choice(("TCP", "UDP"))}]
    service = {"clusterIP": ADDRESS, "selector": {random.choice("ab"): random.choice("12")}, "ports": ports}
    objects.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n1"}, "spec": service})
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    source = Source("objects.json", text, "kubernetes")
    known, gaps = facts((source,))
    network = build((source,), known, gaps)
    profile = replace(UNKNOWN_SYSTEM, egress_sees_service=sees, own_service_admitted=random.choice((True, False, None)))
    return policies(network.cluster, profile)


def values(found: Policies) -> dict[str, list[bool | None]]:
    """For each pod the decision over each pod behind the service, itself among them."""
    address = next(iter(found.world.cluster.services["n1", "s"].cluster_addresses))
    service = Entity("svc", Kind.OUTSIDE, blocks=(host_prefix(address),))
    result: dict[str, list[bool | None]] = {}
    for pod in found.world.pods():
        for item in backends(found.world, "n1", "s"):
            flow = Flow(4, item.protocol, item.target)
            asked = Asked(service, replace(flow, port=item.port))
            result.setdefault(pod.name, []).append(decide(found.all, pod, item.entity, flow, asked).admitted)
    return result


def some(given: list[bool | None]) -> Verdict:
    return Verdict.PROVED if True in given else Verdict.UNDECIDED if None in given else Verdict.REFUTED


def every(given: list[bool | None]) -> Verdict:
    return Verdict.REFUTED if False in given else Verdict.UNDECIDED if None in given else Verdict.PROVED


@pytest.mark.parametrize("sees", [True, None, False])
@pytest.mark.parametrize("seed", range(40))
def test_answers_are_those_of_every_pair(seed: int, sees: bool | None) -> None:
    found = given_by(seed, sees)
    for name, wanted in values(found).items():
        if "[" in name:
            continue
        assert ask(found, f"can {name} reach svc:n1/s?").verdict is some(wanted), name
        assert ask(found, f"{name} reaches svc:n1/s").verdict is every(wanted), name


@pytest.mark.parametrize("sees", [True, None, False])
@pytest.mark.parametrize("seed", range(12))
def test_a_service_is_the_same_by_its_name_and_by_its_address(seed: int, sees: bool | None) -> None:
    """Its ports are the service's, and so are those that a question names; also beside others."""
    found = given_by(seed, sees)
    named = [name for name in values(found) if "[" not in name]
    for name in named:
        for asked in (
            "can {} reach {}?",
            "{} reaches {}",
            "can {} reach {} on 53/UDP, 53/TCP?",
            f"can {{}} reach {{}}, {named[0]}?",
        ):
            by_name, by_address = (ask(found, asked.format(name, one)) for one in ("svc:n1/s", ADDRESS))
            assert by_name.verdict is by_address.verdict, asked
            assert by_name.path == by_address.path, asked


ITSELF = """\
apiVersion: v1
kind: Pod
metadata: {name: s, namespace: shop, labels: {app: s}}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: shop}
spec: {selector: {app: s}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, policyTypes: [%s], ingress: [{from: [{podSelector: {matchLabels: {app: c}}}]}]}
"""


@pytest.mark.parametrize(
    ("system", "types", "verdict"),
    [
        ("calico", "Ingress", Verdict.REFUTED),
        ("cilium", "Ingress", Verdict.PROVED),
        ("unknown", "Ingress", Verdict.UNDECIDED),
        ("kube-router", "Ingress", Verdict.PROVED),
        ("kube-router", "Ingress, Egress", Verdict.REFUTED),
    ],
)
def test_a_pod_that_asks_for_itself_through_a_service_is_asked_as_its_system_does(
    system: str, types: str, verdict: Verdict
) -> None:
    """Also where the service's address is not known yet. Of kube-router: the mark of its rules of one direction is enough."""
    source = Source("objects.yaml", ITSELF % types, "kubernetes")
    known, gaps = facts((source,))
    found = policies(build((source,), known, gaps).cluster, profile_named(system))
    assert ask(found, "can shop/s reach svc:shop/s on 80").verdict is verdict
    assert ask(found, "can shop/s reach shop/s on 80").verdict is Verdict.PROVED


MASQUERADED = load(Path(__file__).parent.parent / "samples" / "policy-trace" / "masqueraded" / "manifests")
SAME = {Fate.REACHABLE: Verdict.PROVED, Fate.UNREACHABLE: Verdict.REFUTED, Fate.UNKNOWN: Verdict.UNDECIDED}


@pytest.mark.parametrize("system", ["unknown", "calico", "aws-vpc-cni"])
@pytest.mark.parametrize(("sender", "service"), list(product(("web", "far", "other", "shut"), ("db", "web"))))
def test_where_kube_proxy_masquerades_all_a_question_says_what_a_trace_does(sender: str, service: str, system: str) -> None:
    asked = MASQUERADED.read_as(cni=system)
    port = {"db": 5432, "web": 80}[service]
    trace = asked.trace(f"shop/{sender}", f"svc:shop/{service}", port=port)
    fates = {one.fate for one in trace.outcomes}
    answer = asked.ask(f"shop/{sender} reaches svc:shop/{service} on {port}")
    if len(fates) == 1:
        assert answer.verdict is SAME[fates.pop()]
    assert (answer.verdict is Verdict.UNDECIDED) == any("masqueradeAll" in text for text in answer.settle)


SEVERAL = """\
apiVersion: v1
kind: Pod
metadata: {name: open, namespace: shop, labels: {app: s}}
---
apiVersion: v1
kind: Pod
metadata: {name: shut, namespace: shop, labels: {app: s, shut: "1"}}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: shop}
spec: {selector: {app: s}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {matchLabels: {shut: "1"}}}
"""


@pytest.mark.parametrize(
    ("question", "calico", "cilium"),
    [
        ("can shop/open reach svc:shop/s on 80", Verdict.PROVED, Verdict.PROVED),
        ("shop/open cannot reach svc:shop/s on 80", Verdict.REFUTED, Verdict.REFUTED),
        ("shop/shut reaches svc:shop/s on 80", Verdict.REFUTED, Verdict.PROVED),
        ("every pod in ns:shop reaches some pod in ns:shop through svc:shop/s", Verdict.PROVED, Verdict.PROVED),
        ("can shop/open reach shop/shut through svc:shop/s", Verdict.REFUTED, Verdict.REFUTED),
    ],
)
def test_a_service_may_choose_the_pod_that_asks(question: str, calico: Verdict, cilium: Verdict) -> None:
    """One of several pods behind a service is sent back to itself at times."""
    source = Source("objects.yaml", SEVERAL, "kubernetes")
    known, gaps = facts((source,))
    cluster = build((source,), known, gaps).cluster
    assert ask(policies(cluster, profile_named("calico")), question).verdict is calico
    assert ask(policies(cluster, profile_named("cilium")), question).verdict is cilium


NAMES = load(Path(__file__).parent.parent / "samples" / "policy-trace" / "services-without-address" / "manifests")


@pytest.mark.parametrize("sender", ["web", "db-0"])
@pytest.mark.parametrize(("service", "port"), [("db", 80), ("db", 5432), ("db-four", 5432)])
def test_a_question_about_a_name_of_pods_says_what_a_trace_does(sender: str, service: str, port: int) -> None:
    asked = NAMES.read_as(cni="cilium", switches={"blocks-match-pods": "yes"})
    (outcome,) = asked.trace(f"shop/{sender}", f"svc:shop/{service}", port=port).outcomes
    if service == "db-four":
        assert asked.ask(f"shop/{sender} reaches svc:shop/{service} on {port}").verdict is SAME[outcome.fate]
    elif outcome.fate is Fate.REACHABLE:
        assert asked.ask(f"can shop/{sender} reach svc:shop/{service} on {port}").verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("can shop/open reach svc:shop/nobody on 80", Verdict.REFUTED),
        ("shop/open cannot reach svc:shop/nobody", Verdict.PROVED),
        ("can shop/open reach shop/shut through svc:shop/nobody", Verdict.REFUTED),
    ],
)
def test_nobody_is_reached_through_a_service_that_selects_no_pod(question: str, verdict: Verdict) -> None:
    nobody = "---\napiVersion: v1\nkind: Service\nmetadata: {name: nobody, namespace: shop}\nspec: {selector: {app: x}, ports: [{port: 80}]}\n"
    source = Source("objects.yaml", SEVERAL + nobody, "kubernetes")
    known, gaps = facts((source,))
    answer = ask(policies(build((source,), known, gaps).cluster), question)
    assert answer.verdict is verdict
    assert answer.notes == ("service shop/nobody selects no pod of the input",)
