"""What address management has recorded: Calico's blocks, whereabouts' pools, Kube-OVN's IPs, Cilium's nodes, Terway's interfaces, AWS's agents, host-local's files.

Shapes: projectcalico/calico libcalico-go/lib/backend/model (AllocationBlock: ``allocations`` holds an index into ``attributes`` or null),
k8snetworkplumbingwg/whereabouts pkg/api (``allocations`` by offset from the first address of ``range``), kubeovn/kube-ovn pkg/apis/kubeovn/v1/ip.go,
cilium/cilium pkg/k8s/apis/cilium.io/v2 (CiliumNode ``status.ipam.used``), AliyunContainerService/terway (PodENI, Node of network.alibabacloud.com).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.facts.amazon import AmazonAddressFact
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network, NodeFiles
from analyzer.query.refusals import address_in, network_in, objects, spec_of
from analyzer.query.systems.calico import GROUP as CALICO
from analyzer.query.systems.kube_ovn import DEFAULT_VPC
from analyzer.query.systems.kube_ovn import GROUP as KUBE_OVN
from analyzer.source import Span

WHEREABOUTS, TERWAY = "whereabouts.cni.cncf.io", "network.alibabacloud.com"
VIP, RESERVED = "ovn.kubernetes.io/vip", "ovn.kubernetes.io/ip_reserved"
LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """One address that is taken. ``space`` is where it must be unique (``calico``, ``terway``, ``kube-ovn/<vpc>``, ``whereabouts/<network>``, ``host-local/<network>``);
    ``pod`` the namespace and name of who has it, where the record says so; ``holder`` what else has it (a tunnel, a gateway); ``kept``: it stays taken without its pod."""

    space: str
    address: Address
    at: Span
    title: str
    pod: tuple[str, str] | None = None
    holder: str = ""
    node: str = ""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A block of Calico's: its network, the node that it belongs to, and its records."""

    fact: ObjectFact
    prefix: Prefix
    node: str
    records: tuple[Record, ...]


def records(network: Network) -> Iterator[Record]:
    """Every record."""
    for block in blocks(network):
        yield from block.records
    yield from whereabouts(network)
    yield from reservations(network)
    yield from kube_ovn(network)
    yield from cilium(network)
    yield from terway(network)
    yield from amazon(network)
    for node, files in sorted(network.files.items()):
        name = cluster_network(files)
        for lease in files.leases if name else ():
            if lease.network != name:
                continue
            title = f"lease of network {lease.network} on {node}"
            yield Record(f"host-local/{lease.network}", lease.address, lease.at, title, holder=lease.container, node=node)


def amazon(network: Network) -> Iterator[Record]:
    """What the AWS VPC CNI's agents have given, which tell it twice: under ``/v1/enis`` and in the checkpoint. The VPC has each address once."""
    told: set[tuple[Address, str, str]] = set()
    names = {folder: name for name, folder in network.node_names.items()}
    for fact in network.ipam:
        if not isinstance(fact, AmazonAddressFact) or fact.scope is None:
            continue
        node = names.get(fact.scope.node, fact.scope.node)
        if (fact.address, fact.container, node) not in told:
            told.add((fact.address, fact.container, node))
            namespace, _, name = fact.pod.partition("/")
            title = f"{fact.interface or 'the checkpoint'} of {node}"
            yield Record("aws", fact.address, fact.at, title, (namespace, name) if name else None, fact.container, node)


def cluster_network(files: NodeFiles) -> str:
    """The name of the network that a node's pods are in. Leases of others, which may be each node's own, are not compared."""
    taken = next((config.name for config in files.configs if not config.problem), "")
    names = {lease.network for lease in files.leases}
    return taken or (next(iter(names)) if len(names) == 1 and not files.configs else "")


def blocks(network: Network) -> Iterator[Block]:
    """Calico's blocks, those that are being deleted left out."""
    for fact in objects(network, "IPAMBlock", CALICO):
        spec = spec_of(fact)
        found = network_in(spec.get("cidr"))
        if found is None or spec.get("deleted") is True:
            continue
        owner = str(spec.get("affinity") or "").removeprefix("host:")
        yield Block(fact, found, owner, tuple(of_block(fact, found)))


