"""Ways to break a network of the lab that take devices which small kernels have not: VRFs, VLANs of bridges, bonds, actions of tc."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.lab.hardware_breakages import veth_of
from tests.lab.plan import GATEWAY, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]


def _node(lab: Lab, random: Random) -> tuple[Node, Node]:
    node, peer = random.sample(lab.nodes, 2)
    return node, peer


def _pod(lab: Lab, node: Node, random: Random) -> Pod:
    return random.choice([pod for pod in lab.pods_on(node) if not pod.host_network])


def vrf_of_uplink(lab: Lab, random: Random) -> None:
    """A node's uplink in a VRF, with a default route there or not, and ways out of the main table or not."""
    node, peer = _node(lab, random)
    lines = ["ip link add blue type vrf table 10", "ip link set blue up", "ip link set eth0 master blue"]
    if random.random() < 0.7:
        lines.append(f"ip route add default via {GATEWAY[4]} dev eth0 table 10")
    if random.random() < 0.5:
        lines.append(f"ip route add {peer.pod_cidr()} via {peer.address()} dev eth0 onlink || true")
    if random.random() < 0.4:
        lines.append(f"ip route add {peer.pod_cidr()} via {peer.address()} dev eth0 onlink table 10")
    if random.random() < 0.4:
        lines.append(f"ip route add {node.pod_cidr()} dev cni0 table 10 || true")
    if random.random() < 0.3:
        lines.append("sysctl -qw net.ipv4.tcp_l3mdev_accept=1 net.ipv4.udp_l3mdev_accept=1 net.ipv4.raw_l3mdev_accept=1")
    lab.run(node.name, "\n".join(lines))


def vrf_of_pods(lab: Lab, random: Random) -> None:
    """A node's bridge in a VRF, its uplink too or not, and where it is looked up: before the table ``local`` or after it."""
    node, peer = _node(lab, random)
    lines = ["ip link add red type vrf table 20", "ip link set red up", "ip link set cni0 master red"]
    if random.random() < 0.5:
        lines.append("ip link set eth0 master red")
    if random.random() < 0.5:
        lines.append(f"ip route add {peer.pod_cidr()} via {peer.address()} dev eth0 onlink table 20 || true")
    if random.random() < 0.4:
        lines.append("ip route add unreachable default metric 4278198272 table 20")
    if random.random() < 0.4:
        lines.append(f"ip route add {node.pod_cidr()} dev cni0 || true")
    if random.random() < 0.3:
        lines.append("ip rule add pref 32765 table local; ip rule del pref 0")
    lab.run(node.name, "\n".join(lines))


def bridge_vlans(lab: Lab, random: Random) -> None:
    """A bridge that filters VLANs: its ports and itself in some, tagged and not, with an address in one by a VLAN device."""
    node, _ = _node(lab, random)
    lines = [f"ip link set cni0 type bridge vlan_filtering 1 vlan_default_pvid {random.choice((0, 1, 1, 7))}"]
    for pod in [pod for pod in lab.pods_on(node) if not pod.host_network]:
        port, number = veth_of(lab, pod), random.choice((1, 1, 7, 9))
        lines += random.choice((
            [], [f"bridge vlan add dev {port} vid {number} pvid untagged"], [f"bridge vlan add dev {port} vid {number}"],
            [f"bridge vlan add dev {port} vid {number} untagged"], [f"bridge vlan del dev {port} vid 1 || true"],
            [f"bridge vlan del dev {port} vid 1 || true", f"bridge vlan add dev {port} vid {number} pvid untagged"],
        ))  # fmt: skip
    lines += random.choice((
        [], ["bridge vlan add dev cni0 vid 7 self"], ["bridge vlan add dev cni0 vid 7 pvid untagged self"], ["bridge vlan del dev cni0 vid 1 self || true"],
        ["bridge vlan add dev cni0 vid 7 self", "ip link add link cni0 name cni0.7 type vlan id 7", "ip link set cni0.7 up",
         f"ip addr del {node.pod_cidr().replace('.0/', '.1/')} dev cni0", f"ip addr add {node.pod_cidr().replace('.0/', '.1/')} dev cni0.7"],
    ))  # fmt: skip
    lab.run(node.name, "\n".join(lines))


