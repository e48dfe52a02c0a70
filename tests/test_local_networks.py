"""What a host sends to a network that is its own as a whole (``ip route add local``): from which address, as a kernel did."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.solve.packet import Fate
from tests.lowered import agree
from tests.test_tunnel_packets import both, six
from tests.test_walk import asked, build, host_gw

LOCAL = {4: "local 10.99.0.0/24 dev lo table local\n", 6: "local fd99::/64 dev lo table local metric 1024 pref medium\n"}


@pytest.mark.parametrize(
    ("family", "target", "source"),
    [(4, "10.99.0.7", "10.99.0.7"), (6, "fd99::7", "fd09::1"), (4, "10.244.1.1", "10.244.1.1"), (6, "fd44:1::1", "fd44:1::1")],
)
def test_local_networks(family: int, target: str, source: str, tmp_path: Path) -> None:
    """IPv4 sends from the destination (fib_result_prefsrc, ``RTN_LOCAL`` of ip_route_output_key_hash_rcu); IPv6 from an address of an interface."""
    files = host_gw(1, 2, ip_neigh="")
    own = "local 10.244.1.1 dev cni0 table local\nlocal 192.168.9.1 dev eth0 table local\n" + LOCAL[4]
    files["nodes/n1/ip_route"] += own if family == 4 else own.replace(LOCAL[4], "")
    if family == 6:
        files = six(files)
        files["nodes/n1/ip_-6_route"] = files["nodes/n1/ip_-6_route"] + LOCAL[6]
    network = build(tmp_path, files)
    told, found = both(network, "node:n1", target, family)
    assert {(end.fate, end.at, end.source) for end in told} == {(Fate.REACHABLE, "node:n1", source)}, told
    assert agree(found, told), found


@pytest.mark.parametrize(
    ("bound", "source", "target", "wanted"),
    [
        ("0.0.0.0%cni0", "node:n1", "10.244.1.1", Fate.REACHABLE),
        ("0.0.0.0%lo", "node:n1", "10.244.1.1", Fate.UNREACHABLE),
        ("0.0.0.0%lo", "node:n1", "127.0.0.1", Fate.REACHABLE),
        ("0.0.0.0%eth0", "node:n1", "10.244.1.1", Fate.UNREACHABLE),
        ("0.0.0.0%eth0", "node:n1", "192.168.9.1", Fate.REACHABLE),
        ("0.0.0.0%cni0", "default/p11", "10.244.1.1", Fate.REACHABLE),
        ("0.0.0.0%cni0", "default/p11", "192.168.9.1", Fate.REACHABLE),
        ("0.0.0.0%eth0", "default/p11", "192.168.9.1", Fate.UNREACHABLE),
    ],
)
def test_sockets_bound_to_devices(bound: str, source: str, target: str, wanted: Fate, tmp_path: Path) -> None:
    """What a host sends to itself has come by the device of its local route (``rt_iif``), not by the loopback device, as a kernel did."""
    files = host_gw(1, 2, ip_neigh="")
    own = "local 10.244.1.1 dev cni0 table local\nlocal 192.168.9.1 dev eth0 table local\nlocal 127.0.0.0/8 dev lo table local\n"
    files["nodes/n1/ip_route"] += own
    files["nodes/n1/ss_-tunlp"] = (
        "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
        f"tcp   LISTEN 0      128    {bound}:80 0.0.0.0:*\nudp   UNCONN 0 0 {bound}:80 0.0.0.0:*\n"
    )
    network = build(tmp_path, files)
    for protocol in ("TCP", "UDP"):
        assert asked(network, source, target, protocol=protocol).fate is wanted
