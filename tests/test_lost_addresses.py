"""Where the addresses of a pod's network namespace were not captured, nobody's addresses are proved to be unique."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Guarantee, Verdict
from analyzer.query.static import unique_pod_addresses
from tests.captures import network_of

LISTED = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP
    link/ether 0a:58:0a:f4:02:05 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.244.2.5/24 scope global eth0
"""
FILES = {
    "nodes/n1/netns/shop_a/ip_-d_addr": LISTED,
    "nodes/n1/netns/shop_b/ip_-d_addr": LISTED.replace("2.5", "2.6"),
    "nodes/n1/netns/shop_b/ip_route_show_table_all": "default via 10.244.2.1 dev eth0\n",
}


def answer(files: dict[str, str], folder: Path) -> Guarantee:
    return unique_pod_addresses(network_of(files, folder))[0]


def test_addresses_that_are_all_known_are_unique(tmp_path: Path) -> None:
    assert answer(FILES, tmp_path).verdict is Verdict.PROVED


@pytest.mark.parametrize("text", ["", "Message truncated\n"])
def test_addresses_that_are_not_known_may_be_anybodys(text: str, tmp_path: Path) -> None:
    found = answer({**FILES, "nodes/n1/netns/shop_b/ip_-d_addr": text}, tmp_path)
    assert found.verdict is Verdict.UNDECIDED
    assert "shop_b" in found.reason
