"""What is sent to a broadcast address is heard, and is no connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.api import load
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import ICMP, SYN, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes

ADDRESSES = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:00:00:00:00:0{last} brd ff:ff:ff:ff:ff:ff
    inet 192.168.0.{last}/24 brd 192.168.0.255 scope global eth0
"""
ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.{last}
local 192.168.0.{last} dev eth0 table local proto kernel scope host src 192.168.0.{last}
broadcast 192.168.0.255 dev eth0 table local proto kernel scope link src 192.168.0.{last}
"""


@pytest.mark.parametrize("to", ["192.168.0.255", "255.255.255.255"])
@pytest.mark.parametrize("protocol", ["TCP", "UDP", "ICMP"])
def test_nobody_answers_from_a_broadcast_address(to: str, protocol: str, tmp_path: Path) -> None:
    for last in (1, 2):
        folder = tmp_path / "nodes" / f"n{last}"
        folder.mkdir(parents=True)
        (folder / "ip_-d_addr").write_text(ADDRESSES.format(last=last))
        (folder / "ip_route_show_table_all").write_text(ROUTES.format(last=last))
        for name in ("iptables-save", "iptables-legacy-save", "nft_list_ruleset"):
            (folder / name).write_text("# nothing\n")
        (folder / "sysctl_net").write_text("net.ipv4.ip_forward = 1\nnet.ipv4.icmp_echo_ignore_broadcasts = 1\n")
    made = load(tmp_path).given.network
    told = trace(made, Question("node:n1", to, protocol, 0 if protocol == "ICMP" else 80))
    assert told.fate is Fate.UNREACHABLE, [str(outcome) for outcome in told.outcomes]
    flow = Flow(Scope("n1"), packet(protocol, to))
    assert {end.fate for end in outcomes(NetworkProgram(made, 4), flow)} == {Fate.UNREACHABLE}


def packet(protocol: str, to: str) -> Packet:
    """A first packet."""
    ends = Packet(4, address("192.168.0.1").value, address(to).value, {"TCP": TCP, "UDP": UDP, "ICMP": ICMP}[protocol], ttl=64)
    if protocol == "ICMP":
        return ends._replace(icmp_type=8, source_port=7)
    return ends._replace(source_port=40000, destination_port=80, tcp_flags=SYN if protocol == "TCP" else 0)


def pair(tmp_path: Path) -> None:
    """A node and a pod behind a veth pair."""
    addresses = {
        "": "2: veth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff link-netns a\n    inet 192.168.0.1/24 brd 192.168.0.255 scope global veth0\n",
        "netns/a/": "2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0\n    inet 192.168.0.2/24 brd 192.168.0.255 scope global eth0\n",
    }
    for place, text in addresses.items():
        folder = tmp_path / "nodes" / "n1" / place
        folder.mkdir(parents=True, exist_ok=True)
        last, device = (2, "eth0") if place else (1, "veth0")
        (folder / "ip_-d_addr").write_text(ADDRESSES.partition("2: ")[0] + text)
        (folder / "ip_route_show_table_all").write_text(ROUTES.format(last=last).replace("eth0", device))
        for name in ("iptables-save", "iptables-legacy-save", "nft_list_ruleset"):
            (folder / name).write_text("# nothing\n")
        (folder / "sysctl_net").write_text(
            "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = 0\nnet.ipv4.conf.veth0.rp_filter = 0\n"
        )


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "ICMP"])
def test_what_is_heard_at_the_other_end_of_a_pair_is_no_connection_either(protocol: str, tmp_path: Path) -> None:
    pair(tmp_path)
    made = load(tmp_path).given.network
    flow = Flow(Scope("n1"), packet(protocol, "192.168.0.255"))
    assert made.peers
    assert walk(made, flow).fate is Fate.UNREACHABLE
    assert {end.fate for end in outcomes(NetworkProgram(made, 4), flow)} == {Fate.UNREACHABLE}
