"""What a network of the lab consists of, before and while it is built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

CLUSTER_CIDR = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
SERVICE_CIDR = {4: "10.96.0.0/16", 6: "fd00:10:96::/112"}
GATEWAY = {4: "192.168.66.254", 6: "fd00:66::fe"}
NODES = {4: "192.168.66.0/24", 6: "fd00:66::/64"}
OUTSIDE_PORTS = (80, 443, 8080, 53)
POD_PORTS = (8080, 9090)
NODE_PORTS = (10250,)


@dataclass(slots=True)
class Node:
    """A node, numbered from 0: its addresses and its pods' networks follow from the number."""

    number: int
    families: tuple[int, ...] = (4,)
    name: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.name or f"node-{chr(97 + self.number)}"

    def address(self, family: int = 4) -> str:
        return f"192.168.66.{10 + self.number}" if family == 4 else f"fd00:66::{10 + self.number:x}"

    def second_address(self) -> str:
        """Its address on a second network between the nodes, where there is one."""
        return f"192.168.67.{10 + self.number}"

    def pod_cidr(self, family: int = 4) -> str:
        return f"10.244.{self.number}.0/24" if family == 4 else f"fd00:10:244:{self.number}::/64"

    def pod_network(self, family: int = 4) -> str:
        """The first address of the pods' network: the tunnel device's own."""
        return self.pod_cidr(family).split("/")[0]

    def vtep_mac(self) -> str:
        return f"6a:0e:11:22:33:{self.number + 1:02x}"


@dataclass(slots=True)
class Pod:
    """A pod: ``addresses`` are filled when it is attached. ``host_ports``: (host port, container port, protocol)."""

    name: str
    node: str
    labels: dict[str, str] = field(default_factory=dict)
    host_ports: tuple[tuple[int, int, str], ...] = ()
    addresses: list[str] = field(default_factory=list)
    namespace: str = "default"
    host_network: bool = False
    netns: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def container(self) -> str:
        """The sandbox's id, as long as a container runtime's."""
        return hashlib.sha256(self.key.encode()).hexdigest()


@dataclass(slots=True)
class Service:
    """A service for the pods with ``app: SELECTOR``. ``source_ranges`` are who may ask at the load balancer's addresses; none: everybody."""

    name: str
    addresses: dict[int, str]
    selector: str
    port: int = 80
    target: int = 8080
    node_port: int = 0
    protocols: tuple[str, ...] = ("TCP",)
    external_policy: str = "Cluster"
    affinity: bool = False
    internal_policy: str = "Cluster"
    external_addresses: tuple[str, ...] = ()
    balancer_addresses: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    ready: bool = True
    namespace: str = "default"

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of network. ``overlay``: vxlan, host-gw, ptp, bridge, switched, macvlan, calico, canal, romana, peer-pods, one of the clouds terway, aws-vpc-cni, azure and gke, or of the tunnels of tunnelled.py; ``proxy``: kube-proxy's mode, iptables, nftables or ipvs (with its ``scheduler``);
    ``enforcer``: whose rules enforce policies: plain, felix, felix-nft, kube-router, weave or romana; ``masquerade_all``: kube-proxy masquerades all that asks
    services. ``containers``: nodes are containers, as kind's: their uplink was moved in, with the index that it had outside. ``crossed``: the tunnels of
    each IP version lead to the nodes' addresses of the other. ``uplink``: what eth0 of a node is: plain, or a vlan, a bond or a bridge over cards.
    ``guest``: it takes what the guest kernel has."""

    name: str
    overlay: str = "vxlan"
    nodes: int = 2
    families: tuple[int, ...] = (4,)
    backend: str = "nft"
    services: bool = False
    masquerade: bool = True
    default_route: bool = True
    hairpin: bool = True
    host_ports: bool = False
    runtime_names: bool = False
    policies: bool = False
    proxy: str = "iptables"
    scheduler: str = "rr"
    enforcer: str = "plain"
    masquerade_all: bool = False
    containers: bool = False
    crossed: bool = False
    uplink: str = "plain"
    guest: bool = False
