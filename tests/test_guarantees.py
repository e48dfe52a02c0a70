"""Guarantees over whole captures: what is healthy is proved, what is broken is refuted with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Guarantee, Verdict
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.agreement import contradiction, representatives, spaced
from analyzer.query.causes import causes
from analyzer.query.flows import PORTED, PORTS, Aim, sorted_out
from analyzer.query.guarantees import between_pods, decide, one_by_one, reaches
from analyzer.solve.packet import SCTP
from analyzer.solve.sets.joint import Joint
from analyzer.solve.sets.regions import start, values_of
from analyzer.solve.states import DESTINATION, DESTINATION_PORT
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field
from benchmarks.capture import Shape, write
from tests.lab import record

HERE = Scope("here")
SMALL = Shape(nodes=3, pods=2, services=5, endpoints=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A healthy capture."""
    write(tmp_path, SMALL)
    return tmp_path


def network_of(folder: Path) -> Network:
    """The network of a capture."""
    return read_input((str(folder),)).network


def verdicts(network: Network) -> dict[str, Guarantee]:
    """The guarantees by id."""
    return {guarantee.id: guarantee for guarantee in decide(network).guarantees}


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def without(path: Path, part: str) -> None:
    """Deletes the lines that hold a text."""
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if part not in line]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))


def test_a_healthy_cluster_is_proved(folder: Path) -> None:
    found = verdicts(network_of(folder))
    proved = {name for name, guarantee in found.items() if guarantee.verdict is Verdict.PROVED}
    assert proved >= {
        *("pod-to-pod", "pod-to-pod-without-nat", "node-to-pod", "node-to-pod-without-nat", "pod-sees-its-own-address"),
        *("unique-pod-addresses", "unique-pod-cidrs", "pod-to-service", "container-to-container"),
    }
    assert found["pod-to-node-without-nat"].by_design


def test_one_missing_entry_explains_every_pair_that_it_breaks(folder: Path) -> None:
    without(folder / "nodes/n1/bridge_fdb", f"dst {SMALL.node_address(2)}")
    network = network_of(folder)
    decided = decide(network, ("pod-to-pod",))
    (guarantee,) = decided.guarantees
    assert guarantee.verdict is Verdict.REFUTED
    assert {(item.source[:10], item.target[:10]) for item in decided.broken} == {
        ("default/p1", "default/p2"),
        ("default/p2", "default/p1"),
    }
    assert guarantee.broken == 8


def test_forwarding_that_is_off_is_the_cause(folder: Path) -> None:
    edit(folder / "nodes/n1/sysctl_net", "net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0")
    network = network_of(folder)
    decided = decide(network, ("pod-to-pod",))
    found = causes(network, decided.breaches)
    assert decided.guarantees[0].verdict is Verdict.REFUTED
    assert found[0].at.path == "nodes/n1/sysctl_net"
    assert found[0].fix is not None
    assert found[0].counterexample is not None


def test_a_connection_whose_third_packet_is_dropped_does_not_open(folder: Path) -> None:
    dropped = "-A FORWARD -s 10.0.0.0/8 -p tcp -m tcp --dport 8080 -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j DROP"
    edit(folder / "nodes/n0/iptables-save", "*filter\n", f"*filter\n{dropped}\n")
    found = verdicts(network_of(folder))
    assert found["pod-to-pod"].verdict is Verdict.REFUTED
    assert found["node-to-pod-without-nat"].verdict is Verdict.PROVED
    shown = found["pod-to-pod"].counterexample
    assert shown is not None
    assert (shown.packet.destination_port, shown.reason[:35]) == (8080, "the packet that ends the handshake:")


