"""``docs/policy-fields.md`` says what fields of policies do not decide: each of its rows is tried on a small object."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.policy.planes import policy_set
from analyzer.policy.profiles import MULTI_NETWORK_POLICY, UNKNOWN_SYSTEM
from analyzer.policy.secondary import world_for
from analyzer.policy.terms import opaque_in
from analyzer.policy.tiers import Direction, Plane
from analyzer.source import Source

READERS = Path(__file__).parent.parent / "analyzer" / "policy"
PAGE = (Path(__file__).parent.parent / "docs" / "policy-fields.md").read_text()
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
Object = dict[str, Any]


def thing(version: str, kind: str, spec: Object, name: str = "x", **metadata: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "a"} | metadata, "spec": spec}


CALICO = thing(
    "projectcalico.org/v3",
    "NetworkPolicy",
    {"selector": "all()", "ingress": [{"action": "Allow", "protocol": "TCP", "source": {}}]},
)
STAGED = thing("projectcalico.org/v3", "StagedNetworkPolicy", {"selector": "all()"})
FELIX = thing("projectcalico.org/v3", "FelixConfiguration", {}, "default")
HOST = thing("projectcalico.org/v3", "HostEndpoint", {"node": "n1", "interfaceName": "*", "expectedIPs": ["192.168.0.1"]})
CILIUM = thing(
    "cilium.io/v2",
    "CiliumNetworkPolicy",
    {
        "endpointSelector": {},
        "ingress": [{"fromEndpoints": [{}], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}],
        "egress": [{"toEndpoints": [{}]}],
    },
)
ANTREA = thing(
    "crd.antrea.io/v1beta1",
    "ClusterNetworkPolicy",
    {
        "priority": 1,
        "tier": "t",
        "appliedTo": [{"podSelector": {}}],
        "ingress": [{"action": "Allow", "from": [{"podSelector": {}}]}],
        "egress": [{"action": "Allow", "to": [{"podSelector": {}}]}],
    },
)
ANTREA_TIER = thing("crd.antrea.io/v1beta1", "Tier", {"priority": 20}, "t")
ANP = thing(
    "policy.networking.k8s.io/v1alpha1",
    "AdminNetworkPolicy",
    {"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": "Allow", "to": [{"networks": ["10.0.0.0/8"]}]}]},
)
FIREWALL = thing(
    "k8s.ovn.org/v1", "EgressFirewall", {"egress": [{"type": "Allow", "to": {"cidrSelector": "10.0.0.0/8"}}]}, "default"
)
ISTIO = thing("security.istio.io/v1", "AuthorizationPolicy", {"rules": [{"to": [{"operation": {"ports": ["80"]}}]}]})
BY_NAMES = thing("networking.gke.io/v1alpha1", "FQDNNetworkPolicy", {"podSelector": {}, "egress": [{"matches": []}]})
NSX = thing(
    "crd.nsx.vmware.com/v1alpha1",
    "SecurityPolicy",
    {"appliedTo": [{"podSelector": {}}], "rules": [{"action": "allow", "direction": "in", "sources": []}]},
)
LINKERD = thing("policy.linkerd.io/v1beta3", "Server", {"podSelector": {}, "port": 80})
SIDECAR = thing("networking.istio.io/v1", "Sidecar", {})
PEERS = thing("security.istio.io/v1", "PeerAuthentication", {})
MULTI = thing(
    "k8s.cni.cncf.io/v1beta1",
    "MultiNetworkPolicy",
    {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]},
    annotations={"k8s.v1.cni.cncf.io/policy-for": "a/second"},
)
NETWORK = thing("k8s.ovn.org/v1", "UserDefinedNetwork", {"topology": "Layer2", "layer2": {"role": "Secondary"}})
AMAZON = thing(
    "vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", {"podSelector": {}, "securityGroups": {"groupIds": ["sg-1"]}}
)
GROUP: Object = {
    "GroupId": "sg-1",
    "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    "IpPermissionsEgress": [],
}
BOTH = "Calico NetworkPolicy, GlobalNetworkPolicy"
RULE = ("spec", "ingress", 0)
OUT = ("spec", "egress", 0)
FIRST = ("spec", "rules", 0)
OPERATION = (*FIRST, "to", 0, "operation")
# By kind and field: the objects, where in the first of them something is set, and what to.
CASES: dict[tuple[str, str], tuple[list[Object], tuple[str | int, ...], Any]] = {
    (BOTH, "`performanceHints`"): ([CALICO], ("spec", "performanceHints"), ["AssumeNeededOnEveryNode"]),
    (BOTH, "`ingress.metadata`"): ([CALICO], (*RULE, "metadata"), {"annotations": {"a": "b"}}),
    ("Calico StagedNetworkPolicy", "`stagedAction`"): ([STAGED], ("spec", "stagedAction"), "Delete"),
    **{
        ("Calico FelixConfiguration", f"`{key}`"): ([FELIX, CALICO], ("spec", key), value)
        for key, value in {
            "bpfEnabled": True,
            "ipv6Support": False,
            "chainInsertMode": "Append",
            "iptablesFilterAllowAction": "Return",
        }.items()
    },
    ("CiliumNetworkPolicy", "`description`"): ([CILIUM], ("spec", "description"), "words"),
    ("CiliumNetworkPolicy", "`labels`"): ([CILIUM], ("spec", "labels"), [{"key": "a", "value": "b"}]),
    ("CiliumNetworkPolicy", "`log`"): ([CILIUM], ("spec", "log"), {"value": "words"}),
    ("Antrea ClusterNetworkPolicy", "`ingress.enableLogging`"): ([ANTREA, ANTREA_TIER], (*RULE, "enableLogging"), True),
    ("Antrea ClusterNetworkPolicy", "`ingress.logLabel`"): ([ANTREA, ANTREA_TIER], (*RULE, "logLabel"), "words"),
    ("Antrea Tier", "`description`"): ([ANTREA_TIER, ANTREA], ("spec", "description"), "words"),
    ("MultiNetworkPolicy", "`podSelector`"): ([MULTI], ("spec", "podSelector"), {"matchLabels": {"a": "b"}}),
    ("UserDefinedNetwork", "`layer2.subnets`"): ([NETWORK], ("spec", "layer2", "subnets"), ["10.9.0.0/16"]),
    ("UserDefinedNetwork", "`layer2.mtu`"): ([NETWORK], ("spec", "layer2", "mtu"), 1400),
    ("security group (JSON)", "`GroupName`"): ([GROUP, AMAZON], ("GroupName",), "web"),
    ("security group (JSON)", "`Tags`"): ([GROUP, AMAZON], ("Tags",), [{"Key": "a", "Value": "b"}]),
    ("Istio AuthorizationPolicy", "`provider`"): ([ISTIO], ("spec", "provider"), {"name": "p"}),
    ("Istio Sidecar", "`egress.hosts`"): ([SIDECAR], ("spec", "egress"), [{"hosts": ["./*"]}]),
    ("Istio Sidecar", "`ingress`"): ([SIDECAR], ("spec", "ingress"), [{"port": {"number": 80}, "defaultEndpoint": "127.0.0.1:80"}]),
    ("Linkerd Server", "`externalWorkloadSelector`"): ([LINKERD], ("spec", "externalWorkloadSelector"), {"matchLabels": {"a": "b"}}),
    ("Istio PeerAuthentication", "`mtls.mode: UNSET`"): ([PEERS], ("spec", "mtls"), {"mode": "UNSET"}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.rules.http`"): ([CILIUM], (*RULE, "toPorts", 0, "rules"), {"http": [{"method": "GET"}]}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.rules.kafka`"): ([CILIUM], (*RULE, "toPorts", 0, "rules"), {"kafka": [{"topic": "t"}]}),
    ("CiliumNetworkPolicy", "`egress.toPorts.rules.dns`"): ([CILIUM], OUT, {"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "53"}], "rules": {"dns": [{"matchName": "a.b"}]}}]}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.rules.l7` with `l7proto`"): ([CILIUM], (*RULE, "toPorts", 0, "rules"), {"l7proto": "r2d2", "l7": [{"cmd": "READ"}]}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.terminatingTLS`"): ([CILIUM], (*RULE, "toPorts", 0, "terminatingTLS"), {"secret": {"name": "s"}}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.originatingTLS`"): ([CILIUM], (*RULE, "toPorts", 0, "originatingTLS"), {"secret": {"name": "s"}}),
    ("CiliumNetworkPolicy", "`ingress.toPorts.serverNames`"): ([CILIUM], (*RULE, "toPorts", 0, "serverNames"), ["www.example.org"]),
    ("CiliumNetworkPolicy", "`egress.toPorts.listener`"): ([CILIUM], OUT, {"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "80"}], "listener": {"name": "l"}}]}),
    ("CiliumNetworkPolicy", "`ingress.authentication.mode: required`"): ([CILIUM], (*RULE, "authentication"), {"mode": "required"}),
    (BOTH, "`ingress.http`"): ([CALICO], (*RULE, "http"), {"methods": ["GET"]}),
    ("Antrea ClusterNetworkPolicy", "`ingress.l7Protocols`"): ([ANTREA, ANTREA_TIER], (*RULE, "l7Protocols"), [{"http": {"method": "GET"}}]),
    ("Istio AuthorizationPolicy", "`rules.to.operation.methods`"): ([ISTIO], (*OPERATION, "methods"), ["GET"]),
    ("Istio AuthorizationPolicy", "`rules.to.operation.hosts`"): ([ISTIO], (*OPERATION, "hosts"), ["a.b"]),
    ("Istio AuthorizationPolicy", "`rules.to.operation.notPaths`"): ([ISTIO], (*OPERATION, "notPaths"), ["/"]),
    ("Istio AuthorizationPolicy", "`rules.from.source.requestPrincipals`"): ([ISTIO], (*FIRST, "from"), [{"source": {"requestPrincipals": ["a"]}}]),
    ("Istio AuthorizationPolicy", "`rules.from.source.remoteIpBlocks`"): ([ISTIO], (*FIRST, "from"), [{"source": {"remoteIpBlocks": ["10.0.0.0/8"]}}]),
    ("Istio AuthorizationPolicy", "`rules.when` of requests"): ([ISTIO], (*FIRST, "when"), [{"key": "request.headers[x-user]", "values": ["a"]}]),
    ("AdminNetworkPolicy, ClusterNetworkPolicy, ApplicationNetworkPolicy", "`egress.to.domainNames`"): ([ANP], (*OUT, "to"), [{"domainNames": ["www.example.org"]}]),
    ("CiliumNetworkPolicy", "`egress.toFQDNs`"): ([CILIUM], OUT, {"toFQDNs": [{"matchName": "www.example.org"}]}),
    ("Antrea ClusterNetworkPolicy", "`egress.to.fqdn`"): ([ANTREA, ANTREA_TIER], (*OUT, "to"), [{"fqdn": "www.example.org"}]),
    ("EgressFirewall", "`egress.to.dnsName`"): ([FIREWALL], (*OUT, "to"), {"dnsName": "www.example.org"}),
    ("GKE FQDNNetworkPolicy", "`egress.matches.name`"): (
        [BY_NAMES],
        ("spec", "egress", 0, "matches"),
        [{"name": "www.example.org"}],
    ),
    ("NSX SecurityPolicy", "`rules.sources.vmSelector`"): ([NSX], ("spec", "rules", 0, "sources"), [{"vmSelector": {}}]),
    ("CiliumNetworkPolicy", "`egress.toGroups`"): ([CILIUM], OUT, {"toGroups": [{"aws": {"securityGroupsIds": ["sg-1"]}}]}),
    ("CiliumNetworkPolicy", "`ingress.fromRequires`"): ([CILIUM], (*RULE, "fromRequires"), [{"matchLabels": {"a": "b"}}]),
    ("CiliumNetworkPolicy", "`ingress.fromEntities: kube-apiserver`"): ([CILIUM], RULE, {"fromEntities": ["kube-apiserver"]}),
    (BOTH, "`ingress.notICMP` without `protocol`"): ([CALICO], RULE, {"action": "Allow", "notICMP": {"type": 8}}),
    (BOTH, "`ingress.source.notPorts` by name"): ([CALICO], (*RULE, "source"), {"notPorts": ["web"]}),
    ("Calico HostEndpoint", "`interfaceName` other than `*`"): ([HOST], ("spec", "interfaceName"), "eth0"),
    ("Istio AuthorizationPolicy", "`action: CUSTOM`"): ([ISTIO], ("spec", "action"), "CUSTOM"),
    ("Istio AuthorizationPolicy", "`rules.to.operation.paths`"): ([ISTIO], ("spec",), {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/"]}}]}]}),
    ("Istio AuthorizationPolicy", "`targetRefs` of a Service"): ([ISTIO], ("spec", "targetRefs"), [{"kind": "Service", "name": "s"}]),
    ("Istio Sidecar", "`outboundTrafficPolicy.mode: REGISTRY_ONLY`"): (
        [SIDECAR],
        ("spec", "outboundTrafficPolicy"),
        {"mode": "REGISTRY_ONLY"},
    ),
    ("MultiNetworkPolicy", "`ingress.ports.port` by name"): ([MULTI], (*RULE, "ports", 0, "port"), "web"),
    ("SecurityGroupPolicy", "`securityGroups.groupIds`"): ([AMAZON], ("spec", "securityGroups", "groupIds"), ["sg-2"]),
    ("security group (JSON)", "`IpPermissions.PrefixListIds`"): ([GROUP, AMAZON], ("IpPermissions", 0, "PrefixListIds"), [{"PrefixListId": "pl-1"}]),
    ("security group (JSON)", "`IpPermissions.UserIdGroupPairs`"): ([GROUP, AMAZON], ("IpPermissions", 0, "UserIdGroupPairs"), [{"GroupId": "sg-9"}]),
    ("UserDefinedNetwork", "role `Primary` and nodes"): ([NETWORK], ("spec", "layer2", "role"), "Primary"),
}  # fmt: skip


def rows(heading: str) -> list[tuple[str, str, str]]:
    """The rows of a section's table."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [row for row in ROW.findall(section) if row[0] not in ("Kind", "---")]


