"""A cloud's network that answers for pods: it answers ARP for the secondary addresses that it gave to a node's interfaces, wherever Linux keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from analyzer.model.cluster import Cluster
from analyzer.model.network import Namespace
from analyzer.source import Scope

if TYPE_CHECKING:
    from analyzer.facts.cni import CniConfigFact

CLOUDS: Mapping[str, str] = {"aws://": "AWS", "azure://": "Azure"}
PLUGINS: Mapping[str, str] = {"aws-cni": "AWS", "azure-vnet": "Azure", "terway": "Alibaba Cloud"}
CHAINS: Mapping[str, str] = {"AWS-SNAT-CHAIN-0": "AWS"}


def fabric(cluster: Cluster, configs: Iterable[CniConfigFact], spaces: Mapping[Scope, Namespace]) -> str:
    """The cloud whose network answers for pods' addresses; empty where there is no sign of one."""
    for _, node in sorted(cluster.nodes.items()):
        spec = node.document.get("spec")
        provider = str(spec.get("providerID") or "") if isinstance(spec, Mapping) else ""
        if found := next((name for scheme, name in CLOUDS.items() if provider.startswith(scheme)), ""):
            return found
    for config in configs:
        for plugin in config.plugins:
            if found := PLUGINS.get(str(plugin.get("type")), ""):
                return found
    for space in spaces.values():
        for ruleset in space.rulesets:
            if found := next((name for chain, name in CHAINS.items() if chain in ruleset.tables.get("nat", {})), ""):
                return found
    return "AWS" if any(routed_by_aws(space) for space in spaces.values()) else ""


def routed_by_aws(space: Namespace) -> bool:
    """Whether the Amazon VPC CNI attached pods here: host ends ``eni…`` and rules ``512: from all to <pod> lookup main``
    (cmd/routed-eni-cni-plugin/driver/driver.go, ``toContainerRulePriority``). Its chains are not there with AWS_VPC_K8S_CNI_EXTERNALSNAT."""
    rules = space.rules.get(4, ())
    to_pod = any(rule.priority == 512 and rule.destination is not None and rule.destination.length == 32 for rule in rules)
    return to_pod and any(name.startswith("eni") and link.netnsid is not None for name, link in space.links.items())
