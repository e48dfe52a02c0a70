"""Where network systems differ in what policies mean: a switch each, and a profile for each system.

The API leaves these points open, or systems do not follow it; sources stand with the profiles. A switch of None is not known:
what rests on it is then unknown, not allowed. ``UNKNOWN_SYSTEM`` is what is taken when no system is named or recognised: the API's own
words, None where it has none.

Rules in FORWARD (or queued before SNAT) see what a node forwards before its own POSTROUTING masquerades it (``ingress_sees_masquerade``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Profile:
    """How a network system reads policies.

    - ``blocks_match_pods``: an ipBlock, a CIDR or a network matches the addresses of pods as well.
    - ``blocks_match_nodes``: the same for addresses of nodes.
    - ``exclusions_match_outside``: a peer whose selectors of namespaces and pods only exclude (NotIn, DoesNotExist) matches addresses outside as well,
      which are in no namespace.
    - ``exclusions_match_nodes``: the same for nodes.
    - ``host_network_pods``: pods in their node's network are selected and matched as other pods are; else they are as their node.
    - ``node_peers_are_pods``: peers of AdminNetworkPolicy and its kin that select nodes mean the pods on these, and no nodes.
    - ``own_node_admitted``: traffic between a pod and the node it runs on passes whatever policies say.
    - ``own_node_can_be_denied``: of that traffic, what a node sends to its pods is held against rules of ingress that deny, all the same.
    - ``own_node_asks_egress``: of that traffic, what a pod sends to its node is held against the pod's rules of egress all the same; None where that is not known.
    - ``port_rules_admit_other_protocols``: a rule with ports lets ICMP and other protocols without ports of its peers pass.
    - ``own_service_admitted``: a pod reaches itself through a service whatever policies say, as it does directly.
    - ``own_service_by_either``: where it is not so, the rules of one direction, egress or ingress, that admit it are enough.
    - ``egress_sees_service``: rules of egress are held against a service's own address and port, before it is translated.
    - ``ingress_sees_masquerade``: rules of ingress are held against the address that a pod's own node masquerades a packet with; else against the one
      with which it came to the node.
    - ``enforces_egress``: rules of egress are enforced; else only those of ingress are.
    - ``port_names``: ports in a NetworkPolicy may be names; else a policy with one has no effect at all.
    - ``sidecar_port_names``: init containers that go on running give names to ports for policies too; else other containers only.
    - ``protocol_for_names``: a port's name in a NetworkPolicy means all ports of its protocol.
    - ``port_ranges``: endPort in a NetworkPolicy is heeded; else the port alone counts.
    - ``admin_places``: tiers of the network policy API that the system has within others: the name, the tier in which its policies are, and what their priority is behind there.
    - ``enforces``: the kinds that the system enforces, by group and kind; None: all that are given.
    - ``supposed``: kinds that the system enforces only where it is set so, with the setting in words; where the input does not say, they are taken to be enforced.
    - ``encapsulated``: packets of pods that look like those of an overlay are asked about.
    - ``network``: the secondary network of pods that is asked about (``namespace/name``); empty: the default one.
    """

    name: str
    blocks_match_pods: bool | None = True
    blocks_match_nodes: bool | None = True
    exclusions_match_outside: bool | None = False
    exclusions_match_nodes: bool | None = False
    host_network_pods: bool | None = False
    node_peers_are_pods: bool = False
    own_node_admitted: bool | None = True
    own_node_can_be_denied: bool = False
    own_node_asks_egress: bool | None = False
    port_rules_admit_other_protocols: bool | None = None
    own_service_admitted: bool | None = None
    own_service_by_either: bool = False
    egress_sees_service: bool | None = False
    ingress_sees_masquerade: bool | None = None
    enforces_egress: bool = True
    port_names: bool = True
    sidecar_port_names: bool = True
    protocol_for_names: bool = False
    port_ranges: bool = True
    admin_places: tuple[tuple[str, str, float], ...] = ()
    enforces: frozenset[str] | None = None
    supposed: tuple[tuple[str, str], ...] = ()
    encapsulated: bool = False
    network: str = ""

    def enforced(self, group: str, kind: str) -> bool:
        """Whether the system, or what runs beside it, does what objects of the kind say."""
        if self.network:
            return f"{group}/{kind}" in ON_NETWORKS
        return self.enforces is None or f"{group}/{kind}" in self.enforces | BESIDE

    def supposition(self, kind: str) -> str:
        """Under which setting alone the system enforces a kind, of which the input says nothing; empty where there is none."""
        words = next((words for name, words in self.supposed if name.rpartition("/")[2] == kind), "")
        return f"{kind} is taken to be enforced: {self.name} does so where {words}, which the input does not say" if words else ""


UPSTREAM = frozenset({"networking.k8s.io/NetworkPolicy", "extensions/NetworkPolicy"})
ADMIN = frozenset(f"policy.networking.k8s.io/{kind}" for kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"))
CLUSTER = frozenset({"policy.networking.k8s.io/ClusterNetworkPolicy"})


def only_where(words: str, *kinds: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Kinds with the setting that they need."""
    return tuple((name, words) for name in sorted(frozenset[str]().union(*kinds)))


