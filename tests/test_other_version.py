"""IPv6 in the packets of a tunnel between IPv4 addresses: the walk and the language say the same of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.query.endpoints import endpoints
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked

LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:0{n} brd ff:ff:ff:ff:ff:ff promiscuity 0
    inet 192.168.0.{n}/24 scope global eth0
3: tun0: <{flags}UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN group default
    link/{link} promiscuity 0
    {kind}
    inet6 fd00::{n}/64 scope global
"""
ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.{n}
local 192.168.0.{n} dev eth0 table local proto kernel scope host src 192.168.0.{n}
fd00::/64 dev tun0 proto kernel metric 256 pref medium
local fd00::{n} dev tun0 table local proto kernel metric 0 pref medium
"""
VXLAN = (
    "BROADCAST,MULTICAST,",
    "ether 02:00:00:00:01:0{n}",
    "vxlan id 7 remote 192.168.0.{far} local 192.168.0.{n} dev eth0 dstport 4789",
)
SIT = (
    "POINTOPOINT,NOARP,",
    "sit 192.168.0.{n} peer 192.168.0.{far}",
    "sit ip6ip remote 192.168.0.{far} local 192.168.0.{n} ttl 64",
)
DROPS = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p {protocol} -j DROP\nCOMMIT\n"


def written(folder: Path, device: tuple[str, str, str]) -> Path:
    """Two nodes and a tunnel between them."""
    for n in (1, 2):
        node = folder / "nodes" / f"n{n}"
        node.mkdir(parents=True)
        flags, link, kind = (part.format(n=n, far=3 - n) for part in device)
        (node / "ip_-d_addr").write_text(LINKS.format(n=n, flags=flags, link=link, kind=kind))
        (node / "ip_route_show_table_all").write_text(ROUTES.format(n=n))
    return folder


def asked(folder: Path, protocol: str) -> Fate:
    """What becomes of a packet between the nodes, of which both say the same."""
    network = load(folder, assume_defaults=True).given.network
    told = trace(network, Question("node:n1", "fd00::2", protocol, 80 if protocol == "TCP" else 0, 40000))
    scope = endpoints(network, "node:n1")[0].scope
    assert told.packet is not None
    assert scope is not None
    found = outcomes(NetworkProgram(network, 6), Flow(scope, told.packet))
    assert agree(found, walked(told)), f"walk {walked(told)}\nlanguage {found}"
    return told.fate


@pytest.mark.parametrize("protocol", ["TCP", "ICMP"])
@pytest.mark.parametrize("device", [VXLAN, SIT], ids=["vxlan", "sit"])
def test_the_packet_arrives(device: tuple[str, str, str], protocol: str, tmp_path: Path) -> None:
    assert asked(written(tmp_path, device), protocol) is Fate.REACHABLE


@pytest.mark.parametrize(("device", "protocol"), [(VXLAN, "udp"), (SIT, "41")], ids=["vxlan", "sit"])
def test_rules_of_the_other_version_take_the_outer_packet(device: tuple[str, str, str], protocol: str, tmp_path: Path) -> None:
    folder = written(tmp_path, device)
    (folder / "nodes" / "n2" / "iptables-save").write_text(DROPS.format(protocol=protocol))
    assert asked(folder, "ICMP") is Fate.UNREACHABLE


def test_rules_of_the_version_inside_do_not_take_the_outer_packet(tmp_path: Path) -> None:
    folder = written(tmp_path, VXLAN)
    (folder / "nodes" / "n2" / "ip6tables-save").write_text(DROPS.format(protocol="udp"))
    assert asked(folder, "ICMP") is Fate.REACHABLE
