"""Where a node's routes were not captured, whether it answers for others on a pod's pair is not known, in both readings."""

from __future__ import annotations

import re
from pathlib import Path

from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.captures import network_of
from tests.lowered import agree, outcomes, walked
from tests.test_walk import asked

SAMPLE = Path(__file__).parent.parent / "samples" / "truth" / "calico-proxy-arp-off.txt"
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
