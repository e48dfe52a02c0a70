"""How pods of different nodes reach each other: flannel-like vxlan and host-gw, plain bridges, bridges without an address that lead to the other nodes,
ptp, macvlan, Calico-like routes, the tunnels of tunnelled.py, and Canal, which has flannel's tunnel and Calico's interfaces."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from tests.lab import clouds, romana, tunnelled, wireguard
from tests.lab.plan import CLUSTER_CIDR, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

FLANNEL = """*filter
:FLANNEL-FWD - [0:0]
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s {cluster} -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d {cluster} -m comment --comment "flanneld forward" -j ACCEPT
COMMIT
*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s {own} -d {cluster} -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s {cluster} -d {own} -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s {cluster} -d {own} -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s {cluster} ! -d {multicast} -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s {cluster} -d {cluster} -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
COMMIT
"""
MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
CALI_MAC = "ee:ee:ee:ee:ee:ee"
WITHOUT_PLUGINS = ("calico", "canal", "ipip", "romana", "terway", "aws-vpc-cni", "azure")
"""Networks whose plugins are no packages: what they do is done by hand."""


def prepare(lab: Lab, node: Node) -> None:
    """What a node has before its first pod: tunnel devices, routes, CNI configuration."""
    if lab.scenario.overlay in ("vxlan", "canal"):
        lab.run(node.name, "\n".join(line for family in node.families for line in vxlan(lab, node, family)))
        node.annotations.update({} if lab.scenario.crossed else _flannel_annotations(node))
    elif lab.scenario.overlay in ("host-gw", "ptp", "calico"):
        lab.run(node.name, "\n".join(_direct(lab, node)))
    elif lab.scenario.overlay == "switched":
        _switch(lab, node)
    elif lab.scenario.overlay == "wireguard":
        wireguard.prepare(lab, node)
    elif lab.scenario.overlay == "romana":
        romana.prepare(lab, node)
    elif lab.scenario.overlay in clouds.CLOUDS:
        clouds.prepare(lab, node)
    elif lab.scenario.overlay in tunnelled.TUNNELLED:
        tunnelled.prepare(lab, node)
    if lab.scenario.overlay not in WITHOUT_PLUGINS:
        text = json.dumps(configuration(lab, node), indent=2) + "\n"
        lab.run(node.name, "cat >/etc/cni/net.d/10-lab.conflist", text)


def vxlan(lab: Lab, node: Node, family: int) -> list[str]:
    """The commands that flanneld's work amounts to, on one node, for one family."""
    device, bits = ("flannel.1", 32) if family == 4 else ("flannel-v6.1", 128)
    outside = 10 - family if lab.scenario.crossed else family
    lines = [
        f"ip link add {device} address {node.vtep_mac()} type vxlan id 1 local {node.address(outside)} dev eth0 dstport 8472 nolearning",
        f"ip addr add {node.pod_network(family)}/{bits} dev {device}",
        f"ip link set {device} up",
    ]
    for peer in lab.nodes:
        if peer.number != node.number:
            lines += [
                f"ip -{family} route add {peer.pod_cidr(family)} via {peer.pod_network(family)} dev {device} onlink",
                f"ip -{family} neigh add {peer.pod_network(family)} lladdr {peer.vtep_mac()} dev {device} nud permanent",
                f"bridge fdb add {peer.vtep_mac()} dev {device} dst {peer.address(outside)} self permanent",
            ]
    return lines


def _flannel_annotations(node: Node) -> dict[str, str]:
    prefix = "flannel.alpha.coreos.com/"
    return {
        prefix + "backend-type": "vxlan",
        prefix + "backend-data": json.dumps({"VNI": 1, "VtepMAC": node.vtep_mac()}),
        prefix + "public-ip": node.address(4),
        prefix + "kube-subnet-manager": "true",
    }


