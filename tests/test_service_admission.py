"""Packets to services under policies, masqueraded ones and those from outside too: verdicts on recorded networks, Z3's part in them, and what a plain reading of the API's text says."""

from __future__ import annotations

import json
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Guarantee, Verdict
from analyzer.pipeline import read_input
from analyzer.policy.profiles import PROFILES
from analyzer.query.agreement import Share, contradiction
from analyzer.query.flows import PORTED, PORTS, Aim
from analyzer.query.grouping import Group
from analyzer.query.guarantees import GROUPS, decide
from analyzer.query.reach import admission_of, asked_of_z3
from analyzer.query.seen_sources import entities_at, holders_of
from analyzer.query.service_admission import Ruling, by_strangers, verdict
from analyzer.transfer.graph import NetworkProgram
from tests.lab import policies as texts
from tests.lab import record
from tests.lab.plan import Node, Pod
from tests.lab.service_check import passes

TRUTH = Path(__file__).parent.parent / "samples" / "truth"
IDS = ("pod-to-service", "outside-to-service")
RECORDED = (
    "calico-felix",
    "calico-felix-masquerade",
    "calico-felix-nft",
    "canal-services",
    "kube-router-policies",
    "weave-policies",
)
STRANGE = ("198.51.100.7", "203.0.113.200")
FELIX = "-s 10.244.0.0/24 -j MARK --set-xmark 0x10000/0x10000"


def recorded(sample: str, folder: Path) -> Path:
    record.unpack((TRUTH / f"{sample}.txt").read_text(), folder)
    return folder


def verdicts(folder: Path) -> dict[str, Guarantee]:
    return {item.id: item for item in decide(load(folder).given.network, IDS).guarantees}


@pytest.mark.parametrize("sample", RECORDED)
def test_what_policies_keep_from_services_is_excused_and_the_rest_is_proved(sample: str, tmp_path: Path) -> None:
    found = verdicts(recorded(sample, tmp_path))
    assert {one: (found[one].verdict, found[one].reason) for one in IDS} == dict.fromkeys(IDS, (Verdict.PROVED, ""))


@pytest.mark.parametrize("sample", ["canal-services", "calico-felix-masquerade"])
def test_without_policies_the_same_losses_are_refuted(sample: str, tmp_path: Path) -> None:
    (recorded(sample, tmp_path) / "k8s" / "policies.yaml").unlink()
    found = verdicts(tmp_path)
    for one in IDS:
        assert found[one].verdict is Verdict.REFUTED
        assert found[one].counterexample is not None


def test_what_is_masqueraded_and_admitted_must_arrive(tmp_path: Path) -> None:
    """The tunnel's address of node-a is in a block of the policy for the pods of node-b; where its rule is gone, what pods of node-a and strangers ask of them by node-a is lost."""
    path = recorded("canal-services", tmp_path) / "nodes" / "node-b" / "iptables-save"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if FELIX not in line or "cali-pi-" not in line]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))
    found = verdicts(tmp_path)
    for one in IDS:
        assert found[one].verdict is Verdict.REFUTED
        shown = found[one].counterexample
        assert shown is not None
        assert {"node-a", "node-b"} <= {hop.place for hop in shown.hops}


def test_a_block_cuts_the_strangers_exactly(tmp_path: Path) -> None:
    """Who may ask is a part of a block; rules that forget one half of it lose what the policy admits, and the packet that is shown is from there."""
    folder = recorded("calico-felix-masquerade", tmp_path)
    blocked = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"ipBlock": {"cidr": "198.18.0.0/15"}}]}]}
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "some", "namespace": "default"},
        "spec": blocked,
    }
    (folder / "k8s" / "policies.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]}))
    network = load(folder).given.network
    admission = admission_of(network, 4)
    assert admission is not None
    askers = by_strangers(network, admission, Aim(4, PORTED, PORTS, {}, {}), ((0x01000000, 0xDFFFFFFF),)).askers
    inside = [one for one in askers if one.entity is not None and one.addresses == ((0xC6120000, 0xC613FFFF),)]
    assert [one.entity.name for one in inside if one.entity] == ["198.18.0.0/15"]
    found = verdicts(folder)["outside-to-service"]
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert 0xC6120000 <= found.counterexample.packet.source <= 0xC613FFFF


@pytest.mark.parametrize("sample", ["canal-services", "kube-router-policies"])
def test_z3_is_asked_about_what_policies_admit_and_finds_the_rest(sample: str, tmp_path: Path) -> None:
    network = load(recorded(sample, tmp_path)).given.network
    program, admission = NetworkProgram(network, 4), admission_of(network, 4)
    assert admission is not None
    groups = [group for group in GROUPS["services"](network, 4) if isinstance(group, Group)]
    carved = [
        contradiction(program, one.aims, one.senders, wanted_of=partial(asked_of_z3, network, admission, one)) for one in groups
    ]
    plain = [contradiction(program, one.aims, one.senders) for one in groups]
    assert not any(carved)
    assert any("is lost" in words for words in plain)


def small_lab(capture: Capture, random: Random) -> Any:
    """The pods and nodes of a capture with policies of their own, as far as policies are made and read."""
    facts = capture.given.network.cluster.pods.values()
    pods = [
        Pod(one.name, one.node, dict(one.labels), (), [str(own) for own in one.addresses], one.namespace, one.host_network)
        for one in facts
    ]
    lab = SimpleNamespace(pods=pods, nodes=[Node(0), Node(1)], scenario=SimpleNamespace(families=(4,), enforcer="felix"))
    lab.policies = texts.documents(lab, random)  # type: ignore[arg-type]
    return lab


@pytest.mark.parametrize("seed", range(12))
def test_policies_see_the_source_that_a_packet_has_at_its_endpoint(seed: int, tmp_path: Path) -> None:
    """Random policies, every pod, and strangers: under its own address, and under those of other nodes and of their tunnels."""
    folder = recorded("canal-services", tmp_path)
    lab = small_lab(load(folder), Random(seed))
    (folder / "k8s" / "policies.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": lab.policies}))
    network = load(folder).given.network
    admission = admission_of(network, 4)
    assert admission is not None
    ruling = Ruling(network, admission, Aim(4, PORTED, PORTS, {}, {}), ())
    masked = [(node.name, own) for node in lab.nodes for own in (node.address(), node.pod_network())]
    wrong = []
    for pod in lab.pods:
        end = int(ip_address(pod.addresses[0]))
        for source in (*STRANGE, *(one.key for one in lab.pods if not one.host_network)):
            mine = next((one for one in lab.pods if one.key == source), None)
            others = [own for node, own in masked if node != pod.node]
            for seen in (mine.addresses[0] if mine else source, *others):
                value = int(ip_address(seen))
                who = admission.policies.world.by_name[source] if mine else entities_at(network, admission, value)[0]
                said = verdict(
                    ruling, who, (None if mine and seen in mine.addresses else value,), holders_of(admission, end), 6, 8080
                )
                out = mine is None or passes(lab, mine, "Egress", pod.addresses[0], pod, 8080, "TCP")
                plain = out and (pod.host_network or passes(lab, pod, "Ingress", seen, pod, 8080, "TCP"))
                wrong += [(source, seen, pod.key, said, plain)] if said is not plain else []
    assert not wrong


