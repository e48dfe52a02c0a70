"""Outer packets of tunnels: copies of one that a switch floods, and what reaches a tunnel's port and is no packet of a tunnel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.model.network import Network
from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import End, agree, outcomes, walked
from tests.test_walk import asked, build, link, pod, vxlan

DROPS = "# dev veth9 egress\nfilter protocol all pref 1 matchall chain 0 handle 0x1 \n\taction order 1: gact action drop\n\t random type none pass val 0\n"


def both(network: Network, source: str, target: str, family: int = 4, **more: object) -> tuple[set[End], set[End]]:
    """What the walk and the language say of one packet."""
    told = asked(network, source, target, **more)
    scope = endpoints(network, source)[0].scope
    assert told.packet is not None
    assert scope is not None
    return walked(told), outcomes(NetworkProgram(network, family), Flow(scope, told.packet))


def bridged(drops: str) -> dict[str, str]:
    """A node whose uplink is a port of a bridge, with another port beside it, which does not know where the other node is."""
    files = {name: text.replace("dev eth0", "dev br0") if "netns" not in name else text for name, text in vxlan(1, 2).items()}
    slave = "bridge_slave state forwarding priority 32 cost 2"
    own = link(2, "eth0", "02:00:00:00:00:01", "192.168.9.1/24")
    ports = (
        link(2, "eth0", "02:00:00:00:00:01", more="master br0", kind=slave)
        + link(20, "br0", "02:00:00:00:00:01", "192.168.9.1/24", kind="bridge forward_delay 1500 vlan_filtering 0")
        + link(21, "veth9@if2", "02:00:00:00:00:f9", more="master br0", kind=f"veth \n    {slave}").replace(
            "netnsid 0", "netnsid 2"
        )
    )
    assert own in files["nodes/n1/ip_-d_addr"]
    files["nodes/n1/ip_-d_addr"] = files["nodes/n1/ip_-d_addr"].replace(own, ports)
    files["nodes/n1/ip_neigh"] += "192.168.9.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT\n"
    files["nodes/n1/tc_filter"] = drops
    return files | pod("n1", "spare", "192.168.8.9", "192.168.8.1", "02:00:00:00:00:e9", 21)


@pytest.mark.parametrize("drops", ["", DROPS])
def test_a_lost_copy_of_a_tunnels_packet_does_not_matter_where_another_arrives(drops: str, tmp_path: Path) -> None:
    told, found = both(build(tmp_path, bridged(drops), vxlan(2, 1)), "default/p11", "default/p21")
    assert {end.fate for end in told} == {Fate.REACHABLE}, told
    assert agree(found, told), found


def test_a_lost_copy_is_not_why_nobody_answers(tmp_path: Path) -> None:
    files, far = bridged(DROPS), vxlan(2, 1)
    files["nodes/n1/ip_neigh"] = "192.168.9.2 dev br0 lladdr 02:00:00:00:00:02 PERMANENT\n"
    files["nodes/n1/bridge_fdb"] = "00:00:00:00:00:00 dev flannel.1 dst 192.168.9.2 self permanent\n"
    far["nodes/n2/ip_-d_addr"] = far["nodes/n2/ip_-d_addr"].replace("    inet 10.244.2.0/32 scope global flannel.1\n", "")
    told, found = both(build(tmp_path, files, far), "default/p11", "default/p21")
    assert {(end.fate, end.reason) for end in told} == {(Fate.UNREACHABLE, "nobody answers for 10.244.2.0 on n1 flannel.1")}, told
    assert agree(found, told), found


def test_a_tunnels_packet_of_which_every_copy_is_lost_is_lost(tmp_path: Path) -> None:
    drops = DROPS + DROPS.replace("veth9", "eth0")
    told, found = both(build(tmp_path, bridged(drops), vxlan(2, 1)), "default/p11", "default/p21")
    assert {end.fate for end in told} == {Fate.UNREACHABLE}, told
    assert agree(found, told), found


@pytest.mark.parametrize(("port", "wanted"), [(8472, Fate.UNREACHABLE), (8473, Fate.REACHABLE)])
def test_a_plain_packet_to_a_tunnels_port_is_lost(port: int, wanted: Fate, tmp_path: Path) -> None:
    network = build(tmp_path, vxlan(1, 2), vxlan(2, 1))
    for source in ("default/p11", "node:n1", "default/p21"):
        told, found = both(network, source, "192.168.9.2", protocol="UDP", port=port)
        assert {end.fate for end in told} == {wanted}, told
        assert agree(found, told), found


def test_the_port_of_a_tunnel_that_is_down_is_any_port(tmp_path: Path) -> None:
    down = {
        name: text.replace("flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP>", "flannel.1: <BROADCAST,MULTICAST>")
        for name, text in vxlan(2, 1).items()
    }
    told, found = both(build(tmp_path, vxlan(1, 2), down), "node:n1", "192.168.9.2", protocol="UDP", port=8472)
    assert {end.fate for end in told} == {Fate.REACHABLE}, told
    assert agree(found, told), found


@pytest.mark.parametrize(
    ("kind", "port"), [("vxlan external ttl auto ageing 300 dstport 4789", 4789), ("geneve external ttl auto dstport 6081", 6081)]
)
def test_tunnels_whose_far_ends_a_program_sets_take_no_plain_packets(kind: str, port: int, tmp_path: Path) -> None:
    files = vxlan(2, 1)
    files["nodes/n2/ip_-d_addr"] += link(30, "sys0", "02:00:00:00:bb:01", kind=kind)
    told, found = both(build(tmp_path, vxlan(1, 2), files), "node:n1", "192.168.9.2", protocol="UDP", port=port)
    assert {end.fate for end in told} == {Fate.UNREACHABLE}, told
    assert agree(found, told), found


def six(files: dict[str, str]) -> dict[str, str]:
    """The same node with IPv6 only."""
    written = {"ip_route": "ip_-6_route", "ip_rule": "ip_-6_rule", "iptables-save": "ip6tables-save"}
    found = {}
    for path, text in files.items():
        folder, _, name = path.rpartition("/")
        text = re.sub(r"10\.244\.(\d+)\.(\d+)", r"fd44:\1::\2", re.sub(r"192\.168\.9\.(\d+)", r"fd09::\1", text))
        text = re.sub(r"(::\d+/)(24|32)", lambda found: found[1] + {"24": "64", "32": "128"}[found[2]], text)
        text = re.sub(r" scope link src \S+", "", text).replace("inet fd", "inet6 fd").replace("net.ipv4.", "net.ipv6.")
        found[f"{folder}/{written.get(name, name)}"] = text.replace("\n32767:\tfrom all lookup default", "")
    return found


@pytest.mark.parametrize(
    ("source", "target", "size", "wanted"),
    [
        ("default/p11", "default/p21", 1150, Fate.REACHABLE),
        ("default/p11", "default/p21", 1250, Fate.UNREACHABLE),
        ("node:n1", "default/p21", 1250, Fate.UNREACHABLE),
        ("default/p21", "fd44:1::1", 1250, Fate.UNREACHABLE),
    ],
)
def test_packets_of_a_tunnel_over_six_are_not_cut(source: str, target: str, size: int, wanted: Fate, tmp_path: Path) -> None:
    """Also the answer of the kernel itself, which it would cut without a tunnel: a kernel sent these, and lost all but the first."""
    one, two = six(vxlan(1, 2)), six(vxlan(2, 1))
    routes = "nodes/n1/ip_-6_route"
    one[routes] = one[routes].replace("fd09::0/64 dev eth0 proto kernel", "fd09::0/64 dev eth0 mtu 1300")
    network = build(tmp_path, one, two)
    told, found = both(network, source, target, family=6, protocol="ICMP", port=0, size=size)
    assert {end.fate for end in told} == {wanted}, told
    assert agree(found, told), found


@pytest.mark.parametrize("mark", ["", "-A PREROUTING -s 10.244.1.2 -j MARK --set-xmark 0x4000/0xffffffff\n"])
def test_marks_that_a_tunnel_takes_along_are_not_followed(mark: str, tmp_path: Path) -> None:
    """A kernel sent both with ``gbp``: a far end without it dropped the one with a mark."""
    files = vxlan(1, 2)
    files["nodes/n1/ip_-d_addr"] = files["nodes/n1/ip_-d_addr"].replace("ageing 300", "ageing 300 gbp")
    files["nodes/n1/iptables-save"] = f"*mangle\n:PREROUTING ACCEPT [0:0]\n{mark}COMMIT\n" + files["nodes/n1/iptables-save"]
    told, found = both(build(tmp_path, files, vxlan(2, 1)), "default/p11", "default/p21")
    assert {end.fate for end in told} == {Fate.UNKNOWN if mark else Fate.REACHABLE}, told
    assert agree(found, told), found