def tc_actions(lab: Lab, random: Random) -> None:
    """Filters of tc at a node's uplink or at a pod's pair, that drop, pass, go on, or jump to a chain."""
    node, peer = _node(lab, random)
    device = random.choice(("eth0", veth_of(lab, _pod(lab, node, random)), "cni0"))
    address = random.choice((*(pod.addresses[0] for pod in lab.pods if not pod.host_network), peer.address(), node.address()))
    match = random.choice((
        "u32 match ip dst {}/32", "u32 match ip src {}/32", "u32 match ip protocol 6 0xff", "u32 match ip protocol 1 0xff match ip dst {}/32",
        "u32 match ip dport 8080 0xffff", "matchall", "flower ip_proto udp", "flower dst_ip {}", "flower src_ip {} ip_proto tcp", "flower ip_proto tcp dst_port 8080",
    )).format(address)  # fmt: skip
    actions = random.choice(("drop", "drop", "pass", "continue", "pipe", "goto chain 5", "reclassify", "skbedit mark 0x4000"))
    at = random.choice(("ingress", "ingress", "egress"))
    lines = [f"tc qdisc add dev {device} clsact", f"tc filter add dev {device} {at} protocol ip pref 10 {match} action {actions}"]
    if random.random() < 0.6:
        lines.append(
            f"tc filter add dev {device} {at} protocol ip pref 20 u32 match ip protocol {random.choice((1, 6, 17))} 0xff action drop"
        )
    if "goto" in actions:
        lines.append(
            f"tc filter add dev {device} {at} chain 5 protocol ip pref 1 u32 match ip protocol {random.choice((1, 17))} 0xff action {random.choice(('drop', 'pass'))}"
        )
    lab.run(node.name, "\n".join(lines))


def bond_member(lab: Lab, random: Random) -> None:
    """A bond of another mode, with another card in use, or without one."""
    node, _ = _node(lab, random)
    lab.run(node.name, random.choice((
        "ip link set nic0 down", "ip link set nic1 down", "ip link set nic0 down; ip link set nic1 down", "ip link set eth0 type bond active_slave nic1",
        "ip link set nic0 nomaster; ip link set nic0 up", "ip link set nic1 nomaster; ip link set nic1 up",
        "ip link set eth0 down; ip link set eth0 type bond mode balance-rr; ip link set eth0 up", "ip link set nic0 nomaster; ip link set nic1 nomaster",
        f"ip link set eth0 down; ip link set eth0 type bond mode balance-xor; ip link set eth0 up; ip route add default via {GATEWAY[4]}",
    )))  # fmt: skip


def vlan_number(lab: Lab, random: Random) -> None:
    """A node whose uplink is in another VLAN than that of the others."""
    node, _ = _node(lab, random)
    lab.run(node.name, random.choice((
        f"ip link set eth0 name old; ip link add link nic0 name eth0 type vlan id 101; ip addr flush dev old; ip addr add {node.address()}/24 dev eth0; ip link set eth0 up",
        "ip link set nic0 down", "ip link set nic0 mtu 1400", "ip link set eth0 mtu 1300", "ip link set eth0 type vlan loose_binding on; ip link set nic0 down",
        f"ip addr add {node.address()}/24 dev nic0", "ip link add link nic0 name other type vlan id 200; ip link set other up; ip link set other master cni0",
    )))  # fmt: skip


BRIDGES: tuple[Apply, ...] = (vrf_of_pods, bridge_vlans)
UPLINKS: tuple[tuple[str, Apply], ...] = (("", vrf_of_uplink), ("", tc_actions), ("bond", bond_member), ("vlan", vlan_number))
"""Those of nodes' uplinks, and of what kind one must be."""