def of_block(fact: ObjectFact, prefix: Prefix) -> Iterator[Record]:
    """The addresses of a block that are taken."""
    spec = spec_of(fact)
    taken, attributes = spec.get("allocations"), spec.get("attributes")
    size = prefix.last - prefix.value + 1
    for index, entry in enumerate((taken if isinstance(taken, list) else [])[: min(size, LIMIT)]):
        if not isinstance(entry, int) or isinstance(entry, bool):
            continue
        known = isinstance(attributes, list) and 0 <= entry < len(attributes)
        item = attributes[entry] if known and isinstance(attributes, list) else {}
        item = item if isinstance(item, Mapping) else {}
        inner = item.get("secondary")
        secondary = inner if isinstance(inner, Mapping) else {}
        name, namespace = secondary.get("pod"), secondary.get("namespace")
        yield Record(
            "calico",
            Address(prefix.family, prefix.value + index),
            fact.place("spec", "attributes", entry) if known else fact.place("spec", "allocations", index),
            f"IPAMBlock {prefix}",
            (str(namespace), str(name)) if name and namespace else None,
            str(item.get("handle_id") or ""),
            str(secondary.get("node") or ""),
        )


def whereabouts(network: Network) -> Iterator[Record]:
    """The pools' allocations. The name of the pool begins with that of its network where that has one."""
    for fact in objects(network, "IPPool", WHEREABOUTS):
        spec = spec_of(fact)
        found = network_in(spec.get("range"))
        taken = spec.get("allocations")
        if found is None or not isinstance(taken, Mapping):
            continue
        plain = str(spec.get("range")).replace(":", "-").replace("/", "-")
        space = fact.name.removesuffix(plain).strip("-") or "all"
        for offset, entry in sorted(taken.items()):
            if not str(offset).isdecimal() or len(str(offset)) > 39 or found.value + int(offset) >> WIDTH[found.family]:
                continue
            inner = entry if isinstance(entry, Mapping) else {}
            namespace, _, name = str(inner.get("podref") or "").partition("/")
            yield Record(
                f"whereabouts/{space}",
                Address(found.family, found.value + int(offset)),
                fact.place("spec", "allocations", offset),
                f"IPPool {fact.name}",
                (namespace, name) if name else None,
                str(inner.get("id") or ""),
            )


def reservations(network: Network) -> Iterator[Record]:
    """What whereabouts holds across overlapping ranges: an object for each address, named for its network, where that has a name, and for it (``normalizeIP``)."""
    for fact in objects(network, "OverlappingRangeIPReservation", WHEREABOUTS):
        parts = fact.name.split("-")
        ends = ((start, address_in(":".join(parts[start:]))) for start in range(len(parts)))
        start, found = next(((start, one) for start, one in ends if one is not None), (0, None))
        spec = spec_of(fact)
        namespace, _, name = str(spec.get("podref") or "").partition("/")
        if found is not None:
            space = f"whereabouts-reservations/{'-'.join(parts[:start])}"
            pod = (namespace, name) if name else None
            yield Record(
                space, found, fact.place("spec", "podref"), "whereabouts' reservations", pod, str(spec.get("containerid") or "")
            )


def kube_ovn(network: Network) -> Iterator[Record]:
    """IPs of pods and nodes, and Vips, each in the VPC of its subnet. A reserved IP, and one of a StatefulSet or machine, stays with its name."""
    vpcs = {fact.name: str(spec_of(fact).get("vpc") or DEFAULT_VPC) for fact in objects(network, "Subnet", KUBE_OVN)}
    for fact in objects(network, "IP", KUBE_OVN):
        spec = spec_of(fact)
        for key in ("v4IpAddress", "v6IpAddress"):
            found = address_in(spec.get(key))
            if found is None:
                continue
            name, namespace = spec.get("podName"), spec.get("namespace")
            yield Record(
                f"kube-ovn/{vpcs.get(str(spec.get('subnet')), DEFAULT_VPC)}",
                found,
                fact.place("spec", key),
                f"IP {fact.name}",
                (str(namespace), str(name)) if name and namespace else None,
                str(name or ""),
                str(spec.get("nodeName") or ""),
                fact.labels.get(RESERVED) == "true" or spec.get("podType") in ("StatefulSet", "VirtualMachine"),
            )
    yield from virtual(network, vpcs)


