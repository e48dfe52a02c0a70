"""What devices do not send or take at all: the walk and the language say the same of it."""

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
1: lo: <LOOPBACK,{lo}> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:0{n} brd ff:ff:ff:ff:ff:ff promiscuity 0
    inet 192.168.0.{n}/24 scope global eth0
    inet6 fd01::{n}/64 scope global
3: br0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:02:0{n} brd ff:ff:ff:ff:ff:ff promiscuity 0
    bridge forward_delay 1500 vlan_filtering 0
    inet 10.9.0.{n}/24 scope global br0
    inet6 fd09::{n}/64 scope global
4: tun0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UNKNOWN group default
    link/ether 02:00:00:00:01:0{n} brd ff:ff:ff:ff:ff:ff promiscuity 0
    vxlan id 7 {kind} srcport 0 0 dstport 4789 ttl auto ageing 300 udpcsum
    bridge_slave state forwarding
"""
ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.{n}{mtu}
local 192.168.0.{n} dev eth0 table local proto kernel scope host src 192.168.0.{n}
10.9.0.0/24 dev br0 proto kernel scope link src 10.9.0.{n}
local 10.9.0.{n} dev br0 table local proto kernel scope host src 10.9.0.{n}
fd01::/64 dev eth0 proto kernel metric 256 pref medium
local fd01::{n} dev eth0 table local proto kernel metric 0 pref medium
fd09::/64 dev br0 proto kernel metric 256 pref medium
local fd09::{n} dev br0 table local proto kernel metric 0 pref medium
"""
FDB = "00:00:00:00:00:00 dev tun0 dst {far} self permanent\n"
FOUR, SIX = "remote 192.168.0.{f} local 192.168.0.{n}", "remote fd01::{f} local fd01::{n}"
BARE = "udp6zerocsumtx"
UP = "UP,LOWER_UP"


def written(folder: Path, kinds: tuple[str, str], mtu: int = 1500, path: str = "", lo: str = UP) -> Path:
    """Two nodes with a bridge each, and VXLAN between these."""
    for n, kind in enumerate(kinds, 1):
        node = folder / "nodes" / f"n{n}"
        node.mkdir(parents=True)
        words = kind.format(n=n, f=3 - n)
        (node / "ip_-d_addr").write_text(LINKS.format(n=n, kind=words, mtu=mtu, lo=lo))
        (node / "ip_route_show_table_all").write_text(ROUTES.format(n=n, mtu=path))
        (node / "bridge_fdb").write_text(FDB.format(far=words.split()[1]))
    return folder


def asked(folder: Path, target: str, protocol: str = "UDP", size: int | None = None, by: str = "node:n1") -> Fate:
    """What becomes of a packet between the nodes, of which both say the same."""
    network = load(folder, assume_defaults=True).given.network
    told = trace(network, Question(by, target, protocol, 0 if protocol == "ICMP" else 80, 40000, size))
    scope = endpoints(network, by)[0].scope
    assert told.packet is not None
    assert scope is not None
    found = outcomes(NetworkProgram(network, 6 if ":" in target else 4), Flow(scope, told.packet))
    assert agree(found, walked(told)), f"walk {walked(told)}\nlanguage {found}"
    return told.fate


@pytest.mark.parametrize("path", ["", " mtu 1500"], ids=["device", "route"])
@pytest.mark.parametrize(("size", "wanted"), [(None, Fate.REACHABLE), (1430, Fate.REACHABLE), (1431, Fate.UNREACHABLE)])
def test_a_port_of_a_bridge_sends_nothing_that_would_be_cut(size: int | None, wanted: Fate, path: str, tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR, FOUR), 9000 if path else 1500, path)
    assert asked(folder, "10.9.0.2", "UDP", size) is wanted


@pytest.mark.parametrize(("size", "wanted"), [(1410, Fate.REACHABLE), (1411, Fate.UNREACHABLE)])
def test_the_same_of_the_other_version(size: int, wanted: Fate, tmp_path: Path) -> None:
    assert asked(written(tmp_path, (FOUR, FOUR)), "fd09::2", "UDP", size) is wanted


