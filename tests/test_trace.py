"""Questions by name, and the JSON form of their answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analyzer.addresses import address
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.endpoints import endpoints
from analyzer.query.trace import Question, answer_line, trace
from analyzer.solve.packet import Fate
from benchmarks.capture import Shape, write
from tests.captures import network_of
from tests.test_walk import build, host_gw

PEER_PODS = Path(__file__).parent.parent / "samples/clusters/peer-pods"
OBJECTS = """
apiVersion: v1
kind: Pod
metadata: {name: p11, namespace: default, labels: {app: web}, ownerReferences: [{kind: ReplicaSet, name: web-5d4f8, apiVersion: apps/v1, uid: x}]}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Running, podIP: 10.244.1.2, podIPs: [{ip: 10.244.1.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gone, namespace: default}
spec: {nodeName: n3, containers: [{name: c}]}
status: {phase: Running, podIP: 10.244.3.2, podIPs: [{ip: 10.244.3.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80, protocol: TCP}]}
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Two nodes with pods, a pod that was not captured, a service."""
    return build(tmp_path, host_gw(1, 2), host_gw(2, 1), {"k8s/objects.yaml": OBJECTS})


def answer(network: Network, **question: object) -> dict[str, Any]:
    """The answer to a line of a batch, as it is read back."""
    found = json.loads(json.dumps(answer_line(network, json.dumps(question))))
    assert isinstance(found, dict)
    return found


def test_endpoints_by_name(network: Network) -> None:
    names = {
        "default/p11": "default/p11",
        "pod:default/p11": "default/p11",
        "10.244.1.2": "default/p11",
        "node:n1": "node:n1",
        "192.168.9.2": "node:n2",
        "svc:default/web": "svc:default/web",
        "10.96.0.10": "svc:default/web",
        "deploy:default/web": "default/p11",
        "outside": "outside",
        "198.51.100.7": "198.51.100.7",
    }
    assert {text: endpoints(network, text)[0].name for text in names} == names
    assert endpoints(network, "node:n1")[0].addresses[0] == address("192.168.9.1")


@pytest.mark.parametrize("text", ["default/nobody", "node:n9", "svc:default/none", "a/b/c", "", "deploy:default/none", ":::"])
def test_names_that_mean_nothing(network: Network, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        endpoints(network, text)


def test_a_line_of_a_batch(network: Network) -> None:
    found = answer(network, **{"from": "default/p11", "to": "default/p21", "protocol": "TCP", "port": 80})
    (outcome,) = found["outcomes"]
    assert (found["verdict"], outcome["verdict"], outcome["delivered_to"]) == ("reachable", "reachable", "default/p21")
    assert (outcome["source_seen"], outcome["destination_seen"], outcome["port_seen"]) == ("10.244.1.2", "10.244.2.2", 80)
    assert outcome["translated"] == {"source": False, "destination": False}
    assert {"place", "stage", "what", "at"} <= outcome["hops"][0].keys()
    route = next(hop for hop in outcome["hops"] if hop["stage"] == "route")
    assert route["at"] == {"path": "nodes/n1/netns/default_p11/ip_route", "line": 1}
    assert found["assumptions"]


def test_an_unreachable_line_says_why_and_where(network: Network) -> None:
    found = answer(network, **{"from": "default/p11", "to": "203.0.113.9"})
    assert found["verdict"] == "unreachable"
    assert "no route to 203.0.113.9" in found["outcomes"][0]["reason"]
    assert found["outcomes"][0]["at"]["path"] == "nodes/n1/ip_route"
    assert [hop["place"] for hop in found["outcomes"][0]["hops"][-2:]] == ["n1/default_p11", "n1"], (
        "who drops it is its last place"
    )


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '{"from": 1, "to": "x"}', '{"from": "default/p11", "to": "outside", "port": "x"}',
             '{"from": "default/p11", "to": "outside", "protocol": "IPX"}', '{"from": "default/p11", "to": "default/p12", "port": 99999}',
             '{"from": "svc:default/web", "to": "default/p11"}', '{"from": "default/p11", "to": "default/p12", "protocol": "TCP"}',
             '{"from": "198.51.100.7", "to": "10.244.1.2", "enter": "node:n1/eth7"}', "[" * 100000],
)  # fmt: skip
def test_a_bad_line_is_an_error_and_no_more(network: Network, line: str) -> None:
    assert set(answer_line(network, line)) == {"error"}


def test_a_pod_that_was_not_captured(network: Network) -> None:
    assert trace(network, Question("default/gone", "default/p11", port=80)).fate is Fate.UNKNOWN
    assert trace(network, Question("default/p11", "default/gone", port=80)).fate is not Fate.REACHABLE


def test_the_incident_and_its_remedy(tmp_path: Path) -> None:
    """The neighbour entry carries the MAC of eth0 and the frame meets vxlan0; with the MAC of eth0 on vxlan0 the ping is answered."""
    files = {str(path.relative_to(PEER_PODS)): path.read_text() for path in sorted(PEER_PODS.rglob("*")) if path.is_file()}
    ping = Question("node:ocp-412-ovn-worker-1", "10.132.2.46", protocol="ICMP")
    (before,) = trace(network_of(files, tmp_path / "before"), ping).outcomes
    assert before.fate is Fate.UNREACHABLE
    assert "0a:58:0a:84:02:2e" in before.reason
    assert "7e:e5:f7:e6:f5:1a" in before.reason
    assert before.at is not None
    assert before.at.path == "nodes/ocp-412-ovn-worker-1/arp_-an"
    mended = {
        path: text.replace("7e:e5:f7:e6:f5:1a", "0a:58:0a:84:02:2e") if "/podns/" in path else text
        for path, text in files.items()
    }
    (after,) = trace(network_of(mended, tmp_path / "after"), ping).outcomes
    assert (after.fate, after.delivered_to) == (Fate.REACHABLE, "default/nginx-priv")


def test_a_service_that_nothing_translates_is_not_outside(tmp_path: Path) -> None:
    write(tmp_path, Shape(nodes=2, pods=1, services=2, endpoints=1))
    rules = tmp_path / "nodes/n0/iptables-save"
    rules.write_text("".join(line for line in rules.read_text().splitlines(True) if "-d 10.96.0.11/32 " not in line))
    network = read_input((str(tmp_path),)).network
    found = trace(network, Question("default/p0-0", "svc:default/s1", port=80))
    assert found.fate is Fate.UNREACHABLE
    assert "KUBE-SERVICES of n0 does not translate 10.96.0.11" in found.outcomes[0].reason
    assert trace(network, Question("default/p1-0", "svc:default/s1", port=80)).fate is Fate.REACHABLE
