"""What is decided by a few pods and nodes is what is decided pair by pair, whatever is wrong with some of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

import analyzer
from analyzer.findings import Verdict
from analyzer.model.network import Namespace, Network
from analyzer.pipeline import analyze, read_input
from analyzer.query import reach
from analyzer.query.alike.kinds import kinds
from analyzer.query.alike.records import NEGLECTED
from analyzer.query.causes import causes
from analyzer.query.guarantees import Decided, decide
from benchmarks.capture import Shape, mac, write
from benchmarks.generate import changed

FLOWS = (
    "pod-to-pod",
    "pod-to-pod-without-nat",
    "node-to-pod",
    "node-to-pod-without-nat",
    "pod-to-node-without-nat",
    "pod-sees-its-own-address",
)
ANALYZER = Path(analyzer.__file__).parent
NUMBERS = re.compile(r"[0-9./:-]+")


class Harm(NamedTuple):
    """Where a fault is to be: the folder of a node, and who it is about."""

    root: Path
    shape: Shape
    node: int
    other: int
    random: Random


Fault = Callable[[Harm], None]


def without(text: str) -> Callable[[str], str]:
    """Leaves out the lines with a text."""
    return lambda line: "" if text in line else line


def instead(old: str, new: str) -> Callable[[str], str]:
    """Writes one text for another."""
    return lambda line: line.replace(old, new)


def no_route(at: Harm) -> None:
    """A node has no route to another's pods."""
    changed(at.root / "ip_route_show_table_all", without(f"{at.shape.subnet(at.other)}.0/24 via"))


def wrong_route(at: Harm) -> None:
    """A node's route to another's pods leads to a third."""
    third = (at.other + 1) % at.shape.nodes
    changed(
        at.root / "ip_route_show_table_all",
        instead(
            f"{at.shape.subnet(at.other)}.0/24 via {at.shape.subnet(at.other)}.0",
            f"{at.shape.subnet(at.other)}.0/24 via {at.shape.subnet(third)}.0",
        ),
    )


def no_entry(at: Harm) -> None:
    """A node's tunnel does not know where another is."""
    changed(at.root / "bridge_fdb", without(f"dst {at.shape.node_address(at.other)} self permanent"))


def wrong_entry(at: Harm) -> None:
    """A node's tunnel sends to a third what is for another."""
    third = (at.other + 1) % at.shape.nodes
    changed(
        at.root / "bridge_fdb", instead(f"dst {at.shape.node_address(at.other)} self", f"dst {at.shape.node_address(third)} self")
    )


def wrong_neighbour(at: Harm) -> None:
    """A at.node takes another's tunnel end to have a MAC that nobody has."""
    changed(at.root / "ip_neigh", instead(mac(2, at.other), "02:99:00:00:00:01"))


def no_forwarding(at: Harm) -> None:
    """A node does not forward."""
    changed(at.root / "sysctl_net", instead("ip_forward = 1", "ip_forward = 0"))


def strict(at: Harm) -> None:
    """A node looks strictly at where packets come from."""
    changed(at.root / "sysctl_net", instead("all.rp_filter = 0", "all.rp_filter = 1"))


def dropping(at: Harm) -> None:
    """A node drops what is from one pod of another, or from all."""
    source = at.random.choice((f"{at.shape.pod_address(at.other, 0)}/32", f"{at.shape.subnet(at.other)}.0/24"))
    changed(
        at.root / "iptables-save",
        instead("-A KUBE-FORWARD -m conntrack", f"-A KUBE-FORWARD -s {source} -j DROP\n-A KUBE-FORWARD -m conntrack"),
    )


def half(at: Harm) -> None:
    """A node drops what is for the first half of a network, in which some pods are."""
    changed(
        at.root / "iptables-save",
        instead(
            "-A KUBE-FORWARD -m conntrack",
            f"-A KUBE-FORWARD -d {at.shape.subnet(at.other)}.0/30 -j DROP\n-A KUBE-FORWARD -m conntrack",
        ),
    )


