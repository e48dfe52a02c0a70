"""The network as captured: namespaces with their tables, and what connects their interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from analyzer.addresses import Address, Prefix
from analyzer.facts.kubernetes import PodFact
from analyzer.model.cluster import Cluster
from analyzer.source import Gap, Scope, Source

if TYPE_CHECKING:
    from analyzer.facts.amazon import AmazonAddressFact
    from analyzer.facts.calico import BorrowedFact, IpamProblemFact, MapFrontendFact, MapRouteFact, PoolUseFact, StatedBlockFact
    from analyzer.facts.cni import CniConfigFact, LeaseCursorFact, LeaseFact, PluginFact
    from analyzer.facts.docker import DockerContainerFact, DockerNetworkFact
    from analyzer.facts.ipvs import VirtualServerFact
    from analyzer.facts.links import AddressFact, LinkFact, OffloadFact, WireguardFact, WireguardPeerFact
    from analyzer.facts.neighbours import BridgePortFact, BridgeVlanFact, ForwardingFact, NeighbourFact
    from analyzer.facts.netfilter import IpsetFact, NftChainFact, RulesetFact
    from analyzer.facts.nftables import NftTableFact
    from analyzer.facts.ovn import ChassisFact, LogicalObjectFact, LogicalPortFact
    from analyzer.facts.romana import RomanaBlockFact, RomanaHostFact
    from analyzer.facts.routes import NextHopFact, RouteAnswerFact, RouteFact, RoutingRuleFact
    from analyzer.facts.system import (
        ConnectionFact,
        FilterFact,
        ListenerFact,
        ManagedDeviceFact,
        QdiscFact,
        QueueFact,
        ResolverFact,
        SubnetFileFact,
        SysctlFact,
    )
    from analyzer.model.cilium import CiliumState
    from analyzer.model.routers import Router
    from analyzer.model.switches import Switch

RecordedFact: TypeAlias = (
    "PoolUseFact | BorrowedFact | StatedBlockFact | IpamProblemFact | RomanaBlockFact | RomanaHostFact | AmazonAddressFact"
)
"""What texts say of systems' address management."""


