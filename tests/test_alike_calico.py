"""The same of Calico's clusters: rules for single pods, IP sets and policies, with something wrong in some of them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from analyzer.addresses import address
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query import reach
from analyzer.query.alike.kinds import kinds
from analyzer.query.guarantees import decide
from benchmarks.calico import Applications, device, named, write
from benchmarks.capture import Shape
from benchmarks.generate import changed
from tests.test_alike import FLOWS, Fault, Harm, amount, asked_by_few, instead, no_forwarding, without

ASKED = (*FLOWS, "policy-enforced")


class Pod(NamedTuple):
    """A pod of the node that is to have a fault: its number, device and address, and the rules of its node."""

    number: int
    device: str
    address: str
    rules: Path


def some(at: Harm) -> Pod:
    """One of the node's pods."""
    number = at.random.randrange(at.shape.pods)
    return Pod(number, device(at.node, number), at.shape.pod_address(at.node, number), at.root / "iptables-save")


def no_way(at: Harm) -> None:
    """A node has no route to another's pods."""
    changed(at.root / "ip_route_show_table_all", without(f"{at.shape.subnet(at.other)}.0/24 via"))


def no_proxy(at: Harm) -> None:
    """A node does not answer a pod for its gateway, whose MAC the pod does not know."""
    pod = some(at)
    changed(at.root / "sysctl_net", instead(f"{pod.device}.proxy_arp = 1", f"{pod.device}.proxy_arp = 0"))
    changed(at.root / "netns" / f"default_p{at.node}-{pod.number}" / "ip_neigh", without("169.254.1.1"))


def not_dispatched(at: Harm) -> None:
    """The rules of a node do not know a pod, as it sends or as it is sent to."""
    changed(some(at).rules, without(f"-g cali-{at.random.choice(('fw', 'tw'))}-{some(at).device}"))


def another_chain(at: Harm) -> None:
    """What is for one pod goes through the chains of another."""
    one, other = some(at), some(at)
    changed(one.rules, instead(f"-{at.random.choice('io')} {one.device} -g", f"-o {other.device} -g"))


def dropped(at: Harm) -> None:
    """A pod's chain drops something, of all or of members of a set."""
    pod, way = some(at), at.random.choice(("fw", "tw"))
    test = at.random.choice(
        ("-p udp", "-m set --match-set cali40this-host src", f"-m set ! --match-set {named('cali40s:', 1)} src", "")
    )
    changed(
        pod.rules, instead(f"-A cali-{way}-{pod.device} -m conntrack --ctstate INVALID", f"-A cali-{way}-{pod.device} {test}")
    )


def dropped_in_general(at: Harm) -> None:
    """A node drops what members of a set send."""
    name = at.random.choice((named("cali40s:", 1), "cali40this-host"))
    changed(
        at.root / "iptables-save",
        instead("-A cali-FORWARD -i cali+", f"-A cali-FORWARD -m set --match-set {name} src -j DROP\n-A cali-FORWARD -i cali+"),
    )


def member_missing(at: Harm) -> None:
    """A set of a node lacks a member."""
    changed(at.root / "ipset_save", without(f" {at.shape.pod_address(at.other, at.random.randrange(at.shape.pods))}\n"))


def member_more(at: Harm) -> None:
    """A set has a member more, on one node or on each."""
    name = at.random.choice((named("cali40s:", 1), "cali40this-host"))
    more = at.random.choice((at.shape.pod_address(at.other, 0), at.shape.node_address(at.other), "10.99.0.1"))
    for root in [at.root] if at.random.random() < 0.5 else at.root.parent.iterdir():
        if f"create {name} " in (root / "ipset_save").read_text():
            with (root / "ipset_save").open("a") as file:
                file.write(f"add {name} {more}\n")


def policy_missing(at: Harm) -> None:
    """The policies of a pod are not in its chain."""
    pod = some(at)
    changed(pod.rules, without(f"-A cali-tw-{pod.device} -m mark --mark 0x0/0x20000"))


def by_beginnings(at: Harm) -> None:
    """A node's rules find pods by the beginnings of their devices first, as Calico's do where there are many."""
    pod = some(at)
    start = pod.device[: at.random.randrange(5, 7)]
    found = (
        f"-A cali-from-wl-dispatch -i {start}+ -g cali-from-wl-dispatch-x\n"
        f"-A cali-from-wl-dispatch-x -i {pod.device} -g cali-fw-{pod.device}\n-A cali-from-wl-dispatch-x -j DROP\n"
    )
    changed(pod.rules, instead(f"-A cali-from-wl-dispatch -i {pod.device} -g cali-fw-{pod.device}\n", found))
    changed(pod.rules, instead(":cali-INPUT - [0:0]", ":cali-from-wl-dispatch-x - [0:0]\n:cali-INPUT - [0:0]"))


FAULTS: tuple[Fault, ...] = (
    no_way,
    no_proxy,
    not_dispatched,
    another_chain,
    dropped,
    dropped_in_general,
    member_missing,
    member_more,
    policy_missing,
    by_beginnings,
    no_forwarding,
)


def harmed(folder: Path, seed: int) -> Network:
    """A cluster with faults in some of its nodes."""
    random = Random(seed)
    shape = Shape(nodes=random.randrange(7, 10), pods=random.randrange(2, 4), services=3)
    write(folder, Applications(shape, random.randrange(3, 5), random.randrange(3)))
    for _ in range(random.randrange(4)):
        node, other = random.sample(range(shape.nodes), 2)
        random.choice(FAULTS)(Harm(folder / "nodes" / f"n{node}", shape, node, other, random))
    return read_input((str(folder),)).network


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_few_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With faults here and there, the answers by a few are those by all pairs."""
    network = harmed(tmp_path, seed)
    assert asked_by_few(network)
    by_few = amount(network, decide(network, only=ASKED))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    assert by_few == amount(network, decide(network, only=ASKED))


@pytest.mark.parametrize("policies", [0, 2])
def test_nodes_without_faults_are_alike(tmp_path: Path, policies: int) -> None:
    """Healthy nodes are of one kind, whatever devices and chains are called; pods are by the policies that select them, and by the sets that they are in."""
    write(tmp_path, Applications(Shape(nodes=8, pods=3, services=3), 4, policies))
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert [len(members) for members in found.nodes.values()] == [8]
    assert len({found.of[pod] for members in found.pods.values() for pod in members}) == (4 if policies else 1)
    assert found.many


def test_a_set_that_holds_a_service_tells_it_from_others(tmp_path: Path) -> None:
    """Also where it holds each node's own addresses beside."""
    shape = Shape(nodes=8, pods=3, services=3)
    write(tmp_path, Applications(shape, 4, 0))
    for number in range(shape.nodes):
        with (tmp_path / "nodes" / f"n{number}" / "ipset_save").open("a") as file:
            file.write(f"add cali40this-host {shape.service_address(0)}\n")
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert found.services is not None
    held = [found.services.held[address(shape.service_address(number))] for number in range(3)]
    assert held[0] != held[1] == held[2]