@pytest.mark.parametrize(("mtu", "wanted"), [(600, Fate.REACHABLE), (700, Fate.UNREACHABLE)])
def test_nobody_is_told_of_small_paths(mtu: int, wanted: Fate, tmp_path: Path) -> None:
    assert asked(written(tmp_path, (FOUR, FOUR), mtu), "10.9.0.2", "UDP", 1000) is wanted


def test_a_tunnel_sends_from_own_addresses_alone(tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR.replace("local 192.168.0.{n}", "local 192.168.0.77"), FOUR))
    assert asked(folder, "10.9.0.2", "TCP") is Fate.UNREACHABLE


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ((f"{SIX} {BARE}", SIX), Fate.UNREACHABLE),
        ((f"{SIX} {BARE}", f"{SIX} udp6zerocsumrx"), Fate.REACHABLE),
        ((SIX, f"{SIX} udp6zerocsumrx"), Fate.REACHABLE),
        ((SIX, f"{SIX} {BARE}"), Fate.UNREACHABLE),
        ((f"{FOUR} {BARE}", FOUR), Fate.REACHABLE),
    ],
    ids=["sent", "taken", "not sent", "answers", "IPv4"],
)
def test_packets_without_checksum(kinds: tuple[str, str], wanted: Fate, tmp_path: Path) -> None:
    assert asked(written(tmp_path, kinds), "fd09::2", "TCP") is wanted


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("", Fate.UNREACHABLE),
        ("10.9.0.2 dev tun0 lladdr 02:00:00:00:02:02 PERMANENT\n", Fate.UNKNOWN),
        ("10.9.0.2 dev br0 lladdr 02:00:00:00:02:02 PERMANENT\n", Fate.UNREACHABLE),
    ],
    ids=["nothing", "answer", "not asked"],
)
def test_a_proxy_carries_no_questions(entry: str, wanted: Fate, tmp_path: Path) -> None:
    folder = written(tmp_path, (f"{FOUR} proxy", f"{FOUR} proxy"))
    (folder / "nodes" / "n1" / "ip_neigh").write_text(entry)
    (folder / "nodes" / "n2" / "ip_neigh").write_text("")
    assert asked(folder, "10.9.0.2", "TCP") is wanted


@pytest.mark.parametrize(("lo", "wanted"), [(UP, Fate.REACHABLE), ("LOWER_UP", Fate.UNREACHABLE)], ids=["up", "down"])
@pytest.mark.parametrize("own", ["192.168.0.1", "fd01::1"])
def test_nothing_goes_to_oneself_without_lo(own: str, lo: str, wanted: Fate, tmp_path: Path) -> None:
    assert asked(written(tmp_path, (FOUR, FOUR), lo=lo), own, "ICMP") is wanted


def test_a_link_local_address_is_not_forwarded_and_is_answered_where_it_asked(tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR, FOUR))
    node = folder / "nodes" / "n1"
    links = (node / "ip_-d_addr").read_text().replace("inet6 fd01::1/64 scope global", "inet6 fe80::1/64 scope link")
    (node / "ip_-d_addr").write_text(
        links.replace("inet6 fd09::1/64 scope global", "inet6 fd09::1/64 scope global dadfailed tentative")
    )
    routes = (node / "ip_route_show_table_all").read_text().replace("local fd01::1 dev eth0", "local fe80::1 dev eth0")
    (node / "ip_route_show_table_all").write_text(
        routes + "fd09::/64 via fd01::2 dev eth0 metric 1\nfd0a::/64 via fd01::2 dev eth0\n"
    )
    far = folder / "nodes" / "n2" / "ip_route_show_table_all"
    scoped = "".join(f"fe80::/64 dev {name} proto kernel metric 256 pref medium\n" for name in ("br0", "eth0"))
    far.write_text(far.read_text() + scoped)
    network = load(folder, assume_defaults=True).given.network
    told = trace(network, Question("node:n1", "fd01::2", "TCP", 80, 40000))
    assert (told.fate, str(told.outcomes[0].source_seen)) == (Fate.REACHABLE, "fe80::1")