AMAZON_KINDS = frozenset(f"networking.k8s.aws/{kind}" for kind in ("ApplicationNetworkPolicy", "ClusterNetworkPolicy"))
CILIUM_KINDS = frozenset({"cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy"})
OVN_KINDS = frozenset(f"k8s.ovn.org/{kind}" for kind in ("EgressFirewall", "UserDefinedNetwork", "ClusterUserDefinedNetwork"))
ANTREA_KINDS = frozenset(f"crd.antrea.io/{kind}" for kind in ("ClusterNetworkPolicy", "NetworkPolicy", "Tier"))
CALICO_KINDS = frozenset(
    f"{group}/{kind}"
    for group in ("projectcalico.org", "crd.projectcalico.org")
    for kind in (
        "NetworkPolicy",
        "GlobalNetworkPolicy",
        "StagedNetworkPolicy",
        "StagedGlobalNetworkPolicy",
        "StagedKubernetesNetworkPolicy",
        "NetworkSet",
        "GlobalNetworkSet",
        "HostEndpoint",
        "WorkloadEndpoint",
        "Profile",
        "Tier",
        "FelixConfiguration",
        "KubeControllersConfiguration",
    )
)
# Other programs than the network system enforce these: the mesh's proxies, a DaemonSet beside it, the cloud.
BESIDE = frozenset(
    {
        "security.istio.io/AuthorizationPolicy",
        "security.istio.io/PeerAuthentication",
        "networking.istio.io/Sidecar",
        "k8s.cni.cncf.io/MultiNetworkPolicy",
        "vpcresources.k8s.aws/SecurityGroupPolicy",
        *(
            f"policy.linkerd.io/{kind}"
            for kind in (
                "Server",
                "ServerAuthorization",
                "AuthorizationPolicy",
                "MeshTLSAuthentication",
                "NetworkAuthentication",
            )
        ),
        "kuma.io/MeshTrafficPermission",
        "kuma.io/TrafficPermission",
        "consul.hashicorp.com/ServiceIntentions",
    }
)

# What decides on secondary networks of pods.
ON_NETWORKS = frozenset({"k8s.cni.cncf.io/MultiNetworkPolicy"})

UNKNOWN_SYSTEM = Profile("unknown")
# k8snetworkplumbingwg/multi-networkpolicy-iptables, pkg/server/policyrules.go: rules in the pod's own namespace compare
# addresses, whoever has them, and ports with their protocol.
MULTI_NETWORK_POLICY = Profile("multi-network-policy", port_rules_admit_other_protocols=False)

