"""Names in questions about policies: who is meant, and what is said of a name that means nobody."""

from __future__ import annotations

import io
import re

import pytest

from analyzer.pipeline import read_input
from analyzer.policy.terms import Kind
from analyzer.query.policies import Policies, policies
from analyzer.query.policy_parties import class_of, entities_named
from analyzer.query.policy_services import backends

MANIFESTS = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.0.0.5, podIPs: [{ip: 10.0.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: odd, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 9090}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: api, namespace: shop}
spec:
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: api}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {containers: [{name: done, image: done}]}
status: {phase: Succeeded}
---
apiVersion: batch/v1
kind: Job
metadata: {name: over, namespace: shop}
spec: {template: {spec: {containers: [{name: over, image: over}]}}}
status: {conditions: [{type: Complete, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: shop}
spec: {type: ExternalName, externalName: far.example.org}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: some, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.64/26]}}]}]
"""


@pytest.fixture(scope="module")
def known() -> Policies:
    return policies(read_input(("-",), io.BytesIO(MANIFESTS.encode())).network.cluster)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shop/web", ["shop/web"]),
        ("pod:shop/web", ["shop/web"]),
        ("shop/web[Pod]", ["shop/web"]),
        ("shop/db", ["shop/db[Deployment]"]),
        ("shop/db[Deployment]", ["shop/db[Deployment]"]),
        ("deploy:shop/db", ["shop/db[Deployment]"]),
        ("rollout:shop/api", ["shop/api[Rollout]"]),
        ("ns:shop", ["shop/api[Rollout]", "shop/db[Deployment]", "shop/odd", "shop/web"]),
        ("labels:app=web", ["shop/odd", "shop/web"]),
        ("labels:app=web,tier=front", ["shop/web"]),
        ("svc:shop/web", ["shop/odd", "shop/web"]),
        ("10.96.0.9", ["shop/odd", "shop/web"]),
        ("10.0.0.5", ["shop/web"]),
        ("node:n1", ["node:n1"]),
        ("192.0.2.1", ["node:n1"]),
        ("203.0.113.7", ["203.0.113.7"]),
        ("outside", ["0.0.0.0/0 but for smaller blocks", "198.51.100.0/24 but for smaller blocks", "198.51.100.64/26"]),
        ("198.51.100.64/27", ["198.51.100.64/27"]),
        ("10.0.0.0/24", ["10.0.0.0/24", "shop/web"]),
    ],
)
def test_names(known: Policies, text: str, names: list[str]) -> None:
    found = entities_named(known, text)
    assert sorted(entity.name for entity in found) == names
    factors = known.factors(4)
    for entity in found:
        number = class_of(factors, entity)
        assert number is not None
        assert factors.universe.classes[number].kind is entity.kind
        if entity.kind is Kind.OUTSIDE:
            held = factors.universe.classes[number].blocks
            assert all(any(block.covers(own) for block in held) for own in entity.blocks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop/wep", "there is no pod shop/wep in the input: did you mean shop/web?"),
        ("deploy:shop/dp", "there is no Deployment shop/dp in the input: did you mean shop/db?"),
        ("sts:shop/db", "there is no statefulset shop/db in the input"),
        ("shop/done", "pod shop/done has finished (Succeeded): it has no traffic any more"),
        ("job:shop/over", "there is no job shop/over in the input"),
        ("svc:shop/elsewhere", "service shop/elsewhere is a name for far.example.org: ask about its addresses"),
        ("svc:shop/alias", "service shop/alias is a name for web.shop.svc.cluster.local: ask about svc:shop/web"),
        ("svc:shop/bare", "service shop/bare has no selector, and no endpoints in the input"),
        ("ns:shap", "there is no namespace shap in the input: did you mean shop?"),
        ("svc:shop/wab", "there is no service shop/wab in the input: did you mean shop/web?"),
        ("node:n2", "there is no node n2 in the input"),
        ("labels:app", "'labels:app' names nobody: expected labels:k=v,k2=v2"),
        ("labels:app=none", "no pod has the labels app=none"),
        ("a/b/c", "'a/b/c' names nobody: expected NS/POD"),
        ("", "'' names nobody: expected NS/POD"),
        ("10.0.0.0/99", "there is no pod 10.0.0.0/99 in the input"),
    ],
)
def test_names_of_nobody(known: Policies, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        entities_named(known, text)


def test_the_address_of_the_other_family_has_no_class(known: Policies) -> None:
    (entity,) = entities_named(known, "2001:db8::7")
    assert class_of(known.factors(4), entity) is None
    assert class_of(known.factors(6), entity) is not None


def test_names_of_target_ports_are_those_of_each_pod(known: Policies) -> None:
    found = {(item.entity.name, item.port, item.target) for item in backends(known.world, "shop", "web")}
    assert found == {("shop/web", 80, 8080), ("shop/odd", 80, 9090)}
