"""The truth tables of the upstream tests and of Cyclonus, cell by cell, read where they are.

Kubernetes' own end-to-end tests and Cyclonus state which of nine pods reaches which, as rows of ``.`` and ``X`` from the row to the column. Of a pod to
itself both say what their probe saw through a service, which the API leaves open ("a Pod cannot block access to itself", website, Network Policies):
the diagonal is not compared.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from analyzer.policy.decision import decide
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from tests.policies import DATA, flow, needs, policies_at, policies_of

UPSTREAM = DATA / "netpol" / "kubernetes-e2e"
CYCLONUS = DATA / "netpol" / "mattfenwick-cyclonus-generated"
KINDS = ("NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy")
GROUPS = re.compile(rb"\bnetworking\.k8s\.io/v[\s\S]*NetworkPolicy|NetworkPolicy[\s\S]*\bnetworking\.k8s\.io/v")
PORTS = [(protocol, port) for protocol in ("TCP", "UDP", "SCTP") for port in (80, 81)]
# The folders with expected answers that another file here reads, and those without one that can be compared.
ELSEWHERE = {"np-guard-netpol-analyzer": "test_policy_np_guard.py"}
NOT_COMPARED = {
    "mattfenwick-cyclonus": "its printed tables are of ten policies, of which the folder has five",
    "np-guard-network-config-analyzer": "its scheme files all ask about Istio, or about Ingress and gateways",
    "np-guard-baseline-rules": "rules of a language of its own, without clusters",
    "kubernetes-sigs-kube-network-policies": "manifests of an installation, no policies with an expected answer",
    "ahmetb-kubernetes-network-policy-recipes": "no expected answers",
    "alibaba-kubeskoop": "no expected answers",
    "Azure-azure-container-networking": "what its controller makes of policies, not who reaches whom",
}
# Real policies that the API server would refuse, by the beginnings of their paths; np-guard's are what its own tests are about.
REFUSED = (
    "netpol/np-guard-netpol-analyzer/",
    "lint/derailed-popeye/internal/lint/testdata/net/np/d.yaml",
    "lint/zegl-kube-score/score/testdata/networkpolicy-not-matching.yaml",
    "manifests/ovn-kubernetes-ovn-kubernetes/contrib/perf/workloads/templates/",
)


def differences(policies: PolicySet, names: list[str], rows: list[str], protocol: str, port: int) -> list[str]:
    """The cells in which the analyzer says otherwise."""
    known, first = policies.world.by_name, flow(protocol, port)
    return [
        f"{source} -> {destination} {protocol} {port}: {admitted}, expected {cell}"
        for source, row in zip(names, rows, strict=True)
        for destination, cell in zip(names, row, strict=True)
        if source != destination and cell in ".X"
        if (admitted := decide(policies, known[source], known[destination], first).admitted) is not (cell == ".")
    ]


@needs(UPSTREAM)
@pytest.mark.parametrize("path", sorted(UPSTREAM.glob("*.json")), ids=lambda path: path.stem)
def test_upstream_tables(path: Path) -> None:
    case = json.loads(path.read_text())
    policies = policies_of(case["objects"], UNKNOWN_SYSTEM)
    assert policies.complaints == ()
    rows = case["expected_rows_from_cols_to"]
    assert differences(policies, case["pods"], rows, case["protocol"], case["toPort"]) == []


@needs(CYCLONUS)
@pytest.mark.parametrize("path", sorted(CYCLONUS.glob("*.json")), ids=lambda path: path.stem[:60])
def test_cyclonus_tables(path: Path) -> None:
    found = []
    for step in json.loads(path.read_text())["steps"]:
        policies = policies_of(cyclonus_objects(step), UNKNOWN_SYSTEM)
        assert policies.complaints == ()
        for name, rows in step["tables"]["combined"].items():
            protocol, _, port = name.partition("/")
            found += differences(policies, step["columns"], rows, protocol, int(port.split("-")[1] if "-" in port else port))
    assert found == []


def cyclonus_objects(step: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a step. Each pod serves two ports of each protocol, ``serve-80-tcp`` and so on."""
    ports = [{"name": f"serve-{port}-{name.lower()}", "containerPort": port, "protocol": name} for name, port in PORTS]
    spaces = [{"kind": "Namespace", "metadata": {"name": name, "labels": labels}} for name, labels in step["namespaces"].items()]
    pods = []
    for name, pod in step["pods"].items():
        namespace, _, short = name.partition("/")
        pods.append(
            {
                "kind": "Pod",
                "metadata": {"name": short, "namespace": namespace, "labels": pod["labels"]},
                "spec": {"containers": [{"name": "c", "ports": ports}]},
                "status": {"phase": "Running", "podIPs": [{"ip": pod["ip"]}]},
            }
        )
    versioned = [item | {"apiVersion": "v1"} for item in [*spaces, *pods]]
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return [*versioned, *(kind | item for item in step["policies"])]


@needs(DATA)
def test_every_folder_is_compared_or_has_its_reason() -> None:
    folders = {path.name for path in (DATA / "netpol").iterdir() if path.is_dir()}
    assert folders == {UPSTREAM.name, CYCLONUS.name, *ELSEWHERE, *NOT_COMPARED}


@needs(DATA)
def test_real_policies_are_understood() -> None:
    """Whatever stands anywhere in the data as a NetworkPolicy or an admin policy."""
    found, read = [], 0
    for path in sorted(path for kind in ("yaml", "yml", "json") for path in DATA.rglob(f"*.{kind}") if path.is_file()):
        name = str(path.relative_to(DATA))
        if path.stat().st_size < 1_000_000 and GROUPS.search(path.read_bytes()) and not name.startswith(REFUSED):
            policies = policies_at([path], UNKNOWN_SYSTEM)
            read += sum(1 for policy in policies.policies() if policy.kind in KINDS)
            found += [f"{name}:{item.at.line} {item.message}" for item in policies.complaints if item.rejected]
    assert found == []
    assert read > 150
