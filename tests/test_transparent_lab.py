"""TPROXY in front of packets that are routed, and of packets that come over a bridge: what becomes of them, held against a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from tests.lab.capture import COLLECTOR
from tests.lab.machine import ROOT, Machine, missing

REASON = missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]

PROXY = ROOT / "tests" / "lab" / "transparent_proxy.py"
SETUP = """
ip link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip netns add default_p1; ip link add v1 type veth peer name eth0 netns default_p1; ip link set v1 up
ip -n default_p1 link set lo up; ip -n default_p1 link set eth0 up; ip -n default_p1 addr add 10.0.0.11/24 dev eth0
ip -n default_p1 route add default via 10.0.0.1
ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100
iptables -t mangle -A PREROUTING -p tcp --dport 80 -j TPROXY --on-port 8080 --tproxy-mark 1/1
"""
ROUTED = "ip addr add 10.0.0.1/24 dev v1; sysctl -qw net.bridge.bridge-nf-call-iptables=1"
BRIDGED = "ip link add cni0 type bridge; ip addr add 10.0.0.1/24 dev cni0; ip link set cni0 up; ip link set v1 master cni0; "
WAYS = {
    "routed": (ROUTED, True),
    "bridged": (f"{BRIDGED}sysctl -qw net.bridge.bridge-nf-call-iptables=0", True),
    "bridged-and-called": (f"{BRIDGED}sysctl -qw net.bridge.bridge-nf-call-iptables=1", False),
}
ASK = """ip netns exec default_p1 python3 -c "
import socket
try:
    with socket.create_connection(('203.0.113.9', 80), 2) as one: print(one.recv(9).decode())
except OSError as problem: print(problem)
" """


@pytest.mark.parametrize("way", WAYS)
def test_a_transparent_proxy_gets_what_the_kernel_gives_it(way: str, tmp_path: Path) -> None:
    script, proxied = WAYS[way]
    with Machine() as machine:
        machine.start({"name": "n1", "node": True})
        machine.run("n1", SETUP + script)
        machine.run("n1", f"setsid python3 '{PROXY}' >/dev/null 2>&1 & until ss -tln | grep -q :8080; do sleep 0.05; done")
        machine.run("n1", f"sh '{COLLECTOR}' --node n1 --output '{tmp_path}'")
        answer = machine.run("n1", ASK).strip()
    trace = load(tmp_path).trace("10.0.0.11", "203.0.113.9", port=80)
    assert (answer == "proxied") == proxied
    assert trace.fate.value == ("reachable" if proxied else "unreachable")
    if proxied:
        assert [one.delivered_to for one in trace.outcomes] == ["node:n1"]
        assert any("that TPROXY gives packets to on port 8080 is transparent" in text for text in trace.assumptions)
