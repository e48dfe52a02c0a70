"""Ways to break an overlay: its entries for peers, its device, and the device made anew."""

from __future__ import annotations

from random import Random

from tests.lab.build import Lab
from tests.lab.plan import Node


def _one(lab: Lab, random: Random) -> Node:
    return random.sample(lab.nodes, min(2, len(lab.nodes)))[0]


def fdb_missing(lab: Lab, random: Random) -> None:
    node, peer = random.sample(lab.nodes, 2)
    lab.run(node.name, f"bridge fdb del {peer.vtep_mac()} dev flannel.1 dst {peer.address()}")


def fdb_wrong_dst(lab: Lab, random: Random) -> None:
    node, peer = random.sample(lab.nodes, 2)
    lab.run(
        node.name,
        f"bridge fdb del {peer.vtep_mac()} dev flannel.1 dst {peer.address()}; "
        f"bridge fdb add {peer.vtep_mac()} dev flannel.1 dst 192.168.66.{random.choice((77, 254))} self permanent",
    )


def fdb_default(lab: Lab, random: Random) -> None:
    """No entry for the peer's MAC, but one for all."""
    node, peer = random.sample(lab.nodes, 2)
    lab.run(
        node.name,
        f"bridge fdb del {peer.vtep_mac()} dev flannel.1 dst {peer.address()}; "
        f"bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst {peer.address()} self permanent",
    )


def flannel_dev_down(lab: Lab, random: Random) -> None:
    lab.run(_one(lab, random).name, "ip link set flannel.1 down")


def flannel_dev_missing(lab: Lab, random: Random) -> None:
    lab.run(_one(lab, random).name, "ip link del flannel.1")


def _remade(lab: Lab, node: Node, options: str) -> None:
    """The vxlan device made anew with other options, its addresses, routes, neighbours and FDB as before."""
    lines = [f"ip link del flannel.1; ip link add flannel.1 address {node.vtep_mac()} type vxlan {options} local {node.address()} dev eth0 nolearning",
             f"ip addr add {node.pod_network()}/32 dev flannel.1; ip link set flannel.1 up"]  # fmt: skip
    for peer in lab.nodes:
        if peer is not node:
            lines += [f"ip route add {peer.pod_cidr()} via {peer.pod_network()} dev flannel.1 onlink",
                      f"ip neigh add {peer.pod_network()} lladdr {peer.vtep_mac()} dev flannel.1 nud permanent",
                      f"bridge fdb add {peer.vtep_mac()} dev flannel.1 dst {peer.address()} self permanent"]  # fmt: skip
    lab.run(node.name, "\n".join(lines))


def vni_mismatch(lab: Lab, random: Random) -> None:
    _remade(lab, _one(lab, random), "id 2 dstport 8472")


def vxlan_port_mismatch(lab: Lab, random: Random) -> None:
    _remade(lab, _one(lab, random), "id 1 dstport 4789")


def multicast_group(lab: Lab, random: Random) -> None:
    """The overlay finds its members by multicast and learns; sometimes one node is in another group, VNI or port, or does not learn."""
    odd = random.choice((None, *lab.nodes))
    for node in lab.nodes:
        group, vni, port, learning = "239.1.1.1", 1, 8472, "learning"
        if node is odd:
            group, vni, port, learning = random.choice(
                (
                    ("239.1.1.2", 1, 8472, "learning"),
                    (group, 2, 8472, "learning"),
                    (group, 1, 4789, "learning"),
                    (group, 1, 8472, "nolearning"),
                )
            )
        lines = [f"ip link del flannel.1; ip link add flannel.1 address {node.vtep_mac()} type vxlan id {vni} group {group} dev eth0 "
                 f"dstport {port} {learning}",
                 f"ip addr add {node.pod_network()}/32 dev flannel.1; ip link set flannel.1 up"]  # fmt: skip
        lines += [
            f"ip route add {peer.pod_cidr()} via {peer.pod_network()} dev flannel.1 onlink"
            for peer in lab.nodes
            if peer is not node
        ]
        lab.run(node.name, "\n".join(lines))


def asks_nobody(lab: Lab, random: Random) -> None:
    """A node's vxlan device learns where others are, and floods to nobody; the others flood to it. Sometimes it has the others' MACs by hand."""
    deaf = _one(lab, random)
    learning, known = random.choice(("learning", "learning", "nolearning")), random.random() < 0.4
    for node in lab.nodes:
        lines = [f"ip link del flannel.1; ip link add flannel.1 address {node.vtep_mac()} type vxlan id 1 local {node.address()} dev eth0 dstport 8472 "
                 f"{learning if node is deaf else 'learning'}",
                 f"ip addr add {node.pod_network()}/32 dev flannel.1; ip link set flannel.1 up"]  # fmt: skip
        for peer in lab.nodes:
            if peer is not node:
                lines.append(f"ip route add {peer.pod_cidr()} via {peer.pod_network()} dev flannel.1 onlink")
            if peer is not node and node is not deaf:
                lines.append(f"bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst {peer.address()} self permanent")
            if peer is not node and node is deaf and known:
                lines.append(f"ip neigh add {peer.pod_network()} lladdr {peer.vtep_mac()} dev flannel.1 nud permanent")
        lab.run(node.name, "\n".join(lines))
