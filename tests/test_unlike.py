"""Listings of one namespace that are not of one state: of another node, or cut at the end of a line. What leans on them is open, and they are told."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Verdict
from tests.captures import network_of
from tests.lab.record import unpack

SAMPLE = Path(__file__).parent.parent / "samples" / "truth" / "flannel-vxlan.txt"
LINKS = """$ ip addr
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.168.0.11/24 brd 192.168.0.255 scope global eth0
    inet6 fd00::11/64 scope global{flags}
"""
LOCAL = "local 192.168.0.11 dev eth0 table local proto kernel scope host src 192.168.0.11\n"
CONNECTED = "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11\n"
SIX = "fd00::/64 dev eth0 proto kernel metric 256 pref medium\nlocal fd00::11 dev eth0 table local proto kernel metric 0 pref medium\n"
OTHER = "local {} dev eth0 table local proto kernel metric 0 pref medium\n"


@pytest.mark.parametrize(
    "name", ["bridge_fdb.json", "bridge_link.json", "ip_addr.json", "ip_route.json", "ip_-6_route.json", "ip_neigh.json"]
)
def test_a_listing_of_another_node_proves_and_refutes_nothing_by_itself(name: str, tmp_path: Path) -> None:
    unpack(SAMPLE.read_text(), tmp_path)
    one, other = (tmp_path / "nodes" / node / name for node in ("node-a", "node-b"))
    shutil.copy(one, other)
    found = load(tmp_path).check()
    assert any(gap.at.path.startswith("nodes/node-b/") for gap in found.gaps)
    verdicts = {item.id: item.verdict for item in found.guarantees}
    assert verdicts["pod-to-pod"] is Verdict.UNDECIDED
    assert [name for name, verdict in verdicts.items() if verdict is Verdict.REFUTED] in ([], ["pod-to-node-without-nat"])


def test_an_entry_at_a_port_that_is_no_interface_loses_no_frame(tmp_path: Path) -> None:
    unpack(SAMPLE.read_text(), tmp_path)
    path = tmp_path / "nodes" / "node-a" / "bridge_fdb.json"
    path.write_text(
        re.sub(r'"ifname":"veth\w+"(,"flags":\[\],"master":"cni0","state":"")', r'"ifname":"gone"\1', path.read_text())
    )
    found = load(tmp_path).check()
    assert {item.verdict for item in found.guarantees if item.id == "node-to-pod"} == {Verdict.UNDECIDED}
    assert [gap.reason for gap in found.gaps] == ["gone, of which this is an entry, is no interface"]


@pytest.mark.parametrize(
    ("links", "routes", "words"),
    [
        ("", f"{CONNECTED}{LOCAL}{SIX}", []),
        ("", CONNECTED, []),
        (" tentative", f"{CONNECTED}{LOCAL}{OTHER.format('fd00::12')}", []),
        ("", f"{CONNECTED}{LOCAL.replace('0.11', '0.12')}{SIX}", ["192.168.0.11 of eth0", "192.168.0.12, from"]),
        ("", f"{CONNECTED}{LOCAL}{OTHER.format('fd00::12')}", ["fd00::11 of eth0"]),
        ("", f"{CONNECTED.replace('src 192.168.0.11', 'src 192.168.0.12')}{LOCAL}{SIX}", ["192.168.0.12, from"]),
        ("", f"local 10.9.0.0/24 dev lo table local scope host\n10.7.0.0/24 dev eth0 src 10.9.0.7\n{LOCAL}{SIX}", []),
    ],
)
def test_routes_are_held_against_the_addresses(links: str, routes: str, words: list[str], tmp_path: Path) -> None:
    text = f"{LINKS.format(flags=links)}$ ip route show table all\n{routes}"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    told = [gap.reason for gap in space.gaps.get("ip-route", ())]
    assert len(told) == len(words)
    assert all(any(reason.startswith(one) for reason in told) for one in words)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (("all", "default", "eth0", "lo"), []),
        (("all", "default", "lo"), ["net.ipv4.conf.eth0.forwarding is not listed"]),
        (("all", "default", "eth0", "lo", "veth5"), ["veth5, whose switch"]),
        (("all", "default", "veth5"), []),
    ],
)
def test_switches_are_those_of_the_interfaces(devices: tuple[str, ...], words: list[str], tmp_path: Path) -> None:
    switches = "".join(f"net.ipv4.conf.{name}.forwarding = 1\n" for name in devices)
    files = {"nodes/n1/ip_addr": LINKS.format(flags="").split("\n", 1)[1], "nodes/n1/sysctl_net": switches}
    (space,) = network_of(files, tmp_path).namespaces.values()
    told = [gap.reason for gap in space.gaps.get("sysctl", ())]
    assert len(told) == len(words)
    assert all(reason.startswith(one) for reason, one in zip(told, words, strict=True))


def test_routes_that_a_selector_chose_need_not_have_all_addresses(tmp_path: Path) -> None:
    text = f"{LINKS.format(flags='')}$ ip route show table local dev lo\nlocal 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert not space.gaps.get("ip-route", ())
