"""What takes part in the network and stands in no capture: programs that ``tc`` does not list, and a cloud's network that answers for pods.

Cilium attaches its programs by tcx links where the kernel has them (since 1.16, pkg/datapath/loader/tcx.go); ``tc filter show`` then lists none. Calico's eBPF
mode does the same. A cloud's virtual network answers ARP for the secondary addresses that it gave to a node's interfaces, wherever Linux keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analyzer.facts.cni import CniConfigFact
from analyzer.facts.links import LinkFact
from analyzer.facts.system import FilterFact, OtherAction
from analyzer.model.cluster import Cluster
from analyzer.model.network import Namespace
from analyzer.source import Scope

# The device by which a datapath is known, and the beginnings of the names of those that its programs are on.
DATAPATHS: Mapping[str, tuple[str, ...]] = {
    "cilium_host": ("cilium_", "lxc"),
    "bpfin.cali": ("bpfin.cali", "bpfout.cali", "cali", "vxlan.calico"),
}
CLOUDS: Mapping[str, str] = {"aws://": "AWS", "azure://": "Azure"}
PLUGINS: Mapping[str, str] = {"aws-cni": "AWS", "azure-vnet": "Azure", "terway": "Alibaba Cloud"}
CHAINS: Mapping[str, str] = {"AWS-SNAT-CHAIN-0": "AWS"}


def programs(links: Mapping[str, LinkFact], filters: Sequence[FilterFact], scope: Scope) -> Iterator[FilterFact]:
    """Filters that stand for programs that tc does not list: on the devices of Cilium or Calico without any listed filter, and on those that
    lead out of the node."""
    owner = next((device for device in DATAPATHS if device in links and not scope.namespace), None)
    if owner is None or any(fact.classifier == "bpf" for fact in filters):
        return
    listed = {fact.device for fact in filters}
    for name, link in sorted(links.items()):
        if name not in listed and (name.startswith(DATAPATHS[owner]) or is_uplink(link)):
            for hook in ("ingress", "egress"):
                yield FilterFact(
                    at=link.at,
                    scope=scope,
                    device=name,
                    hook=hook,
                    preference=0,
                    protocol="all",
                    classifier="bpf",
                    everything=True,
                    actions=(OtherAction("bpf", "not listed by tc"),),
                )


def is_uplink(link: LinkFact) -> bool:
    """Whether a device is one of hardware: an Ethernet device of no kind."""
    return link.kind is None and link.link_type == "ether" and link.peer_index is None and link.detailed


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
