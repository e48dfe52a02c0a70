"""Entries of a bridge's table: those that a locked port asks for, and those that do not age, but move, as a kernel had them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.solve.packet import Fate
from tests.test_tunnel_packets import both
from tests.test_walk import build, host_gw, link, space

OWN = "02:00:00:00:01:e1"
YES, NO = Fate.REACHABLE, Fate.UNREACHABLE
PLACES = {"static": "veth1", "elsewhere": "veth2"}


def entry(device: str, flags: str) -> str:
    """A line of ``bridge fdb``."""
    return f"{OWN} dev {device} master cni0 {flags}\n"


@pytest.mark.parametrize(
    ("locked", "entries", "wanted"),
    [
        (False, "", YES),
        (True, "", NO),
        (True, entry("veth1", "static"), YES),
        (True, entry("veth1", ""), YES),
        (True, entry("veth2", "static"), NO),
        (True, entry("veth1", "permanent"), NO),
        (False, entry("veth2", "static"), YES),
        (False, entry("veth2", "extern_learn"), YES),
        (False, entry("veth2", "sticky static"), NO),
    ],
)
@pytest.mark.parametrize("forth", [True, False])
def test_entries(locked: bool, entries: str, wanted: Fate, forth: bool, tmp_path: Path) -> None:
    """br_input.c ``br_handle_frame_finish`` (BR_PORT_LOCKED), br_fdb.c ``br_fdb_update``: what is static moves to where it is heard, what is sticky does not."""
    files = host_gw(1, 2)
    links = files["nodes/n1/ip_-d_addr"].split("hairpin on", 1)
    files["nodes/n1/ip_-d_addr"] = f"hairpin on{' locked on' if locked else ''}".join(links)
    files["nodes/n1/bridge_fdb"] = entries
    network = build(tmp_path, files, host_gw(2, 1))
    ends = ("default/p11", "default/p12") if forth else ("node:n1", "default/p11")
    told, found = both(network, *ends)
    assert {end.fate for end in told} == {wanted}, told
    assert Fate.UNKNOWN in {end.fate for end in found} or wanted in {end.fate for end in found}, found


def test_a_frame_that_goes_around_is_flooded_once(tmp_path: Path) -> None:
    """A switch whose ports all seem to be on one segment: what it floods comes back by the others, and each copy would be flooded again."""
    slave = "bridge_slave state forwarding priority 32 cost 2"
    ports = "".join(
        link(port + 2, f"eth{port}", f"02:00:00:00:0f:0{port}", more="master br0", kind=slave) for port in range(1, 5)
    )
    bridge = link(2, "br0", "02:00:00:00:0f:01", kind="bridge forward_delay 1500 vlan_filtering 0")
    switch = space("nodes/sw", bridge + ports, "")
    switch["nodes/sw/bridge_fdb"] = "".join(f"02:00:00:00:00:0{port} dev eth{port} master br0 \n" for port in range(1, 5))
    network = build(tmp_path, *(host_gw(number, 1 + number % 4) for number in range(1, 5)), switch)
    assert "sw eth4" in {str(member) for member in network.segment_of}
    told, found = both(network, "node:n2", "node:n1")
    assert {end.fate for end in told} == {end.fate for end in found} == {YES}