def _direct(lab: Lab, node: Node) -> list[str]:
    """Routes to the other nodes' pods over the nodes themselves."""
    lines = [
        f"ip -{family} route add {peer.pod_cidr(family)} via {peer.address(family)} dev eth0"
        for peer in lab.nodes if peer.number != node.number
        for family in node.families
    ]  # fmt: skip
    if lab.scenario.overlay == "calico":
        lines += [f"ip -{family} route add blackhole {node.pod_cidr(family)} proto bird" for family in node.families]
    return lines or ["true"]


def _switch(lab: Lab, node: Node) -> None:
    """A second network between the nodes, to which a bridge of the node leads that has no address."""
    process, port = lab.machine.agents[node.name].pid, f"switched{node.number}"
    lab.run(
        "underlay",
        "ip link add br2 type bridge 2>/dev/null && ip link set br2 up\n"
        f"ip link add {port} type veth peer name eth2 netns {process}\nip link set {port} master br2 up",
    )
    lab.run(node.name, "ip link set eth2 up\nip link add br2 type bridge\nip link set br2 up\nip link set eth2 master br2\n")


def _switched_range(family: int, node: Node) -> dict[str, str]:
    """The addresses of a node's pods, of one network for all."""
    start = f"10.244.{node.number}." if family == 4 else f"fd00:10:244:{node.number}::"
    return {"subnet": CLUSTER_CIDR[family], "rangeStart": f"{start}10", "rangeEnd": f"{start}50"}


def configuration(lab: Lab, node: Node) -> dict[str, Any]:
    """The CNI configuration of a node."""
    ranges = [[{"subnet": node.pod_cidr(family)}] for family in node.families]
    routes = [{"dst": "0.0.0.0/0" if family == 4 else "::/0"} for family in node.families]
    ipam: dict[str, Any] = {"type": "host-local", "ranges": ranges, "routes": routes}
    mtu = 1450 if 4 in node.families and len(node.families) == 1 else 1430
    match lab.scenario.overlay:
        case "ptp" | "gke":
            main: dict[str, Any] = {"type": "ptp", "ipMasq": lab.scenario.masquerade and lab.scenario.overlay == "ptp", "ipam": ipam}  # fmt: skip
        case "macvlan":
            ipam = {"type": "host-local", "ranges": [[_macvlan_range(node)]]}
            main = {"type": "macvlan", "master": "eth0", "mode": "bridge", "ipam": ipam}
        case "ipvlan":
            ipam = {"type": "host-local", "ranges": [[_macvlan_range(node)]]}
            main = {"type": "ipvlan", "master": "eth0", "mode": "l2", "ipam": ipam}
        case name if name == "switched" or name in tunnelled.BRIDGED:
            ipam = {"type": "host-local", "ranges": [[_switched_range(family, node)] for family in node.families]}
            main = {"type": "bridge", "bridge": "br2", "isGateway": False, "hairpinMode": lab.scenario.hairpin, "ipam": ipam}
            main |= {"mtu": tunnelled.MTU[name]} if name in tunnelled.MTU else {}
        case "bridge":
            del ipam["routes"]
            main = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": lab.scenario.hairpin,
                    "ipMasq": lab.scenario.masquerade, "ipam": ipam}  # fmt: skip
        case _:
            ipam["routes"] = [{"dst": CLUSTER_CIDR[family]} for family in node.families]
            main = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": lab.scenario.hairpin, "ipMasq": False,
                    "mtu": mtu if lab.scenario.overlay == "vxlan" else tunnelled.MTU.get(lab.scenario.overlay, 1500), "ipam": ipam}  # fmt: skip
    plugins = [main]
    if lab.scenario.host_ports:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    return {"name": "cbr0", "cniVersion": "0.3.1", "plugins": plugins}


def _macvlan_range(node: Node) -> dict[str, str]:
    start = 100 + node.number * 20
    return {
        "subnet": "192.168.66.0/24", "rangeStart": f"192.168.66.{start}", "rangeEnd": f"192.168.66.{start + 19}", "gateway": "192.168.66.254",
    }  # fmt: skip


