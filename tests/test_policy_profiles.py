"""Network systems: their profiles and switches, by what they are recognised, and what each does that others do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.policy.decision import decide
from analyzer.policy.detection import detected
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import policy_set
from analyzer.policy.profiles import PROFILES, SWITCHES, UNKNOWN_SYSTEM, Profile, profile_named, with_switches
from analyzer.policy.terms import Kind
from analyzer.policy.world import world_of
from analyzer.source import Source

DATA = Path(os.environ.get("ANALYZER_DATA", Path(__file__).parent.parent.parent / "shared" / "data")) / "manifests"


def network_of(*texts: str) -> Network:
    sources = tuple(Source(f"{number}.yaml", text, "kubernetes") for number, text in enumerate(texts))
    return build(sources, *facts(sources))


def agent(name: str, image: str = "example/agent", extra: str = "") -> str:
    return f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: kube-system}}
spec:
  template:
    spec:
      containers: [{{name: agent, image: {image}{extra}}}]
"""


def config_map(name: str, **data: str) -> str:
    values = "".join(f'\n  {key.replace("_", "-")}: "{value}"' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: kube-system}}\ndata:{values or ' {}'}\n"


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_found_by_its_name(name: str) -> None:
    assert profile_named(name).name == name


def test_the_nearest_name_is_told_for_one_that_is_not_known_else_all() -> None:
    with pytest.raises(ValueError, match=r"'cillium' is no network system that is known; did you mean cilium\?"):
        profile_named("cillium")
    with pytest.raises(ValueError, match=r"'netware' is no network system that is known: it must be one of antrea, .*weave"):
        profile_named("netware")


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_can_be_set(name: str) -> None:
    for word, value in (("yes", True), ("no", False)):
        assert getattr(with_switches(UNKNOWN_SYSTEM, {name: word}), SWITCHES[name]) is value


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"blocks-match-pod": "no"}, "'blocks-match-pod' is no switch: it must be one of blocks-match-nodes, blocks-match-pods"),
        ({"blocks-match-pods": "maybe"}, "blocks-match-pods=maybe: the value must be yes or no or unknown"),
        ({"port-names": "unknown"}, "port-names=unknown: the value must be yes or no"),
    ],
)
def test_what_is_no_switch_or_no_value_is_said(switches: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        with_switches(UNKNOWN_SYSTEM, switches)


RECOGNISED = [
    ("nothing", [], "unknown", []),
    ("by name", [agent("cilium")], "cilium", ["DaemonSet kube-system/cilium"]),
    (
        "by image",
        [agent("renamed", "registry.example:5000/mirror/cloudnativelabs/kube-router:v2@sha256:00")],
        "kube-router",
        ["DaemonSet kube-system/renamed runs registry.example:5000/mirror/cloudnativelabs/kube-router:v2@sha256:00"],
    ),
    (
        "one that enforces before one that connects",
        [agent("kube-flannel-ds"), agent("kube-router")],
        "kube-router",
        ["DaemonSet kube-system/kube-flannel-ds", "DaemonSet kube-system/kube-router"],
    ),
    (
        "two that enforce",
        [agent("cilium"), agent("weave-net")],
        "unknown",
        ["DaemonSet kube-system/cilium", "DaemonSet kube-system/weave-net"],
    ),
    (
        "an agent before a ConfigMap",
        [agent("weave-net"), config_map("cilium-config")],
        "weave",
        ["DaemonSet kube-system/weave-net"],
    ),
    ("by ConfigMap", [config_map("cilium-config")], "cilium", ["ConfigMap kube-system/cilium-config"]),
    (
        "by objects of its kind",
        ["apiVersion: crd.antrea.io/v1beta1\nkind: Tier\nmetadata: {name: t}\nspec: {priority: 5}\n"],
        "antrea",
        ["Tier t"],
    ),
    ("an image that only begins alike", [agent("x", "docker.io/cilium/cilium-operator:v1")], "unknown", []),
]


@pytest.mark.parametrize(("name", "texts", "system", "signs"), RECOGNISED, ids=[case[0] for case in RECOGNISED])
def test_a_system_is_recognised_by_what_is_there(name: str, texts: list[str], system: str, signs: list[str]) -> None:
    del name
    found = detected(network_of(*texts))
    assert (found.profile.name, [sign.text for sign in found.signs]) == (system, signs)


SET = [
    ([config_map("cilium-config", enable_policy="never")], {"enforces": frozenset()}),
    ([config_map("cilium-config", policy_audit_mode="true")], {"enforces": frozenset()}),
    (
        [config_map("cilium-config", enable_k8s_networkpolicy="false", enable_k8s_cluster_network_policy="true")],
        {"enforces": (PROFILES["cilium"].enforces or frozenset()) - {"networking.k8s.io/NetworkPolicy"}},
    ),
    ([config_map("cilium-config", policy_cidr_match_mode="nodes")], {"blocks_match_nodes": True}),
    ([config_map("cilium-config", allow_localhost="policy")], {"own_node_admitted": False}),
    ([config_map("cilium-config")], {"blocks_match_nodes": False, "own_node_admitted": True}),
    ([agent("kube-router", extra=", args: [--run-firewall=false]")], {"enforces": frozenset()}),
    ([agent("weave-net", extra=', env: [{name: EXPECT_NPC, value: "0"}]')], {"enforces": frozenset()}),
    ([agent("aws-node")], {"enforces": frozenset()}),
    ([agent("aws-node", extra=", args: [--enable-network-policy=true]")], {"enforces": PROFILES["aws-vpc-cni"].enforces}),
]


@pytest.mark.parametrize(("texts", "switches"), SET)
def test_a_profile_is_as_the_system_is_set(texts: list[str], switches: dict[str, object]) -> None:
    found = detected(network_of(*texts)).profile
    assert {name: getattr(found, name) for name in switches} == switches


@pytest.mark.parametrize(("beside", "admitted", "denied"), [("", True, True), ("ClusterNetworkPolicy", None, False)])
def test_rules_of_cilium_deny_the_own_node_what_else_is_admitted(beside: str, admitted: bool | None, denied: bool) -> None:
    policy = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p}
