"""Routing rules that ask for the device of a socket (``oif``): packets that are forwarded have none, other selectors count too."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.solve.packet import Fate
from tests.test_tunnel_packets import both
from tests.test_walk import build, host_gw

PLAIN = "0: from all lookup local\n{}\n32766: from all lookup main\n32767: from all lookup default\n"


@pytest.mark.parametrize(
    ("rule", "source", "settled"),
    [
        ("100: from all oif eth0 unreachable", "default/p11", True),
        ("100: from all iif cni0 oif eth0 unreachable", "default/p11", True),
        ("100: from all oif eth0 unreachable", "node:n1", False),
        ("100: from all to 10.99.0.0/16 oif eth0 unreachable", "node:n1", True),
    ],
)
def test_what_is_forwarded_has_no_socket(rule: str, source: str, settled: bool, tmp_path: Path) -> None:
    """net/core/fib_rules.c ``fib_rule_match``; the walk's packets are of sockets that are bound to no device."""
    files = host_gw(1, 2)
    files["nodes/n1/ip_rule"] = PLAIN.format(rule)
    told, found = both(build(tmp_path, files, host_gw(2, 1)), source, "default/p21")
    assert {end.fate for end in told} == {Fate.REACHABLE}
    assert {end.fate for end in found} == ({Fate.REACHABLE} if settled else {Fate.REACHABLE, Fate.UNREACHABLE})