def masqueraded(at: Harm) -> None:
    """A node translates all that its pods send."""
    changed(
        at.root / "iptables-save",
        instead("-j RETURN", "-j ACCEPT")
        if at.random.random() < 0.5
        else without('10.64.0.0/10 -m comment --comment "flanneld masq" -j RETURN'),
    )


def without_way(at: Harm) -> None:
    """A pod has no default route."""
    changed(
        at.root / "netns" / f"default_p{at.node}-{at.random.randrange(at.shape.pods)}" / "ip_route_show_table_all",
        without("default via"),
    )


def closed_port(at: Harm) -> None:
    """A pod's end at the bridge does not send back to where it came from."""
    changed(at.root / "ip_-d_addr", instead("hairpin on", "hairpin off"))


def isolated(at: Harm) -> None:
    """The ends of a node's pods do not reach each at.other."""
    changed(at.root / "ip_-d_addr", instead("isolated off", "isolated on"))


def same_address(at: Harm) -> None:
    """A pod has the address of another of its at.node."""
    one, two = at.random.sample(range(at.shape.pods), 2)
    for name in ("ip_-d_addr", "ip_route_show_table_all"):
        changed(
            at.root / "netns" / f"default_p{at.node}-{one}" / name,
            instead(at.shape.pod_address(at.node, one), at.shape.pod_address(at.node, two)),
        )


def learnt(at: Harm) -> None:
    """A node knows the MAC of one of its pods, and may have it wrong."""
    pod = at.random.randrange(at.shape.pods)
    known = mac(5, at.node, pod) if at.random.random() < 0.5 else mac(5, at.node, (pod + 1) % at.shape.pods)
    with (at.root / "ip_neigh").open("a") as file:
        file.write(f"{at.shape.pod_address(at.node, pod)} dev cni0 lladdr {known} REACHABLE\n")


def stale_endpoint(at: Harm) -> None:
    """A node sends what is for a service to a pod that is none of its endpoints, or that nobody is."""
    other = at.shape.pod_address(at.other, 0) if at.random.random() < 0.5 else f"{at.shape.subnet(at.other)}.77"
    changed(at.root / "iptables-save", instead(at.shape.endpoint(0, 0), other))


def no_node_port(at: Harm) -> None:
    """A node does not know a node port."""
    changed(at.root / "iptables-save", without("-A KUBE-NODEPORTS -p tcp"))


def no_translation(at: Harm) -> None:
    """A node knows a service, and translates to none of its endpoints."""
    changed(at.root / "iptables-save", without("-j DNAT --to-destination"))


def taken(at: Harm) -> None:
    """A node, or each, takes what is for a port of pods, or for one pod, to be for a service."""
    mine = at.random.choice(("-p tcp -m tcp --dport 8080", f"-d {at.shape.pod_address(at.other, 1)}/32", "-p udp", ""))
    for root in [at.root] if at.random.random() < 0.7 else at.root.parent.iterdir():
        changed(
            root / "iptables-save",
            instead(
                "-A KUBE-SERVICES -d 10.96.0.10/32 ",
                f"-A KUBE-SERVICES {mine} -j KUBE-SVC-{0:016X}\n-A KUBE-SERVICES -d 10.96.0.10/32 ",
            ),
        )


def hairpin(at: Harm) -> None:
    """A node, or each, translates the source of what the endpoints of a service send, whoever it is for."""
    for root in [at.root] if at.random.random() < 0.5 else at.root.parent.iterdir():
        changed(
            root / "iptables-save",
            instead(
                "-A KUBE-SERVICES -d 10.96.0.10/32 ",
                f"-A KUBE-SERVICES -s {at.shape.endpoint(0, 0)}/32 -j KUBE-MARK-MASQ\n-A KUBE-SERVICES -d 10.96.0.10/32 ",
            ),
        )


