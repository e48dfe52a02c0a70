"""Who asks for addresses, and which would do: by the annotations of Calico and Kube-OVN, by the pools and subnets that a pod's namespace and node have, and by
nodes' own networks.

projectcalico/calico cni-plugin/pkg/k8s/k8s.go (``ipAddrs``, ``ipv4pools``) and libcalico-go/lib/ipam/ipam.go (``determinePools``: named pools are taken whatever their node selector says);
kubeovn/kube-ovn pkg/controller/pod.go (``acquireAddress``: a StatefulSet's pod takes the entry of its ordinal, others the first entry that is free).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.cni.address_ranges import excluded as excluded_networks
from analyzer.query.cni.address_ranges import whereabouts
from analyzer.query.cni.attachments import requests
from analyzer.query.cni.configs import Holder, configs
from analyzer.query.ipam.cilium_pools import several_pools
from analyzer.query.ipam.cilium_pools import wanted as cilium_addresses
from analyzer.query.plan import ranges, running_pods
from analyzer.query.refusals import address_in, objects, spec_of
from analyzer.query.systems.calico import Pool, pools, reserved
from analyzer.query.systems.kube_ovn import GROUP as KUBE_OVN
from analyzer.query.systems.kube_ovn import Subnet, excluded, subnets
from analyzer.query.wanted_pods import Workload, workloads
from analyzer.ranges import Ranges, difference, normalised, union
from analyzer.source import Span

CALICO_ADDRESSES = "cni.projectcalico.org/ipAddrs"
CALICO_POOLS = {4: "cni.projectcalico.org/ipv4pools", 6: "cni.projectcalico.org/ipv6pools"}
OVN = "ovn.kubernetes.io/"
OVN_ADDRESS, OVN_POOL, OVN_SWITCH = f"{OVN}ip_address", f"{OVN}ip_pool", f"{OVN}logical_switch"
OWN_POOLS = ("cilium", "kube-ovn", "ovn-kubernetes", "romana", "weave")
DEFAULT_SUBNET = "ovn-default"
ORDINALS_MOST = 1000


@dataclass(frozen=True, slots=True)
class Ask:
    """``count`` pods of a workload that want one address each. ``space`` is where addresses must be unique; they may come out of ``domain`` (of
    ``family``), or be one of the ``entries``, each of which takes all of its addresses at once. ``nodes``: on which nodes, where that narrows the domain."""

    space: str
    title: str
    count: int
    at: Span
    family: int = 4
    domain: Ranges = ()
    entries: tuple[tuple[Address, ...], ...] | None = None
    by_node: tuple[tuple[str, Ranges], ...] = ()
    source: str = ""


def asks(network: Network) -> list[Ask]:
    """All who ask, of the system that hands out pods' addresses."""
    wanted = [item for item in workloads(network) if not item.host_network]
    second = [ask for item in wanted for ask in of_attachments(network, item)]
    wanted = [item for item in wanted if missing(item)]
    known, calico = list(subnets(network)), list(pools(network))
    if not wanted:
        return second
    if known:
        return [*second, *(ask for item in wanted for ask in of_kube_ovn(network, item, known))]
    if several_pools(network):
        return [*second, *(ask for item in wanted for ask in of_cilium(network, item))]
    if calico and not by_nodes_networks(network):
        return [*second, *(ask for item in wanted for ask in of_calico(network, item, calico))]
    if calico or in_nodes_networks(network):
        return [*second, *(ask for item in wanted for ask in of_nodes(network, item))]
    return second


def by_nodes_networks(network: Network) -> bool:
    """Whether Calico leaves addresses to host-local, as Canal does."""
    calls = (call for config in configs(network) if config.holder is not Holder.ATTACHMENT for call, _ in config.calls)
    return any(call.text("type") == "calico" and call.text("ipam", "type") == "host-local" for call in calls)


