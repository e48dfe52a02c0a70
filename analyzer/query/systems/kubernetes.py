"""The control plane's networks: what kubeadm, the API server and the controller manager refuse, and how many nodes the pod network has room for.

Sources: kubernetes cmd/kubeadm/app/apis/kubeadm/validation/validation.go, cmd/kube-apiserver/app/options/validation.go,
pkg/controller/nodeipam/ipam/cidrset/cidr_set.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Prefix
from analyzer.model.cluster import Range, Setting
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal
from analyzer.query.validation.values import PLACEHOLDER

SERVICE_BITS = {4: 20, 6: 64}
MASK = {4: 24, 6: 64}
MOST_DIFFERENCE = 16
# pkg/proxy/apis/config/validation, validateProxyMode; `userspace` went with 1.26, `kernelspace` is of Windows.
MODES = ("iptables", "ipvs", "nftables", "userspace", "kernelspace")
KUBERNETES = ("--cluster-cidr", "ClusterConfiguration ", "ConfigMap kubeadm-config")
KUBEADM = ("ClusterConfiguration ", "ConfigMap kubeadm-config")
# --cidr-allocator-type: with any other the cloud gives nodes their networks (cmd/kube-controller-manager/app/core.go, startNodeIpamController).
RANGES = "RangeAllocator"
SERVICES = ("--service-cluster-ip-range of kube-apiserver", "--service-cluster-ip-range of kube-controller-manager", *KUBEADM)


@dataclass(frozen=True, slots=True)
class Allocation:
    """How the controller manager cuts a pod network into networks of nodes; ``mask`` where it is said, else its default."""

    network: Range
    length: int
    mask: Setting | None

    @property
    def nodes(self) -> int:
        """How many nodes can have a network."""
        return 1 << max(self.length - self.network.prefix.length, 0)


def settings(network: Network, system: str, key: str) -> list[Setting]:
    """The values of a setting, wherever they are said."""
    return [item for item in network.cluster.settings if item.system == system and item.key == key]


def pod_networks(network: Network) -> list[Range]:
    """The pod networks that Kubernetes itself is told, each once."""
    found = [item for item in network.cluster.ranges if item.purpose == "pod" and item.said_by.startswith(KUBERNETES)]
    return list({item.prefix: item for item in reversed(found)}.values())


def allocations(network: Network) -> Iterator[Allocation]:
    """The pod networks with the length of a node's: those of the controller manager, and of Cilium's operator."""
    yield from cilium(network)
    off = any(item.value == "false" for item in settings(network, "kubernetes", "allocate-node-networks"))
    off = off or any(item.value != RANGES for item in settings(network, "kubernetes", "node-networks-by"))
    for item in pod_networks(network) if not off else ():
        mask = mask_of(network, item.prefix)
        length = int(mask.value) if mask is not None and mask.value.isdecimal() else MASK[item.prefix.family]
        yield Allocation(item, length, mask)


def cuts(network: Network, item: Allocation) -> bool:
    """Whether the controller manager is told to cut a pod network: it does not by itself (``--allocate-node-cidrs`` is false), kubeadm tells it so
    where there is a podSubnet (cmd/kubeadm/app/phases/controlplane/manifests.go, getControllerManagerCommand)."""
    told = any(one.value in ("true", "") for one in settings(network, "kubernetes", "allocate-node-networks"))
    return told or item.network.said_by.startswith(KUBEADM)


def cilium(network: Network) -> Iterator[Allocation]:
    """The pools that Cilium's operator cuts into networks of nodes (``ipam: cluster-pool``, cluster-pool-ipv4-mask-size)."""
    if not any(item.value == "cluster-pool" for item in settings(network, "cilium", "ipam")):
        return
    for item in network.cluster.ranges:
        masks = settings(network, "cilium", f"node-mask-{item.prefix.family}")
        if item.purpose == "pod" and "cluster-pool" in item.said_by and masks and masks[0].value.isdecimal():
            yield Allocation(item, int(masks[0].value), masks[0])


def mask_of(network: Network, prefix: Prefix) -> Setting | None:
    """What the controller manager is told about a family."""
    for key in (f"node-mask-{prefix.family}", "node-mask"):
        found = settings(network, "kubernetes", key)
        if found:
            return found[0]
    return None


def refusals(network: Network) -> Iterator[Refusal]:
    """What keeps a component of the control plane from starting."""
    for item in allocations(network):
        place, prefix = (item.mask.at if item.mask else item.network.at), item.network.prefix
        if item.length < prefix.length:
            yield Refusal(place, f"nodes' networks of length {item.length} do not fit into {prefix} of {item.network.said_by}")
        elif item.length > WIDTH[prefix.family]:
            yield Refusal(place, f"{item.length} is no prefix length of IPv{prefix.family}")
        elif item.length - prefix.length > MOST_DIFFERENCE and (prefix.family == 6 or not item.network.said_by.startswith("--")):
            words = f"more than 2^{MOST_DIFFERENCE} of them fit into {prefix} of {item.network.said_by}"
            yield Refusal(place, f"nodes' networks of length {item.length} are too small: {words}")
    yield from services(network)
    for one in settings(network, "kubernetes", "proxy-mode"):
        if one.value not in MODES and not PLACEHOLDER.search(one.value):
            yield Refusal(one.at, f"kube-proxy has no mode {one.value}: it must be iptables, ipvs or nftables")


def services(network: Network) -> Iterator[Refusal]:
    """A service network that is too large or too small."""
    found = [item for item in network.cluster.ranges if item.purpose == "service" and item.said_by.startswith(SERVICES)]
    for item in {one.prefix: one for one in reversed(found)}.values():
        bits = WIDTH[item.prefix.family] - item.prefix.length
        least = 10 if item.said_by.startswith(KUBEADM) else 8
        if bits > SERVICE_BITS[item.prefix.family]:
            words = f"the service network {item.prefix} is too large: it may have {SERVICE_BITS[item.prefix.family]} bits for services"
            sure = item.said_by.startswith(KUBEADM)
            yield Refusal(item.at, words if sure else f"{words} before Kubernetes 1.33", certain=sure)
        elif 1 << bits < least:
            yield Refusal(item.at, f"the service network {item.prefix} has fewer than {least} addresses")