def host_port(at: Harm) -> None:
    """A node has a port that leads to a pod of its own, as the portmap plugin makes it."""
    pod = at.shape.pod_address(at.node, 0)
    changed(
        at.root / "iptables-save",
        instead(
            "-A KUBE-SERVICES -d 10.96.0.10/32 ",
            f"-A KUBE-SERVICES -p tcp -m tcp --dport 9090 -m addrtype --dst-type LOCAL -j CNI-DN\n-A CNI-DN -p tcp -j DNAT --to-destination {pod}:80\n"
            "-A KUBE-SERVICES -d 10.96.0.10/32 ",
        ),
    )
    changed(at.root / "iptables-save", instead(":KUBE-MARK-MASQ - [0:0]", ":CNI-DN - [0:0]\n:KUBE-MARK-MASQ - [0:0]"))


FAULTS: tuple[Fault, ...] = (
    no_route,
    wrong_route,
    no_entry,
    wrong_entry,
    wrong_neighbour,
    no_forwarding,
    strict,
    dropping,
    half,
    masqueraded,
    without_way,
    closed_port,
    isolated,
    same_address,
    learnt,
)


FAULTS_OF_SERVICES: tuple[Fault, ...] = (stale_endpoint, no_node_port, no_translation, taken, hairpin, host_port)


def harmed(folder: Path, seed: int, node_ports: int = 0, faults: tuple[Fault, ...] = FAULTS) -> Network:
    """A cluster with faults in some of its nodes."""
    random = Random(seed)
    shape = Shape(nodes=random.randrange(7, 10), pods=3, services=3, node_ports=node_ports)
    write(folder, shape)
    for _ in range(random.randrange(4)):
        node, other = random.sample(range(shape.nodes), 2)
        random.choice(faults)(Harm(folder / "nodes" / f"n{node}", shape, node, other, random))
    return read_input((str(folder),)).network


def amount(network: Network, found: Decided) -> tuple[object, ...]:
    """What the answers come to: verdicts and counts, every broken pair with the place and kind of its reason, and the causes with their counts."""
    said = [(item.id, item.verdict, item.scope, item.broken, item.checked, sorted(item.assumptions)) for item in found.guarantees]
    pairs = Counter((item.guarantee, item.source, item.target, NUMBERS.sub("", item.reason), item.at) for item in found.broken)
    return said, pairs, sorted((item.at, item.pairs, item.guarantees) for item in causes(network, found.breaches))


def asked_by_few(network: Network) -> bool:
    """Whether a few are asked at all."""
    found = kinds(network)
    return found is not None and found.many


@pytest.mark.parametrize("seed", [3, 7])
def test_a_few_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With faults here and there, the answers by a few are those by all pairs."""
    network = harmed(tmp_path, seed)
    assert asked_by_few(network)
    by_few = amount(network, decide(network, only=FLOWS))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    assert by_few == amount(network, decide(network, only=FLOWS))


@pytest.mark.parametrize("seed", [4, 8])
def test_a_few_stand_for_all_where_services_have_node_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same with chains that translate destinations, faults in these among them."""
    network = harmed(tmp_path, seed, 2, (*FAULTS, *FAULTS_OF_SERVICES * 3))
    assert asked_by_few(network)
    by_few = amount(network, decide(network, only=FLOWS))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    assert by_few == amount(network, decide(network, only=FLOWS))


SHARED: tuple[Fault, ...] = (no_forwarding, masqueraded, without_way, isolated, closed_port)