def takes_node_networks(network: Network) -> bool:
    """Whether pods get addresses of their nodes' networks, rather than of pools or subnets of their own."""
    calico = any(True for _ in pools(network)) and not by_nodes_networks(network)
    return not calico and not any(True for _ in subnets(network)) and in_nodes_networks(network)


def in_nodes_networks(network: Network) -> bool:
    """Whether pods get addresses of their nodes' networks: no system is there that has pools of its own, and no pod has another address."""
    if any(item.system in OWN_POOLS for item in network.cluster.ranges if item.purpose == "pod"):
        return False
    if any(item.system == "cilium" and item.key == "ipam" and item.value != "kubernetes" for item in network.cluster.settings):
        return False
    nodes = network.cluster.nodes
    here = [(address, nodes[pod.node]) for pod in running_pods(network) if pod.node in nodes for address in pod.addresses]
    return all(any(prefix.covers(address) for prefix in node.pod_cidrs) for address, node in here)


def of_attachments(network: Network, item: Workload) -> Iterator[Ask]:
    """What a workload asks of second networks: addresses of whereabouts' ranges, and those that the network or the pod names. ``host-local`` hands
    out by node and is left out."""
    wanted = list(requests(item))
    if not wanted:
        return
    by_name = {(one.namespace, one.title.rpartition("/")[2]): one for one in configs(network) if one.holder is Holder.ATTACHMENT}
    for request in wanted:
        config = by_name.get((request.namespace, request.name))
        for call, _ in config.calls if config is not None else ():
            kind, ipam = call.text("ipam", "type"), call.get("ipam")
            base = Ask(f"attachment {request.namespace}/{request.name}", item.title, item.count, request.at, source="attachment")
            if request.addresses and kind in ("static", "whereabouts", "host-local"):
                yield replace(
                    base, count=missing(item), entries=(tuple(one for text in request.addresses for one in addresses(text)),)
                )
            elif kind == "static" and isinstance(ipam, Mapping):
                listed = ipam.get("addresses")
                found = (
                    [str(one.get("address")) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
                )
                yield replace(base, entries=(tuple(one for text in found for one in addresses(text)),))
            elif kind == "whereabouts" and isinstance(ipam, Mapping):
                yield from of_whereabouts(replace(base, count=missing(item)), ipam)


def of_whereabouts(base: Ask, ipam: Mapping[str, Any]) -> Iterator[Ask]:
    """One address of each range that whereabouts has for a network, the excluded ones left out."""
    space = f"whereabouts/{ipam.get('network_name') or 'all'}"
    more = ipam.get("ipRanges")
    for found in whereabouts(ipam):
        owner = ipam if found.group == 0 else more[found.group - 1] if isinstance(more, list) else {}
        out = normalised((prefix.value, prefix.last) for _, prefix in excluded_networks(owner))
        domain = difference(((found.first, found.last),), out)
        yield replace(base, space=space, family=found.subnet.family, domain=domain)


def missing(item: Workload) -> int:
    """How many pods of a workload do not have an address yet."""
    return max(item.count - sum(bool(pod.addresses) and not pod.finished for pod in item.pods), 0)


def of_kube_ovn(network: Network, item: Workload, known: list[Subnet]) -> Iterator[Ask]:
    """What a workload asks of Kube-OVN."""
    home = home_subnets(item, known)
    space = f"kube-ovn/{home[0].vpc if home else ''}"
    base = Ask(space, item.title, missing(item), item.fact.at)
    single, listed = item.annotations.get(OVN_ADDRESS, ""), item.annotations.get(OVN_POOL, "")
    if single:
        yield replace(base, entries=(addresses(single),), at=item.annotation_place(OVN_ADDRESS), source="fixed")
    elif listed:
        yield from of_list(network, item, listed, replace(base, at=item.annotation_place(OVN_POOL), source="list"))
    elif home:
        yield from of_subnets(network, base, item, home)


def home_subnets(item: Workload, known: list[Subnet]) -> list[Subnet]:
    """The subnets that a workload's pods get addresses of: the one that is named, those of the namespace, else the default one."""
    named = item.annotations.get(OVN_SWITCH, "")
    if named:
        return [one for one in known if one.fact.name == named]
    own = [one for one in known if item.namespace in one.namespaces]
    return own or [one for one in known if one.fact.name == DEFAULT_SUBNET or spec_of(one.fact).get("default") is True][:1]


def of_list(network: Network, item: Workload, text: str, base: Ask) -> Iterator[Ask]:
    """``a,b,c``, pairs of both families ``a4,a6;b4,b6``, or the name of an IPPool."""
    pool = next((fact for fact in objects(network, "IPPool", KUBE_OVN) if fact.name == text.strip()), None)
    if pool is not None:
        for family in (4, 6):
            domain = normalised(
                (one.value, two.value) for _, span in excluded(pool, "ips") if span for one, two in [span] if one.family == family
            )
            if domain:
                yield replace(base, family=family, domain=domain)
        return
    entries = entries_of(text)
    if item.kind != "StatefulSet":
        yield replace(base, entries=entries)
        return
    spec = spec_of(item.fact)
    ordinals = spec.get("ordinals")
    start = ordinals.get("start") if isinstance(ordinals, Mapping) else 0
    first = start if isinstance(start, int) else 0
    there = {pod.name for pod in item.pods if pod.addresses and not pod.finished}
    for ordinal in range(first, first + min(item.count, ORDINALS_MOST)):
        if f"{item.name}-{ordinal}" not in there:
            own = entries[ordinal : ordinal + 1]
            yield replace(base, title=f"pod {item.namespace}/{item.name}-{ordinal}", count=1, entries=own)


def entries_of(text: str) -> tuple[tuple[Address, ...], ...]:
    """The entries of a list; what is no address is left out, and told elsewhere."""
    parts = text.split(";") if ";" in text else text.split(",")
    return tuple(entry for part in parts if (entry := addresses(part)))


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses of an entry, a prefix length behind them left out."""
    found = (address_in(part.strip().partition("/")[0]) for part in text.split(","))
    return tuple(item for item in found if item is not None)


def of_subnets(network: Network, base: Ask, item: Workload, home: list[Subnet]) -> Iterator[Ask]:
    """Any free address of the home subnets, of each family that all of them have; a pool that is bound to the namespace comes first, others are kept."""
    bound: dict[int, Ranges] = {4: (), 6: ()}
    kept: dict[int, Ranges] = {4: (), 6: ()}
    for pool in objects(network, "IPPool", KUBE_OVN):
        names = spec_of(pool).get("namespaces")
        mine = isinstance(names, list) and item.namespace in names
        for _, span in excluded(pool, "ips"):
            if span is not None:
                target = bound if mine else kept
                family = span[0].family
                target[family] = union(target[family], ((span[0].value, span[1].value),))
    for family in (4, 6):
        if any(all(prefix.family != family for prefix in one.networks) for one in home):
            continue
        free: Ranges = ()
        for one in home:
            free = union(free, one.free(family))
        domain = bound[family] or difference(free, kept[family])
        yield replace(base, family=family, domain=domain, source="subnet")


def of_cilium(network: Network, item: Workload) -> Iterator[Ask]:
    """What a workload asks of Cilium's pools."""
    for family, domain, key in cilium_addresses(network, item):
        at = item.annotation_place(key) if key else item.fact.at
        yield Ask("cilium", item.title, missing(item), at, family, domain, source="pool")


def of_calico(network: Network, item: Workload, known: list[Pool]) -> Iterator[Ask]:
    """What a workload asks of Calico."""
    base = Ask("calico", item.title, missing(item), item.fact.at)
    fixed = item.annotations.get(CALICO_ADDRESSES, "")
    if fixed:
        found = tuple(one for text in texts(fixed) for one in addresses(text))
        yield replace(base, entries=(found,), at=item.annotation_place(CALICO_ADDRESSES), source="fixed")
        return
    spaces = {item.name: item.annotations for item in network.cluster.others if item.kind == "Namespace"}
    for family in (4, 6):
        usable = [
            one
            for one in known
            if one.for_pods and one.prefix.family == family and not spec_of(one.fact).get("namespaceSelector")
        ]
        if not usable:
            continue
        kept = reserved(network, family)
        key = CALICO_POOLS[family]
        named = item.annotations.get(key) or spaces.get(item.namespace, {}).get(key, "")
        if named:
            names = set(texts(named))
            chosen = [
                one
                for one in known
                if not one.disabled and {one.fact.name, str(one.prefix)} & names and one.prefix.family == family
            ]
            at = item.annotation_place(key) if key in item.annotations else base.at
            yield replace(base, family=family, domain=covered(chosen, kept), at=at, source="pools")
        else:
            nodes = by_node(network, item, usable, kept)
            yield replace(base, family=family, domain=covered(usable, kept), by_node=nodes, source="pool")


def texts(text: str) -> list[str]:
    """A JSON list of texts; a text by itself stands for one."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    return [str(item) for item in found] if isinstance(found, list) else [str(found)]


def covered(chosen: list[Pool], kept: Ranges) -> Ranges:
    """The addresses of pools, without those that are kept back."""
    return difference(normalised((one.prefix.value, one.prefix.last) for one in chosen), kept)


def by_node(network: Network, item: Workload, usable: list[Pool], kept: Ranges) -> tuple[tuple[str, Ranges], ...]:
    """The addresses that a pod can get on each node that it may run on; nothing where the node makes no difference."""
    if all(one.selector.strip() in ("", "all()") for one in usable):
        return ()
    nodes = [node for _, node in sorted(network.cluster.nodes.items()) if may_run(item, node.name, node.labels)]
    found = tuple((node.name, covered([one for one in usable if one.serves(node) is not False], kept)) for node in nodes)
    whole = covered(usable, kept)
    return found if len({domain for _, domain in found}) > 1 or any(domain != whole for _, domain in found) else ()


def may_run(item: Workload, node: str, labels: Mapping[str, str]) -> bool:
    """Whether the scheduler could put a pod on a node, by ``nodeName`` and ``nodeSelector``; affinities may forbid more."""
    wanted, name = item.spec.get("nodeSelector"), item.spec.get("nodeName")
    return (not name or name == node) and all(
        labels.get(key) == value for key, value in (wanted if isinstance(wanted, Mapping) else {}).items()
    )


def planned(network: Network, item: Workload) -> Iterator[Ask]:
    """Addresses of the stated pod networks, of which nodes will have parts."""
    for family in (4, 6):
        found = [one.prefix for one in ranges(network, "pod") if one.prefix.family == family]
        domain = normalised((prefix.value, prefix.last) for prefix in found)
        if domain:
            yield Ask("nodes", item.title, missing(item), item.fact.at, family, domain, source="planned")


def of_nodes(network: Network, item: Workload) -> Iterator[Ask]:
    """Addresses of the nodes' own networks, of each family that every node has; where no node is given, of the networks that theirs will be cut from."""
    if not network.cluster.nodes:
        yield from planned(network, item)
    for family in (4, 6):
        nodes = sorted(network.cluster.nodes.items())
        own = {name: [prefix for prefix in node.pod_cidrs if prefix.family == family] for name, node in nodes}
        if not own or not all(own.values()):
            continue
        found = tuple(
            (name, normalised((prefix.value + 2, prefix.last - (family == 4)) for prefix in own[name]))
            for name, node in nodes
            if may_run(item, name, node.labels)
        )
        yield Ask("nodes", item.title, missing(item), item.fact.at, family, (), None, found, "node")
