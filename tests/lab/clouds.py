"""Nodes of clouds, whose pods have addresses of the cloud's own network: routes to each pod, routing rules by its source, and the cloud's network as one router.

- ``terway``: plugin/datapath/policy_router_linux.go of Terway (veth and policy routing): rules 512 to and 2048 from each pod, whose table, 1000 and the index of the network
  interface (plugin/driver/utils, GetRouteTableID), leads to the gateway of its switch.
- ``aws-vpc-cni``: cmd/routed-eni-cni-plugin/driver of amazon-vpc-cni-k8s: rules 512 and 1536, table 2 for pods of the second interface, AWS-SNAT-CHAIN-0 and the marks of
  connections that came by the first one (pkg/networkutils/network.go).
- ``azure``: network/transparent_endpointclient_linux.go of azure-container-networking: routes in the main table only.
- ``gke``: the plugin ptp, and the chain IP-MASQ of ip-masq-agent.

A cloud's network leads packets by what it gave to which interface. That is not Linux's to say: here a router does it, which is captured as a machine of its own, by routes to the
pods' addresses and neighbours with the MAC of the interface that has them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.lab.plan import CLUSTER_CIDR, GATEWAY, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

CLOUDS = ("terway", "aws-vpc-cni", "azure", "gke")
ROUTER = Node(243, name="vpc")
NEAR = "169.254.1.1"
NODES = "192.168.66.0/24"
CONFIGURATIONS: dict[str, dict[str, object]] = {
    "terway": {"cniVersion": "0.4.0", "name": "terway", "plugins": [{"type": "terway", "eniip_virtual_type": "Veth"}]},
    "aws-vpc-cni": {
        "cniVersion": "0.4.0", "name": "aws-cni", "plugins": [{"name": "aws-cni", "type": "aws-cni", "vethPrefix": "eni", "mtu": "1500"}],
    },
    "azure": {"cniVersion": "0.3.0", "name": "azure", "plugins": [{"type": "azure-vnet", "mode": "transparent", "ipam": {"type": "azure-vnet-ipam"}}]},
}  # fmt: skip
AWS = f"""*mangle
-A PREROUTING -i eth0 -m comment --comment "AWS, primary ENI" -m addrtype --dst-type LOCAL --limit-iface-in -j CONNMARK --set-xmark 0x80/0x80
-A PREROUTING -i eni+ -m comment --comment "AWS, primary ENI" -j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80
COMMIT
*nat
:AWS-SNAT-CHAIN-0 - [0:0]
:AWS-CONNMARK-CHAIN-0 - [0:0]
-A PREROUTING -i eni+ -m comment --comment "AWS, outbound connections" -j AWS-CONNMARK-CHAIN-0
-A PREROUTING -m comment --comment "AWS, CONNMARK" -j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80
-A POSTROUTING -m comment --comment "AWS SNAT CHAIN" -j AWS-SNAT-CHAIN-0
-A AWS-SNAT-CHAIN-0 -d {CLUSTER_CIDR[4]} -m comment --comment "AWS SNAT CHAIN" -j RETURN
-A AWS-SNAT-CHAIN-0 -d {NODES} -m comment --comment "AWS SNAT CHAIN" -j RETURN
-A AWS-SNAT-CHAIN-0 ! -o vlan+ -m comment --comment "AWS, SNAT" -m addrtype ! --dst-type LOCAL -j SNAT --to-source {{own}} --random-fully
-A AWS-CONNMARK-CHAIN-0 -d {CLUSTER_CIDR[4]} -m comment --comment "AWS CONNMARK CHAIN, VPC CIDR" -j RETURN
-A AWS-CONNMARK-CHAIN-0 -d {NODES} -m comment --comment "AWS CONNMARK CHAIN, VPC CIDR" -j RETURN
-A AWS-CONNMARK-CHAIN-0 -m comment --comment "AWS, CONNMARK" -j CONNMARK --set-xmark 0x80/0x80
COMMIT
"""
GKE = f"""*nat
:IP-MASQ - [0:0]
-A POSTROUTING -m comment --comment "ip-masq: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ chain" -m addrtype ! --dst-type LOCAL -j IP-MASQ
-A IP-MASQ -d {CLUSTER_CIDR[4]} -m comment --comment "ip-masq: local traffic is not subject to MASQUERADE" -j RETURN
-A IP-MASQ -d {NODES} -m comment --comment "ip-masq: local traffic is not subject to MASQUERADE" -j RETURN
-A IP-MASQ -m comment --comment "ip-masq: outbound traffic is subject to MASQUERADE (must be last in chain)" -j MASQUERADE
COMMIT
"""


def routers(overlay: str) -> list[Node]:
    """The machines between the nodes: a cloud's network."""
    return [ROUTER] if overlay in CLOUDS else []


def start(lab: Lab) -> None:
    """The router: it leads to the nodes' pods, and everything else to the outside host."""
    lines = [
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0",
        "sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0",
        f"ip link set lo up\nip link set eth0 up\nip addr add {ROUTER.address()}/24 dev eth0\nip route add default via {GATEWAY[4]}",
    ]
    lab.run(ROUTER.name, "\n".join(lines))