# Documentation/security/policy/layer3.rst: blocks are not held against pods and nodes (policy-cidr-match-mode). pkg/policy/mapstate.go: the own
# node is always admitted into a pod (allow-localhost). bpf/bpf_lxc.c: policy is not asked about what comes back to the pod itself through a
# service; services are translated before policy. pkg/policy/rule.go: ports mean their protocols only.
CILIUM = Profile(
    "cilium",
    blocks_match_pods=False,
    blocks_match_nodes=False,
    exclusions_match_outside=None,
    exclusions_match_nodes=None,
    own_node_asks_egress=True,
    port_rules_admit_other_protocols=False,
    own_service_admitted=True,
    enforces=UPSTREAM | CLUSTER | CILIUM_KINDS,
    supposed=only_where("enable-k8s-cluster-network-policy of cilium-config is true", CLUSTER),
)
# cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2: Cilium that enforces NetworkPolicy, and CiliumClusterwideNetworkPolicy
# where that is turned on.
GKE_KINDS = frozenset({"cilium.io/CiliumClusterwideNetworkPolicy", "networking.gke.io/FQDNNetworkPolicy"})
GKE_DATAPLANE_V2 = replace(CILIUM, name="gke-dataplane-v2", enforces=UPSTREAM | GKE_KINDS, supposed=())
# pkg/controllers/netpol: ipsets hold the addresses of pods and blocks alike; chains per pod in FORWARD, INPUT and OUTPUT, which begin with
# what comes from the node itself. ICMP: see kinds/kube_router.py. pod.go, setupPodNetpolRules: a pod's one chain asks its policies of ingress for
# what comes to it, those of egress for what it sends, or KUBE-NWPLCY-DEFAULT, which admits; the mark of any of them is enough.
KUBE_ROUTER = Profile(
    "kube-router",
    ingress_sees_masquerade=False,
    own_service_admitted=False,
    own_service_by_either=True,
    own_node_asks_egress=True,
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM,
)
# npc/analyse.go: named ports are an error of the policy, endPort is not read; prog/weave-npc: FORWARD only, and destinations of
# type LOCAL return before rules of egress.
WEAVE = Profile(
    "weave",
    ingress_sees_masquerade=False,
    own_service_admitted=False,
    port_rules_admit_other_protocols=False,
    port_names=False,
    port_ranges=False,
    enforces=UPSTREAM,
)
# romana/core. listener/translate.go: rules of ingress only, of the API before v1. cni/divert_rules.go, MakeDivertRules:
# what goes to a pod's device meets ROMANA-FORWARD-IN in filter FORWARD. agent/enforcer/base.go, MakeBaseRules: that
# chain accepts known connections, asks the policies and drops the rest, a pod's own too. Isolation: see
# kinds/romana.py.
ROMANA = Profile(
    "romana",
    ingress_sees_masquerade=False,
    own_service_admitted=False,
    port_rules_admit_other_protocols=False,
    enforces_egress=False,
    enforces=UPSTREAM,
)
# go-controller/pkg/ovn/base_network_controller_policy.go: address sets and blocks in ACLs; what comes from the node's
# management port is allowed into its pods (addAllowACLFromNode, to-lport alone); rules of egress apply after load
# balancing. controller/admin_network_policy, expandRulePeers: the addresses of all nodes that a rule selects, a pod's
# own among them.
# go-controller/pkg/ovn/gress_policy.go, addPortPolicy: of a port that is a name the number is taken, which is 0, as of one that is not there.
OVN_KUBERNETES = Profile(
    "ovn-kubernetes",
    protocol_for_names=True,
    own_node_asks_egress=True,
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM | ADMIN | OVN_KINDS,
    supposed=only_where("--enable-admin-network-policy is set", ADMIN),
)
# pkg/ovs/ovn-nb-acl.go, CreateNodeACL: the node into its pods and they to it, before all policies.
KUBE_OVN = Profile(
    "kube-ovn",
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM | ADMIN | CLUSTER | {"kubeovn.io/SecurityGroup"},
    supposed=only_where("--enable-anp of kube-ovn-controller is true", ADMIN, CLUSTER),
)
# pkg/agent/openflow/pipeline.go, localProbeFlows: what the node sends to its pods passes by rules of ingress; nothing exempts the way back.
# pkg/controller/networkpolicy/k8sclusternetworkpolicy.go, since v2.7: ClusterNetworkPolicy, and as adminnetworkpolicy.go
# in tiers of Antrea, 251 and 254, so that what Antrea's own policies pass to NetworkPolicy passes these too. networkpolicy_controller.go,
# podToGroupMember: the ports of containers, not of init containers.
ANTREA = Profile(
    "antrea",
    own_node_asks_egress=True,
    sidecar_port_names=False,
    port_rules_admit_other_protocols=False,
    admin_places=(("admin", "antrea", 251e5), ("baseline", "antrea-baseline", 254e5)),
    enforces=UPSTREAM | ADMIN | CLUSTER | ANTREA_KINDS,
    supposed=(
        *only_where("the feature gate AdminNetworkPolicy of antrea-controller.conf is open", ADMIN),
        *only_where("the feature gate ClusterNetworkPolicy of antrea-controller.conf is open", CLUSTER),
    ),
)
# kubernetes-sigs/kube-network-policies. pkg/dataplane/controller.go, syncNFTablesRules: packets are queued in
# postrouting at srcnat - 5, before the node masquerades them; what processes of root send passes, other processes of a
# node are asked; a chain in input asks what a pod sends to its own node, which versions before it do not: whether a pod
# and its own node are exempt is open. pkg/networkpolicy/engine.go, EvaluatePacket: both pipelines are asked for every
# packet, a pod's to itself too; addresses are compared whoever has them. pkg/networkpolicy/adminnetworkpolicy.go and
# clusternetworkpolicy.go: peers that select nodes are held against the labels of the node that the pod with the
# destination's address runs on, and pkg/podinfo knows no pods in their node's network. pkg/api/helper.go, NewPodInfo: the
# ports of containers, not of init containers.
KUBE_NETWORK_POLICIES = Profile(
    "kube-network-policies",
    node_peers_are_pods=True,
    sidecar_port_names=False,
    own_node_admitted=None,
    ingress_sees_masquerade=False,
    own_service_admitted=False,
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM | ADMIN | CLUSTER,
)
# aws/aws-network-policy-agent. ComputeMapEntriesFromEndpointRules of the firewall rule processor: a trie of blocks,
# with the local node's address admitted in both directions. pkg/ebpf/bpf_client.go, attachIngressBPFProbe: a pod's
# program of ingress is at its host device's tc egress, behind POSTROUTING; that of egress at tc ingress, where services
# are not translated yet (the controller adds their addresses to the rules of their pods), so that whether a pod reaches
# itself through one depends on that: open.
AWS_VPC_CNI = Profile(
    "aws-vpc-cni",
    ingress_sees_masquerade=True,
    port_rules_admit_other_protocols=False,
    egress_sees_service=None,
    enforces=UPSTREAM | CLUSTER | AMAZON_KINDS,
)
# Azure/azure-container-networking, npm/pkg/dataplane/policies/chain-management_linux.go. positionAzureChainJumpRule:
# new connections in FORWARD only, so that neither way between a node and its pods is policed; addLinesForInitChains:
# the chains of ingress, egress and what they accept, nothing of which exempts a pod's own.
AZURE_NPM = Profile(
    "azure-npm",
    ingress_sees_masquerade=False,
    own_service_admitted=False,
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM,
)
# Documentation of flannel: it has no policies.
FLANNEL = Profile("flannel", enforces=frozenset())
# terway's own agent is felix or Cilium, as it is set: where the two differ it is not known.
TERWAY = Profile(
    "terway",
    blocks_match_pods=None,
    blocks_match_nodes=None,
    exclusions_match_outside=None,
    exclusions_match_nodes=None,
    own_node_asks_egress=True,
    port_rules_admit_other_protocols=False,
    enforces=UPSTREAM,
)
# felix/rules/policy.go: packets are compared with addresses, whoever has them. static.go: what a node sends to its own pods returns before
# their rules of ingress (OUTPUT, -o cali+); what a pod sends to its node meets its rules of egress (cali-wl-to-host), then
# defaultEndpointToHostAction. libcalico-go lib/backend/k8s/conversion: ports come with their protocol; pods in their node's network are no
# endpoints. kube-proxy translates before FORWARD and gives what comes back to the pod itself its node's address only behind it.
CALICO = Profile(
    "calico",
    ingress_sees_masquerade=False,
    own_node_asks_egress=True,
    port_rules_admit_other_protocols=False,
    own_service_admitted=False,
    enforces=UPSTREAM | ADMIN | CLUSTER | CALICO_KINDS,
)
# manifests/canal.yaml: Felix for policies, flannel for the network.
CANAL = replace(CALICO, name="canal")