def planes(objects: list[Object], network: str = "") -> tuple[Plane, ...]:
    """What objects decide; none of them is refused."""
    groups = [item for item in objects if "GroupId" in item]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [item for item in objects if "GroupId" not in item]})
    sources = [Source("objects.json", text, "kubernetes")]
    sources += [Source("groups.json", json.dumps({"SecurityGroups": groups}), "aws-security-groups")] if groups else []
    known, gaps = facts(tuple(sources))
    assert gaps == ()
    profile = MULTI_NETWORK_POLICY if network else UNKNOWN_SYSTEM
    found = policy_set(world_for(build(tuple(sources), known, gaps).cluster, profile.__class__(profile.name, network=network)))
    assert [item.message for item in found.complaints if item.rejected] == []
    return found.planes


def changed(case: tuple[str, str]) -> tuple[list[Object], list[Object]]:
    """The objects without the field, and with it."""
    objects, path, value = CASES[case]
    after = copy.deepcopy(objects)
    place: Any = after[0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return objects, after


def words(found: tuple[Plane, ...]) -> list[str]:
    """What is said beside admitted flows."""
    return [word for rule in rules(found) for word in rule.provided]


def unknown(found: tuple[Plane, ...]) -> set[str]:
    """What is not known."""
    policies = [policy for plane in found for tier in plane.tiers for policy in tier.policies]
    terms = [policy.subject for policy in policies] + [term for rule in rules(found) for term in (rule.peer, rule.own)]
    return {leaf.text for term in [*terms, *(rule.traffic for rule in rules(found))] for leaf in opaque_in(term)}


def rules(found: tuple[Plane, ...]) -> list[Any]:
    """Every rule."""
    policies = [policy for plane in found for tier in plane.tiers for policy in tier.policies]
    sides = [side for policy in policies for way in Direction if (side := policy.direction(way)) is not None]
    return [rule for side in sides for rule in side.rules]


def literals(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts in a part of a program, each with its identity."""
    for item in ast.walk(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield id(item), item.value


def accepted_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Where a reader lists the fields that it takes."""
    for item in ast.walk(tree):
        match item:
            case ast.Call(func=ast.Name(id="unknown_fields" | "ignored_fields"), args=[_, known, *_]):
                yield known
            case ast.Assign(targets=[ast.Name(id=name)], value=known) if name.endswith("FIELDS"):
                yield known


def test_every_field_that_is_taken_is_looked_at_or_on_the_page() -> None:
    """A field that only a list of known fields names has no meaning."""
    taken: set[str] = set()
    read: set[str] = set()
    for path in sorted(READERS.rglob("*.py")):
        tree = ast.parse(path.read_text())
        lists = dict(pair for known in accepted_in(tree) for pair in literals(known))
        taken |= set(lists.values())
        read |= {text for number, text in literals(tree) if number not in lists}
    assert len(taken) > 75
    on_page = {word for name in re.findall(r"`([^`]+)`", PAGE) for word in re.split(r"[.: ]+", name)}
    assert taken - read - on_page == set()


def test_the_page_has_a_case_for_each_row() -> None:
    headings = ("Read, and without effect", "Kept in words", "Not known, and what would settle it")
    assert [(kind, name) for heading in headings for kind, name, _ in rows(heading)] == list(CASES)


@pytest.mark.parametrize("row", rows("Read, and without effect"), ids=lambda row: f"{row[0]} {row[1]}")
def test_what_is_without_effect_changes_nothing(row: tuple[str, str, str]) -> None:
    before, after = changed(row[:2])
    assert planes(before) == planes(after)


@pytest.mark.parametrize("row", rows("Kept in words"), ids=lambda row: f"{row[0]} {row[1]}")
def test_what_is_kept_in_words_is_said(row: tuple[str, str, str]) -> None:
    before, after = changed(row[:2])
    assert words(planes(before)) == []
    start = row[2].partition("`")[2].partition("`")[0]
    assert any(word.startswith(start) for word in words(planes(after))), words(planes(after))
    assert unknown(planes(after)) == unknown(planes(before))


@pytest.mark.parametrize("row", rows("Not known, and what would settle it"), ids=lambda row: f"{row[0]} {row[1]}")
def test_what_is_not_known_is_open(row: tuple[str, str, str]) -> None:
    before, after = changed(row[:2])
    network = "a/second" if row[0] == "MultiNetworkPolicy" else ""
    assert unknown(planes(after, network)) - unknown(planes(before, network))