def attach(lab: Lab, pod: Pod) -> None:
    """Attaches a pod without a plugin, as Calico does it, or the network's own way."""
    if lab.scenario.overlay == "romana":
        romana.attach(lab, pod)
        return
    if lab.scenario.overlay in clouds.CLOUDS:
        clouds.attach(lab, pod)
        return
    mtu = 1450 if lab.scenario.overlay == "canal" else tunnelled.MTU.get(lab.scenario.overlay, 1500)
    node = lab.node(pod.node)
    position = [one.key for one in lab.pods_on(node)].index(pod.key)
    address = node.pod_cidr().replace(".0/24", f".{position + 2}")
    device = workload_device(pod)
    lab.run(
        pod.node,
        f"ip link add {device} address {CALI_MAC} type veth peer name eth0 netns {pod.netns}\n"
        f"sysctl -qw net.ipv4.conf.{device}.proxy_arp=1 net.ipv4.neigh.{device}.proxy_delay=0 net.ipv4.conf.{device}.route_localnet=1\n"
        f"ip link set {device} up\nip route add {address} dev {device} scope link\n"
        f"ip -n {pod.netns} link set eth0 up mtu {mtu}\nip -n {pod.netns} addr add {address}/32 dev eth0\n"
        f"ip -n {pod.netns} route add 169.254.1.1 dev eth0 scope link\nip -n {pod.netns} route add default via 169.254.1.1 dev eth0\n",
    )
    pod.addresses = [address]
    if 6 in node.families:
        pod.addresses.append(attach_six(lab, pod, node, device, position))


def attach_six(lab: Lab, pod: Pod, node: Node, device: str, position: int) -> str:
    """IPv6 as Calico does it: the pod's gateway is the link-local address of the host's end."""
    address = str(IPv6Network(node.pod_cidr(6))[position + 2])
    lab.run(
        pod.node,
        f"ip -6 addr add fe80::ecee:eeff:feee:eeee/64 dev {device} nodad 2>/dev/null || true\n"
        f"sysctl -qw net.ipv6.conf.{device}.proxy_ndp=1\nip -6 route add {address} dev {device}\n"
        f"ip -n {pod.netns} -6 addr add {address}/128 dev eth0 nodad\n"
        f"ip -n {pod.netns} -6 route add default via fe80::ecee:eeff:feee:eeee dev eth0\n",
    )
    return address


def workload_device(pod: Pod) -> str:
    """The name that Calico gives to a pod's interface on its node."""
    return "cali" + hashlib.sha1(f"{pod.namespace}.{pod.name}".encode()).hexdigest()[:11]


def finish(lab: Lab, node: Node) -> None:
    """The overlay's own rules, after the pods; the bridges that lead to other nodes hear every pod."""
    if lab.scenario.overlay == "switched" or lab.scenario.overlay in tunnelled.BRIDGED:
        for pod in lab.pods_on(node):
            lab.run(pod.key, "ping -q -b -c 1 -w 1 10.244.255.255 >/dev/null 2>&1 || true")
    if lab.scenario.overlay in ("vxlan", "host-gw", "canal", "flannel-ipip", "wireguard"):
        for family in node.families:
            text = FLANNEL.format(cluster=CLUSTER_CIDR[family], own=node.pod_cidr(family), multicast=MULTICAST[family])
            lab.run(node.name, f"{tables(family)}-restore --noflush", text)
    if lab.scenario.overlay == "romana":
        romana.finish(lab, node)
    if lab.scenario.overlay in clouds.CLOUDS:
        clouds.finish(lab, node)
    if lab.scenario.overlay == "calico" and lab.scenario.masquerade:
        lab.run(node.name, CALICO_NAT.format(cluster=CLUSTER_CIDR[4]))


CALICO_NAT = """
ipset create cali40masq-ipam-pools hash:net
ipset add cali40masq-ipam-pools {cluster}
ipset create cali40all-ipam-pools hash:net
ipset add cali40all-ipam-pools {cluster}
iptables -t nat -N cali-nat-outgoing
iptables -t nat -A POSTROUTING -j cali-nat-outgoing
iptables -t nat -A cali-nat-outgoing -m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst \
-j MASQUERADE --random-fully
"""


def tables(family: int) -> str:
    """The iptables command of a family."""
    return "iptables" if family == 4 else "ip6tables"
