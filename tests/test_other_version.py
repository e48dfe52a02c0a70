"""Packets of one IP version in those of a tunnel between addresses of the other: the walk and the language say the same of it."""

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
    inet6 ::1/128 scope host
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:0{n} brd ff:ff:ff:ff:ff:ff promiscuity 0
    {under}
3: tun0: <{flags}UP,LOWER_UP> mtu 1400 qdisc noqueue state UNKNOWN group default
    link/{link} promiscuity 0
    {kind}
    {over}
"""
ADDRESSES = {"4": "inet {0}{{n}}/24 scope global {1}", "6": "inet6 {0}{{n}}/64 scope global"}
NETWORKS = {
    "4": "{0}0/24 dev {1} proto kernel scope link src {0}{{n}}\nlocal {0}{{n}} dev {1} table local proto kernel scope host src {0}{{n}}\n",
    "6": "{0}/64 dev {1} proto kernel metric 256 pref medium\nlocal {0}{{n}} dev {1} table local proto kernel metric 0 pref medium\n",
}
PREFIXES = {"4": ("192.168.0.", "10.9.0."), "6": ("fd00:66::", "fd00::")}
VXLAN = (
    "BROADCAST,MULTICAST,",
    "ether 02:00:00:00:01:0{n}",
    "vxlan id 7 remote {far} local {own} dev eth0 dstport 4789",
)
GENEVE = ("BROADCAST,MULTICAST,", "ether 02:00:00:00:01:0{n}", "geneve id 7 remote {far} dstport 6081")
GRE = ("POINTOPOINT,NOARP,", "gre {own} peer {far}", "gre remote {far} local {own} ttl 64")
GRE_SIX = ("POINTOPOINT,NOARP,", "gre6 {own} peer {far}", "ip6gre remote {far} local {own} hoplimit 64")
SIT = (
    "POINTOPOINT,NOARP,",
    "sit {own} peer {far}",
    "sit ip6ip remote {far} local {own} ttl 64",
)
DROPS = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p {protocol} -j DROP\nCOMMIT\n"
KINDS = {
    "6 in 4: vxlan": ("6", VXLAN),
    "6 in 4: geneve": ("6", GENEVE),
    "6 in 4: gre": ("6", GRE),
    "6 in 4: sit": ("6", SIT),
    "4 in 6: vxlan": ("4", VXLAN),
    "4 in 6: geneve": ("4", GENEVE),
    "4 in 6: gre": ("4", GRE_SIX),
}
EVERY = pytest.mark.parametrize(("inside", "device"), KINDS.values(), ids=KINDS)
TABLES = {"4": "iptables-save", "6": "ip6tables-save"}
PROTOCOLS = {VXLAN: "udp", GENEVE: "udp", GRE: "47", GRE_SIX: "47", SIT: "41"}


def written(folder: Path, inside: str, device: tuple[str, str, str]) -> Path:
    """Two nodes and a tunnel between them, which carries the IP version ``inside`` between addresses of the other."""
    outside = "4" if inside == "6" else "6"
    under, over = (PREFIXES[outside][0], "eth0"), (PREFIXES[inside][1], "tun0")
    for n in (1, 2):
        node = folder / "nodes" / f"n{n}"
        node.mkdir(parents=True)
        ends = {"own": f"{under[0]}{n}", "far": f"{under[0]}{3 - n}", "n": n}
        flags, link, kind = (part.format(**ends) for part in device)
        held = {
            "under": ADDRESSES[outside].format(*under).format(n=n),
            "over": ADDRESSES[inside].format(*over).format(n=n),
        }
        (node / "ip_-d_addr").write_text(LINKS.format(n=n, flags=flags, link=link, kind=kind, **held))
        routes = {
            outside: NETWORKS[outside].format(*under).format(n=n),
            inside: NETWORKS[inside].format(*over).format(n=n),
        }
        (node / "ip_route_show_table_all").write_text(routes["4"] + routes["6"])
    return folder


def asked(folder: Path, inside: str, protocol: str) -> Fate:
    """What becomes of a packet between the nodes, of which both say the same."""
    network = load(folder, assume_defaults=True).given.network
    target = f"{PREFIXES[inside][1]}2"
    told = trace(network, Question("node:n1", target, protocol, 80 if protocol == "TCP" else 0, 40000))
    scope = endpoints(network, "node:n1")[0].scope
    assert told.packet is not None
    assert scope is not None
    found = outcomes(NetworkProgram(network, int(inside)), Flow(scope, told.packet))
    assert agree(found, walked(told)), f"walk {walked(told)}\nlanguage {found}"
    return told.fate


@pytest.mark.parametrize("protocol", ["TCP", "ICMP"])
@EVERY
def test_the_packet_arrives(inside: str, device: tuple[str, str, str], protocol: str, tmp_path: Path) -> None:
    assert asked(written(tmp_path, inside, device), inside, protocol) is Fate.REACHABLE


@EVERY
def test_rules_of_the_version_outside_take_the_outer_packet(inside: str, device: tuple[str, str, str], tmp_path: Path) -> None:
    folder = written(tmp_path, inside, device)
    table = TABLES["4" if inside == "6" else "6"]
    (folder / "nodes" / "n2" / table).write_text(DROPS.format(protocol=PROTOCOLS[device]))
    assert asked(folder, inside, "ICMP") is Fate.UNREACHABLE


@EVERY
def test_rules_of_the_version_inside_do_not_take_the_outer_packet(
    inside: str, device: tuple[str, str, str], tmp_path: Path
) -> None:
    folder = written(tmp_path, inside, device)
    (folder / "nodes" / "n2" / TABLES[inside]).write_text(DROPS.format(protocol=PROTOCOLS[device]))
    assert asked(folder, inside, "ICMP") is Fate.REACHABLE
