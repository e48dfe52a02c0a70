"""Policies against what the nodes do, on a small flannel-like capture: flannel enforces nothing."""

from __future__ import annotations

from pathlib import Path

from analyzer.api import load
from analyzer.findings import Guarantee, Verdict
from benchmarks.capture import Shape, write

DENY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny
  namespace: default
spec:
  podSelector: {}
  policyTypes:
  - Ingress
"""
ALLOW = DENY.replace("deny", "allow") + "  ingress:\n  - {}\n"
DROPS = "-A FORWARD -d 10.64.1.2/32 -p tcp -j DROP\n"


def verdict(folder: Path) -> Guarantee:
    return next(item for item in load(folder).check().guarantees if item.id == "policy-enforced")


def capture(folder: Path, policy: str) -> Path:
    write(folder / "dump", Shape(2, 2, 1, 1))
    (folder / "dump" / "k8s" / "policies.yaml").write_text(policy)
    return folder / "dump"


def test_a_policy_that_nobody_enforces_is_refuted_with_a_packet(tmp_path: Path) -> None:
    found = verdict(capture(tmp_path, DENY))
    assert found.verdict is Verdict.REFUTED
    assert "default/deny isolates" in found.reason
    assert found.counterexample is not None
    assert found.counterexample.at is not None
    assert found.counterexample.at.path == "k8s/policies.yaml"


def test_what_policies_admit_and_nodes_pass_is_not_refuted(tmp_path: Path) -> None:
    assert verdict(capture(tmp_path, ALLOW)).verdict is Verdict.UNDECIDED


def test_what_policies_admit_and_a_node_cuts_is_refuted(tmp_path: Path) -> None:
    folder = capture(tmp_path, ALLOW)
    path = folder / "nodes" / "n1" / "iptables-save"
    first = "-A FORWARD -m comment"
    path.write_text(path.read_text().replace(first, DROPS + first, 1))
    found = verdict(folder)
    assert found.verdict is Verdict.REFUTED
    assert "the policies admit the packet" in found.reason
