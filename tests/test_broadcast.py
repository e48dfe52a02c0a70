"""What is sent to a broadcast address is heard, and is no connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate

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


@pytest.mark.parametrize("address", ["192.168.0.255", "255.255.255.255"])
@pytest.mark.parametrize("protocol", ["TCP", "UDP", "ICMP"])
def test_nobody_answers_from_a_broadcast_address(address: str, protocol: str, tmp_path: Path) -> None:
    for last in (1, 2):
        folder = tmp_path / "nodes" / f"n{last}"
        folder.mkdir(parents=True)
        (folder / "ip_-d_addr").write_text(ADDRESSES.format(last=last))
        (folder / "ip_route_show_table_all").write_text(ROUTES.format(last=last))
        for name in ("iptables-save", "iptables-legacy-save", "nft_list_ruleset"):
            (folder / name).write_text("# nothing\n")
        (folder / "sysctl_net").write_text("net.ipv4.ip_forward = 1\nnet.ipv4.icmp_echo_ignore_broadcasts = 1\n")
    told = trace(load(tmp_path).given.network, Question("node:n1", address, protocol, 0 if protocol == "ICMP" else 80))
    assert told.fate is Fate.UNREACHABLE, [str(outcome) for outcome in told.outcomes]
