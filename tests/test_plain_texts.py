"""What ``ip addr`` and ``bridge link`` do not show without ``-d`` is not taken for the kernel's default: hairpin, macvlan, the ports of tunnels;
nor what nft leaves out for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.test_walk import OPEN, SWITCHES, asked, build, host_gw, link, node, only, space

DETAIL = re.compile(r"^    (?!link/|inet).*\n", re.MULTILINE)
HAIRPIN = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.10/32 -p tcp -j DNAT --to-destination 10.244.1.2\n-A POSTROUTING -s 10.244.1.2/32 -d 10.244.1.2/32 -j MASQUERADE\nCOMMIT\n"
BRIDGED = SWITCHES + "net.bridge.bridge-nf-call-iptables = 1\n"
SOCKETS = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\nudp UNCONN 0 0 0.0.0.0:8472 0.0.0.0:*\n"
PROCESS = SOCKETS.rstrip("\n") + ' users:(("agent",pid=7,fd=3))\n'


def plain(files: Mapping[str, str]) -> dict[str, str]:
    """The files as ``ip addr`` writes them without ``-d``."""
    found = {name.replace("ip_-d_addr", "ip_addr"): text for name, text in files.items()}
    return {
        name: DETAIL.sub("", text).replace(" promiscuity 0", "") if name.endswith("ip_addr") else text
        for name, text in found.items()
    }


def test_pairs_of_plain_texts_are_known(tmp_path: Path) -> None:
    network = build(tmp_path, plain(host_gw(1, 2)), plain(host_gw(2, 1)))
    assert only(asked(network, "default/p11", "default/p12")) == "reachable"
    assert only(asked(network, "default/p11", "default/p22")) == "reachable"


def test_whether_a_port_turns_frames_back_is_not_known(tmp_path: Path) -> None:
    files = host_gw(1, 2, iptables__save=OPEN + HAIRPIN, sysctl_net=BRIDGED)
    assert only(asked(build(tmp_path / "told", files), "default/p11", "10.96.0.10")) == "reachable"
    found = asked(build(tmp_path / "plain", plain(files)), "default/p11", "10.96.0.10")
    assert only(found).startswith("unknown hairpin is on at port veth1 of n1 cni0")


def test_a_macvlan_of_an_uplink_is_no_end_of_a_pair(tmp_path: Path) -> None:
    address, routes = "192.168.9.50", "192.168.9.0/24 dev eth0 proto kernel scope link src 192.168.9.50\n"
    far = space("nodes/n2/netns/default_p21", link(2, "eth0@if2", "02:00:00:00:0c:01", f"{address}/24"), routes)
    network = build(tmp_path, plain(node(1)), plain(node(2) | far))
    assert only(asked(network, "node:n1", address)).startswith("unknown whether n1 eth0 reaches n2/default_p21 eth0")


def test_a_socket_without_a_process_may_be_a_tunnels(tmp_path: Path) -> None:
    device = link(9, "flannel.1", "02:00:00:00:aa:01", "10.244.1.0/32")
    for text, expected in ((SOCKETS, "unknown UDP port 8472 of n1 is that of a tunnel flannel.1"), (PROCESS, "reachable")):
        network = build(tmp_path / expected[:7], plain(node(1, extra=device, **{"ss_-tunlp": text})))
        assert only(asked(network, "default/p11", "192.168.9.1", protocol="UDP", port=8472)).startswith(expected)


RULESET = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t@\n\t}\n}\n"
LEFT_OUT = {
    "ip daddr 10.244.1.3 counter packets 0 bytes 0 drop": "unreachable",
    " counter packets 0 bytes 0 drop": "unreachable",
    "ip daddr 10.244.1.3 counter packets 0 bytes 0 ": "unknown",
    "ip daddr 10.244.1.3 counter packets 0 bytes 0": "reachable",
    "ip daddr 10.244.1.9  counter packets 0 bytes 0 ": "reachable",
}


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_what_nft_leaves_out_of_the_rules_of_iptables_is_not_known(tmp_path: Path, rule: str) -> None:
    own = {"nft_list_ruleset": RULESET.replace("@", rule), "sysctl_net": BRIDGED, "iptables__save": "absent"}
    assert only(asked(build(tmp_path, node(1, **own)), "default/p11", "default/p12")).split()[0] == LEFT_OUT[rule]


MARKED = {
    "ct mark xor 0x5 and 0xfffffff8": "unreachable",
    "ct mark and 0xfffffff8 xor 0x5": "unreachable",
    "mark and 0x5": "unknown",
    "ct mark xor 0x5": "unreachable",
}


@pytest.mark.parametrize("value", MARKED)
def test_marks_of_connections_are_as_iptables_sets_them(tmp_path: Path, value: str) -> None:
    """``CONNMARK --set-xmark 0x5/0x7`` is said to set nothing."""
    rules = f"counter packets 0 bytes 0 ct mark set {value}\n\t\tct mark 0x5 counter packets 0 bytes 0 drop"
    own = {"nft_list_ruleset": RULESET.replace("@", rules), "sysctl_net": BRIDGED, "iptables__save": "absent"}
    assert only(asked(build(tmp_path, node(1, **own)), "default/p11", "default/p12")).split()[0] == MARKED[value]


def test_an_uplink_with_the_address_of_a_single_host_leads_out(tmp_path: Path) -> None:
    """Also where it is the end of a pair, and no default route leaves by it: a route by a router does."""
    routes = "10.128.0.254 dev eth0 scope link\n10.244.0.0/16 via 10.128.0.254 dev eth0\n"
    near = space("nodes/n1", link(2, "eth0@if18", "02:00:00:00:00:12", "10.128.0.5/32", kind="veth"), routes)
    own = "10.128.0.0/24 dev eth0 proto kernel scope link src 10.128.0.254\n"
    router = space("nodes/gw", link(2, "eth0@if17", "02:00:00:00:00:11", "10.128.0.254/24", kind="veth"), own)
    found = asked(build(tmp_path, near, router), "node:n1", "10.128.0.254")
    assert only(found).startswith("unknown whether n1 eth0 reaches gw eth0")