def test_a_connection_whose_later_answers_are_dropped_is_cut(folder: Path) -> None:
    dropped = "-A FORWARD -s 10.0.0.0/8 -p tcp -m tcp --sport 8080 --tcp-flags SYN,ACK ACK -m conntrack --ctdir REPLY -j DROP"
    edit(folder / "nodes/n0/iptables-save", "*filter\n", f"*filter\n{dropped}\n")
    found = verdicts(network_of(folder))
    assert found["pod-to-pod"].verdict is Verdict.REFUTED
    assert found["node-to-pod-without-nat"].verdict is Verdict.PROVED
    shown = found["pod-to-pod"].counterexample
    assert shown is not None
    assert (shown.packet.destination_port, shown.reason[:35]) == (8080, "the answer in the open connection: ")


@pytest.mark.parametrize(
    ("test", "listeners", "port"),
    [
        ("-p udp", "udp   UNCONN 0      0            0.0.0.0:5353       0.0.0.0:*\n", 5353),
        ("-p udp", "", 80),
        ("-p tcp -m tcp --sport 25", "", 25),
    ],
)
def test_answers_that_are_dropped_are_lost_whether_somebody_listens_or_not(
    test: str, listeners: str, port: int, folder: Path
) -> None:
    dropped = f"-A FORWARD -s 10.0.0.0/8 {test} -m conntrack --ctdir REPLY -j DROP"
    edit(folder / "nodes/n0/iptables-save", "*filter\n", f"*filter\n{dropped}\n")
    for file in folder.glob("nodes/*/netns/*/ss_-tunlp"):
        file.write_text(file.read_text() + listeners)
    found = verdicts(network_of(folder))
    assert found["pod-to-pod"].verdict is Verdict.REFUTED
    assert found["pod-to-pod-without-nat"].verdict is Verdict.PROVED
    shown = found["pod-to-pod"].counterexample
    assert shown is not None
    assert (shown.packet.destination_port, shown.reason[:10]) == (port, "the reply:")
    assert any("where nothing did when its sockets were captured" in text for text in shown.assumptions) is (not listeners)


def test_a_masquerade_that_pods_meet_is_refuted_with_the_rule(folder: Path) -> None:
    edit(
        folder / "nodes/n0/iptables-save",
        "-A POSTROUTING",
        f"-A POSTROUTING -s {SMALL.subnet(0)}.0/24 -j MASQUERADE\n-A POSTROUTING",
    )
    network = network_of(folder)
    found = verdicts(network)
    assert found["pod-to-pod-without-nat"].verdict is Verdict.REFUTED
    assert found["pod-sees-its-own-address"].verdict is Verdict.REFUTED
    assert found["pod-to-pod"].verdict is Verdict.PROVED
    shown = found["pod-to-pod-without-nat"].counterexample
    assert shown is not None
    assert shown.at is not None
    assert shown.at.path == "nodes/n0/iptables-save"


def test_a_service_that_a_node_does_not_translate_is_refuted(folder: Path) -> None:
    without(folder / "nodes/n1/iptables-save", f"-d {SMALL.service_address(3)}/32 ")
    found = verdicts(network_of(folder))["pod-to-service"]
    assert found.verdict is Verdict.REFUTED
    assert "KUBE-SERVICES of n1 does not translate" in found.reason
    assert found.broken == SMALL.pods


def test_without_kube_proxy_nothing_says_where_services_lead(folder: Path) -> None:
    for node in range(SMALL.nodes):
        without(folder / f"nodes/n{node}/iptables-save", "KUBE-SERVICES")
    found = verdicts(network_of(folder))["pod-to-service"]
    assert found.verdict is Verdict.UNDECIDED
    assert "is not known" in found.reason


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """A healthy capture with node ports."""
    target = tmp_path / "ports"
    write(target, Shape(nodes=3, pods=2, services=5, endpoints=2, node_ports=3))
    return target


def test_node_ports_are_proved_for_every_packet_from_outside(ports: Path) -> None:
    found = verdicts(network_of(ports))["outside-to-service"]
    assert (found.verdict, found.checked) == (Verdict.PROVED, 9)
    assert any("is reached beyond" in text for text in found.assumptions)


