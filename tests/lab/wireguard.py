"""Nodes that WireGuard joins, as flannel's back end does it (pkg/backend/wireguard): one device, a peer for each other node, routes to their pods by it."""

from __future__ import annotations

import base64
import random as randomness
from random import Random
from typing import TYPE_CHECKING

from tests.lab.plan import Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

DEVICE, PORT, KEY = "flannel-wg", 51820, "/run/wireguard.key"


def private_key(node: Node) -> str:
    """A node's key: the same each time."""
    return base64.b64encode(randomness.Random(f"key of {node.name}").randbytes(32)).decode()


def public_key(lab: Lab, node: Node) -> str:
    """The key by which others know a node."""
    return lab.run(node.name, "wg pubkey", private_key(node) + "\n").strip()


def prepare(lab: Lab, node: Node) -> None:
    """A node's device, its peers and the routes to their pods."""
    lines = [
        f"ip link add {DEVICE} mtu 1420 type wireguard",
        f"echo {private_key(node)} >{KEY}; wg set {DEVICE} listen-port {PORT} private-key {KEY}",
        f"ip addr add {node.pod_network()}/32 dev {DEVICE}",
        f"ip link set {DEVICE} up",
    ]
    for peer in lab.nodes:
        if peer is not node:
            lines.append(
                f"wg set {DEVICE} peer {public_key(lab, peer)} endpoint {peer.address()}:{PORT} allowed-ips {peer.pod_cidr()}"
            )
            lines.append(f"ip route add {peer.pod_cidr()} dev {DEVICE} scope link")
    lab.run(node.name, "\n".join(lines))


def wireguard_peer(lab: Lab, random: Random) -> None:
    """A peer that is missing, is allowed too little or another's addresses, or is sought elsewhere; a device that is down or hears another port."""
    node, peer = random.sample(lab.nodes, 2)
    key = public_key(lab, peer)
    lab.run(node.name, random.choice((
        f"wg set {DEVICE} peer {key} remove", f"wg set {DEVICE} peer {key} allowed-ips {peer.pod_network()}/32",
        f"wg set {DEVICE} peer {key} allowed-ips {peer.pod_cidr().replace('.0/24', '.0/30')}", f"wg set {DEVICE} peer {key} allowed-ips 0.0.0.0/0",
        f"wg set {DEVICE} peer {key} endpoint 192.168.66.77:{PORT}", f"wg set {DEVICE} peer {key} endpoint {peer.address()}:51821",
        f"wg set {DEVICE} listen-port 51821", f"ip link set {DEVICE} down", f"wg set {DEVICE} peer {public_key(lab, node)} allowed-ips {peer.pod_cidr()}",
        f"echo {base64.b64encode(random.randbytes(32)).decode()} >{KEY}; wg set {DEVICE} private-key {KEY}", f"iptables -I INPUT -p udp --dport {PORT} -j DROP",
        f"iptables -I OUTPUT -p udp --dport {PORT} -j DROP", f"wg set {DEVICE} fwmark 0x77",
        f"wg set {DEVICE} peer {base64.b64encode(random.randbytes(32)).decode()} allowed-ips {peer.pod_cidr().replace('.0/24', '.2/32')}",
    )))  # fmt: skip
