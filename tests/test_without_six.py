"""A device without IPv6 (disable_ipv6) takes no packet of it, and answers no question."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.solve.packet import Fate
from tests.lowered import agree
from tests.test_tunnel_packets import both, six
from tests.test_walk import build, host_gw

YES, NO = Fate.REACHABLE, Fate.UNREACHABLE


@pytest.mark.parametrize(
    ("device", "source", "target", "wanted"),
    [
        ("lo", "node:n1", "fd44:1::1", NO),
        ("lo", "default/p11", "fd44:1::1", YES),
        ("veth1", "default/p11", "default/p12", YES),
        ("cni0", "default/p11", "default/p12", YES),
        ("cni0", "default/p11", "default/p21", NO),
        ("eth0", "default/p21", "default/p11", NO),
        ("default", "node:n1", "fd44:1::1", NO),
        ("all", "node:n1", "fd44:1::1", YES),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_without_six(device: str, source: str, target: str, wanted: Fate, known: bool, tmp_path: Path) -> None:
    """A bridge takes what goes from port to port; ``all`` alone says nothing, as writing it sets each device's own."""
    one, two = six(host_gw(1, 2)), six(host_gw(2, 1))
    one["nodes/n1/sysctl_net"] += f"net.ipv6.conf.{device}.disable_ipv6 = 1\n"
    for own in ("fd44:1::1 dev cni0", "fd09::1 dev eth0"):
        one["nodes/n1/ip_-6_route"] += f"local {own} table local proto kernel metric 0 pref medium\n"
    if known:
        one["nodes/n1/netns/default_p11/ip_neigh"] = "fd44:1::1 dev eth0 lladdr 02:00:00:00:01:01 PERMANENT\n"
        two["nodes/n2/ip_neigh"] = "fd09::1 dev eth0 lladdr 02:00:00:00:00:01 PERMANENT\n"
    told, found = both(build(tmp_path, one, two), source, target, 6)
    assert {end.fate for end in told} == {wanted}, told
    assert agree(found, told), found
