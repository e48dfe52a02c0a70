"""Which network system a cluster has, by what of it the input shows, and how that system is set.

Signs are asked in the order of what they are worth: programs that run (images of pods and of their templates), chains that they have
made on nodes, CNI configuration, ConfigMaps, and objects of their own kinds. The first sort of sign that is there decides. Systems that
only connect (flannel, a cloud's plugin) give way to one that enforces policies beside them; of two that enforce nothing is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.cilium.settings import settings_of
from analyzer.policy.exclusions import only_excludes
from analyzer.policy.named_system import systems_named
from analyzer.policy.profiles import ADMIN, ANTREA_KINDS, CLUSTER, PROFILES, UNKNOWN_SYSTEM, Profile
from analyzer.policy.reading import group_of
from analyzer.policy.secondary import makes_primary
from analyzer.policy.world import mapping
from analyzer.source import Span

# The agents' images: what the repository's name ends in, without registry and tag.
IMAGES = {
    "calico/node": "calico",
    "calico/calico": "calico",
    "cilium/cilium": "cilium",
    "flannel-io/flannel": "flannel",
    "flannel/flannel": "flannel",
    "coreos/flannel": "flannel",
    "cloudnativelabs/kube-router": "kube-router",
    "weaveworks/weave-npc": "weave",
    "weaveworks/weave-kube": "weave",
    "romana/agent": "romana",
    "ovn-kube-u": "ovn-kubernetes",
    "ovn-kube-f": "ovn-kubernetes",
    "ovnkube": "ovn-kubernetes",
    "kubeovn/kube-ovn": "kube-ovn",
    "antrea/antrea-agent-ubuntu": "antrea",
    "antrea/antrea-agent-ubi": "antrea",
    "antrea/antrea-ubuntu": "antrea",
    "kube-network-policies": "kube-network-policies",
    "amazon-k8s-cni": "aws-vpc-cni",
    "azure-npm": "azure-npm",
    "acs/terway": "terway",
}
# Agents whose images people rename: by the name of the DaemonSet.
DAEMON_SETS = {
    "calico-node": "calico",
    "canal": "canal",
    "cilium": "cilium",
    "anetd": "gke-dataplane-v2",
    "kube-flannel-ds": "flannel",
    "kube-router": "kube-router",
    "weave-net": "weave",
    "romana-agent": "romana",
    "ovnkube-node": "ovn-kubernetes",
    "kube-ovn-cni": "kube-ovn",
    "antrea-agent": "antrea",
    "kube-network-policies": "kube-network-policies",
    "aws-node": "aws-vpc-cni",
    "azure-npm": "azure-npm",
    "terway-eniip": "terway",
}
CHAINS = {
    "cali-FORWARD": "calico",
    "KUBE-ROUTER-FORWARD": "kube-router",
    "WEAVE-NPC": "weave",
    "CILIUM_FORWARD": "cilium",
    "AZURE-NPM": "azure-npm",
    "ROMANA-FORWARD-IN": "romana",
    "FLANNEL-FWD": "flannel",
}
# Tables of nft: Felix since v3.29, the queue of kube-network-policies and of kindnet.
TABLES = {"calico": "calico", "kube-network-policies": "kube-network-policies"}
PLUGINS = {
    "calico": "calico",
    "cilium-cni": "cilium",
    "flannel": "flannel",
    "weave-net": "weave",
    "romana": "romana",
    "ovn-k8s-cni-overlay": "ovn-kubernetes",
    "kube-ovn": "kube-ovn",
    "antrea": "antrea",
    "aws-cni": "aws-vpc-cni",
    "terway": "terway",
}
CONFIG_MAPS = {
    "canal-config": "canal",
    "calico-config": "calico",
    "cilium-config": "cilium",
    "kube-flannel-cfg": "flannel",
    "kube-router-cfg": "kube-router",
    "antrea-config": "antrea",
    "amazon-vpc-cni": "aws-vpc-cni",
    "ovnkube-config": "ovn-kubernetes",
}
GROUPS = {
    "projectcalico.org": "calico",
    "crd.projectcalico.org": "calico",
    "cilium.io": "cilium",
    "crd.antrea.io": "antrea",
    "k8s.ovn.org": "ovn-kubernetes",
    "kubeovn.io": "kube-ovn",
}
# Systems that give way to one that enforces policies beside them; without any enforcement of their own, or with one that is off by default.
CONNECTING = ("flannel", "aws-vpc-cni", "terway", "azure-npm")


@dataclass(frozen=True, slots=True)
class Sign:
    """Something of a system that the input shows."""

    system: str
    text: str
    at: Span


@dataclass(frozen=True, slots=True)
class Recognised:
    """The profile, and the signs by which it was chosen; those of a system that was not chosen are among them where several are there."""

    profile: Profile
    signs: tuple[Sign, ...] = ()


def detected(network: Network) -> Recognised:
    """The profile of the system that the input shows; ``UNKNOWN_SYSTEM`` where it shows none, or several that enforce policies."""
    for look in (running, chains, plugins, config_maps, objects, named):
        signs = first_of_each(look(network))
        if signs:
            name = chosen({sign.system for sign in signs})
            return Recognised(settled(PROFILES.get(name, UNKNOWN_SYSTEM), network.cluster), signs)
    return Recognised(settled(UNKNOWN_SYSTEM, network.cluster))


def named(network: Network) -> Iterator[Sign]:
    """The system that settings name."""
    return (Sign(item.name, "the settings", item.at) for item in systems_named(network.cluster) if item.name in PROFILES)


def chosen(systems: set[str]) -> str:
    """Of the systems that are there the one that enforces policies; empty where that is not clear."""
    if {"flannel", "calico"} <= systems:
        systems = systems - {"flannel", "calico"} | {"canal"}
    if "canal" in systems:
        systems = systems - {"calico", "flannel"}
    enforcing = systems - set(CONNECTING) or {next(name for name in CONNECTING[::-1] if name in systems)}
    return enforcing.pop() if len(enforcing) == 1 else ""


def first_of_each(signs: Iterable[Sign]) -> tuple[Sign, ...]:
    """One sign of each system, in order."""
    found: dict[str, Sign] = {}
    for sign in signs:
        found.setdefault(sign.system, sign)
    return tuple(found.values())


def running(network: Network) -> Iterator[Sign]:
    """Agents that run, or that a DaemonSet would run."""
    for fact in workloads(network.cluster):
        if fact.kind == "DaemonSet" and fact.name in DAEMON_SETS:
            yield Sign(DAEMON_SETS[fact.name], f"DaemonSet {fact.namespace}/{fact.name}", fact.at)
        for image in images(fact):
            if (system := system_of_image(image)) is not None:
                yield Sign(system, f"{fact.kind} {fact.namespace}/{fact.name} runs {image}", fact.at)


def workloads(cluster: Cluster) -> Iterator[ObjectFact]:
    """What runs, or would run, on every node."""
    yield from (item for item in cluster.others if item.kind == "DaemonSet")
    yield from (pod for _, pod in sorted(cluster.pods.items()) if pod.owner is None or pod.owner[0] == "DaemonSet")


def images(fact: ObjectFact) -> Iterator[str]:
    """The images of a workload's containers."""
    spec = mapping(fact.document.get("spec"))
    if fact.kind != "Pod":
        spec = mapping(mapping(spec.get("template")).get("spec"))
    for container in listed(spec.get("containers")):
        if isinstance(image := mapping(container).get("image"), str):
            yield image


