"""NodeLocal DNS: a cache of names on each node, and the address by which pods ask it.

The cache runs in its node's network and binds a link-local address on the device ``nodelocaldns``, with kube-proxy in mode iptables the address of
the cluster's DNS service too (kubernetes/cluster/addons/dns/nodelocaldns/nodelocaldns.yaml: ``-localip``, ``bind``; dns/cmd/node-cache/app:
InterfaceName). Packets to either are the node's own, and are not tracked: no service is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Address, address
from analyzer.facts.kubernetes import PodFact
from analyzer.model.network import Network
from analyzer.policy.world import pod_template
from analyzer.query.state import root_of
from analyzer.query.systems.kubernetes import settings
from analyzer.source import Scope, Span

LOCAL = ("node-local-dns", "nodelocaldns")
DEVICE = "nodelocaldns"
LOCAL_ADDRESSES = re.compile(r"-localip(?:=|', ')([0-9a-fA-F.:,]+)")
"""The cache's own option, in the words of a container's list of arguments."""
BIND = re.compile(r"^\s*bind[ \t]+([^\n#{}]+)", re.MULTILINE)


class Server(NamedTuple):
    """An address that a pod may ask, and what says so. ``certain``: nothing else is possible."""

    address: Address
    at: Span
    words: str
    certain: bool


def has_cache(network: Network) -> bool:
    """Whether pods, or a device on a node, show that names are asked of the node."""
    pods = any(name.startswith(LOCAL) for _, name in network.cluster.pods)
    sets = any(item.kind == "DaemonSet" and item.name.startswith(LOCAL) for item in network.cluster.others)
    return pods or sets or any(DEVICE in root.links for root in network.namespaces.values())


def servers(network: Network, pod: PodFact) -> list[Server]:
    """The addresses of its node that a pod asks for names, or may: of its own resolver, else what the kubelet is told, else what the device has."""
    own = next((item for item in network.attachments if item.pod is not None and same(item.pod, pod)), None)
    inside = network.namespaces.get(own.scope) if own is not None and own.scope.namespace else None
    if inside is not None and inside.resolver is not None:
        at, first = inside.resolver.at, inside.resolver.servers[:1]
        return [Server(one, at, "its resolver asks there", True) for one in first if at_node(network, pod, one)]
    told = told_by_kubelets(network)
    if told:
        return [one for one in told if at_node(network, pod, one.address)]
    return on_device(network, pod) or list(bound(network))


def told_by_kubelets(network: Network) -> list[Server]:
    """What the kubelets name to pods."""
    told = [(item.at, found) for item in settings(network, "kubernetes", "cluster-dns") if (found := read(item.value))]
    single = len({found for _, found in told}) == 1
    every = {found: (at, found) for at, found in reversed(told)}.values()
    return [Server(found, at, "the kubelet names this server to pods", single) for at, found in every]


def servers_stated(network: Network) -> list[Server]:
    """The link-local addresses that pods of manifests ask: what the kubelets name, else what the cache binds; none where the kubelets name others, which the cache may have too."""
    found = told_by_kubelets(network) or list(bound(network))
    return [one for one in found if link_local(one.address)]


def bound(network: Network) -> Iterator[Server]:
    """The addresses that the cache's configuration binds."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        located = fact.data.get("Corefile") if name.startswith(LOCAL) else None
        found = BIND.search(located.value[:65536]) if located is not None else None
        for text in found[1].split() if found is not None else ():
            if located is not None and (one := read(text)) is not None:
                yield Server(one, located.at, "the cache binds this address", False)
    for item in network.cluster.others:
        if item.kind == "DaemonSet" and item.name.startswith(LOCAL):
            for found in LOCAL_ADDRESSES.finditer(str(pod_template(item))):
                addresses = filter(None, map(read, found[1].split(",")))
                yield from (
                    Server(one, item.place("spec", "template", "spec"), "the cache binds this address", False)
                    for one in addresses
                )


def on_device(network: Network, pod: PodFact) -> list[Server]:
    """The addresses of the cache's device."""
    root = root_of(network, network.node_names.get(pod.node, pod.node))
    found = [fact for fact in root.addresses if fact.device == DEVICE] if root is not None else []
    return [Server(fact.address, fact.at, f"{DEVICE} has this address", False) for fact in found]


def cached(network: Network) -> dict[Address, frozenset[Scope]]:
    """The nodes by the addresses of their caches' devices."""
    found: dict[Address, frozenset[Scope]] = {}
    for scope, space in network.namespaces.items():
        for fact in space.addresses:
            if fact.device == DEVICE and not scope.namespace:
                found[fact.address] = found.get(fact.address, frozenset()) | {scope}
    return found


def at_node(network: Network, pod: PodFact, server: Address) -> bool:
    """Whether a server is the pod's own node: by a link-local address, which no router forwards, or because the cache's device has it."""
    return link_local(server) or server in {one.address for one in on_device(network, pod)}


def link_local(server: Address) -> bool:
    """Whether no router forwards what is for an address."""
    return server.value >> 16 == 169 << 8 | 254 if server.family == 4 else server.value >> 118 == 0xFE80 >> 6


def same(one: PodFact, other: PodFact) -> bool:
    """Whether both are the same pod."""
    return (one.namespace, one.name) == (other.namespace, other.name)


def read(text: str) -> Address | None:
    """An address; None where the text is none."""
    try:
        return address(text)
    except ValueError:
        return None
