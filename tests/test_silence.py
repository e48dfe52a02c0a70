"""Hosts that are not walked into because they say nothing to a question would have said nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from random import Random

import pytest

from analyzer.model.network import Interface, Network, Segment
from analyzer.pipeline import read_input
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk import index, silence
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.solve.walk.state import Frame, Walk
from analyzer.transfer.answering import wire
from analyzer.transfer.space import Context
from benchmarks.capture import Shape, write

SHAPE = Shape(6, 2, 0)
SETTINGS = (
    "net.ipv4.conf.all.rp_filter = 1",
    "net.ipv4.conf.eth0.rp_filter = 0",
    "net.ipv4.conf.eth0.rp_filter = 2",
    "net.ipv4.conf.all.proxy_arp = 1",
    "net.ipv4.conf.eth0.proxy_arp_pvlan = 1",
    "net.ipv4.conf.eth0.arp_ignore = 1",
)
ROUTES = (
    "local 192.168.0.8/29 dev lo table local proto kernel scope host",
    "192.168.0.12 dev cni0",
    "192.168.0.0/28 dev flannel.1",
    "unreachable 192.168.0.14",
)


def everybody(walk: Walk, segment: Segment, frame: Frame) -> Sequence[Interface]:
    """Every member of a network."""
    del walk, frame
    return segment.members


def told(network: Network) -> list[str]:
    """What becomes of a packet from each node and pod to each node, to a pod of each, and to an address that nobody has."""
    index._index.cache_clear()
    sources = [
        (scope, fact.address) for scope, space in network.namespaces.items() for fact in space.addresses if fact.device == "eth0"
    ]
    targets = [*dict.fromkeys(address for _, address in sources), sources[0][1]._replace(value=sources[0][1].value + 99)]
    flows = (
        Flow(scope, Packet(4, own.value, other.value, UDP, 40000, 8080))
        for (scope, own), other in product(sources, targets)
        if own != other
    )
    return [repr(walk(network, flow)) for flow in flows]


def changed(folder: Path, random: Random) -> None:
    """A node with other settings and routes, at random."""
    for name, lines in (("sysctl_net", SETTINGS), ("ip_route_show_table_all", ROUTES)):
        more = "".join(line + "\n" for line in lines if random.random() < 0.25)
        (folder / name).write_text((folder / name).read_text() + more)
    if random.random() < 0.2:
        (folder / "sysctl_net").unlink()


@pytest.mark.parametrize("seed", range(8))
def test_what_becomes_of_packets_is_the_same_where_everybody_is_walked_into(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    write(tmp_path, SHAPE)
    for node in range(SHAPE.nodes):
        changed(tmp_path / "nodes" / f"n{node}", random)
    network = read_input((str(tmp_path),)).network
    found = told(network)
    monkeypatch.setattr(silence, "hearing", everybody)
    monkeypatch.setattr(silence, "taking", everybody)
    assert found == told(network)


@pytest.mark.parametrize("seed", range(4))
def test_who_learns_what_from_whom_is_the_same_asked_for_one_address_or_for_all(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    write(tmp_path, SHAPE)
    for node in range(SHAPE.nodes):
        changed(tmp_path / "nodes" / f"n{node}", random)
    network = read_input((str(tmp_path),)).network
    for at in [Interface(scope, device) for scope, space in network.namespaces.items() for device in space.links]:
        whole, apart = (wire(Context(network, 4), at) for _ in range(2))
        values = {value for host in whole.everybody for value in host.targets}
        macs = {host.mac for host in whole.everybody}
        assert all(apart.learns(value, mac) == (mac in whole.learnable.get(value, ())) for value, mac in product(values, macs))
        assert "learnable" not in apart.__dict__


def test_most_hosts_are_not_walked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, SHAPE)
    network = read_input((str(tmp_path),)).network
    heard = []
    usual = silence.hearing

    def counted(walk: Walk, segment: Segment, frame: Frame) -> Sequence[Interface]:
        heard.append(len(usual(walk, segment, frame)))
        return usual(walk, segment, frame)

    monkeypatch.setattr(silence, "hearing", counted)
    told(network)
    assert heard.count(1) > len(heard) // 2