def system_of_image(image: str) -> str | None:
    """The system whose agent an image is."""
    repository = image.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    repository = head + slash + last.partition(":")[0]
    found = (system for name, system in IMAGES.items() if repository == name or repository.endswith(f"/{name}"))
    return next(found, None)


def chains(network: Network) -> Iterator[Sign]:
    """Chains of nodes' own rulesets."""
    for scope, space in sorted(network.namespaces.items()):
        names = {name: ruleset.at for ruleset in space.rulesets for table in ruleset.tables.values() for name in table}
        for name, system in CHAINS.items():
            if not scope.namespace and name in names:
                yield Sign(system, f"chain {name} on {scope.node}", names[name])
        for table in space.nft_tables if not scope.namespace else ():
            if table.name in TABLES:
                yield Sign(TABLES[table.name], f"nft table {table.name} on {scope.node}", table.at)


def plugins(network: Network) -> Iterator[Sign]:
    """The CNI configuration that nodes use: the first file that is one."""
    for _, files in sorted(network.files.items()):
        usable = [config for config in files.configs if not config.problem]
        for config in usable[:1]:
            names = [str(plugin.get("type")) for plugin in config.plugins]
            found = [PLUGINS[name] for name in names if name in PLUGINS]
            found += ["kube-router"] if "kuberouter" in config.file.replace("-", "") else []
            yield from (Sign(system, f"CNI configuration {config.file}", config.at) for system in found)


def config_maps(network: Network) -> Iterator[Sign]:
    """ConfigMaps of systems."""
    for (namespace, name), fact in sorted(network.cluster.config_maps.items()):
        if name in CONFIG_MAPS:
            yield Sign(CONFIG_MAPS[name], f"ConfigMap {namespace}/{name}", fact.at)