class Interface(NamedTuple):
    """An interface of a namespace, by name."""

    scope: Scope
    device: str

    def __str__(self) -> str:
        return f"{self.scope} {self.device}"


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace: its tables, and which of them were captured.

    ``routes`` by family and table number, in listing order (a route without a table number that is known is under its name's
    hash only if rt_tables named it; otherwise it is a gap). ``rules`` by family, by priority; the kernel's default
    rules stand there when ``ip rule`` was not captured. ``ports`` and ``vlans`` by device. ``sets`` by name.
    ``listeners`` None: sockets were not captured; ``listed``: the protocols of which all of them were. ``queues``: those that programs listen on; None: not captured.
    ``managed``: devices as the host's own programs for networks list them.

    ``missing`` maps what was not captured to the words for it, such as ``"ip-route/4": "nodes/n1: ip route was not captured"``.
    Keys: ``ip-addr``, ``ip-route/4``, ``ip-route/6``, ``ip-rule/4``, ``ip-rule/6``, ``ip-neigh``, ``bridge-fdb``, ``bridge-link``, ``bridge-vlan``,
    ``netfilter/4``, ``netfilter/6``, ``netfilter-legacy``, ``nft``, ``ipset``, ``ipvs``, ``tc-filter``, ``sysctl``, ``ss``; and ``ip-route/4/100`` for
    a table that a routing rule looks up while only the main table was captured (the local table is then made from the addresses,
    as the kernel makes it). ``assumed`` has the same keys: what was not captured and is taken to be as the kernel has it by default.
    ``gaps`` are the lines of each kind (``Source.kind``) that were not understood. ``cilium``: what Cilium's programs have on the node.
    """

    scope: Scope
    links: Mapping[str, LinkFact] = field(default_factory=dict)
    addresses: tuple[AddressFact, ...] = ()
    routes: Mapping[int, Mapping[int, tuple[RouteFact, ...]]] = field(default_factory=dict)
    rules: Mapping[int, tuple[RoutingRuleFact, ...]] = field(default_factory=dict)
    route_answers: tuple[RouteAnswerFact, ...] = ()
    next_hops: Mapping[int, NextHopFact] = field(default_factory=dict)
    neighbours: tuple[NeighbourFact, ...] = ()
    forwarding: tuple[ForwardingFact, ...] = ()
    ports: Mapping[str, BridgePortFact] = field(default_factory=dict)
    vlans: Mapping[str, tuple[BridgeVlanFact, ...]] = field(default_factory=dict)
    filters: Mapping[str, tuple[FilterFact, ...]] = field(default_factory=dict)
    qdiscs: tuple[QdiscFact, ...] = ()
    rulesets: tuple[RulesetFact, ...] = ()
    nft_chains: tuple[NftChainFact, ...] = ()
    nft_tables: tuple[NftTableFact, ...] = ()
    sets: Mapping[str, IpsetFact] = field(default_factory=dict)
    virtual_servers: tuple[VirtualServerFact, ...] = ()
    switches: Mapping[str, Switch] = field(default_factory=dict)
    sysctls: Mapping[str, SysctlFact] = field(default_factory=dict)
    listeners: tuple[ListenerFact, ...] | None = None
    listed: frozenset[int] = frozenset()
    queues: tuple[QueueFact, ...] | None = None
    managed: tuple[ManagedDeviceFact, ...] = ()
    connections: tuple[ConnectionFact, ...] = ()
    wireguard_peers: tuple[WireguardPeerFact, ...] = ()
    wireguard: Mapping[str, WireguardFact] = field(default_factory=dict)
    offloads: tuple[OffloadFact, ...] = ()
    resolver: ResolverFact | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    assumed: Mapping[str, str] = field(default_factory=dict)
    cilium: CiliumState | None = None

    def sysctl(self, key: str) -> str | None:
        """The value of a kernel switch; None when it was not captured."""
        fact = self.sysctls.get(key)
        return fact.value if fact else None

    @property
    def strict(self) -> bool:
        """Whether TCP's SYN alone opens a connection: with nf_conntrack_tcp_loose at 0 a packet of one that conntrack has not seen is INVALID
        (net/netfilter/nf_conntrack_proto_tcp.c ``tcp_new``)."""
        return (self.sysctl("net.netfilter.nf_conntrack_tcp_loose") or "1").strip() == "0"


@dataclass(frozen=True, slots=True)
class Segment:
    """Interfaces that share one layer-2 network outside the capture: nodes' uplinks with an on-link prefix in common.
    That they do is an assumption, in words in ``assumption``."""

    name: str
    members: tuple[Interface, ...]
    assumption: str


@dataclass(frozen=True, slots=True)
class Wire:
    """What is on one layer-2 network inside the capture, and leads outside: ``exits`` to other hosts, ``ends`` also to what may be pods that were
    not captured. ``prefixes`` are the networks of its addresses."""

    exits: tuple[Interface, ...]
    ends: tuple[Interface, ...]
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A pod and the network namespace it lives in (the node's root namespace for a hostNetwork pod).

    ``pod`` is None for a namespace of the capture that no Pod object explains; ``name`` is then the folder's name
    (``namespace_pod`` read as ``namespace/pod``). ``addresses`` are the pod's own, primary first.
    """

    name: str
    scope: Scope
    addresses: tuple[Address, ...]
    pod: PodFact | None = None


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """What a node keeps in files: CNI configuration in the order that the runtime reads it, leases, plugins, flannel's subnet file.
    ``plugins`` None: the folder of plugins was not captured."""

    configs: tuple[CniConfigFact, ...] = ()
    leases: tuple[LeaseFact, ...] = ()
    cursors: tuple[LeaseCursorFact, ...] = ()
    plugins: tuple[PluginFact, ...] | None = None
    subnet_file: SubnetFileFact | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Everything that was captured.

    ``peers``: the two ends of each veth pair, both ways. ``outside``: veth ends and physical devices whose other end is not in
    the capture. ``lower``: the device under a vlan, macvlan, ipvlan or VXLAN ``dev``. ``sockets``: the namespace in which a
    tunnel's outer packets are sent and received, for every tunnel device. ``owners``: the interfaces that hold an address.
    ``segment_of`` finds the layer-2 network of an outside interface, ``wires`` what leads outside from any. A pod's interface whose other end is a port of Open vSwitch is
    outside too, and so are the switch's own ports: what the switch does is not captured.
    ``logical_ports``, ``logical_objects`` and ``chassis`` are OVN's, each once, from whichever node's files.
    ``fabric``: the cloud whose network answers for pods' addresses; empty where there is no sign of one.
    ``node_names``: the captured node (the folder's name) of each Node object, by the object's name. ``pods_of``: the attachments with a
    namespace of their own, by captured node. ``routers``: the routing daemons of the nodes, by captured node.
    ``resolvers``: the nodes' own ``resolv.conf``, by captured node.
    ``ipam``: what ``calicoctl ipam`` printed, Romana's blocks and hosts, and what the AWS VPC CNI's agents have given. ``docker``: networks and containers by Docker's records, each with its host. ``calico_maps``: entries of the maps of Calico's eBPF dataplane, each with its node.
    """

    namespaces: Mapping[Scope, Namespace]
    cluster: Cluster
    peers: Mapping[Interface, Interface] = field(default_factory=dict)
    outside: frozenset[Interface] = frozenset()
    lower: Mapping[Interface, Interface] = field(default_factory=dict)
    sockets: Mapping[Interface, Scope] = field(default_factory=dict)
    owners: Mapping[Address, tuple[Interface, ...]] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    segment_of: Mapping[Interface, Segment] = field(default_factory=dict)
    wires: Mapping[Interface, Wire] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    files: Mapping[str, NodeFiles] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    node_names: Mapping[str, str] = field(default_factory=dict)
    pods_of: Mapping[str, tuple[Attachment, ...]] = field(default_factory=dict)
    fabric: str = ""
    logical_ports: tuple[LogicalPortFact, ...] = ()
    logical_objects: tuple[LogicalObjectFact, ...] = ()
    chassis: tuple[ChassisFact, ...] = ()
    routers: Mapping[str, Router] = field(default_factory=dict)
    ipam: tuple[RecordedFact, ...] = ()
    docker: tuple[DockerNetworkFact | DockerContainerFact, ...] = ()
    calico_maps: tuple[MapRouteFact | MapFrontendFact, ...] = ()
    resolvers: Mapping[str, ResolverFact] = field(default_factory=dict)
