"""Kubernetes objects that several files hold: once where they agree, a gap that names both places where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.captures import network_of

POD = """apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  resourceVersion: "{version}"
spec:
  nodeName: {node}
status:
  podIP: 10.244.1.5
  conditions: [{{type: Ready, status: "True", lastProbeTime: "{version}"}}]
"""
SLICE = """apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: ["{address}"]}}]
ports: [{{port: 80, protocol: TCP, name: ""}}]
"""
ENDPOINTS = """apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets:
- addresses: [{ip: 10.244.1.5}]
  ports: [{port: 80}]
- addresses: [{ip: 10.244.1.6}]
  ports: [{port: 81}]
"""
POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny, namespace: shop}}
spec: {{podSelector: {{}}, policyTypes: [{types}]}}
"""


def gaps(files: dict[str, str], folder: Path) -> list[str]:
    """The gaps, each after its place."""
    return [f"{gap.at} {gap.reason}" for gap in network_of(files, folder).gaps]


@pytest.mark.parametrize(
    "text", [POD.format(version=1, node="n1"), SLICE.format(address="10.244.1.5"), ENDPOINTS, POLICY.format(types="Ingress")]
)
def test_an_object_given_twice_counts_once(text: str, tmp_path: Path) -> None:
    once = network_of({"k8s/a.yaml": text}, tmp_path / "once")
    twice = network_of({"k8s/a.yaml": text, "k8s/b.yaml": text}, tmp_path / "twice")
    assert (twice.cluster, twice.gaps) == (once.cluster, once.gaps)


def test_what_changes_by_itself_is_no_contradiction(tmp_path: Path) -> None:
    assert gaps({"k8s/a.yaml": POD.format(version=1, node="n1"), "k8s/b.yaml": POD.format(version=2, node="n1")}, tmp_path) == []


CONTRADICTIONS = {
    "k8s/b.yaml:8:13 Pod shop/web: spec.nodeName here is not the same as at k8s/a.yaml:8:13; that one is used": (
        POD.format(version=1, node="n1"),
        POD.format(version=1, node="n2"),
    ),
    "k8s/a.yaml:5:26 EndpointSlice shop/web-1: endpoints[0].addresses[0] here is not the same as at k8s/b.yaml:5:26; that one is used": (
        SLICE.format(address="10.244.1.5"),
        SLICE.format(address="10.244.1.6"),
    ),
    "k8s/a.yaml:4:39 NetworkPolicy shop/deny: spec.policyTypes[0] here is not the same as at k8s/b.yaml:4:39; that one is used": (
        POLICY.format(types="Ingress"),
        POLICY.format(types="Egress"),
    ),
}


@pytest.mark.parametrize("want", CONTRADICTIONS)
def test_a_contradiction_names_both_places(want: str, tmp_path: Path) -> None:
    first, second = CONTRADICTIONS[want]
    assert gaps({"k8s/a.yaml": first, "k8s/b.yaml": second}, tmp_path) == [want]


APPLIED = {"a": "Ingress", "b": "Egress", "c": "Ingress"}


@pytest.mark.parametrize(("versions", "last"), [("", "Egress"), ("a", "Ingress"), ("b", "Ingress"), ("ab", "Ingress")])
def test_the_last_of_manifests_counts_and_the_first_of_what_a_server_told(versions: str, last: str, tmp_path: Path) -> None:
    """``kubectl apply`` leaves what the last file says; ``versions`` are the files that have a resourceVersion."""
    files = {}
    for name in "ab":
        text = POLICY.format(types=APPLIED[name])
        files[f"{name}.yaml"] = text.replace("name: deny,", "name: deny, resourceVersion: '7',") if name in versions else text
    (policy,) = (item for item in network_of(files, tmp_path).cluster.others if item.kind == "NetworkPolicy")
    assert policy.document["spec"]["policyTypes"] == [last]


def test_a_manifest_that_comes_again_at_the_end_counts(tmp_path: Path) -> None:
    files = {f"{name}.yaml": POLICY.format(types=types) for name, types in APPLIED.items()}
    network = network_of(files, tmp_path)
    (policy,) = (item for item in network.cluster.others if item.kind == "NetworkPolicy")
    assert policy.document["spec"]["policyTypes"] == ["Ingress"]
    assert [str(gap.at) for gap in network.gaps] == ["b.yaml:4:39"]


SERVERS = {"n1": "10.96.0.10", "n2": "169.254.20.10"}
KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
clusterDNS: [{server}]
"""


def test_what_has_no_name_is_an_object_of_its_own_in_each_file(tmp_path: Path) -> None:
    files = {f"nodes/{node}/var/lib/kubelet/config.yaml": KUBELET.format(server=server) for node, server in SERVERS.items()}
    network = network_of(files, tmp_path)
    assert not network.gaps
    assert {item.value for item in network.cluster.settings if item.key == "cluster-dns"} == set(SERVERS.values())