spec: {endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]}
"""
    cluster = f"apiVersion: policy.networking.k8s.io/v1alpha2\nkind: {beside}\nmetadata: {{name: c}}\n" if beside else ""
    settings = config_map("cilium-config", enable_k8s_cluster_network_policy="true")
    found = detected(network_of(settings, policy, cluster)).profile
    assert (found.own_node_admitted, found.own_node_can_be_denied) == (admitted, denied)


REAL = {
    "antrea-io-antrea/antrea.yml": "antrea",
    "aws-amazon-vpc-cni-k8s/aws-k8s-cni-cn.yaml": "aws-vpc-cni",
    "cloudnativelabs-kube-router/generic-kuberouter.yaml": "kube-router",
    "flannel-io-flannel/kube-flannel.yml": "flannel",
    "romana-romana/romana-agent.yaml": "romana",
    "weaveworks-weave/weave-daemonset-k8s-1.11.yaml": "weave",
}


@pytest.mark.parametrize("file", REAL)
def test_the_manifests_that_projects_ship_are_recognised(file: str) -> None:
    path = next(iter(DATA.glob(f"{Path(file).parent}/**/{Path(file).name}")), None)
    if path is None:
        pytest.skip(f"{DATA} has no {file}")
    assert detected(read_input((str(path),)).network).profile.name == REAL[file]


CLUSTER = """
apiVersion: v1
kind: Namespace
metadata: {name: x, annotations: {net.beta.kubernetes.io/networkpolicy: '{"ingress": {"isolation": "DefaultDeny"}}'}}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: a}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: z, labels: {app: b}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: 10.0.0.2}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: x}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], SPEC}
"""
CLOSED, TCP, PING = "ingress: []", Flow(4, 6, 80), Flow(4, 1, 8 << 8)
WORLD = "203.0.113.9"
# system, spec, source, destination, flow, answer
DIFFERENCES = [
    ("unknown", CLOSED, "z/b", "x/a", PING, False),
    ("kube-router", CLOSED, "z/b", "x/a", PING, True),
    ("kube-router", CLOSED, "z/b", "x/a", TCP, False),
    ("flannel", CLOSED, "z/b", "x/a", TCP, True),
    ("romana", CLOSED, "z/b", "x/a", TCP, False),
    ("romana", CLOSED, "x/a", "z/b", TCP, True),
    ("weave", "ingress: [{ports: [{port: web}]}]", "z/b", "x/a", TCP, True),
    ("unknown", "ingress: [{ports: [{port: web}]}]", "z/b", "x/a", TCP, False),
    ("weave", "ingress: [{ports: [{port: 70, endPort: 90}]}]", "z/b", "x/a", TCP, False),
    ("unknown", "ingress: [{ports: [{port: 70, endPort: 90}]}]", "z/b", "x/a", TCP, True),
    ("cilium", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", "z/b", "x/a", TCP, False),
    ("cilium", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", WORLD, "x/a", TCP, True),
    ("kube-ovn", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", "z/b", "x/a", TCP, True),
    ("terway", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", "z/b", "x/a", TCP, None),
    ("cilium", CLOSED, "node:n1", "x/a", TCP, True),
    ("cilium", CLOSED, "x/a", "node:n1", TCP, False),
    ("weave", CLOSED, "x/a", "node:n1", TCP, True),
    ("cilium", "ingress: [{ports: [{port: 80}]}]", "z/b", "x/a", PING, False),
    ("unknown", "ingress: [{ports: [{port: 80}]}]", "z/b", "x/a", PING, None),
]


@pytest.mark.parametrize(("system", "spec", "source", "destination", "flow", "answer"), DIFFERENCES)
def test_systems_differ_where_they_do(
    system: str, spec: str, source: str, destination: str, flow: Flow, answer: bool | None
) -> None:
    world = world_of(network_of(CLUSTER.replace("SPEC", spec)).cluster, profile_named(system))
    one, other = (world.by_name.get(name) or outside(name) for name in (source, destination))
    assert decide(policy_set(world), one, other, flow).admitted is answer


def outside(name: str) -> Entity:
    return Entity(name, Kind.OUTSIDE, addresses=(address(name),))


def test_objects_that_a_system_does_not_enforce_are_told() -> None:
    policies = policy_set(world_of(network_of(CLUSTER.replace("SPEC", CLOSED)).cluster, profile_named("flannel")))
    assert [item.name for item in policies.ignored] == ["closed"]


def test_a_namespace_of_romana_without_the_annotation_is_open() -> None:
    text = CLUSTER.replace("SPEC", CLOSED).replace("DefaultDeny", "None")
    world = world_of(network_of(text).cluster, profile_named("romana"))
    assert decide(policy_set(world), world.by_name["z/b"], world.by_name["x/a"], TCP).admitted is True


def test_a_profile_of_ones_own_is_possible() -> None:
    assert Profile("own", enforces=frozenset()).enforced("networking.k8s.io", "NetworkPolicy") is False


OWN_NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: a}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: a}
spec: {ingress: []}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: nodes}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  %s
"""


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ("egress: [{action: Deny, to: [{nodes: {}}]}]", None),
        ("egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]", True),
        ("ingress: [{action: Deny, from: [{namespaces: {}}]}]", True),
    ],
)
def test_whether_rules_for_nodes_hold_for_a_pod_s_own_is_open_where_no_system_is_known(rules: str, admitted: bool | None) -> None:
    """What comes from the node is spared all the same: rules of ingress cannot name nodes."""
    network = network_of(OWN_NODE % rules)
    world = world_of(network.cluster, detected(network).profile)
    policies = policy_set(world)
    pod, node = world.by_name["a/p"], world.by_name["node:n1"]
    assert decide(policies, pod, node, Flow(4, 6, 80, 40000)).admitted is admitted
    assert decide(policies, node, pod, Flow(4, 6, 80, 40000)).admitted is True
