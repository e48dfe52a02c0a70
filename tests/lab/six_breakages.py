"""Ways to break the IPv6 half of a dual-stack network."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.lab.build import Lab
from tests.lab.hardware_breakages import veth_of
from tests.lab.plan import CLUSTER_CIDR, GATEWAY, Node

Apply = Callable[[Lab, Random], None]


def _two(lab: Lab, random: Random) -> tuple[Node, Node]:
    first, second = random.sample(lab.nodes, 2)
    return first, second


def forwarding_off_six(lab: Lab, random: Random) -> None:
    lab.run(random.choice(lab.nodes).name, f"sysctl -qw net.ipv6.conf.{random.choice(('all', 'cni0', 'eth0'))}.forwarding=0")


def route_missing_six(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(node.name, f"ip -6 route del {peer.pod_cidr(6)}")


def route_blackhole_six(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(
        node.name, f"ip -6 route replace {random.choice(('blackhole', 'unreachable', 'prohibit'))} {peer.pod_cidr(6)} metric 1"
    )


def fdb_missing_six(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(node.name, f"bridge fdb del {peer.vtep_mac()} dev flannel-v6.1 dst {peer.address(6)}")


def solicitations_dropped(lab: Lab, random: Random) -> None:
    """ip6tables forgets that IPv6 finds its neighbours by ICMPv6."""
    kind = random.choice(("neighbour-solicitation", "neighbour-advertisement", "echo-request"))
    pod = random.choice([one for one in lab.pods if not one.host_network])
    where = random.choice((pod.node, pod.key))
    lab.run(where, f"ip6tables -I INPUT -p icmpv6 --icmpv6-type {kind} -j DROP")


def discovery_bridged(lab: Lab, random: Random) -> None:
    """The bridge's node does not forward a solicitation or an advertisement from port to port, or its bridge does not flood it."""
    one, two = random.sample([pod for pod in lab.pods if not pod.host_network and pod.node == "node-a"], 2)
    address = next(text for text in one.addresses if ":" in text)
    first, second = veth_of(lab, one), veth_of(lab, two)
    mac = lab.run(one.key, "cat /sys/class/net/eth0/address").strip()
    kind = f"-p icmpv6 --icmpv6-type {random.choice((135, 136))}"
    lab.run(one.node, random.choice((
        f"ip6tables -I FORWARD -d {address} {kind} -j DROP",
        f"ip6tables -I FORWARD -s {address} {kind} -j DROP",
        f"ip6tables -I FORWARD -m physdev --physdev-in {first} --physdev-out {second} {kind} -j DROP",
        "ip6tables -I FORWARD -m physdev --physdev-is-bridged -m conntrack --ctstate UNTRACKED -j DROP",
        f"ip6tables -t raw -I PREROUTING -m physdev --physdev-in {first} {kind} -j DROP",
        f"ip6tables -t mangle -I POSTROUTING -m physdev --physdev-out {first} {kind} -j DROP",
        f"ip6tables -I INPUT -m physdev --physdev-in {first} {kind} -j DROP",
        f"ip6tables -t raw -I PREROUTING -i cni0 -m pkttype --pkt-type {random.choice(('multicast', 'unicast'))} -p icmpv6 -j DROP",
        f"ip6tables -t mangle -I PREROUTING -m physdev --physdev-in {first} {kind} -j MARK --set-mark 0x77; "
        "ip6tables -I FORWARD -m mark --mark 0x77 -j DROP; ip6tables -I INPUT -m mark --mark 0x77 -j DROP",
        f"ip6tables -t raw -I PREROUTING {kind} -m mac --mac-source {mac} -j DROP",
        f"bridge link set dev {first} mcast_flood off",
        f"bridge link set dev {first} isolated on; bridge link set dev {second} isolated on",
        f"sysctl -qw net.bridge.bridge-nf-call-ip6tables=0; ip6tables -I FORWARD {kind} -j DROP",
        "sysctl -qw net.bridge.bridge-nf-call-ip6tables=0; ip link set cni0 type bridge nf_call_ip6tables 1; "
        f"ip6tables -I FORWARD {kind} -j DROP",
    )))  # fmt: skip


