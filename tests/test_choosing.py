"""From which addresses pods and nodes send, as their routes choose, and what guarantees make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.addresses import Address, address
from analyzer.api import load
from analyzer.findings import Verdict
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.choosing import Sending, groupable, sendings, settled, sources_to
from analyzer.query.guarantees import decide
from analyzer.query.parties import addresses, nodes, pods
from analyzer.query.trace import Question, trace
from analyzer.solve.walk.index import index_of
from benchmarks.capture import Shape, write
from tests.lab.record import unpack

SAMPLES = Path(__file__).parent.parent / "samples" / "truth"
SMALL = Shape(nodes=3, pods=2, services=5, endpoints=2)
POD = "nodes/n0/netns/default_p0-0"
SECOND = "10.64.0.77"
IDS = ("pod-to-pod", "pod-sees-its-own-address", "pod-to-pod-without-nat", "pod-to-service")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A healthy capture in which a pod has a second address, which nothing chooses."""
    write(tmp_path, SMALL)
    edit(
        tmp_path / POD / "ip_-d_addr", "inet 10.64.0.2/24", f"inet {SECOND}/24 scope global secondary eth0\n    inet 10.64.0.2/24"
    )
    route = f"local {SECOND} dev eth0 table local proto kernel scope host src 10.64.0.2"
    edit(tmp_path / POD / "ip_route_show_table_all", "local 127.0.0.1 dev", f"{route}\nlocal 127.0.0.1 dev")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def network_of(folder: Path) -> Network:
    """The network of a capture."""
    return read_input((str(folder),)).network


def verdicts(network: Network) -> dict[str, Verdict]:
    """The verdicts on what pods may expect."""
    return {guarantee.id: guarantee.verdict for guarantee in decide(network, IDS).guarantees}


def sent(network: Network, name: str) -> list[Sending]:
    """What a pod sends from to all pods."""
    every = pods(network, 4)
    targets = [party.address.value for party in every]
    return list(sendings(network, [party for party in every if party.name == name], addresses(every), targets))


def test_a_second_address_that_nothing_chooses_changes_nothing(folder: Path) -> None:
    network = network_of(folder)
    assert not settled(network.namespaces[pods(network, 4)[0].scope], pods(network, 4)[0].address)
    assert [one.source for one in sent(network, "default/p0-0")] == [address("10.64.0.2").value]
    assert set(verdicts(network).values()) == {Verdict.PROVED}


def test_a_source_that_a_route_names_is_what_others_see(folder: Path) -> None:
    edit(
        folder / POD / "ip_route_show_table_all", "default via 10.64.0.1 dev eth0", f"default via 10.64.0.1 dev eth0 src {SECOND}"
    )
    network = network_of(folder)
    decided = decide(network, ("pod-sees-its-own-address",))
    (guarantee,) = decided.guarantees
    assert guarantee.verdict is Verdict.REFUTED
    assert "default/p0-0 sends from 10.64.0.77, and is known by 10.64.0.2" in guarantee.reason
    assert {(item.source, item.target) for item in decided.broken} == {
        ("default/p0-0", f"default/p{node}-{pod}") for node in (1, 2) for pod in (0, 1)
    }
    assert (guarantee.broken, guarantee.checked) == (4, 36)
    shown = guarantee.counterexample
    assert shown is not None
    assert shown.at is not None
    assert (shown.at.path, shown.at.line) == (f"{POD}/ip_route_show_table_all", 1)
    seen = trace(network, Question("default/p0-0", "default/p1-0", "TCP", 80)).outcomes[0].source_seen
    assert seen == address(SECOND)
    found = verdicts(network)
    assert found["pod-to-pod"] is Verdict.PROVED
    assert found["pod-to-pod-without-nat"] is Verdict.PROVED


def test_a_source_that_nobody_routes_back_cuts_the_pairs_for_which_it_is_chosen(folder: Path) -> None:
    """The second address is on a network that its node discards: answers are lost, though those to the pod's own address come back."""
    routes = folder / "nodes/n0/ip_route_show_table_all"
    routes.write_text(f"blackhole 172.31.0.0/16\n{routes.read_text()}")
    for name in ("ip_-d_addr", "ip_route_show_table_all"):
        text = (folder / POD / name).read_text().replace(SECOND, "172.31.9.9")
        (folder / POD / name).write_text(text)
    edit(
        folder / POD / "ip_route_show_table_all",
        "default",
        f"{SMALL.subnet(1)}.0/24 via 10.64.0.1 dev eth0 src 172.31.9.9\ndefault",
    )
    network = network_of(folder)
    assert [(str(Address(4, one.source)), len(one.destinations)) for one in sent(network, "default/p0-0")] == [
        ("10.64.0.2", 2),
        ("172.31.9.9", 1),
    ]
    decided = decide(network, ("pod-to-pod",))
    assert decided.guarantees[0].verdict is Verdict.REFUTED
    assert {(item.source, item.target) for item in decided.broken} == {("default/p0-0", f"default/p1-{pod}") for pod in (0, 1)}


