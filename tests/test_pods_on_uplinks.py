"""Pods whose device is one over the node's uplink, in their own namespace: VLAN (net/8021q/vlan_dev.c) and ipvlan (drivers/net/ipvlan/ipvlan_core.c)."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from tests.captures import network_of

LINK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
{index}: eth0{lower}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 52:54:00:00:00:0{node} brd ff:ff:ff:ff:ff:ff {netns}
    {kind}
    inet {address}/24 scope global eth0
"""
ROUTES = "{network}.0/24 dev eth0 proto kernel scope link src {address}\nlocal {address} dev eth0 table local\n"
VLAN, IPVLAN = "vlan protocol 802.1Q id 5 <REORDER_HDR>", "ipvlan mode l2 bridge"
SWITCHES = "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = 0\n"
CASES = [
    ("VLANs", VLAN, "52:54:00:00:00:02", Verdict.PROVED),
    ("ipvlan", IPVLAN, "52:54:00:00:00:02", Verdict.PROVED),
    ("VLANs, and a neighbour that nobody is", VLAN, "52:54:00:00:00:77", Verdict.REFUTED),
    ("ipvlan, and a neighbour that nobody is", IPVLAN, "52:54:00:00:00:77", Verdict.REFUTED),
]


def capture(kind: str, second: str) -> dict[str, str]:
    """Two nodes with a pod each; the first pod's neighbour entry for the second has this MAC."""
    files: dict[str, str] = {}
    for node, neighbour in ((1, second), (2, "52:54:00:00:00:01")):
        here, pod, own, address = (
            f"nodes/n{node}",
            f"nodes/n{node}/netns/default_p{node}",
            f"192.168.10.1{node}",
            f"172.20.5.1{node}",
        )
        files[f"{here}/ip_-d_addr"] = LINK.format(index=2, lower="", node=node, netns="", kind="", address=own)
        files[f"{here}/ip_route_show_table_all"] = ROUTES.format(network="192.168.10", address=own)
        files[f"{pod}/ip_-d_addr"] = LINK.format(
            index=3, lower="@if2", node=node, netns="link-netnsid 0", kind=kind, address=address
        )
        files[f"{pod}/ip_route_show_table_all"] = ROUTES.format(network="172.20.5", address=address)
        files[f"{pod}/ip_neigh"] = f"172.20.5.1{3 - node} dev eth0 lladdr {neighbour} REACHABLE\n"
        files |= {f"{here}/sysctl_net": SWITCHES, f"{pod}/sysctl_net": SWITCHES}
    return files


@pytest.mark.parametrize(("words", "kind", "second", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_pods_reach_each_other(words: str, kind: str, second: str, wanted: Verdict, tmp_path: Path) -> None:
    found = {item.id: item for item in decide(network_of(capture(kind, second), tmp_path, assume_defaults=True)).guarantees}
    assert (found["pod-to-pod"].verdict, found["pod-to-pod"].reason.startswith("internal")) == (wanted, False), words
