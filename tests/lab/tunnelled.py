"""Nodes joined by tunnels that a small kernel has not: IP in IP as Calico, Flannel and kube-router have it, GRE, Geneve, SIT, IPv6's own, and GRE under a bridge.

They run in the guest kernel (guest.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.plan import Node, Scenario

if TYPE_CHECKING:
    from tests.lab.build import Lab


@dataclass(frozen=True, slots=True)
class Pairwise:
    """One device for each other node: its ``kind`` as ``ip link add`` has it, the IP version of its ``outer`` packets, those that it carries (``inner``), what it puts
    around a packet (``overhead``), and whether it carries ``frames``. ``options`` may name the sum of both nodes' numbers, ``{pair}``."""

    kind: str
    outer: int
    inner: tuple[int, ...]
    overhead: int
    frames: bool = False
    options: str = ""


PAIRWISE = {
    "kube-router": Pairwise("ipip", 4, (4,), 20),
    "gre": Pairwise("gre", 4, (4, 6), 24),
    "gre-keyed": Pairwise("gre", 4, (4, 6), 28, options="key {pair}"),
    "sit": Pairwise("sit", 4, (6,), 20),
    "sit-any": Pairwise("sit", 4, (4, 6), 20, options="mode any"),
    "ip6tnl": Pairwise("ip6tnl", 6, (4, 6), 48, options="mode any"),
    "ip6gre": Pairwise("ip6gre", 6, (4, 6), 52),
    "geneve": Pairwise("geneve", 4, (4, 6), 50, True, "id {pair}"),
    "geneve-six": Pairwise("geneve", 6, (4, 6), 70, True, "id {pair}"),
}
BRIDGED = {
    "gretap": "gretap",
    "gretap-keyed": "gretap key 7",
    "bridged-geneve": "geneve id 7",
    "bridged-vxlan": "vxlan id 7 dstport 4789",
}
"""Devices that are ports of the pods' bridge, which has no address: all pods are on one network."""
SHARED = ("ipip", "flannel-ipip")
"""One device for all other nodes, whose routes say where each is."""
TUNNELLED = (*PAIRWISE, *BRIDGED, *SHARED)
MTU = {
    "ipip": 1480,
    "flannel-ipip": 1480,
    **{name: 1500 - one.overhead for name, one in PAIRWISE.items()},
    "wireguard": 1420,
    **dict.fromkeys(BRIDGED, 1400),
}
"""That of the pods."""
SCENARIOS = tuple(
    Scenario(
        f"tunnel-{name}",
        overlay=name,
        families=(4, 6) if name in PAIRWISE and PAIRWISE[name].inner != (4,) else (4,),
        backend="legacy",
        default_route=name not in BRIDGED,
    )
    for name in TUNNELLED
)
TRIED = tuple(one for one in SCENARIOS if one.overlay == "ipip")
"""That which each run of the tests has; the others run where they are named."""


def prepare(lab: Lab, node: Node) -> None:
    """A node's tunnels and the routes by them."""
    lab.run(node.name, "\n".join(commands(lab, node)) or "true")


def commands(lab: Lab, node: Node) -> list[str]:
    """What makes a node's tunnels."""
    overlay = lab.scenario.overlay
    if overlay == "ipip":
        return [*calico(lab, node), *direct(lab, node, 6)]
    if overlay == "flannel-ipip":
        return [*flannel(lab, node), *direct(lab, node, 6)]
    if overlay in BRIDGED:
        return bridged(lab, node)
    kind = PAIRWISE[overlay]
    lines = [line for peer in others(lab, node) for line in pairwise(kind, node, peer)]
    return [*lines, *(line for family in (4, 6) if family not in kind.inner for line in direct(lab, node, family))]


def others(lab: Lab, node: Node) -> list[Node]:
    """The other nodes."""
    return [peer for peer in lab.nodes if peer is not node]


def device(peer: Node) -> str:
    """The device that leads to a node."""
    return f"tun-{peer.name}"


def direct(lab: Lab, node: Node, family: int) -> list[str]:
    """Routes over the nodes themselves, for what the tunnels do not carry."""
    if family not in node.families:
        return []
    return [f"ip -{family} route add {peer.pod_cidr(family)} via {peer.address(family)} dev eth0" for peer in others(lab, node)]


def calico(lab: Lab, node: Node) -> list[str]:
    """tunl0 with an address of the node's block, and BIRD's routes."""
    lines = [
        "modprobe ipip; ip link set tunl0 mtu 1480 up",
        f"ip addr add {node.pod_cidr().replace('.0/24', '.1')}/32 dev tunl0",
        f"ip route add blackhole {node.pod_cidr()} proto bird",
    ]
    return lines + [
        f"ip route add {peer.pod_cidr()} via {peer.address()} dev tunl0 proto bird onlink" for peer in others(lab, node)
    ]


def flannel(lab: Lab, node: Node) -> list[str]:
    """flanneld's ipip back end (pkg/backend/ipip/ipip.go): a device without a far end."""
    lines = [
        f"ip link add flannel.ipip type ipip local {node.address()}",
        f"ip link set flannel.ipip mtu 1480 up; ip addr add {node.pod_network()}/32 dev flannel.ipip",
    ]
    return lines + [f"ip route add {peer.pod_cidr()} via {peer.address()} dev flannel.ipip onlink" for peer in others(lab, node)]


def pairwise(kind: Pairwise, node: Node, peer: Node, local: str | None = None) -> list[str]:
    """The device that leads to one node, and the routes by it."""
    name = device(peer)
    ends = f"remote {peer.address(kind.outer)}" + ("" if kind.kind == "geneve" else f" local {local or node.address(kind.outer)}")
    lines = [f"ip link add {name} type {kind.kind} {ends} {kind.options.format(pair=10 + node.number + peer.number)}"]
    lines.append(f"ip link set {name} mtu {1500 - kind.overhead} up")
    for family in (family for family in kind.inner if family in node.families):
        if kind.frames:
            bits = "32" if family == 4 else "128 nodad"
            lines += [f"ip -{family} addr add {node.pod_network(family)}/{bits} dev {name}"]
            lines += [f"ip -{family} route add {peer.pod_cidr(family)} via {peer.pod_network(family)} dev {name} onlink"]
        else:
            lines.append(f"ip -{family} route add {peer.pod_cidr(family)} dev {name}")
    return lines


def bridged(lab: Lab, node: Node) -> list[str]:
    """A bridge without an address, of which the tunnels to the other nodes are ports."""
    lines = ["ip link add br2 type bridge; ip link set br2 up"]
    kind, _, options = BRIDGED[lab.scenario.overlay].partition(" ")
    for peer in others(lab, node):
        ends = f"remote {peer.address()}" + ("" if kind == "geneve" else f" local {node.address()}")
        lines.append(f"ip link add {device(peer)} type {kind} {ends} {options}; ip link set {device(peer)} master br2 up")
    return lines