@pytest.mark.parametrize(("protocol", "wanted"), [("TCP", Fate.UNREACHABLE), ("UDP", Fate.REACHABLE)])
def test_no_connection_by_a_frame_for_many(protocol: str, wanted: Fate, tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR, FOUR))
    (folder / "nodes" / "n1" / "ip_neigh").write_text("10.9.0.2 dev br0 lladdr 01:00:5e:00:00:05 PERMANENT\n")
    network = load(folder, assume_defaults=True).given.network
    question = Question("node:n1", "10.9.0.2", protocol, 80, 40000)
    assert trace(network, question).fate is wanted
    scope = endpoints(network, "node:n1")[0].scope
    packet = trace(network, question).packet
    assert scope is not None
    assert packet is not None
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), Flow(scope, packet))} == {Fate.UNKNOWN}


def test_no_answer_is_taken_for_an_address_of_ones_own(tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR, FOUR))
    node = folder / "nodes" / "n1"
    links = (node / "ip_-d_addr").read_text()
    (node / "ip_-d_addr").write_text(
        links.replace("    inet6 fd09::1/64", "    inet6 fd09::2/64 scope global dadfailed tentative\n    inet6 fd09::1/64")
    )
    assert asked(folder, "fd09::2", "TCP") is Fate.UNREACHABLE


STACKED = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff promiscuity 0
    inet 192.168.0.2/24 scope global eth0
3: mv0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff promiscuity 0
    macvlan mode bridge bcqueuelen 1000 usedbcqueuelen 1000
    inet 192.168.0.3/32 scope global mv0
"""
INSIDE = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
4: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:04 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0
    macvlan mode {mode} bcqueuelen 1000 usedbcqueuelen 1000
    inet 192.168.0.4/24 scope global eth0
"""
STACKED_ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2
192.168.0.4 dev mv0 scope link src 192.168.0.3
local 192.168.0.2 dev eth0 table local proto kernel scope host src 192.168.0.2
local 192.168.0.3 dev mv0 table local proto kernel scope host src 192.168.0.3
"""
INSIDE_ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.4
local 192.168.0.4 dev eth0 table local proto kernel scope host src 192.168.0.4
"""


def stacked(folder: Path, mode: str) -> Path:
    """A node with a pod beside a macvlan device of its own, and one more."""
    node, pod = folder / "nodes" / "n2", folder / "nodes" / "n2" / "netns" / "default_p"
    written(folder, (FOUR, FOUR))
    pod.mkdir(parents=True)
    (node / "ip_-d_addr").write_text(STACKED)
    (node / "bridge_fdb").write_text("")
    (node / "ip_route_show_table_all").write_text(STACKED_ROUTES)
    (pod / "ip_-d_addr").write_text(INSIDE.format(mode=mode))
    (pod / "ip_route_show_table_all").write_text(INSIDE_ROUTES)
    return folder


@pytest.mark.parametrize(("mode", "wanted"), [("bridge", Fate.REACHABLE), ("private", Fate.UNREACHABLE)])
def test_the_host_under_macvlan_devices_hears_by_a_sibling_alone(mode: str, wanted: Fate, tmp_path: Path) -> None:
    assert asked(stacked(tmp_path, mode), "192.168.0.4", "TCP", by="node:n2") is wanted


@pytest.mark.parametrize(("mode", "wanted"), [("bridge", Fate.REACHABLE), ("source", Fate.UNKNOWN)])
def test_which_frames_a_macvlan_device_takes_by_their_source_is_open(mode: str, wanted: Fate, tmp_path: Path) -> None:
    assert asked(stacked(tmp_path, mode), "192.168.0.4", "TCP") is wanted