def virtual(network: Network, vpcs: Mapping[str, str]) -> Iterator[Record]:
    """Addresses that are Vips': the controller takes them out of the subnet as it does a pod's (pkg/controller/vip.go, ``handleAddVirtualIP``; ``status`` says which).
    A pod that is annotated with a Vip has its address as its own: that is the pod's record then."""
    used = {pod.annotations.get(VIP, "") for pod in network.cluster.pods.values()}
    for fact in objects(network, "Vip", KUBE_OVN):
        status = fact.document.get("status")
        if fact.name in used or fact.labels.get(RESERVED) or not isinstance(status, Mapping):
            continue
        space = f"kube-ovn/{vpcs.get(str(spec_of(fact).get('subnet')), DEFAULT_VPC)}"
        for key in ("v4ip", "v6ip"):
            if (found := address_in(status.get(key))) is not None:
                yield Record(space, found, fact.place("status", key), f"Vip {fact.name}", holder=f"Vip {fact.name}")


def cilium(network: Network) -> Iterator[Record]:
    """The addresses that Cilium's nodes report as used."""
    for fact in objects(network, "CiliumNode", "cilium.io"):
        status = fact.document.get("status")
        ipam = status.get("ipam") if isinstance(status, Mapping) else None
        used = ipam.get("used") if isinstance(ipam, Mapping) else None
        for text, entry in sorted(used.items()) if isinstance(used, Mapping) else ():
            found = address_in(text)
            owner = str(entry.get("owner") or "") if isinstance(entry, Mapping) else ""
            namespace, slash, name = owner.partition("/")
            if found is not None:
                at = fact.place("status", "ipam", "used", text)
                pod = (namespace, name.partition(" ")[0]) if slash and name else None
                yield Record("cilium", found, at, f"CiliumNode {fact.name}", pod, owner, fact.name)


def terway(network: Network) -> Iterator[Record]:
    """The addresses of elastic interfaces: of PodENIs, which are one pod's each, and of nodes' interfaces. One that is fixed stays with its name
    (AliyunContainerService/terway pkg/apis/network.alibabacloud.com/v1beta1: PodENI, Node)."""
    for fact in objects(network, "PodENI", TERWAY):
        for index, item in enumerate(entries(spec_of(fact).get("allocations"))):
            found = address_in(item.get("ipv4"))
            kind = item.get("allocationType")
            fixed = isinstance(kind, Mapping) and kind.get("type") == "Fixed"
            if found is not None:
                at = fact.place("spec", "allocations", index, "ipv4")
                yield Record("terway", found, at, f"PodENI {fact.name}", (fact.namespace, fact.name), kept=fixed)
    for fact in objects(network, "Node", TERWAY):
        status = fact.document.get("status")
        cards = status.get("networkInterfaces") if isinstance(status, Mapping) else None
        for card, value in sorted(cards.items()) if isinstance(cards, Mapping) else ():
            yield from of_card(fact, str(card), value)


def of_card(fact: ObjectFact, card: str, value: object) -> Iterator[Record]:
    """The addresses of one interface that pods have (``podID`` is ``namespace/name``); the others are free."""
    addresses = value.get("ipv4") if isinstance(value, Mapping) else None
    for text, entry in sorted(addresses.items()) if isinstance(addresses, Mapping) else ():
        found = address_in(text)
        owner = str(entry.get("podID") or "") if isinstance(entry, Mapping) else ""
        namespace, slash, name = owner.partition("/")
        if found is not None and slash:
            at = fact.place("status", "networkInterfaces", card, "ipv4", text)
            yield Record("terway", found, at, f"interface {card} of node {fact.name}", (namespace, name))


def entries(value: object) -> list[Mapping[str, object]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def lengths_of(table: Iterable[Prefix]) -> list[tuple[int, int]]:
    """The families and lengths of networks, the longest first."""
    return sorted({(prefix.family, prefix.length) for prefix in table}, reverse=True)


def covering(table: Mapping[Prefix, str], lengths: list[tuple[int, int]], address: Address) -> str:
    """What is said of the longest network that holds an address; empty where none does."""
    around = (prefix_of(address, length) for family, length in lengths if family == address.family)
    return next((table[prefix] for prefix in around if prefix in table), "")
