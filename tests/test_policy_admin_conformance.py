"""The conformance suite of AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy, step by step, read where it is.

The expectations were taken out of the suite's program text, without the ports, and with servers that are not always the current ones. Its comments name
the server, and say when a packet is of "the rest of the traffic": then the port is the one that the pods serve and no rule about the other end names,
else the one that such a rule names. Pods get addresses of their own here, and nodes to be on.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzer.policy.decision import decide
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from tests.policies import DATA, flow, needs, policies_of

HOME = DATA / "anp"
SUITES = ("kubernetes-sigs-network-policy-api-anp-v1alpha1", "kubernetes-sigs-network-policy-api-cnp-v1alpha2")
HOST_PORTS = (36363, 36364, 34345, 34346, 34347, 34348, 36365, 36366)
SERVED = {"tcp": (80, 8080), "udp": (53, 5353), "sctp": (9003, 9005)}
SERVER = re.compile(r"(\S+) is our server (?:host-networked )?pod in (\S+) namespace")
SPACE = "network-policy-conformance-"
# Subtests whose servers are not in comments: the servers, three packets each.
SERVERS = {
    "Should support an 'allow-egress' rule policy for egress-cidr-peer": (
        "ravenclaw/luna-lovegood-0",
        "hufflepuff/cedric-diggory-0",
        "ravenclaw/luna-lovegood-1",
        "hufflepuff/cedric-diggory-1",
    ),
}
NODE_SERVER, NODE_MANIFEST = "forbidden-forrest/centaur-1", "experimental-egress-selector-rules.yaml"
# A packet of which the taking out lost what is expected: the other suite has it.
LOST = "success"

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    """The objects of a manifest, its templates of ports filled in."""
    text = re.sub(r"\{\{ index \.HostNetworkPorts (\d) \}\}", lambda found: str(HOST_PORTS[int(found[1])]), path.read_text())
    return [item for item in yaml.safe_load_all(text) if item]


def cluster(path: Path) -> list[Object]:
    """Namespaces, nodes, and the two pods of each StatefulSet, those in their nodes' network on nodes of their own."""
    found: list[Object] = [{"apiVersion": "v1"} | item for item in documents(path) if item["kind"] == "Namespace"]
    for number in range(3):
        labels = {"kubernetes.io/os": "linux"}
        addresses = [{"type": "InternalIP", "address": f"192.168.0.{number}"}]
        metadata = {"name": f"n{number}", "labels": labels}
        found.append({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"addresses": addresses}})
    for index, item in enumerate(item for item in documents(path) if item["kind"] == "StatefulSet"):
        found += [pod_of(item, index, number) for number in range(2)]
    return found


