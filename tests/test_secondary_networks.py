"""MultiNetworkPolicy on a secondary network is what NetworkPolicy is on the default one, where pods have these addresses; and how to ask."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analyzer.__main__ import main
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.policy.decision import decide
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import MULTI_NETWORK_POLICY
from analyzer.policy.secondary import attached
from analyzer.query.policies import on_network, policies
from analyzer.source import Source
from tests.policies import compiled, flow, policies_of
from tests.test_policy_agreement import PORTS, Maker

OBJECTS = str(Path(__file__).parent.parent / "samples" / "policies" / "networks" / "objects.yaml")


def unnamed(rules: list[dict[str, Any]]) -> bool:
    """Whether no port of the rules is a name, of which a secondary network may know nothing."""
    return not any(isinstance(port.get("port"), str) for rule in rules for port in rule.get("ports") or [])


def plain(seed: int) -> list[dict[str, Any]]:
    """Namespaces, pods and NetworkPolicies at random."""
    found = [item for item in Maker(Random(seed)).objects() if item["kind"] in ("Namespace", "Pod", "NetworkPolicy")]
    found = [item for item in found if not item["spec"].get("hostNetwork")]
    sides = ("ingress", "egress")
    return [item for item in found if all(unnamed(item["spec"].get(side) or []) for side in sides)]


def moved(item: dict[str, Any]) -> dict[str, Any]:
    """A pod whose addresses are those of a secondary network; a policy for it."""
    item = json.loads(json.dumps(item))
    notes = item["metadata"].setdefault("annotations", {})
    if item["kind"] == "Pod":
        ips = [one["ip"] for one in item.get("status", {}).pop("podIPs", [])]
        notes["k8s.v1.cni.cncf.io/network-status"] = json.dumps([{"name": "n1/second", "ips": ips}])
    elif item["kind"] == "NetworkPolicy":
        notes["k8s.v1.cni.cncf.io/policy-for"] = "n1/second"
        item |= {"apiVersion": "k8s.cni.cncf.io/v1beta1", "kind": "MultiNetworkPolicy"}
    return item


def on_second(objects: list[dict[str, Any]]) -> PolicySet:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    source = Source("objects.json", text, "kubernetes")
    cluster = build((source,), *facts((source,))).cluster
    return policies(cluster, on_network(cluster, "n1/second")).all


@pytest.mark.parametrize("seed", range(60))
def test_a_policy_is_the_same_on_a_secondary_network(seed: int) -> None:
    objects = plain(seed)
    first = policies_of(objects, MULTI_NETWORK_POLICY)
    second = on_second([moved(item) for item in objects])
    known = factors(second, 4)
    pods = sorted(entity.name for entity in first.world.pods())
    for one in pods:
        for other in pods:
            for port in PORTS:
                asked = flow("TCP", port)
                ends = [policy.world.by_name[name] for policy in (first, second) for name in (one, other)]
                wanted = decide(first, ends[0], ends[1], asked).admitted
                assert decide(second, ends[2], ends[3], asked).admitted is wanted, (one, other, port)
                assert compiled(second, known, ends[2], ends[3], asked) is wanted


def test_an_address_of_a_secondary_network_is_asked_about_there() -> None:
    asked = ("trace", OBJECTS, "--from", "media/player", "--port", "2049", "--to")
    assert main([*asked, "192.168.55.9"]) == 1
    assert main([*asked, "infra/disk"]) == 0
    assert main([*asked, "infra/disk", "--network", "infra/storage"]) == 1


def test_other_questions_say_how_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    question = "can media/player reach 192.168.55.9 on TCP/2049?"
    assert main(["ask", OBJECTS, question]) == 2
    assert "ask with --network infra/storage" in capsys.readouterr().out
    assert main(["ask", OBJECTS, question, "--network", "infra/storage"]) == 1
    assert main(["connectivity", OBJECTS, "--network", "infra/nothing"]) == 2
    assert "it must be one of infra/storage, media/video" in capsys.readouterr().err


def test_annotations_that_cannot_be_read_attach_nothing() -> None:
    key = "k8s.v1.cni.cncf.io/networks"
    assert attached({key: "[" * 100_000}, "a") == {}
    assert attached({key: '[{"name": 1}, 2, {"name": "x", "ips": ["z", "10.0.0.1/24"]}]'}, "a").keys() == {"a/x"}
    assert attached({key: " b/y@net3 ,, z"}, "a") == {"b/y": (), "a/z": ()}
