"""Captures that no kernel gives, as edits by hand and races make them: both readings still say the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.addresses import address, prefix
from analyzer.facts.links import AddressFact
from analyzer.facts.routes import MAIN
from analyzer.model.network import Namespace, Network
from analyzer.query.endpoints import endpoints
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import Flow
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked
from tests.test_walk import asked, build, host_gw


def changed(network: Network, scope: Scope, space: Namespace) -> Network:
    """The network with another namespace in the place of one."""
    return replace(network, namespaces={**network.namespaces, scope: space})


def fate(network: Network) -> Fate:
    """What becomes of a packet between the nodes' pods; both readings agree."""
    told = asked(network, "default/p11", "default/p22")
    scope = endpoints(network, "default/p11")[0].scope
    assert told.packet is not None
    assert scope is not None
    assert agree(outcomes(NetworkProgram(network, 4), Flow(scope, told.packet)), walked(told))
    return told.fate


@pytest.mark.parametrize(("own", "wanted"), [("10.244.2.3", Fate.UNREACHABLE), ("10.244.2.9", Fate.REACHABLE)])
def test_an_address_without_its_local_route_is_the_hosts_own(own: str, wanted: Fate, tmp_path: Path) -> None:
    network, scope = build(tmp_path, host_gw(1, 2), host_gw(2, 1)), Scope("n1")
    space = network.namespaces[scope]
    fact = AddressFact(at=space.addresses[0].at, scope=scope, device="eth0", address=address(own), length=32)
    assert fate(changed(network, scope, replace(space, addresses=(*space.addresses, fact)))) is wanted


KNOWN = "10.244.2.3 dev veth2 lladdr 02:00:00:00:02:e2 PERMANENT\n"


def routed(network: Network) -> Network:
    """The network, whose second node has a route to a pod instead of a bridge with it."""
    scope = Scope("n2")
    space = network.namespaces[scope]
    own = next(route for route in space.routes[4][MAIN] if str(route.destination) == "10.244.2.0/24")
    hop = replace(own.next_hops[0], device="veth2")
    tables = {
        **space.routes[4],
        MAIN: (*space.routes[4][MAIN], replace(own, destination=prefix("10.244.2.3/32"), next_hops=(hop,))),
    }
    links = {**space.links, "veth2": replace(space.links["veth2"], master=None, master_kind=None)}
    ports = {name: port for name, port in space.ports.items() if name != "veth2"}
    return changed(network, scope, replace(space, links=links, ports=ports, routes={**space.routes, 4: tables}))


def test_a_pair_that_is_called_a_loopback_takes_every_frame(tmp_path: Path) -> None:
    network, scope = routed(build(tmp_path, host_gw(1, 2), host_gw(2, 1, ip_neigh=KNOWN))), Scope("n2", "default_p22")
    assert fate(network) is Fate.REACHABLE
    space = network.namespaces[scope]
    link = replace(space.links["eth0"], link_type="loopback", mac=0)
    assert fate(changed(network, scope, replace(space, links={**space.links, "eth0": link}))) is Fate.REACHABLE