def objects(network: Network) -> Iterator[Sign]:
    """Objects of systems' own kinds."""
    for item in network.cluster.others:
        if group_of(item) in GROUPS:
            yield Sign(GROUPS[group_of(item)], f"{item.kind} {item.name}", item.at)


def settled(profile: Profile, cluster: Cluster) -> Profile:
    """The profile as the objects set the system. Security groups of pods hold for what their own node sends, too, and of a node nothing but the kubelet's
    probes gets to pods of a primary network of their own: whether it is admitted is then open where policies do not admit it."""
    found = change(profile, cluster) if (change := SETTINGS.get(profile.name)) is not None else profile
    guarded = any(group_of(item) == "vpcresources.k8s.aws" or makes_primary(item) for item in cluster.others)
    return replace(found, own_node_admitted=None) if guarded and found.own_node_admitted else found


def unnamed(profile: Profile, cluster: Cluster) -> Profile:
    """What is taken when no system is known. Documentation of NetworkPolicy: what goes to and from a pod's own node passes; network-policy-api says of
    ClusterNetworkPolicy and AdminNetworkPolicy nothing of the kind, and lets rules of egress name nodes: whether a pod's own is spared is then open.
    EgressNetworkPolicy is of OpenShift SDN, whose flows hold what a pod sends to its own node against it as well."""
    if any(f"{group_of(item)}/{item.kind}" == "network.openshift.io/EgressNetworkPolicy" for item in cluster.others):
        return replace(profile, own_node_asks_egress=True)
    kinds = ADMIN | CLUSTER
    spoken = any(
        f"{group_of(item)}/{item.kind}" in kinds and mapping(item.document.get("spec")).get("egress") for item in cluster.others
    )
    return replace(profile, own_node_asks_egress=None) if spoken and profile.own_node_asks_egress is False else profile


def cilium(profile: Profile, cluster: Cluster) -> Profile:
    """What ``cilium-config`` sets (with policy-default-local-cluster selectors ask for the label of the cluster, which nothing outside has); and whether rules can deny what comes from a pod's own node (as SCTP is, where it is off), which else is admitted. Beside ClusterNetworkPolicy versions of
    Cilium give the two other places (determineAllowLocalhostIngress of pkg/policy/mapstate.go, with priorities and without): which decides is then open."""
    settings = settings_of(cluster)
    silent = settings.at is not None and not settings.sctp
    denied = settings.localhost and can_deny_nodes(cluster)
    ranked = any(f"{group_of(item)}/{item.kind}" in CLUSTER - settings.kinds_off for item in cluster.others)
    return replace(
        profile,
        blocks_match_pods=settings.match_pods,
        blocks_match_nodes=settings.match_nodes,
        exclusions_match_outside=False if settings.local_cluster else profile.exclusions_match_outside,
        own_node_admitted=None if denied and ranked else settings.localhost,
        own_node_can_be_denied=(denied or (silent and settings.localhost)) and not ranked,
        enforces=frozenset() if settings.enforcement == "never" else (profile.enforces or frozenset()) - settings.kinds_off,
        supposed=() if settings.at else profile.supposed,
    )


def can_deny_nodes(cluster: Cluster) -> bool:
    """Whether a policy of Cilium has a rule of ingress that denies nodes, or is about what leaves nodes."""
    specs = (
        mapping(spec)
        for item in cluster.others
        if group_of(item) == "cilium.io" and "NetworkPolicy" in item.kind
        for spec in (item.document.get("spec"), *listed(item.document.get("specs")))
    )
    return any(leaves_nodes(spec) or any(hits_nodes(mapping(rule)) for rule in listed(spec.get("ingressDeny"))) for spec in specs)


def leaves_nodes(spec: Mapping[str, object]) -> bool:
    """Whether a policy is one of the host firewall, with rules of egress."""
    return "nodeSelector" in spec and ("egress" in spec or "egressDeny" in spec)


def hits_nodes(rule: Mapping[str, object]) -> bool:
    """Whether a rule's peers may be the own node: it names none, or addresses, or entities and labels that nodes have, or asks for no label."""
    named = {name for name in rule if name.startswith("from")}
    entities = {str(name) for name in listed(rule.get("fromEntities"))}
    by_address = named & {"fromCIDR", "fromCIDRSet", "fromGroups"}
    chosen = [mapping(item) for item in listed(rule.get("fromEndpoints"))]
    excluding = any(item.get("matchExpressions") and only_excludes(item) for item in chosen)
    return (
        not named
        or bool(by_address or excluding or {"all", "cluster", "host", "kube-apiserver"} & entities)
        or "reserved" in str(rule)
    )


