"""Cilium and the world outside: who may ask a service, backends that answer themselves, and what leaves by a gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.model.network import Interface
from analyzer.solve.packet import SYN, TCP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.captures import network_of
from tests.cilium_cluster import PODS, Cluster, Service
from tests.lowered import agree, outcomes, walked

PORT = "192.168.0.11"
OUTSIDE = Interface(Scope("n1"), "eth0")


def from_outside(cluster: Cluster, folder: Path, source: str = "203.0.113.9") -> list[tuple[Fate, str]]:
    """What becomes of a packet from outside to the node port of the first node."""
    packet = Packet(4, address(source).value, address(PORT).value, TCP, 40000, 30080, tcp_flags=SYN)
    made = network_of(cluster.files(), folder)
    trace = walk(made, Flow(OUTSIDE, packet))
    assert agree(outcomes(NetworkProgram(made, 4), Flow(OUTSIDE, packet)), walked(trace))
    return [(one.fate, one.reason) for one in trace.outcomes]


def outward(backend: str, flags: str = "NodePort", **more: object) -> Cluster:
    """A cluster past the stack whose node port has one backend."""
    services = (Service("default/port", PORT, 30080, (backend,), "TCP", flags),)
    return Cluster(services=services, isolated=False, policies={}, masquerade="BPF", host_routing="BPF", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sources", "flags", "fate"),
    [
        (("203.0.113.0/24",), "LoadBalancer, check source-range", Fate.REACHABLE),
        (("198.51.100.0/24",), "LoadBalancer, check source-range", Fate.UNREACHABLE),
        ((), "LoadBalancer, check source-range", Fate.UNREACHABLE),
        (("203.0.113.0/24",), "LoadBalancer, check source-range, deny", Fate.UNREACHABLE),
        (("198.51.100.0/24",), "LoadBalancer, check source-range, deny", Fate.REACHABLE),
        (None, "LoadBalancer, check source-range", Fate.UNKNOWN),
    ],
)
def test_who_may_ask_is_looked_up(sources: tuple[str, ...] | None, flags: str, fate: Fate, tmp_path: Path) -> None:
    cluster = outward("10.244.1.12:8080", flags, sources=None if sources is None else [*sources])
    found = from_outside(cluster, tmp_path)
    assert {one for one, _ in found} == {fate}, found


@pytest.mark.parametrize(
    ("backend", "mode", "fate"),
    [
        ("10.244.1.12:8080", "DSR", Fate.REACHABLE),
        ("10.244.2.21:8080", "DSR", Fate.UNKNOWN),
        ("10.244.2.21:8080", "Hybrid", Fate.UNKNOWN),
        ("10.244.2.21:8080", "SNAT", Fate.REACHABLE),
    ],
)
def test_backends_that_answer_themselves_are_open_where_they_are_elsewhere(
    backend: str, mode: str, fate: Fate, tmp_path: Path
) -> None:
    assert {one for one, _ in from_outside(outward(backend, mode=mode), tmp_path)} == {fate}


@pytest.mark.parametrize(
    ("gateway", "fate", "words"),
    [
        ("192.168.0.12", Fate.UNKNOWN, "the egress gateway 192.168.0.12"),
        ("Not Found", Fate.UNREACHABLE, "No egress gateway found"),
        ("Excluded CIDR", Fate.REACHABLE, ""),
    ],
)
def test_what_leaves_by_a_gateway(gateway: str, fate: Fate, words: str, tmp_path: Path) -> None:
    cluster = Cluster(egress=((PODS[0].address, "8.8.8.0/24", "192.168.0.99", gateway),), isolated=False, policies={})
    packet = Packet(4, address(PODS[0].address).value, address("8.8.8.8").value, TCP, 40000, 443, tcp_flags=SYN)
    made, flow = network_of(cluster.files(), tmp_path), Flow(Scope("n1", "default_client"), packet)
    trace = walk(made, flow)
    assert agree(outcomes(NetworkProgram(made, 4), flow), walked(trace))
    assert {one.fate for one in trace.outcomes} == {fate}
    assert all(words in one.reason for one in trace.outcomes)
    elsewhere = packet._replace(destination=address("8.8.9.8").value)
    assert walk(made, Flow(flow.start, elsewhere)).fate is not Fate.UNKNOWN