def test_each_way_of_a_route_may_choose(folder: Path) -> None:
    """Two next hops by two devices: the kernel's hash decides, and both sources are looked at."""
    path = folder / POD / "ip_-d_addr"
    extra = "9: net1@if9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 state UP\n    link/ether 02:00:00:00:99:01 brd ff:ff:ff:ff:ff:ff\n    inet 10.64.99.2/24 scope global net1\n"
    path.write_text(path.read_text() + extra)
    edit(
        folder / POD / "ip_route_show_table_all",
        "default via 10.64.0.1 dev eth0",
        "default\n\tnexthop via 10.64.0.1 dev eth0 weight 1\n\tnexthop via 10.64.99.1 dev net1 weight 1",
    )
    network = network_of(folder)
    party = next(one for one in pods(network, 4) if one.name == "default/p0-0")
    assert sorted(str(Address(4, one)) for one in sources_to(index_of(network), party, address("10.64.1.2").value)) == [
        "10.64.0.2",
        "10.64.99.2",
    ]


def test_a_rule_about_the_source_is_asked_with_it_and_without(folder: Path) -> None:
    """UDP and pings without a connection keep the route by which their source was chosen, TCP does not: the table that the rule leads to decides
    about TCP, and the main table about the others."""
    rules = folder / POD / "ip_rule"
    rules.write_text(rules.read_text().replace("32766:", "700:\tfrom 10.64.0.2 lookup 70\n32766:", 1))
    routes = folder / POD / "ip_route_show_table_all"
    before = routes.read_text()
    routes.write_text(f"{before}default via 10.64.0.1 dev eth0 table 70\n10.64.0.0/24 dev eth0 scope link table 70\n")
    assert set(verdicts(network_of(folder)).values()) == {Verdict.PROVED}
    routes.write_text(f"blackhole {SMALL.subnet(1)}.0/24\n{routes.read_text()}")
    refused = decide(network_of(folder), ("pod-to-pod",))
    assert refused.guarantees[0].verdict is Verdict.REFUTED
    assert {(item.source, item.target) for item in refused.broken} == {("default/p0-0", f"default/p1-{pod}") for pod in (0, 1)}
    routes.write_text(f"{before}blackhole default table 70\n")
    refused = decide(network_of(folder), ("pod-to-pod",))
    assert refused.guarantees[0].verdict is Verdict.REFUTED
    assert "blackhole" in refused.guarantees[0].reason


def test_two_who_send_from_one_address_are_not_in_one_part(folder: Path) -> None:
    network = network_of(folder)
    first, second, *_ = pods(network, 4)
    shared = [
        Sending(first, 7, ((1, 1),)),
        Sending(second, 7, ((1, 1),)),
        Sending(first, 8, ((2, 2),)),
        Sending(first, 7, ((3, 3),)),
    ]
    parts = list(groupable(shared))
    assert [[(one.party.name, one.source) for one in part] for part in parts] == [
        [(first.name, 7), (first.name, 7), (first.name, 8)],
        [(second.name, 7)],
    ]


def test_nodes_send_from_every_address_that_their_routes_choose(folder: Path) -> None:
    network = network_of(folder)
    every = pods(network, 4)
    targets = [party.address.value for party in every]
    found = {
        party.name: {one.source for one in sendings(network, (party,), addresses(every), targets)} for party in nodes(network, 4)
    }
    for party in nodes(network, 4):
        seen = {trace(network, Question(party.name, one.name, "TCP", 80)).outcomes[0].hops[0].packet for one in every}
        assert found[party.name] == {packet.source for packet in seen if packet is not None}


def test_a_masquerade_that_leaves_a_nodes_address_is_no_translation_of_addresses(tmp_path: Path) -> None:
    unpack((SAMPLES / "host-gw-services-no-hairpin.txt").read_text(), tmp_path)
    found = {item.id: item.verdict for item in load(tmp_path).check().guarantees}
    assert {found["node-to-pod"], found["node-to-pod-without-nat"]} == {Verdict.PROVED}


def test_a_masquerade_that_gives_another_address_is_one(tmp_path: Path) -> None:
    unpack((SAMPLES / "host-gw-services-no-hairpin.txt").read_text(), tmp_path)
    rules = tmp_path / "nodes" / "node-a" / "iptables-save"
    text = rules.read_text()
    rules.write_text(text.replace("-j MASQUERADE --random-fully", "-j SNAT --to-source 192.168.66.77 --random-fully"))
    assert rules.read_text() != text
    found = {item.id: item.verdict for item in load(tmp_path).check().guarantees}
    assert found["node-to-pod-without-nat"] is Verdict.REFUTED
