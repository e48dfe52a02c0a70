"""What is decided of services by a few pods that ask for a few of them is what is decided of every pod and service, whatever is wrong with some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query import guarantees, reach
from analyzer.query.alike import callers
from analyzer.query.alike.callers import FewCallers
from analyzer.query.alike.kinds import kinds
from analyzer.query.grouping import Group
from analyzer.query.guarantees import Decided, decide
from benchmarks.capture import Shape, write
from benchmarks.generate import changed
from tests.test_alike import (
    FAULTS,
    FAULTS_OF_SERVICES,
    NUMBERS,
    Fault,
    Harm,
    instead,
    masqueraded,
    no_forwarding,
    no_translation,
    strict,
    without,
)

SERVICE = ("pod-to-service",)


def own_service_rule(at: Harm) -> None:
    """A node drops, before it is translated, what is for one service, from one pod of its own or from all."""
    service = at.random.randrange(at.shape.services)
    source = at.random.choice(("", f"-s {at.shape.pod_address(at.node, 0)}/32 "))
    rule = f"-A PREROUTING {source}-d {at.shape.service_address(service)}/32 -j DROP"
    changed(at.root / "iptables-save", instead(":OUTPUT ACCEPT [0:0]\n", f":OUTPUT ACCEPT [0:0]\n{rule}\n"))


def no_rule(at: Harm) -> None:
    """A node does not know a service."""
    service = at.random.randrange(at.shape.services)
    changed(at.root / "iptables-save", without(f"-A KUBE-SERVICES -d {at.shape.service_address(service)}/32"))


def one_endpoint_elsewhere(at: Harm) -> None:
    """A node, or each, leads one endpoint of a service to a pod that is none, to one of another service, or to nobody."""
    service, number = at.random.randrange(at.shape.services), at.random.randrange(at.shape.endpoints)
    old = f"--to-destination {at.shape.endpoint(service, number)}:8080"
    new = at.random.choice(
        (f"{at.shape.subnet(at.other)}.77", at.shape.endpoint(service + 1, 0), at.shape.pod_address(at.other, 2))
    )
    for root in [at.root] if at.random.random() < 0.6 else at.root.parent.iterdir():
        changed(root / "iptables-save", instead(old, f"--to-destination {new}:8080"))


def other_port(at: Harm) -> None:
    """Each node leads one endpoint of a service to another port than its own."""
    service = at.random.randrange(at.shape.services)
    end = at.shape.endpoint(service, 0)
    for root in at.root.parent.iterdir():
        changed(root / "iptables-save", instead(f"--to-destination {end}:8080", f"--to-destination {end}:9999"))


def networks_apart(at: Harm) -> None:
    """A node drops what is for the first half of the services' addresses; or all nodes do so with what comes from there."""
    rule = "-A KUBE-FORWARD -d 10.96.0.8/29 -j DROP" if at.random.random() < 0.5 else "-A FLANNEL-FWD -s 10.96.0.8/30 -j DROP"
    for root in [at.root] if at.random.random() < 0.5 else at.root.parent.iterdir():
        changed(root / "iptables-save", instead("-A KUBE-FORWARD -m conntrack", f"{rule}\n-A KUBE-FORWARD -m conntrack"))


def remembered(at: Harm) -> None:
    """Each node keeps to the endpoint that a client had before, for one service."""
    service = at.random.randrange(at.shape.services)
    chain = f"KUBE-SVC-{service:016X}"
    rule = f"-A {chain} -m recent --rcheck --seconds 10800 --reap --name X --mask 255.255.255.255 --rsource -j KUBE-SEP-{service:010X}{0:06X}"
    for root in at.root.parent.iterdir():
        changed(root / "iptables-save", instead(f"-A {chain} !", f"{rule}\n-A {chain} !"))


def not_tracked(at: Harm) -> None:
    """A node does not track what is for services, or for one."""
    network = at.random.choice(("10.96.0.0/12", f"{at.shape.service_address(0)}/32"))
    with (at.root / "iptables-save").open("a") as file:
        file.write(f"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -d {network} -j NOTRACK\nCOMMIT\n")


def routed_away(at: Harm) -> None:
    """A pod, or a node, has a route of its own for a service."""
    target = f"{at.shape.service_address(at.random.randrange(at.shape.services))}"
    pod = at.root / "netns" / f"default_p{at.node}-{at.random.randrange(at.shape.pods)}"
    with (at.random.choice((pod, at.root)) / "ip_route_show_table_all").open("a") as file:
        file.write(f"blackhole {target}\n")


MORE: tuple[Fault, ...] = (
    own_service_rule,
    no_rule,
    one_endpoint_elsewhere,
    other_port,
    networks_apart,
    remembered,
    not_tracked,
    routed_away,
)