SYSTEMS = (
    UNKNOWN_SYSTEM,
    CALICO,
    CANAL,
    CILIUM,
    GKE_DATAPLANE_V2,
    KUBE_ROUTER,
    WEAVE,
    ROMANA,
    OVN_KUBERNETES,
    KUBE_OVN,
    ANTREA,
    KUBE_NETWORK_POLICIES,
    AWS_VPC_CNI,
    AZURE_NPM,
    FLANNEL,
    TERWAY,
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in SYSTEMS}
SWITCHES: Mapping[str, str] = {
    item.name.replace("_", "-"): item.name
    for item in fields(Profile)
    if item.name not in ("name", "admin_places", "enforces", "supposed", "encapsulated", "network")
}
TWO_WAY = frozenset(item.name for item in fields(Profile) if item.type == "bool")
VALUES = {"yes": True, "no": False, "unknown": None}


def profile_named(name: str) -> Profile:
    """The profile of a network system. ValueError, which names the nearest or lists all, where there is none."""
    if name not in PROFILES:
        from difflib import get_close_matches

        near = "".join(f"; did you mean {one}?" for one in get_close_matches(name, sorted(PROFILES), 1, 0.75))
        known = ", ".join(sorted(PROFILES))
        raise ValueError(f"{name!r} is no network system that is known{near or f': it must be one of {known}'}")
    return PROFILES[name]


def with_switches(profile: Profile, switches: Mapping[str, str]) -> Profile:
    """The profile with points of its reading set otherwise, each to yes, no or unknown. ValueError for what is no switch or no value."""
    found: dict[str, bool | None] = {}
    for name, value in switches.items():
        if name not in SWITCHES:
            raise ValueError(f"{name!r} is no switch: it must be one of {', '.join(sorted(SWITCHES))}")
        allowed = [word for word in VALUES if word != "unknown" or SWITCHES[name] not in TWO_WAY]
        if value not in allowed:
            raise ValueError(f"{name}={value}: the value must be {' or '.join(allowed)}")
        found[SWITCHES[name]] = VALUES[value]
    return replace(profile, **found)  # type: ignore[arg-type]
