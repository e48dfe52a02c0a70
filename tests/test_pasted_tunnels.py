"""What rules say of tunnels in pasted text, where one file has lines of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.query.rules import all_rules, check
from tests.captures import network_of

NODE = """root@n{0}:~# ip -d addr
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 52:54:00:12:34:5{0} brd ff:ff:ff:ff:ff:ff promiscuity 0
    inet 192.168.56.1{0}/24 scope global eth0
3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN
    link/ether 0a:00:00:00:00:0{0} brd ff:ff:ff:ff:ff:ff promiscuity 0
    vxlan id 1 local 192.168.56.1{0} dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300
    inet 10.244.{0}.0/32 scope global flannel.1
root@n{0}:~# ip route
10.244.{1}.0/24 via 10.244.{1}.0 dev flannel.1 onlink
192.168.56.0/24 dev eth0 proto kernel scope link src 192.168.56.1{0}
root@n{0}:~# bridge fdb
0a:00:00:00:00:0{1} dev flannel.1 dst 192.168.56.1{1} self permanent
root@n{0}:~# iptables-save
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{2}COMMIT
"""
DROP = "-A INPUT -p udp -m udp --dport 8472 -j DROP\n"


@pytest.mark.parametrize(("rule", "wanted"), [("", 0), (DROP, 2)])
def test_only_rules_drop_the_packets_of_tunnels(rule: str, wanted: int, tmp_path: Path) -> None:
    network = network_of({"pasted.txt": NODE.format(1, 2, rule) + NODE.format(2, 1, rule)}, tmp_path)
    (found,) = (one for one in all_rules() if one.id == "tunnel-packets-dropped")
    assert len(check(network, rules=(found,))) == wanted