def harmed(folder: Path, seed: int) -> Network:
    """A cluster with services, and with faults in some of its nodes."""
    random = Random(seed)
    shape = Shape(
        random.randrange(6, 10), random.randrange(3, 5), random.randrange(4, 12), random.randrange(1, 4), random.choice((0, 2))
    )
    write(folder, shape)
    for _ in range(random.randrange(4)):
        node, other = random.sample(range(shape.nodes), 2)
        fault = random.choice((*MORE * 2, *FAULTS_OF_SERVICES, *FAULTS))
        fault(Harm(folder / "nodes" / f"n{node}", shape, node, other, random))
    return read_input((str(folder),)).network


def amount(found: Decided) -> tuple[object, ...]:
    """Verdicts and counts, and every broken pair with the kind of its reason and the file that decides: of services that fail in the same way together, the line is one's."""
    said = [(item.id, item.verdict, item.scope, item.broken, item.checked) for item in found.guarantees]
    pairs = Counter(
        (item.guarantee, item.source, item.target, NUMBERS.sub("", item.reason), item.at.path if item.at is not None else "")
        for item in found.broken
    )
    return said, pairs


def by_all(network: Network, monkeypatch: pytest.MonkeyPatch) -> Decided:
    """Everybody asks for everything."""
    monkeypatch.setattr(guarantees, "telling", lambda _, every: ((), every))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    return decide(network, only=SERVICE)


def noted(monkeypatch: pytest.MonkeyPatch) -> list[FewCallers | None]:
    """Who asked in place of all, each time."""
    found: list[FewCallers | None] = []
    own: Callable[[Network, Group], FewCallers | None] = callers.few_callers

    def few(network: Network, group: Group) -> FewCallers | None:
        found.append(own(network, group))
        return found[-1]

    monkeypatch.setattr("analyzer.query.alike.exploring.few_callers", few)
    return found


@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_a_few_ask_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With faults here and there, the answers by a few are those by all; what is taken for granted is that and no less."""
    network = harmed(tmp_path, seed)
    monkeypatch.setattr("analyzer.query.alike.told.AT_ONCE", 0)  # Also of few nodes.
    if seed % 2:  # Also where it is not worth it.
        monkeypatch.setattr("analyzer.query.alike.kinds.ENOUGH", 1)
        monkeypatch.setattr(callers, "ENOUGH", 0)
    few = decide(network, only=SERVICE)
    every = by_all(network, monkeypatch)
    assert amount(few) == amount(every)
    assert {text for one in every.guarantees for text in one.assumptions} <= {
        text for one in few.guarantees for text in one.assumptions
    }


def no_tunnel(at: Harm) -> None:
    """A node's tunnel is down."""
    changed(at.root / "ip_-d_addr", instead("flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP>", "flannel.1: <BROADCAST,MULTICAST>"))


def no_bridge(at: Harm) -> None:
    """The first pod of a node has no interface that is up."""
    root = at.root / "netns" / f"default_p{at.node}-0"
    changed(root / "ip_-d_addr", instead("<BROADCAST,MULTICAST,UP,LOWER_UP>", "<BROADCAST,MULTICAST>"))


SHARED: tuple[Fault, ...] = (no_forwarding, no_tunnel, no_bridge, strict, masqueraded, no_translation)


@pytest.mark.parametrize("fault", SHARED, ids=lambda fault: fault.__name__)
def test_faults_that_nodes_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Of nodes that have one fault each is told as what decides what it decides."""
    shape = Shape(nodes=9, pods=4, services=7)
    write(tmp_path, shape)
    for node in (2, 5, 6):
        fault(Harm(tmp_path / "nodes" / f"n{node}", shape, node, 0, Random(3)))
    network = read_input((str(tmp_path),)).network
    few = decide(network, only=SERVICE)
    assert amount(few) == amount(by_all(network, monkeypatch))


def test_few_ask_in_a_cluster_without_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services of one shape stand for each other: who asks, and how much, does not grow with their number."""
    asked = []
    for services in (9, 18):
        folder = tmp_path / str(services)
        write(folder, Shape(nodes=8, pods=5, services=services))
        found = noted(monkeypatch)
        decide(read_input((str(folder),)).network, only=SERVICE)
        assert len(found) == 1
        assert found[0] is not None
        asked.append(len(found[0].chosen))
    assert asked[0] == asked[1] <= 8


def test_a_service_that_something_else_speaks_of_is_asked_for_by_itself(tmp_path: Path) -> None:
    """One that a route or a rule about sources names, and one whose chains look at who asked before."""
    shape = Shape(nodes=8, pods=3, services=4)
    write(tmp_path, shape)
    for fault in (routed_away, remembered):
        fault(Harm(tmp_path / "nodes" / "n2", shape, 2, 5, Random(1)))
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert found.services is not None
    assert 1 <= shape.services - len(found.services.held) <= 2
