"""Ways to break a network of the lab by MACs that several interfaces have."""

from __future__ import annotations

from random import Random

from tests.lab.build import Lab
from tests.lab.plan import Pod


def _on_one_node(lab: Lab, random: Random) -> list[Pod]:
    node = random.choice(lab.nodes)
    return random.sample(lab.pods_on(node), 2)


def _mac(lab: Lab, where: str, device: str) -> str:
    return (
        lab.run(where, f"cat /sys/class/net/{device}/address 2>/dev/null || ip -o link show {device}")
        .split("link/ether ")[-1]
        .split()[0]
    )


def pods_share_mac(lab: Lab, random: Random) -> None:
    """Two pods of a node with one MAC."""
    one, other = _on_one_node(lab, random)
    lab.run(one.key, f"ip link set eth0 address {_mac(lab, other.key, 'eth0')}")


def pod_has_bridge_mac(lab: Lab, random: Random) -> None:
    """A pod with the MAC of its bridge, or of the other end of its own or of another's pair."""
    one, other = _on_one_node(lab, random)
    device = random.choice(("cni0", "cni0", veth_of(lab, one), veth_of(lab, other)))
    lab.run(one.key, f"ip link set eth0 address {_mac(lab, one.node, device)}")


def veth_of(lab: Lab, one: Pod) -> str:
    index = lab.run(one.node, f"ip -n {one.netns} -o link show eth0").split("@if")[1].split(":")[0]
    lines = lab.run(one.node, "ip -o link show").splitlines()
    return next(line.split(": ")[1].split("@")[0] for line in lines if line.startswith(f"{index}: "))


ALL = (pods_share_mac, pod_has_bridge_mac)