def listed(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def kube_router(profile: Profile, cluster: Cluster) -> Profile:
    """Without its firewall it enforces nothing."""
    off = any(argument in ("--run-firewall=false", "--run-firewall=False") for argument in arguments(cluster, "kube-router"))
    return replace(profile, enforces=frozenset()) if off else profile


def weave(profile: Profile, cluster: Cluster) -> Profile:
    """``EXPECT_NPC=0``: without its policy controller it enforces nothing."""
    return replace(profile, enforces=frozenset()) if ("EXPECT_NPC", "0") in variables(cluster, "weave") else profile


def aws(profile: Profile, cluster: Cluster) -> Profile:
    """Its policy agent is off unless it is turned on."""
    enabled = "--enable-network-policy=true" in arguments(cluster, "aws-node")
    fact = cluster.config_maps.get(("kube-system", "amazon-vpc-cni"))
    asked = fact is not None and "enable-network-policy-controller" in fact.data
    by_map = fact is not None and asked and fact.data["enable-network-policy-controller"].value == "true"
    seen = any(True for item in workloads(cluster) if item.name.startswith("aws-node"))
    return profile if enabled or by_map or not (seen or asked) else replace(profile, enforces=frozenset())


# Kinds that Antrea's controller does not look at unless a gate is open, and whether it is by default (docs/feature-gates.md).
GATES = {
    "AntreaPolicy": (ANTREA_KINDS | ADMIN | CLUSTER, True),
    "AdminNetworkPolicy": (ADMIN, False),
    "ClusterNetworkPolicy": (CLUSTER, False),
}


def antrea(profile: Profile, cluster: Cluster) -> Profile:
    """The gates that its controller's configuration opens, where that is given."""
    texts = (
        fact.data.get("antrea-controller.conf")
        for (_, name), fact in sorted(cluster.config_maps.items())
        if name == "antrea-config"
    )
    text = next((found.value for found in texts if found is not None), None)
    if text is None:
        return profile
    given = {name: value == "true" for name, value in re.findall(r"^[ \t]+(\w+): *(true|false)", text, re.MULTILINE)}
    off = frozenset[str]().union(*(kinds for gate, (kinds, usual) in GATES.items() if not given.get(gate, usual)))
    return replace(profile, enforces=(profile.enforces or frozenset()) - off, supposed=())


def kube_ovn(profile: Profile, cluster: Cluster) -> Profile:
    """``--enable-anp`` of its controller, where that is given: it is off unless it is turned on (pkg/controller/config.go)."""
    found = arguments(cluster, "kube-ovn-controller")
    if not found:
        return profile
    on = bool({"--enable-anp", "--enable-anp=true"} & found)
    return replace(profile, enforces=(profile.enforces or frozenset()) - (frozenset() if on else ADMIN | CLUSTER), supposed=())


def ovn_kubernetes(profile: Profile, cluster: Cluster) -> Profile:
    """What is said of AdminNetworkPolicy in the environment of its pods (dist/images/ovnkube.sh)."""
    return (
        replace(profile, supposed=()) if ("OVN_ADMIN_NETWORK_POLICY_ENABLE", "true") in variables(cluster, "ovnkube") else profile
    )


def containers(cluster: Cluster, name: str) -> Iterator[Mapping[str, object]]:
    """The containers of an agent."""
    for item in workloads(cluster):
        spec = mapping(item.document.get("spec"))
        template = spec if item.kind == "Pod" else mapping(mapping(spec.get("template")).get("spec"))
        if item.name.startswith(name):
            yield from map(mapping, listed(template.get("containers")))


def arguments(cluster: Cluster, name: str) -> set[str]:
    """The arguments of an agent."""
    return {str(item) for found in containers(cluster, name) for key in ("args", "command") for item in listed(found.get(key))}


def variables(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    """The environment of an agent."""
    items = (mapping(item) for found in containers(cluster, name) for item in listed(found.get("env")))
    return {(str(item.get("name")), str(item.get("value"))) for item in items}


SETTINGS: Mapping[str, Callable[[Profile, Cluster], Profile]] = {
    "unknown": unnamed,
    "cilium": cilium,
    "gke-dataplane-v2": cilium,
    "kube-router": kube_router,
    "weave": weave,
    "aws-vpc-cni": aws,
    "antrea": antrea,
    "kube-ovn": kube_ovn,
    "ovn-kubernetes": ovn_kubernetes,
}