def test_hosts_on_the_second_networks_of_pods_are_not_outside(ports: Path) -> None:
    for number, folder in enumerate(sorted(ports.glob("nodes/*/netns/*"))):
        local = f"local 172.20.1.{number + 2} dev net1 table local proto kernel scope host\n"
        second = f"""3: net1@if{40 + number}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default qlen 1000
    link/ether 02:05:00:02:00:{number:02x} brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0 minmtu 68 maxmtu 65535
    veth
    inet 172.20.1.{number + 2}/24 scope global net1
       valid_lft forever preferred_lft forever
"""
        routes = f"172.20.1.0/24 dev net1 proto kernel scope link\n{local}"
        for name, text in (("ip_-d_addr", second), ("ip_route_show_table_all", routes)):
            (folder / name).write_text((folder / name).read_text() + text)
    found = verdicts(network_of(ports))["outside-to-service"]
    assert found.verdict is Verdict.PROVED, found.reason
    assert "nobody outside has an address in 172.20.1.0/24, where pods or services are" in found.assumptions


def test_a_node_port_that_a_node_does_not_know_is_refuted(ports: Path) -> None:
    without(ports / "nodes/n1/iptables-save", "--dport 30001")
    found = verdicts(network_of(ports))["outside-to-service"]
    assert (found.verdict, found.broken) == (Verdict.REFUTED, 1)
    assert "node:n1 port 30001 (svc:default/s1)" in found.reason


def test_every_node_port_that_a_node_cuts_is_counted(ports: Path) -> None:
    edit(
        ports / "nodes/n1/iptables-save", "-A PREROUTING -m comment", "-A PREROUTING -i eth0 -j RETURN\n-A PREROUTING -m comment"
    )
    decided = decide(network_of(ports), ("outside-to-service",))
    assert {item.target.partition(" (")[0] for item in decided.broken} == {
        f"node:n1 port {30000 + number}" for number in range(3)
    }


def test_a_service_leads_to_any_of_its_endpoints_and_to_no_other_port(folder: Path) -> None:
    rules = folder / "nodes/n0/iptables-save"
    one, other = (SMALL.endpoint(0, number) for number in range(2))
    edit(rules, f"-j DNAT --to-destination {one}:8080", f"-j DNAT --to-destination {other}:8080")
    found = verdicts(network_of(folder))["pod-to-service"]
    assert found.verdict is Verdict.PROVED
    edit(rules, f"-j DNAT --to-destination {other}:8080", f"-j DNAT --to-destination {other}:8081")
    found = verdicts(network_of(folder))["pod-to-service"]
    assert found.verdict is Verdict.REFUTED


def test_of_endpoints_that_go_together_each_is_looked_at() -> None:
    aim = Aim(4, PORTED, PORTS, {10: frozenset({HERE}), 11: frozenset({HERE})}, {(6, 1, 80): frozenset({(10, 8080)})})
    begun = start({Field.PROTOCOL: 6, Field.DESTINATION: ((1, 1),), Field.DESTINATION_PORT: 80})
    env = list(begun.env)
    env[DESTINATION], env[DESTINATION_PORT] = "endpoint", 8080
    state = begun._replace(env=tuple(env), joints=(Joint(("endpoint",), ((((10, 11),),),)),))
    asked = state._replace(region={**state.region, "protocol": ((6, 6),), "destination port": ((80, 80),)})
    right, wrong = sorted_out(aim, HERE, asked)
    assert [values_of(one, "endpoint") for one in (*right, *wrong)] == [((10, 10),), ((11, 11),)]