def test_systems_say_where_their_rules_stand() -> None:
    """Rules in FORWARD are before POSTROUTING, programs at the pod's device are behind it."""
    assert {name for name, one in PROFILES.items() if one.ingress_sees_masquerade is False} == {
        "calico", "canal", "kube-router", "weave", "romana", "azure-npm", "kube-network-policies",
    }  # fmt: skip
    assert {name for name, one in PROFILES.items() if one.ingress_sees_masquerade} == {"aws-vpc-cni"}


def test_a_proof_says_for_how_much_of_it_z3_was_asked(tmp_path: Path) -> None:
    """All pairs where there are few; of many a part, and of what is refuted nothing is said."""
    asked = ("pod-to-pod", "pod-to-service", "outside-to-service", "pod-to-node-without-nat")
    found = {item.id: item for item in decide(load(recorded("canal-services", tmp_path)).given.network, asked).guarantees}
    assert found["pod-to-pod"].cross_checked == "Z3 agrees on 24 of 36 pairs"
    assert found["pod-to-service"].cross_checked == "Z3 agrees on 25 of 57 pairs"
    assert found["outside-to-service"].cross_checked == "Z3 agrees on 14 of 14 pairs"
    assert found["pod-to-node-without-nat"].verdict is Verdict.REFUTED
    assert found["pod-to-node-without-nat"].cross_checked == ""
    share = Share(2, {"Z3 gave up": None})
    assert share.words(9) == "Z3 agrees on 2 of 9 pairs; it left some of it open: Z3 gave up"
    assert Share().words(9) == "by sets of packets alone, Z3 was not asked"


def test_a_protocol_that_was_of_no_account_on_the_way_is_of_account_to_policies(tmp_path: Path) -> None:
    """Where every packet to services is lost by routing, the sets have forgotten protocols: policies are asked about each."""
    capture = tmp_path / "capture.txt"
    capture.write_text((TRUTH.parent / "rules" / "terway-pod-rule-missing.bad.txt").read_text().partition("-- want --")[0])
    services = "---\n".join(
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\n"
        f"spec: {{clusterIP: 10.96.0.{number}, selector: {{app: db}}, ports: [{{port: 80, protocol: {protocol}}}]}}\n"
        for number, (name, protocol) in enumerate((("one", "TCP"), ("two", "UDP")), 7)
    )
    (tmp_path / "services.yaml").write_text(services)
    objects = TRUTH.parent / "policies" / "cnp-fail-closed" / "objects.yaml"
    report = load(capture, objects, tmp_path / "services.yaml").check()
    (found,) = (one for one in report.guarantees if one.id == "pod-to-service")
    assert found.verdict in (Verdict.REFUTED, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE)


NO_DB = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody-asks-db, namespace: default}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
"""


def test_services_that_are_lost_together_are_told_apart_by_what_policies_want(tmp_path: Path) -> None:
    """A pod without a way out reaches no service: of one that policies keep from it that is excused, of all others it is refuted, its own endpoint among them."""
    folder = recorded("flannel-vxlan-services", tmp_path)
    (folder / "k8s" / "policies.yaml").write_text(NO_DB)
    path = folder / "nodes" / "node-a" / "netns" / "default_a1" / "ip_route.json"
    kept = [one for one in json.loads(path.read_text()) if "gateway" not in one]
    path.write_text(json.dumps(kept))
    broken = decide(read_input((str(folder),)).network, ("pod-to-service",)).broken
    assert {one.target for one in broken if one.source == "default/a1"} == {"svc:default/web", "svc:default/one"}
