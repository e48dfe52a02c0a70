"""Policies against what the nodes do, on a small flannel-like capture: flannel enforces nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Counterexample, Guarantee, Verdict
from analyzer.query.guarantees import decide
from analyzer.query.replay import Replay, Word
from analyzer.solve.packet import TCP, Packet
from benchmarks.capture import Shape, write
from tests.lab import record

TRUTH = Path(__file__).parent.parent / "samples" / "truth"
UNENFORCED = frozenset({"canal-in-containers"})
"""Without policies."""
ENFORCERS = ("calico-felix", "canal", "kube-router-policies", "weave-policies", "romana-policies", "terway-felix", "kube-ovn")
BROKEN = ("-lost", "-stale", "-before-policies", "-mixed")
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
WEB = DENY.replace("deny", "web") + "  ingress:\n  - ports:\n    - protocol: TCP\n      port: 80\n"
ENFORCING = """-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -d 10.64.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD -d 10.64.0.0/16 -p icmp -j ACCEPT
-A FORWARD -d 10.64.0.0/16 -j DROP
"""
TRANSLATED = "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n"
DROPS = "-A FORWARD -d 10.64.1.2/32 -p tcp -j DROP\n"


def verdict(folder: Path) -> Guarantee:
    return decide(load(folder).given.network, ["policy-enforced"]).guarantees[0]


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


def test_what_policies_admit_and_nodes_pass_is_proved(tmp_path: Path) -> None:
    assert verdict(capture(tmp_path, ALLOW)).verdict is Verdict.PROVED


def test_what_policies_admit_and_a_node_cuts_is_refuted(tmp_path: Path) -> None:
    found = verdict(cut(capture(tmp_path, ALLOW), DROPS))
    assert found.verdict is Verdict.REFUTED
    assert "dropped by filter FORWARD" in found.reason


def test_what_a_rule_drops_and_no_policy_is_about_any_more_is_refuted(tmp_path: Path) -> None:
    """As where an agent has not taken the rules of a policy away that was deleted: no other policy is about the pod."""
    folder = cut(capture(tmp_path, ALLOW.replace("podSelector: {}", "podSelector: {matchLabels: {app: other}}")), DROPS)
    pods = folder / "k8s" / "pods.yaml"
    other = "  name: p1-1\n"
    assert other in pods.read_text()
    pods.write_text(pods.read_text().replace(other, f"{other}  labels: {{app: other}}\n"))
    found = verdict(folder)
    assert found.verdict is Verdict.REFUTED
    assert (found.broken, found.checked) == (6, 8)
    assert "dropped by filter FORWARD" in found.reason


def test_a_packet_that_tells_policies_and_rules_apart_is_told_with_both_places(tmp_path: Path) -> None:
    lost, passed = (
        load(cut(capture(tmp_path / name, text), DROPS + "-A FORWARD -d 10.64.0.0/16 -j ACCEPT\n")).check()
        for name, text in (("a", ALLOW), ("d", DENY))
    )
    for report, policy in ((lost, False), (passed, True)):
        cause = next(one for one in report.causes if "policy-enforced" in one.guarantees)
        places = {cause.at.path, *(label.at.path for label in cause.related)}
        assert "k8s/policies.yaml" in places
        assert any(path.endswith("iptables-save") for path in places)
        assert (cause.at.path == "k8s/policies.yaml") is policy


def test_rules_that_do_what_a_policy_says_are_proved(tmp_path: Path) -> None:
    assert verdict(cut(capture(tmp_path, WEB), ENFORCING)).verdict is Verdict.PROVED


def test_a_ping_may_pass_or_not_where_a_rule_has_ports(tmp_path: Path) -> None:
    assert (
        verdict(cut(capture(tmp_path, WEB), ENFORCING.replace("-A FORWARD -d 10.64.0.0/16 -p icmp -j ACCEPT\n", ""))).verdict
        is Verdict.PROVED
    )


def test_a_port_too_many_is_refuted_with_a_packet_to_it(tmp_path: Path) -> None:
    found = verdict(cut(capture(tmp_path, WEB), ENFORCING.replace("--dport 80 ", "--dport 80:81 ")))
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert found.counterexample.packet.destination_port == 81


def test_a_port_too_few_is_refuted_with_a_packet_to_it(tmp_path: Path) -> None:
    found = verdict(cut(capture(tmp_path, WEB.replace("port: 80\n", "port: 80\n      endPort: 90\n")), ENFORCING))
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert 81 <= found.counterexample.packet.destination_port <= 90


def test_what_policies_deny_and_a_rule_lets_through_to_services_alone_is_refuted_with_both_places(tmp_path: Path) -> None:
    found = verdict(cut(capture(tmp_path, WEB), TRANSLATED + ENFORCING))
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert " to svc:" in found.reason
    assert "default/web isolates" in found.reason
    assert "accepted by filter FORWARD rule 1" in found.reason
    assert found.counterexample.at is not None
    assert found.counterexample.at.path == "k8s/policies.yaml"


def test_what_a_pod_may_send_to_itself_through_a_service_says_nothing_of_pods_like_it(tmp_path: Path) -> None:
    folder = cut(capture(tmp_path, WEB), ENFORCING)
    found = decide(load(folder).given.network, ["pod-to-service"]).guarantees[0]
    assert found.reason == "1 pairs are cut, and it is not known whether policies want it"


def cut(folder: Path, rules: str) -> Path:
    """The capture with rules before the others of FORWARD, on every node; bridged packets pass through them too."""
    for path in sorted((folder / "nodes").glob("*/iptables-save")):
        first = "-A FORWARD -m comment"
        path.write_text(path.read_text().replace(first, rules + first, 1))
    return folder


@pytest.mark.parametrize(
    "name", [path.stem for path in sorted(TRUTH.glob("*.txt")) if path.stem.startswith(ENFORCERS) and path.stem not in UNENFORCED]
)
def test_what_network_systems_install_is_what_policies_say(name: str, tmp_path: Path) -> None:
    """Recorded of networks whose policies are enforced as Felix, kube-router and Weave do it; of those that were broken, the packet that tells."""
    record.unpack((TRUTH / f"{name}.txt").read_text(), tmp_path)
    found = verdict(tmp_path)
    if name.endswith(BROKEN):
        assert found.verdict is Verdict.REFUTED
        assert found.counterexample is not None
    else:
        assert (found.verdict, found.reason) == (Verdict.PROVED, "")


def test_a_source_that_a_set_of_packets_drops_is_open_and_no_contradiction(tmp_path: Path) -> None:
    """A pod sends from an address that it is not known by, and a rule drops whom packets have put into a set: the sets leave open what the walk follows."""
    record.unpack((TRUTH.parent / "undecided" / "ptp-policies-source-chosen.txt").read_text(), tmp_path)
    verdicts = {item.id: item for item in decide(load(tmp_path).given.network).guarantees}
    assert verdicts["pod-sees-its-own-address"].verdict is Verdict.UNDECIDED
    assert not any("internal error" in item.reason for item in verdicts.values())


def test_an_endpoint_that_policies_keep_is_no_failure_where_it_is_open_whether_another_is_reached(tmp_path: Path) -> None:
    """Nothing says where an interface without an address leads: the endpoints behind it are open, those that policies isolate are not to be reached."""
    record.unpack((TRUTH / "terway-felix.txt").read_text(), tmp_path)
    for path in (tmp_path / "nodes").glob("node-*/ip_neigh.json"):
        known = json.loads(path.read_text())
        path.write_text(json.dumps([item for item in known if item.get("dev") != "eth1"]))
    verdicts = {item.id: item.verdict for item in decide(load(tmp_path).given.network).guarantees}
    assert verdicts["pod-to-pod"] is Verdict.UNDECIDED
    assert (verdicts["pod-to-service"], verdicts["outside-to-service"]) == (Verdict.UNDECIDED, Verdict.UNDECIDED)


@pytest.mark.parametrize(
    ("reason", "by_policies"),
    [
        ("n1: dropped by filter FORWARD rule 3", True),
        ("n1: Cilium drops the packet (Policy denied): egress of endpoint 7 admits no identity 9", True),
        ("n1: Cilium drops the packet (No tunnel/encapsulation endpoint): 10.0.0.9 is of no node", False),
        ("n1: conntrack drops the packet: a connection with the tuple of its answers is tracked already", False),
        ("br-int of n1 drops the packet: no flow takes it", False),
    ],
)
def test_what_is_lost_elsewhere_is_not_laid_to_policies(reason: str, by_policies: bool) -> None:
    shown = Counterexample(Packet(4, 1, 2, TCP), (), reason)
    assert Replay(Word.CONFIRMED, reason, None, shown).filtered is by_policies