def test_a_firewall_before_some_strangers_only_is_found(ports: Path) -> None:
    edit(
        ports / "nodes/n2/iptables-save",
        "-A PREROUTING -m comment",
        "-A PREROUTING -s 203.0.113.0/24 -p tcp -m tcp --dport 30000 -j RETURN\n-A PREROUTING -m comment",
    )
    found = verdicts(network_of(ports))["outside-to-service"]
    assert (found.verdict, found.broken) == (Verdict.REFUTED, 1)
    assert found.counterexample is not None
    assert found.counterexample.packet.source >> 8 == 0xCB0071


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("ip_route_show_table_all", "broadcast 127.255.255.255 dev lo", "broadcast 127.255.355.255 dev lo"),
        ("ip_rule", "32766:\tfrom all lookup main", "32766:\tfrom all lookup main\n32767:\tfrom all flies"),
        ("ip_neigh", f"{SMALL.subnet(0)}.0 dev flannel.1 lladdr 02", f"{SMALL.subnet(0)}.0 dev flannel.1 lladdr zz"),
    ],
)
def test_a_line_that_was_not_understood_and_could_decide_leaves_it_open(file: str, old: str, new: str, folder: Path) -> None:
    edit(folder / "nodes/n1" / file, old, new)
    found = verdicts(network_of(folder))["pod-to-pod"]
    assert found.verdict is Verdict.UNDECIDED
    assert "not understood" in found.reason
    assert "internal error" not in found.reason


def test_a_pod_that_lost_its_address_is_not_proved(folder: Path) -> None:
    pod = folder / "nodes/n1/netns/default_p1-0"
    without(pod / "ip_-d_addr", f"inet {SMALL.pod_address(1, 0)}/24")
    without(pod / "ip_route_show_table_all", f"src {SMALL.pod_address(1, 0)}")
    assert verdicts(network_of(folder))["pod-to-pod"].verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("iptables-save", "-A POSTROUTING -j MASQUERADE", "arrives with another source"),
        (
            "iptables-save",
            f"-A PREROUTING -d {SMALL.pod_address(1, 0)}/32 -j DNAT --to-destination {SMALL.pod_address(1, 1)}",
            "destination",
        ),
        ("iptables-save", "-A PREROUTING -m connmark --mark 0x1/0x1 -j RETURN", ""),
    ],
)
def test_z3_finds_what_the_sets_would_have_missed(file: str, line: str, words: str, folder: Path) -> None:
    path = folder / "nodes/n0" / file
    path.write_text(path.read_text().replace("-A PREROUTING", f"{line}\n-A PREROUTING", 1))
    network = network_of(folder)
    program = NetworkProgram(network, 4)
    (group,) = between_pods(network, 4)
    assert words in contradiction(program, group.aims, group.senders)
    assert bool(words) == bool(contradiction(program, group.aims, group.senders))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (f"-s {SMALL.pod_address(1, 0)}/32 -p tcp --sport 7777 --tcp-flags SYN,ACK SYN,ACK -j DROP", "is answered in vain"),
        ("-p tcp --dport 7777 -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j DROP", "that ends a handshake is lost"),
        (
            "-p tcp --sport 7777 --tcp-flags SYN,ACK ACK -m conntrack --ctdir REPLY -j DROP",
            "in an open connection is answered in vain",
        ),
        ("-p udp --dport 7777 -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j DROP", ""),
    ],
)
def test_z3_finds_answers_and_handshakes_that_the_sets_would_have_missed(rule: str, words: str, folder: Path) -> None:
    edit(folder / "nodes/n1/iptables-save", "*filter\n", f"*filter\n-A FORWARD -d 10.0.0.0/8 {rule}\n")
    network = network_of(folder)
    program = NetworkProgram(network, 4)
    (group,) = between_pods(network, 4)
    assert (words in contradiction(program, group.aims, group.senders)) == bool(
        words or not decide(network, ("pod-to-pod",)).broken
    )


def test_z3_is_asked_about_each_kind_of_tables(tmp_path: Path) -> None:
    write(tmp_path, Shape(nodes=9, pods=2, services=2, endpoints=2))
    path = tmp_path / "nodes/n4/iptables-save"
    path.write_text(path.read_text().replace("*filter\n", "*filter\n-A FORWARD -p tcp --dport 9 -j DROP\n"))
    network = network_of(tmp_path)
    (group,) = between_pods(network, 4)
    chosen = representatives(network, group.senders)
    assert {sender.scope.node for sender in chosen} >= {"n0", "n4"}
    assert len(chosen) < len(group.senders)


