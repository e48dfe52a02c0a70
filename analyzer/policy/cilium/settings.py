"""The settings of Cilium that change what policies mean, from its ConfigMap ``cilium-config``.

Keys and defaults follow pkg/option/config.go and install/kubernetes/cilium/values.yaml. Where no ConfigMap is given the
defaults of the chart are taken for what it always sets, and None (not known) for what people do turn on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from analyzer.addresses import Address
from analyzer.facts.kubernetes import ConfigMapFact, Located
from analyzer.memory import Same
from analyzer.model.cluster import Cluster
from analyzer.policy.images import images_of
from analyzer.source import Span

CONFIG_MAP = "cilium-config"
IMAGE = re.compile(r"(?:^|/)cilium(?:-ci)?:v?(\d{1,3})\.(\d{1,3})(?:\.|@|-|$)")
MODES = ("default", "always", "never")
KINDS = {
    "enable-k8s-networkpolicy": "networking.k8s.io/NetworkPolicy",
    "enable-cilium-network-policy": "cilium.io/CiliumNetworkPolicy",
    "enable-cilium-clusterwide-network-policy": "cilium.io/CiliumClusterwideNetworkPolicy",
}
# Kinds that are off unless they are turned on, since v1.20 (daemon/cmd/daemon_main.go).
ASKED_FOR = {"enable-k8s-cluster-network-policy": "policy.networking.k8s.io/ClusterNetworkPolicy"}


@dataclass(frozen=True, slots=True)
class Settings:
    """``enforcement``: default, always or never (as in audit mode, which only tells). ``kinds_off``: kinds that are not enforced. ``match_nodes``, ``match_pods``: CIDRs match nodes, and pods (since v1.20). ``host_firewall``: policies with a nodeSelector are
    enforced. ``node_labels``: fromNodes and toNodes are allowed. ``cluster``: this cluster's name. ``label_filter``: labels are chosen by
    other rules than the default ones. ``non_default_deny``: ``enableDefaultDeny`` is heeded. ``version``: of the agent, where it is known. ``sctp``: it takes SCTP at all.
    ``local_cluster``: selectors of endpoints mean this cluster's unless they say otherwise."""

    enforcement: str = "default"
    match_nodes: bool = False
    match_pods: bool = False
    host_firewall: bool | None = None
    node_labels: bool | None = None
    cluster: str | None = None
    label_filter: bool = False
    non_default_deny: bool = True
    localhost: bool = True
    kinds_off: frozenset[str] = frozenset()
    api_servers: tuple[Address, ...] | None = None
    at: Span | None = None
    version: tuple[int, int] | None = None
    sctp: bool = True
    local_cluster: bool = False


def config_map(cluster: Cluster) -> ConfigMapFact | None:
    """Cilium's ConfigMap, in whichever namespace it is installed."""
    if (usual := cluster.config_maps.get(("kube-system", CONFIG_MAP))) is not None:
        return usual
    found = [(namespace, fact) for (namespace, name), fact in cluster.config_maps.items() if name == CONFIG_MAP]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def settings_of(cluster: Cluster) -> Settings:
    """The settings of the cluster's Cilium, worked out once."""
    return settings_in(Same(cluster))


@lru_cache(maxsize=4)
def settings_in(key: Same[Cluster]) -> Settings:
    """The settings of a cluster's Cilium."""
    cluster = key.value
    servers, version = api_servers(cluster), version_of(cluster)
    fact = config_map(cluster)
    if fact is None:
        return Settings(api_servers=servers, version=version)
    data = fact.data
    enforcement = "never" if truth(data, "policy-audit-mode") else text(data, "enable-policy", "default").lower()
    matched = text(data, "policy-cidr-match-mode").replace(",", " ").split()
    return Settings(
        enforcement=enforcement if enforcement in MODES else "default",
        match_nodes="nodes" in matched,
        match_pods="pods" in matched,
        host_firewall=truth(data, "enable-host-firewall"),
        node_labels=truth(data, "enable-node-selector-labels"),
        cluster=text(data, "cluster-name", "default"),
        label_filter=bool(text(data, "labels") or text(data, "label-prefix-file")),
        non_default_deny=truth(data, "enable-non-default-deny-policies", True),
        localhost=text(data, "allow-localhost", "auto").lower() != "policy",
        kinds_off=frozenset(
            kind
            for known, usual in ((KINDS, True), (ASKED_FOR, False))
            for key, kind in known.items()
            if not truth(data, key, usual)
        ),
        api_servers=servers,
        at=fact.at,
        version=version,
        sctp=truth(data, "enable-sctp"),
        local_cluster=truth(data, "policy-default-local-cluster"),
    )


def version_of(cluster: Cluster) -> tuple[int, int] | None:
    """The agent's version by the tag of its image; None where it is not given, or where agents differ."""
    found = {(int(match[1]), int(match[2])) for image in images_of(cluster, "cilium") if (match := IMAGE.search(image))}
    return found.pop() if len(found) == 1 else None


def text(data: Mapping[str, Located], key: str, default: str = "") -> str:
    """A setting's text."""
    found = data.get(key)
    return found.value.strip() or default if found is not None else default


def truth(data: Mapping[str, Located], key: str, default: bool = False) -> bool:
    """A setting that is on or off, as Go's strconv.ParseBool reads it."""
    found = text(data, key)
    return found.lower() in ("true", "t", "1") if found else default


def api_servers(cluster: Cluster) -> tuple[Address, ...] | None:
    """The addresses of the API servers: the endpoints of ``default/kubernetes``; None where they are not given."""
    slices = cluster.endpoints.get(("default", "kubernetes"))
    return tuple(sorted({item.address for fact in slices for item in fact.endpoints})) if slices else None