def pod_of(item: Object, index: int, number: int) -> Object:
    """A pod of a StatefulSet."""
    template = copy.deepcopy(item["spec"]["template"])
    shares = template["spec"].get("hostNetwork", False)
    ip = f"192.168.0.{number}" if shares else f"10.0.{index}.{number}"
    metadata = template["metadata"] | {"name": f"{item['metadata']['name']}-{number}", "namespace": item["metadata"]["namespace"]}
    spec = template["spec"] | {"nodeName": f"n{number if shares else 2}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"podIPs": [{"ip": ip}]}}


def ports_in(rule: Object, protocol: str) -> list[int]:
    """The ports of a protocol that a rule names."""
    newer = [item[protocol]["destinationPort"]["number"] for item in rule.get("protocols", []) if protocol in item]
    newer += [53 for item in (rule.get("protocols") or rule.get("ports") or []) if "dns" in item.values() and protocol == "udp"]
    numbers = [item["portNumber"] for item in rule.get("ports", []) if "portNumber" in item]
    return newer + [item["port"] for item in numbers if item.get("protocol", "TCP").lower() == protocol]


class Case:
    """A file of the suite while its steps are followed: the objects, and what the comments have said."""

    def __init__(self, suite: Path, manifests: list[str]) -> None:
        self.suite = suite
        self.objects = cluster(suite / "conformance" / "base" / "manifests.yaml")
        self.policies = [item for name in manifests for item in documents(suite / "conformance" / name)]
        self.server, self.rest = "", False
        self.kept: dict[str, Any] = {}
        self.asked = 0

    def follow(self, subtest: Object) -> list[str]:
        """Where the analyzer says otherwise in a subtest."""
        servers: tuple[str, ...] = SERVERS.get(subtest["name"], ())
        if "egress-node-peer" in subtest["name"]:
            folder = "baseline_tier" if "alpha2" in self.suite.name else "baseline_admin_network_policy"
            self.policies, servers = documents(self.suite / "conformance" / "base" / folder / NODE_MANIFEST), (NODE_SERVER,)
        self.rest, found, packets = False, [], 0
        for step in subtest["steps"]:
            match step["op"]:
                case "comment":
                    self.comment(step["text"])
                case "mutate":
                    self.mutate(step["go"])
                case "connect" if step["expect"] != LOST:
                    server = servers[min(packets // 3, len(servers) - 1)] if servers else self.server
                    found += self.connect(step, SPACE + server)
                    packets += 1
        return found

    def comment(self, text: str) -> None:
        """Takes in which server the next packets are for, and whether they are of the rest of the traffic."""
        if server := SERVER.search(text):
            self.server = f"{server[2]}/{server[1]}"
        self.rest = "rest of the traffic" in text

    def connect(self, step: Object, server: str) -> list[str]:
        """One packet."""
        policies = policies_of([*self.objects, *self.policies], UNKNOWN_SYSTEM)
        assert policies.complaints == ()
        ends = (policies.world.by_name[step["from"]], policies.world.by_name[server])
        port = self.port(step["protocol"], step["from"].partition("/")[0], server.partition("/")[0])
        admitted = decide(policies, *ends, flow(step["protocol"].upper(), port)).admitted
        self.asked += 1
        expected = step["expect"] == "allow" or step["expect"].startswith("true")
        return [] if admitted is expected else [f"{step['from']} -> {server} {step['protocol']} {port}: {admitted}"]

    def port(self, protocol: str, client: str, server: str) -> int:
        """The port that is meant."""
        if NODE_SERVER.startswith(server.removeprefix(SPACE)):
            return {"tcp": HOST_PORTS[0], "udp": HOST_PORTS[2], "sctp": HOST_PORTS[6]}[protocol]
        subject = json.dumps(self.policies[0]["spec"]["subject"])
        direction, other = ("egress", server) if client in subject else ("ingress", client)
        house = f'"{other}"', f'"{other.removeprefix(SPACE)}"'
        rules = [rule for rule in self.policies[0]["spec"].get(direction, []) if any(name in json.dumps(rule) for name in house)]
        named = {port for rule in rules for port in ports_in(rule, protocol)}
        return next((port for port in SERVED[protocol] if (port in named) is not self.rest), SERVED[protocol][0])

    def mutate(self, text: str) -> None:
        """One statement that changes a policy or a namespace."""
        rules = re.fullmatch(r"(\S+) :?= mutate\.Spec\.(Egress|Ingress)\[(\d)\]", text)
        stored = re.fullmatch(r"mutate\.Spec\.(Egress|Ingress)\[(\d)\] = (?:mutate\.Spec\.\1\[(\d)\]|(\S+))", text)
        if "Spec.Priority" in text:
            self.changed("old-priority")["priority"] = int(text.split()[-1])
        elif found := re.search(r'SetLabels\(.*"(\S+)": "(\S+)"', text):
            slytherin = next(item for item in self.objects if item["metadata"]["name"] == SPACE + "slytherin")
            slytherin["metadata"]["labels"] = {found[1]: found[2]}
        elif "append(newRule" in text:
            self.insert()
        elif stored:
            listed = self.changed()[stored[1].lower()]
            listed[int(stored[2])] = listed[int(stored[3])] if stored[3] else self.kept[stored[4]]
        elif rules:
            self.kept[rules[1]] = copy.deepcopy(self.changed()[rules[2].lower()][int(rules[3])])
            if rules[1] == "dnsPortRule":
                self.name_the_port(self.kept[rules[1]])

    def changed(self, name: str = "") -> Object:
        """The policy that is changed."""
        spec: Object = next(item["spec"] for item in self.policies if name in item["metadata"]["name"])
        return spec

    def insert(self) -> None:
        """The rule that the suite puts in front: two pods by their addresses."""
        pods = {SPACE + name for name in SERVERS["Should support an 'allow-egress' rule policy for egress-cidr-peer"][:2]}
        found = [item for item in self.objects if f"{item['metadata'].get('namespace')}/{item['metadata']['name']}" in pods]
        action = "Accept" if "alpha2" in self.suite.name else "Allow"
        networks = [item["status"]["podIPs"][0]["ip"] + "/32" for item in found]
        assert len(networks) == 2
        self.changed()["egress"].insert(0, {"action": action, "to": [{"networks": networks}]})

    def name_the_port(self, rule: Object) -> None:
        """The change that the suite makes to a rule: the port by its name."""
        if "alpha2" in self.suite.name:
            rule["protocols"] = [{"destinationNamedPort": "dns"}]
        else:
            rule["ports"] = [{"namedPort": "dns"}]


@needs(HOME)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", sorted({path.stem for path in HOME.glob("*/expectations/*.json")}))
def test_conformance(suite: str, name: str) -> None:
    expectations = json.loads((HOME / suite / "expectations" / f"{name}.json").read_text())
    case = Case(HOME / suite, expectations["manifests"])
    assert [line for subtest in expectations["subtests"] for line in case.follow(subtest)] == []
    connects = [step for subtest in expectations["subtests"] for step in subtest["steps"] if step["op"] == "connect"]
    assert case.asked == sum(step["expect"] != LOST for step in connects)