@pytest.mark.parametrize("fault", SHARED, ids=lambda fault: fault.__name__)
def test_faults_that_nodes_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Of nodes that have one fault each is told as what decides what it decides, though one packet alone is replayed for each."""
    shape = Shape(nodes=9, pods=4, services=2)
    write(tmp_path, shape)
    for node in (2, 5, 6):
        fault(Harm(tmp_path / "nodes" / f"n{node}", shape, node, 0, Random(3)))
    network = read_input((str(tmp_path),)).network
    by_few = amount(network, decide(network, only=FLOWS))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    assert by_few == amount(network, decide(network, only=FLOWS))


def test_chains_that_iptables_shows_are_no_chains_of_nft(tmp_path: Path) -> None:
    """Nodes whose ``nft list ruleset`` was captured too are alike, but for one that has a chain that iptables does not show."""
    shape = Shape(nodes=6, pods=3, services=3, node_ports=2)
    write(tmp_path, shape)
    for number in range(shape.nodes):
        text = (
            "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\taccept\n\t}\n}\n"
        )
        (tmp_path / "nodes" / f"n{number}" / "nft_list_ruleset").write_text(text)
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert [len(members) for members in found.nodes.values()] == [6]
    (tmp_path / "nodes" / "n3" / "nft_list_ruleset").write_text(text.replace("filter {", "mine {", 1))
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert sorted(len(members) for members in found.nodes.values()) == [1, 5]


def test_rules_about_questions_for_neighbours_are_looked_at(tmp_path: Path) -> None:
    """A node that drops what is sent to IPv6's multicast addresses is like no other, though nobody has such an address."""
    shape = Shape(nodes=6, pods=3, services=3)
    write(tmp_path, shape)
    for number in range(shape.nodes):
        rule = "-A INPUT -d ff02::/16 -j DROP\n" if number == 3 else ""
        text = f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rule}COMMIT\n"
        (tmp_path / "nodes" / f"n{number}" / "ip6tables-save").write_text(text)
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert sorted(len(members) for members in found.nodes.values()) == [1, 5]


def test_all_that_a_namespace_has_is_looked_at_or_said_to_be_of_no_account() -> None:
    """A field of a namespace that is new is among the records, makes who has it alone, or is said to be neglected, and then no packet depends on it."""
    texts = {
        name: (ANALYZER / name).read_text() for name in ("query/alike/records.py", "query/alike/kinds.py", "query/alike/told.py")
    }
    looked = {name for text in texts.values() for name in re.findall(r"\bspace\.(\w+)", text)}
    named = {field.name for field in fields(Namespace)}
    assert named - looked == set(NEGLECTED)
    program = "\n".join(path.read_text() for path in sorted((ANALYZER / "transfer").rglob("*.py")))
    assert {name for name in named if re.search(rf"\bspace(\(\w+\))?\.{name}\b", program)} <= looked


def test_nodes_without_faults_are_alike(tmp_path: Path) -> None:
    """Healthy nodes are of one kind, their pods too; one with a fault is alone, and so is who it is about."""
    shape = Shape(nodes=8, pods=3, services=3)
    write(tmp_path, shape)
    no_route(Harm(tmp_path / "nodes" / "n2", shape, 2, 5, Random(0)))
    found = kinds(read_input((str(tmp_path),)).network)
    assert found is not None
    assert sorted(len(members) for members in found.nodes.values()) == [1, 1, 6]
    assert len({found.of[pod] for members in found.pods.values() for pod in members}) == 1


def test_a_node_of_which_only_pods_were_captured_is_asked_as_it_is(tmp_path: Path) -> None:
    """Pods' namespaces without their node's own (``kubectl exec``) give verdicts, not an error."""
    text = "3: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450\n    link/ether 0a:58:0a:f4:02:0{0}\n    inet 10.244.{0}.5/24 scope global eth0\n"
    for number, node in enumerate(("one", "two", "three"), 1):
        folder = tmp_path / "nodes" / node / "netns" / f"default_p{number}"
        folder.mkdir(parents=True)
        (folder / "ip_addr").write_text(text.replace("{0}", str(number)))
    (tmp_path / "nodes" / "three" / "ip_addr").write_text(
        "2: eth0: <UP,LOWER_UP> mtu 1500\n    link/ether 02:00:00:00:00:03\n    inet 192.0.2.3/24 scope global eth0\n"
    )
    found = analyze(read_input((str(tmp_path),)))
    assert {one.verdict for one in found.guarantees if one.id == "pod-to-pod"} == {Verdict.UNDECIDED}