def of_ipvlan(folder: Path, kind: str) -> Path:
    """The same with ipvlan devices, which have the MAC of the device under them."""
    stacked(folder, "bridge")
    node = folder / "nodes" / "n2"
    for place in (node, node / "netns" / "default_p"):
        text = (place / "ip_-d_addr").read_text()
        for mac in ("02:00:00:00:00:03", "02:00:00:00:00:04"):
            text = text.replace(mac, "02:00:00:00:00:02")
        (place / "ip_-d_addr").write_text(
            text.replace("macvlan mode bridge bcqueuelen 1000 usedbcqueuelen 1000", f"ipvlan {kind}")
        )
    return folder


@pytest.mark.parametrize(
    ("kind", "sibling", "outside"),
    [
        ("mode l2 bridge", Fate.REACHABLE, Fate.REACHABLE),
        ("mode l2 private", Fate.UNREACHABLE, Fate.REACHABLE),
        ("mode l3 bridge", Fate.REACHABLE, Fate.UNKNOWN),
        ("mode l3s private", Fate.UNREACHABLE, Fate.UNKNOWN),
    ],
)
def test_where_ipvlan_devices_send(kind: str, sibling: Fate, outside: Fate, tmp_path: Path) -> None:
    folder = of_ipvlan(tmp_path, kind)
    assert asked(folder, "192.168.0.4", "TCP", by="node:n2") is sibling
    assert asked(folder, "192.168.0.1", "TCP", by="default/p") is outside


OVER_A_BRIDGE = (
    STACKED.replace("3: mv0@eth0", "5: mv0@br0")
    .replace(
        "    inet 192.168.0.2/24 scope global eth0\n",
        "    bridge_slave state forwarding\n3: br0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default\n"
        "    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff promiscuity 1\n    bridge forward_delay 1500 vlan_filtering 0\n"
        "    inet 192.168.0.2/24 scope global br0\n",
    )
    .replace(
        "state UP group default\n    link/ether 02:00:00:00:00:02",
        "master br0 state UP group default\n    link/ether 02:00:00:00:00:02",
    )
)


@pytest.mark.parametrize("by", ["node:n1", "default/p"])
def test_a_bridge_takes_up_what_is_for_a_macvlan_device_over_it(by: str, tmp_path: Path) -> None:
    folder = stacked(tmp_path, "bridge")
    node = folder / "nodes" / "n2"
    (node / "ip_-d_addr").write_text(OVER_A_BRIDGE)
    (node / "ip_route_show_table_all").write_text(STACKED_ROUTES.replace("eth0", "br0"))
    pod = node / "netns" / "default_p" / "ip_-d_addr"
    pod.write_text(pod.read_text().replace("eth0@if2", "eth0@if3"))
    target = "192.168.0.4" if by == "node:n1" else "192.168.0.1"
    assert asked(folder, target, "TCP", by=by) is Fate.REACHABLE


IFB = """\
9: ifb0: <BROADCAST,NOARP,{up}> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:00:00:00:00:09 brd ff:ff:ff:ff:ff:ff promiscuity 0
    ifb
"""
TAKEN = """\
# dev eth0 ingress
filter parent ffff: protocol all pref 49152 u32 chain 0
filter parent ffff: protocol all pref 49152 u32 chain 0 fh 800: ht divisor 1
filter parent ffff: protocol all pref 49152 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw
  match 00000000/00000000 at 0
\taction order 1: mirred (Egress Redirect to device ifb0) stolen
 \tindex 1 ref 1 bind 1
"""


@pytest.mark.parametrize(("up", "wanted"), [("UP,LOWER_UP", Fate.REACHABLE), ("LOWER_UP", Fate.UNREACHABLE)], ids=["up", "down"])
def test_what_goes_to_an_ifb_device_comes_back(up: str, wanted: Fate, tmp_path: Path) -> None:
    folder = written(tmp_path, (FOUR, FOUR))
    node = folder / "nodes" / "n2"
    (node / "ip_-d_addr").write_text((node / "ip_-d_addr").read_text() + IFB.format(up=up))
    (node / "tc_filter").write_text(TAKEN)
    assert asked(folder, "192.168.0.2", "TCP") is wanted