def nothing_flooded(lab: Lab, random: Random) -> None:
    """A bridge floods nothing to a pod's port, as that has proxy_arp; it may answer for others there, but not in IPv6."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    lab.run(one.node, f"ip link set {veth_of(lab, one)} type bridge_slave proxy_arp on")


def forward_drop_six(lab: Lab, random: Random) -> None:
    lab.run(
        random.choice(lab.nodes).name,
        f"ip6tables -I FORWARD -d {CLUSTER_CIDR[6]} -p {random.choice(('tcp', 'udp', 'icmpv6'))} -j DROP",
    )


def masquerade_six(lab: Lab, random: Random) -> None:
    lab.run(random.choice(lab.nodes).name, f"ip6tables -t nat -I POSTROUTING -s {CLUSTER_CIDR[6]} -j MASQUERADE")


def rule_six(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    action = random.choice(("blackhole", "lookup main suppress_prefixlength 0", "lookup 66"))
    lab.run(node.name, f"ip -6 rule add pref 700 from {node.pod_cidr(6)} to {peer.pod_cidr(6)} {action}")


def pod_no_default_route_six(lab: Lab, random: Random) -> None:
    lab.run(random.choice([one for one in lab.pods if not one.host_network]).key, "ip -6 route del default")


def neighbour_six(lab: Lab, random: Random) -> None:
    """A pod's permanent neighbour entry with the MAC of nobody."""
    pod = random.choice([one for one in lab.pods if not one.host_network])
    gateway = lab.run(pod.key, "ip -6 route show default").split("via ")[1].split()[0]
    lab.run(pod.key, f"ip neigh replace {gateway} lladdr 02:00:00:00:00:98 dev eth0 nud permanent")


def reverse_path_six(lab: Lab, random: Random) -> None:
    """What did not come the way back is dropped, on a node whose routes to a peer's pods may lead elsewhere."""
    node, peer = _two(lab, random)
    options = random.choice(("", "--loose ", "--accept-local ", "--validmark "))
    table = random.choice(("raw", "mangle"))
    lab.run(node.name, f"ip6tables -t {table} -I PREROUTING -m rpfilter {options}--invert -j DROP")
    way = f"via {peer.address(6)} dev eth0"
    lab.run(node.name, random.choice((
        "true", f"ip -6 route replace {peer.pod_cidr(6)} {way}", f"ip -6 route add {peer.pod_cidr(6)} {way} metric 2000",
        f"ip -6 route add unreachable {peer.pod_cidr(6)} metric 10", f"ip -6 route add {peer.pod_cidr(6)[:-2]}80 {way}",
    )))  # fmt: skip


def route_by_six(lab: Lab, random: Random) -> None:
    """IPv4 to another node's pods goes by a router of IPv6 (RFC 8950): the peer by its address or its link-local one, or the gateway."""
    node, peer = _two(lab, random)
    link_local = lab.run(peer.name, "ip -6 -o addr show dev eth0 scope link").split()[3].split("/")[0]
    via = random.choice((peer.address(6), link_local, link_local, GATEWAY[6]))
    lab.run(node.name, f"ip route replace {peer.pod_cidr()} via inet6 {via} dev eth0")
    if random.random() < 0.3:
        lab.run(
            node.name, f"ip -6 neigh replace {via} lladdr 02:00:00:00:66:01 dev eth0 nud {random.choice(('permanent', 'stale'))}"
        )


ROUTED: tuple[Apply, ...] = (route_by_six,)
ALL: tuple[Apply, ...] = (
    forwarding_off_six, route_missing_six, route_blackhole_six, fdb_missing_six, solicitations_dropped, discovery_bridged, forward_drop_six, masquerade_six,
    rule_six, pod_no_default_route_six, neighbour_six, reverse_path_six, nothing_flooded,
)  # fmt: skip
