"""What was not captured, or not understood, is not absent: a node's routes, by which it answers for others, and a tunnel's entries; in both readings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.captures import network_of
from tests.lowered import agree, outcomes, walked
from tests.test_walk import asked, vxlan

SAMPLE = Path(__file__).parent.parent / "samples" / "truth" / "calico-proxy-arp-off.txt"
ENTRY = "02:00:00:00:aa:02 dev flannel.1 dst 192.168.9.2 self permanent\n"
PARTS = re.compile(r"^=== (\S+/\S+)\n", re.MULTILINE)


def fate(folder: Path, without: str, proxy: str) -> Fate:
    """What becomes of a ping between two pods of one node."""
    parts = PARTS.split(SAMPLE.read_text().partition("\n=== probes")[0])[1:]
    files = {name: text for name, text in zip(parts[::2], parts[1::2], strict=True) if name != without}
    switches = "nodes/node-a/sysctl_net"
    files[switches] = re.sub(r"(?<=\.proxy_arp = )[01]", proxy, files[switches])
    network = network_of(files, folder)
    told = asked(network, "default/a1", "default/a2", port=0, protocol="ICMP")
    scope = endpoints(network, "default/a1")[0].scope
    assert told.packet is not None
    assert scope is not None
    assert agree(outcomes(NetworkProgram(network, 4), Flow(scope, told.packet)), walked(told))
    return told.fate


def test_with_its_routes_a_node_answers_or_not(tmp_path: Path) -> None:
    assert fate(tmp_path / "on", "", "1") is Fate.REACHABLE
    assert fate(tmp_path / "off", "", "0") is Fate.UNREACHABLE


def test_without_them_what_it_answers_is_not_known(tmp_path: Path) -> None:
    routes = "nodes/node-a/ip_route.json"
    assert fate(tmp_path / "on", routes, "1") is Fate.UNKNOWN
    assert fate(tmp_path / "off", routes, "0") is Fate.UNREACHABLE


@pytest.mark.parametrize(
    ("entries", "wanted"), [(ENTRY, Fate.REACHABLE), ("", Fate.UNREACHABLE), (None, Fate.UNKNOWN), ("?" + ENTRY, Fate.UNKNOWN)]
)
def test_an_entry_of_a_tunnel_that_was_not_read_is_not_absent(entries: str | None, wanted: Fate, tmp_path: Path) -> None:
    files = {**vxlan(1, 2), **vxlan(2, 1)}
    name = "nodes/n1/bridge_fdb"
    assert files.pop(name) == ENTRY
    network = network_of(files if entries is None else {**files, name: entries}, tmp_path)
    told = asked(network, "default/p11", "default/p22")
    scope = endpoints(network, "default/p11")[0].scope
    assert told.packet is not None
    assert scope is not None
    assert agree(outcomes(NetworkProgram(network, 4), Flow(scope, told.packet)), walked(told))
    assert told.fate is wanted
