"""Writes the capture of a healthy flannel-like cluster of any size: ``python -m benchmarks.capture DIR --nodes 20``.

Deterministic; every file is written line by line. The shapes are those that flannel (vxlan), the bridge plugin and kube-proxy leave on a node.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks import native


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the cluster is. Endpoints of services are spread over the pods; the first services have a node port.
    ``native``: kube-proxy in its nftables mode."""

    nodes: int = 20
    pods: int = 10
    services: int = 1000
    endpoints: int = 2
    node_ports: int = 0
    native: bool = False

    def node_port(self, service: int) -> int:
        """The port of a service on every node; 0: none."""
        return 30000 + service if service < self.node_ports else 0

    def node_address(self, node: int) -> str:
        """The node's own address."""
        return str(IPv4Address(int(IPv4Address("192.168.0.10")) + node))

    def subnet(self, node: int) -> str:
        """The first three bytes of the node's pod network, a /24."""
        return f"10.{64 + node // 256}.{node % 256}"

    def pod_address(self, node: int, pod: int) -> str:
        """A pod's address."""
        return f"{self.subnet(node)}.{pod + 2}"

    def service_address(self, service: int) -> str:
        """A service's cluster address."""
        return str(IPv4Address(int(IPv4Address("10.96.0.10")) + service))

    def endpoint(self, service: int, number: int) -> str:
        """The address of one endpoint of a service."""
        index = (service * self.endpoints + number) % (self.nodes * self.pods)
        return self.pod_address(index % self.nodes, index // self.nodes)


def mac(kind: int, node: int, number: int = 0) -> str:
    """A locally administered MAC address."""
    return f"02:{kind:02x}:{node >> 8:02x}:{node & 255:02x}:{number >> 8:02x}:{number & 255:02x}"


def write(folder: Path, shape: Shape) -> None:
    """Writes the whole capture below the folder."""
    services = [] if shape.native else list(kube_proxy(shape))
    for node in range(shape.nodes):
        root = folder / "nodes" / f"n{node}"
        put(root / "ip_-d_addr", node_links(shape, node))
        put(root / "ip_route_show_table_all", node_routes(shape, node))
        put(root / "ip_rule", RULES)
        put(root / "ip_neigh", node_neighbours(shape, node))
        put(root / "bridge_fdb", node_forwarding(shape, node))
        put(root / "sysctl_net", SYSCTLS)
        put(root / "iptables-save", node_netfilter(shape, node, services))
        put(root / "ss_-tunlp", LISTENERS)
        put(root / "tc_filter", [])
        put(root / "nft_list_ruleset", node_native(shape, node) if shape.native else [])
        for pod in range(shape.pods):
            write_pod(root / "netns" / f"default_p{node}-{pod}", shape, node, pod)
    put(folder / "k8s" / "nodes.yaml", node_objects(shape))
    put(folder / "k8s" / "pods.yaml", pod_objects(shape))
    put(folder / "k8s" / "services.yaml", service_objects(shape))


def node_native(shape: Shape, node: int) -> Iterator[str]:
    """``nft list ruleset`` of a node whose proxy is in nftables mode."""
    return native.lines(
        shape.services, shape.endpoints, "10.64.0.0/10", shape.node_address(node), shape.service_address, shape.endpoint
    )


def put(path: Path, lines: list[str] | Iterator[str]) -> None:
    """Writes lines to a file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(line + "\n" for line in lines)


RULES = ["0:\tfrom all lookup local", "32766:\tfrom all lookup main", "32767:\tfrom all lookup default"]
SYSCTLS = [
    "net.bridge.bridge-nf-call-ip6tables = 1",
    "net.bridge.bridge-nf-call-iptables = 1",
    "net.ipv4.conf.all.rp_filter = 0",
    "net.ipv4.conf.default.rp_filter = 0",
    "net.ipv4.ip_forward = 1",
    "net.ipv6.conf.all.forwarding = 0",
]
LISTENERS = [
    "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process",
    "tcp   LISTEN 0      128          0.0.0.0:8080       0.0.0.0:*",
]
LOOPBACK = [
    "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000",
    "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 minmtu 0 maxmtu 0",
    "    inet 127.0.0.1/8 scope host lo",
    "       valid_lft forever preferred_lft forever",
]
LOCAL = [
    "local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1",
    "local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1",
    "broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1",
]


def link(index: int, name: str, mtu: int, address: str, extra: str = "", tail: str = "", state: str = "UP") -> Iterator[str]:
    """A link's first two lines."""
    yield f"{index}: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue {extra}state {state} group default qlen 1000"
    yield f"    link/ether {address} brd ff:ff:ff:ff:ff:ff{tail} promiscuity 0 minmtu 68 maxmtu 65535"


def inet(address: str, device: str) -> Iterator[str]:
    """An address's two lines."""
    yield f"    inet {address} scope global {device}"
    yield "       valid_lft forever preferred_lft forever"


def node_links(shape: Shape, node: int) -> Iterator[str]:
    """``ip -d addr`` of a node."""
    yield from LOOPBACK
    yield from link(2, "eth0", 1500, mac(1, node))
    yield from inet(f"{shape.node_address(node)}/16", "eth0")
    yield from link(3, "flannel.1", 1450, mac(2, node), state="UNKNOWN")
    yield f"    vxlan id 1 local {shape.node_address(node)} dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300"
    yield from inet(f"{shape.subnet(node)}.0/32", "flannel.1")
    yield from link(4, "cni0", 1450, mac(3, node))
    yield "    bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 30000 stp_state 0 priority 32768 vlan_filtering 0"
    yield from inet(f"{shape.subnet(node)}.1/24", "cni0")
    for pod in range(shape.pods):
        yield from link(10 + pod, f"veth{pod}@if2", 1450, mac(4, node, pod), "master cni0 ", f" link-netnsid {pod}")
        yield "    veth"
        yield "    bridge_slave state forwarding priority 32 cost 2 hairpin on guard off root_block off fastleave off learning on flood on isolated off"


def node_routes(shape: Shape, node: int) -> Iterator[str]:
    """``ip route show table all`` of a node."""
    own, address = shape.subnet(node), shape.node_address(node)
    yield "default via 192.168.0.1 dev eth0"
    for other in range(shape.nodes):
        if other != node:
            yield f"{shape.subnet(other)}.0/24 via {shape.subnet(other)}.0 dev flannel.1 onlink"
    yield f"{own}.0/24 dev cni0 proto kernel scope link src {own}.1"
    yield f"192.168.0.0/16 dev eth0 proto kernel scope link src {address}"
    yield from LOCAL
    for device, local, last in (
        ("flannel.1", f"{own}.0", ""),
        ("cni0", f"{own}.1", f"{own}.255"),
        ("eth0", address, "192.168.255.255"),
    ):
        yield f"local {local} dev {device} table local proto kernel scope host src {local}"
        if last:
            yield f"broadcast {last} dev {device} table local proto kernel scope link src {local}"


def node_neighbours(shape: Shape, node: int) -> Iterator[str]:
    """``ip neigh`` of a node: the peers' tunnel ends."""
    for other in range(shape.nodes):
        if other != node:
            yield f"{shape.subnet(other)}.0 dev flannel.1 lladdr {mac(2, other)} PERMANENT"


def node_forwarding(shape: Shape, node: int) -> Iterator[str]:
    """``bridge fdb`` of a node."""
    for other in range(shape.nodes):
        if other != node:
            yield f"{mac(2, other)} dev flannel.1 dst {shape.node_address(other)} self permanent"
    for pod in range(shape.pods):
        yield f"{mac(5, node, pod)} dev veth{pod} master cni0"
        yield f"{mac(4, node, pod)} dev veth{pod} master cni0 permanent"


def node_netfilter(shape: Shape, node: int, services: list[str]) -> Iterator[str]:
    """``iptables-save`` of a node: flannel's rules and kube-proxy's."""
    own = f"{shape.subnet(node)}.0/24"
    yield from ("# Generated by iptables-save v1.8.9 (nf_tables)", "*mangle", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]")
    yield from (":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]", "COMMIT")
    yield from FILTER
    yield from ("*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]")
    yield ":FLANNEL-POSTRTG - [0:0]"
    yield from services
    if services:
        yield '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'
    yield '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG'
    comment = '-m comment --comment "flanneld masq"'
    yield f"-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {comment} -j RETURN"
    yield f"-A FLANNEL-POSTRTG -s {own} -d 10.64.0.0/10 {comment} -j RETURN"
    yield f"-A FLANNEL-POSTRTG -s 10.64.0.0/10 -d {own} {comment} -j RETURN"
    yield f"-A FLANNEL-POSTRTG ! -s 10.64.0.0/10 -d {own} {comment} -j RETURN"
    yield f"-A FLANNEL-POSTRTG -s 10.64.0.0/10 ! -d 224.0.0.0/4 {comment} -j MASQUERADE --random-fully"
    yield f"-A FLANNEL-POSTRTG ! -s 10.64.0.0/10 -d 10.64.0.0/10 {comment} -j MASQUERADE --random-fully"
    yield "COMMIT"


FILTER = [
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD DROP [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":FLANNEL-FWD - [0:0]",
    ":KUBE-FORWARD - [0:0]",
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    '-A FLANNEL-FWD -s 10.64.0.0/10 -m comment --comment "flanneld forward" -j ACCEPT',
    '-A FLANNEL-FWD -d 10.64.0.0/10 -m comment --comment "flanneld forward" -j ACCEPT',
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    "COMMIT",
]


def kube_proxy(shape: Shape) -> Iterator[str]:
    """kube-proxy's lines of the nat table, the same on every node."""
    yield from (
        ":KUBE-MARK-MASQ - [0:0]",
        ":KUBE-NODEPORTS - [0:0]",
        ":KUBE-POSTROUTING - [0:0]",
        ":KUBE-SERVICES - [0:0]",
    )
    for service in range(shape.services):
        yield f":KUBE-SVC-{service:016X} - [0:0]"
        yield from (f":KUBE-EXT-{service:016X} - [0:0]" for _ in range(bool(shape.node_port(service))))
        yield from (f":KUBE-SEP-{service:010X}{number:06X} - [0:0]" for number in range(shape.endpoints))
    yield '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
    yield '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
    yield "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"
    yield "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN"
    yield "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0"
    yield '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully'
    for service in range(shape.services):
        yield from service_rules(shape, service)
    for service in range(shape.node_ports):
        name, port, chain = f"default/s{service}", shape.node_port(service), f"KUBE-EXT-{service:016X}"
        yield f'-A {chain} -m comment --comment "masquerade traffic for {name} external destinations" -j KUBE-MARK-MASQ'
        yield f"-A {chain} -j KUBE-SVC-{service:016X}"
        yield f'-A KUBE-NODEPORTS -p tcp -m comment --comment "{name}" -m tcp --dport {port} -j {chain}'
    for service in range(shape.services):
        name, target = f"default/s{service}", f"{shape.service_address(service)}/32"
        yield f'-A KUBE-SERVICES -d {target} -p tcp -m comment --comment "{name} cluster IP" -m tcp --dport 80 -j KUBE-SVC-{service:016X}'
    yield '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS'


def service_rules(shape: Shape, service: int) -> Iterator[str]:
    """The chains of one service and its endpoints."""
    name = f"default/s{service}"
    for number in range(shape.endpoints):
        address, chain = shape.endpoint(service, number), f"KUBE-SEP-{service:010X}{number:06X}"
        yield f'-A {chain} -s {address}/32 -m comment --comment "{name}" -j KUBE-MARK-MASQ'
        yield f'-A {chain} -p tcp -m comment --comment "{name}" -m tcp -j DNAT --to-destination {address}:8080'
    chain, target = f"KUBE-SVC-{service:016X}", shape.service_address(service)
    yield f'-A {chain} ! -s 10.64.0.0/10 -d {target}/32 -p tcp -m comment --comment "{name} cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ'
    for number in range(shape.endpoints):
        left = shape.endpoints - number
        chance = f" -m statistic --mode random --probability {1 / left:.11f}" if left > 1 else ""
        comment = f'-m comment --comment "{name} -> {shape.endpoint(service, number)}:8080"'
        yield f"-A {chain} {comment}{chance} -j KUBE-SEP-{service:010X}{number:06X}"


def write_pod(root: Path, shape: Shape, node: int, pod: int) -> None:
    """The files of a pod's namespace."""
    own, address = shape.subnet(node), shape.pod_address(node, pod)
    links = [
        *link(2, f"eth0@if{10 + pod}", 1450, mac(5, node, pod), "", " link-netnsid 0"),
        "    veth",
        *inet(f"{address}/24", "eth0"),
    ]
    put(root / "ip_-d_addr", [*LOOPBACK, *links])
    routes = [f"default via {own}.1 dev eth0", f"{own}.0/24 dev eth0 proto kernel scope link src {address}", *LOCAL]
    routes.append(f"local {address} dev eth0 table local proto kernel scope host src {address}")
    put(
        root / "ip_route_show_table_all",
        [*routes, f"broadcast {own}.255 dev eth0 table local proto kernel scope link src {address}"],
    )
    put(root / "ip_rule", RULES)
    put(root / "sysctl_net", [line.replace("ip_forward = 1", "ip_forward = 0") for line in SYSCTLS if "bridge" not in line])
    put(root / "ss_-tunlp", LISTENERS)
    for name in ("ip_neigh", "bridge_fdb", "tc_filter", "nft_list_ruleset"):
        put(root / name, [])
    put(root / "iptables-save", ["# no tables"])


def node_objects(shape: Shape) -> Iterator[str]:
    """``kubectl get nodes -o yaml``, as documents."""
    for node in range(shape.nodes):
        yield from (
            "---",
            "apiVersion: v1",
            "kind: Node",
            "metadata:",
            f"  name: n{node}",
            "spec:",
            f"  podCIDR: {shape.subnet(node)}.0/24",
        )
        yield from (
            "  podCIDRs:",
            f"  - {shape.subnet(node)}.0/24",
            "status:",
            "  addresses:",
            "  - type: InternalIP",
            f"    address: {shape.node_address(node)}",
        )


def unlabelled(node: int, pod: int) -> tuple[str, ...]:
    """The lines of a pod's labels, where it has none."""
    del node, pod
    return ()


def pod_objects(shape: Shape, labels: Callable[[int, int], tuple[str, ...]] = unlabelled) -> Iterator[str]:
    """The pods, with the lines of their labels."""
    for node in range(shape.nodes):
        for pod in range(shape.pods):
            yield from (
                "---",
                "apiVersion: v1",
                "kind: Pod",
                "metadata:",
                f"  name: p{node}-{pod}",
                "  namespace: default",
                *labels(node, pod),
                "spec:",
                f"  nodeName: n{node}",
            )
            yield from ("  containers:", "  - name: c", "    ports:", "    - containerPort: 8080", "status:", "  phase: Running")
            yield f"  podIP: {shape.pod_address(node, pod)}"


def service_objects(shape: Shape) -> Iterator[str]:
    """The services and their endpoint slices."""
    for service in range(shape.services):
        yield from ("---", "apiVersion: v1", "kind: Service", "metadata:", f"  name: s{service}", "  namespace: default", "spec:")
        yield from (
            f"  clusterIP: {shape.service_address(service)}",
            f"  type: {'NodePort' if shape.node_port(service) else 'ClusterIP'}",
            "  ports:",
            "  - port: 80",
            "    targetPort: 8080",
            "    protocol: TCP",
        )
        yield from (f"    nodePort: {shape.node_port(service)}" for _ in range(bool(shape.node_port(service))))
        yield from (
            "---",
            "apiVersion: discovery.k8s.io/v1",
            "kind: EndpointSlice",
            "metadata:",
            f"  name: s{service}-x",
            "  namespace: default",
        )
        yield from (
            "  labels:",
            f"    kubernetes.io/service-name: s{service}",
            "addressType: IPv4",
            "ports:",
            "- port: 8080",
            "  protocol: TCP",
            "endpoints:",
        )
        for number in range(shape.endpoints):
            yield from ("- addresses:", f"  - {shape.endpoint(service, number)}", "  conditions:", "    ready: true")


def main() -> None:
    """Writes a capture from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("nodes", "pods", "services", "endpoints"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Shape(), name))
    options = parser.parse_args()
    write(options.folder, Shape(options.nodes, options.pods, options.services, options.endpoints))


if __name__ == "__main__":
    main()