def prepare(lab: Lab, node: Node) -> None:
    """What a node has before its pods: its way to the router, its second interface, the plugin's configuration."""
    overlay = lab.scenario.overlay
    lab.run(node.name, f"ip route replace default via {ROUTER.address()} dev eth0")
    if overlay == "gke":
        lab.run(ROUTER.name, f"ip route add {node.pod_cidr()} via {node.address()} dev eth0")
        return
    lab.run(node.name, "cat >/etc/cni/net.d/10-lab.conflist", json.dumps(CONFIGURATIONS[overlay], indent=2) + "\n")
    if overlay in ("terway", "aws-vpc-cni"):
        second(lab, node)


def second(lab: Lab, node: Node) -> None:
    """A second interface of the machine, and the table of the pods that have addresses of it."""
    port = f"second{node.number}"
    lab.run(
        "underlay",
        f"ip link add {port} type veth peer name eth1 netns {lab.machine.agents[node.name].pid}\nip link set {port} master br0 up",
    )
    if lab.scenario.overlay == "terway":
        lab.run(
            node.name,
            f"ip link set eth1 up\nip route add default via {ROUTER.address()} dev eth1 onlink table {table(lab, node)}",
        )
        return
    own = node.address().replace(".66.1", ".66.3")
    lab.run(
        node.name,
        f"ip link set eth1 up\nip addr add {own}/24 dev eth1 noprefixroute\n"
        f"ip route add {ROUTER.address()} dev eth1 scope link table 2\nip route add default via {ROUTER.address()} dev eth1 table 2\n"
        "ip rule add fwmark 0x80/0x80 lookup main priority 1024\nsysctl -qw net.ipv4.conf.eth0.rp_filter=2\n",
    )


def table(lab: Lab, node: Node) -> int:
    """The routing table of the second interface."""
    return 1000 + int(lab.run(node.name, "cat /sys/class/net/eth1/ifindex")) if lab.scenario.overlay == "terway" else 2


def device(lab: Lab, pod: Pod) -> str:
    """The host's end of a pod's pair."""
    from tests.lab.overlay import workload_device

    prefix = {"terway": "cali", "aws-vpc-cni": "eni", "azure": "azv"}[lab.scenario.overlay]
    return prefix + workload_device(pod).removeprefix("cali")


def attach(lab: Lab, pod: Pod) -> None:
    """What the plugin does for a pod, and what the cloud's network knows of its address. The first pod of each node has an address of the first interface, but with Terway."""
    node = lab.node(pod.node)
    position = [one.key for one in lab.pods_on(node)].index(pod.key)
    address, name = node.pod_cidr().replace(".0/24", f".{position + 2}"), device(lab, pod)
    lines = [
        f"ip link add {name} type veth peer name eth0 netns {pod.netns}\nip link set {name} up\nip -n {pod.netns} link set eth0 up",
        f"ip -n {pod.netns} addr add {address}/32 dev eth0\nip route add {address} dev {name} scope link",
        f"ip -n {pod.netns} neigh add {NEAR} lladdr $(cat /sys/class/net/{name}/address) dev eth0 nud permanent",
    ]
    if lab.scenario.overlay == "terway":
        lines.append(f"ip -n {pod.netns} route add default via {NEAR} dev eth0 onlink")
    else:
        lines += [
            f"ip -n {pod.netns} route add {NEAR} dev eth0 scope link",
            f"ip -n {pod.netns} route add default via {NEAR} dev eth0",
        ]
    uplink = "eth0" if lab.scenario.overlay == "azure" or (position == 0 and lab.scenario.overlay != "terway") else "eth1"
    lab.run(pod.node, "\n".join([*lines, *rules(lab, node, address, uplink)]))
    assigned(lab, node, address, uplink)
    pod.addresses = [address]


def rules(lab: Lab, node: Node, address: str, uplink: str) -> list[str]:
    """The routing rules of a pod."""
    if lab.scenario.overlay == "azure":
        return []
    found = [f"ip rule add to {address} lookup main priority 512"]
    if uplink == "eth1":
        number = 2048 if lab.scenario.overlay == "terway" else 1536
        found.append(f"ip rule add from {address} lookup {table(lab, node)} priority {number}")
    return found


def assigned(lab: Lab, node: Node, address: str, uplink: str) -> None:
    """The cloud's network leads packets for the address to the interface that has it."""
    mac = lab.run(node.name, f"cat /sys/class/net/{uplink}/address").strip()
    lab.run(ROUTER.name, f"ip route add {address} dev eth0\nip neigh replace {address} lladdr {mac} dev eth0 nud permanent")


def hear(lab: Lab) -> None:
    """The nodes' tables of neighbours have the router, as after any packet: of an interface without an address nothing else says where it leads."""
    mac = lab.run(ROUTER.name, "cat /sys/class/net/eth0/address").strip()
    for node in lab.nodes:
        for uplink in ("eth0", "eth1"):
            learnt = f"ip neigh replace {ROUTER.address()} lladdr {mac} dev {uplink} nud stale"
            lab.run(node.name, f"[ ! -e /sys/class/net/{uplink} ] || {learnt}")


def finish(lab: Lab, node: Node) -> None:
    """The rules of the node's agents."""
    if lab.scenario.overlay == "aws-vpc-cni":
        lab.run(node.name, "iptables-restore --noflush", AWS.format(own=node.address()))
    if lab.scenario.overlay == "gke" and lab.scenario.masquerade:
        lab.run(node.name, "iptables-restore --noflush", GKE)