def test_what_was_not_captured_is_not_proved(folder: Path) -> None:
    (folder / "nodes/n1/iptables-save").unlink()
    assert verdicts(network_of(folder))["pod-to-pod"].verdict is Verdict.UNDECIDED


def test_the_number_of_rules_does_not_grow_with_the_services(tmp_path: Path) -> None:
    counts = []
    for services in (50, 500):
        target = tmp_path / str(services)
        write(target, Shape(nodes=2, pods=2, services=services, endpoints=2))
        counts.append(reaches(network_of(target), [("pods", 4)], one_by_one)["pods", 4].rules)
    assert counts[0] == counts[1]


def test_the_same_input_gives_the_same_answer(folder: Path) -> None:
    without(folder / "nodes/n1/bridge_fdb", f"dst {SMALL.node_address(2)}")
    assert decide(network_of(folder)) == decide(network_of(folder))


def test_pods_that_share_an_address_are_told_apart(folder: Path) -> None:
    """Each sends from the one address, and the answers go home to the one that asked."""
    for file in sorted((folder / "nodes/n1/netns/default_p1-0").iterdir()):
        file.write_text(file.read_text().replace(SMALL.pod_address(1, 0), SMALL.pod_address(0, 0)))
    edit(folder / "k8s/pods.yaml", f"podIP: {SMALL.pod_address(1, 0)}\n", f"podIP: {SMALL.pod_address(0, 0)}\n")
    decided = decide(network_of(folder), ("pod-to-pod", "unique-pod-addresses"))
    assert [guarantee.verdict for guarantee in decided.guarantees] == [Verdict.REFUTED, Verdict.REFUTED]
    found = {(item.source, item.target) for item in decided.broken if item.guarantee == "pod-to-pod"}
    assert ("default/p1-0", "default/p2-0") in found
    assert ("default/p0-0", "default/p2-0") not in found


def test_a_pod_that_ignores_pings_is_not_reached_by_them(folder: Path) -> None:
    path = folder / "nodes/n1/netns/default_p1-0/sysctl_net"
    path.write_text("net.ipv4.icmp_echo_ignore_all = 1\n" + path.read_text())
    decided = decide(network_of(folder), ("pod-to-pod", "node-to-pod", "pod-to-node-without-nat"))
    assert [guarantee.verdict for guarantee in decided.guarantees[:2]] == [Verdict.REFUTED, Verdict.REFUTED]
    assert {item.target for item in decided.broken} == {"default/p1-0"}
    assert "does not answer pings" in decided.guarantees[0].reason


def test_a_sender_without_destinations_has_none_to_choose_from() -> None:
    assert spaced((), 3) == ()
    assert spaced((1, 2, 3, 4), 3) == (1, 3)


def test_what_is_lost_of_one_protocol_alone_is_refuted_with_a_packet_of_it(folder: Path) -> None:
    """Neither TCP nor UDP is lost: the packet that is shown has the protocol of the set."""
    first = '-A FORWARD -m comment --comment "kubernetes forwarding rules"'
    edit(folder / "nodes/n1/iptables-save", first, f"-A FORWARD -p sctp -j DROP\n{first}")
    found = verdicts(network_of(folder))["pod-to-pod"]
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    assert found.counterexample.packet.protocol == SCTP


def test_who_has_an_address_twice_is_the_cause_that_is_told_first(tmp_path: Path) -> None:
    """Packets to a pod whose address another has too: all pairs fail by the address of the one who gets them."""
    sample = Path(__file__).parent.parent / "samples/truth/host-gw-dup-pod-ip.txt"
    record.unpack(sample.read_text(), tmp_path)
    network = network_of(tmp_path)
    first, *_ = causes(network, decide(network).breaches)
    assert (first.message, first.pairs) == ("default/a3 has 10.244.0.3 and gets the packet", 11)
