"""Clusters with Cilium: random states of its maps, in which the lowered network says what the concrete walk says; and what states of known kinds lead to.

``CILIUM_CLUSTERS`` sets how many clusters are tried (24), ``CILIUM_SEED`` the first seed (1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from analyzer.addresses import Address, address
from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.model.cilium import setup
from analyzer.model.network import Interface
from analyzer.query.guarantees import decide
from analyzer.solve.packet import ICMP, ICMPV6, SCTP, SYN, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer.graph import NetworkProgram
from tests.captures import network_of
from tests.cilium_cluster import CLOSED, HOST, OPEN, PODS, Allowed, Cluster, Service
from tests.cilium_six import dual, six
from tests.lowered import agree, outcomes, walked

COUNT, SEED = int(os.environ.get("CILIUM_CLUSTERS", "24")), int(os.environ.get("CILIUM_SEED", "1"))
CHECKED = ("LoadBalancer, check source-range", "LoadBalancer, check source-range, deny")
LISTINGS = ("cilium_bpf_ipcache_list", "cilium_bpf_endpoint_list", "cilium_bpf_policy_get_--all_--numeric", "cilium_bpf_lb_list")
IDENTITIES = (0, 1, 2, 6, 10001, 10002, 10003)
TARGETS = ("10.244.1.200", "10.244.2.200", "192.168.0.11", "192.168.0.12", "192.168.0.1", "8.8.8.8", "10.244.2.99", "10.96.0.99")
CLIENT, WEB, DB = PODS[0], PODS[1], PODS[3]


def random_cluster(random: Random) -> Cluster:
    """A cluster of a random set-up with random policy maps."""
    policies = {pod.endpoint: random.choice((OPEN, CLOSED, tuple(random_policy(random)))) for pod in PODS}
    without = [(random.choice((1, 2)), random.choice(LISTINGS))] if random.random() < 0.15 else []
    return Cluster(
        services=tuple(random_services(random)),
        policies=policies,
        tunnel=random.choice(("vxlan", "vxlan", "geneve", "")),
        replacement=random.random() < 0.8,
        endpoint_routes=random.random() < 0.25,
        masquerade=random.choice(("IPTables", "BPF", "Disabled")),
        host_routing=random.choice(("Legacy", "BPF")),
        tunnel_map=random.random() < 0.4,
        firewall=random.random() < 0.05,
        encryption="Wireguard   [NodeEncryption: Disabled]" if random.random() < 0.05 else "Disabled",
        without=frozenset(without),
        mode=random.choice(("SNAT", "SNAT", "DSR", "Hybrid")),
        sources=random.choice((None, (), ("203.0.113.0/24",), ("198.51.100.0/24", "203.0.113.8/30"))),
        egress=tuple(random_egress(random)) if random.random() < 0.3 else (),
    )


def random_egress(random: Random) -> Iterator[tuple[str, str, str, str]]:
    """Entries of the egress map: some pods have gateways, some addresses none or are left out."""
    for pod in random.sample(PODS, 2):
        for target in random.sample(("0.0.0.0/0", "8.8.8.0/24", "192.168.0.0/24"), random.randint(1, 2)):
            yield pod.address, target, "192.168.0.99", random.choice(("192.168.0.12", "Excluded CIDR", "Not Found"))


def random_policy(random: Random) -> Iterator[Allowed]:
    """A random policy map."""
    ports = ("ANY", "ANY", "TCP", "8080/TCP", "8080-8095/TCP", "5432/TCP", "53/UDP", "8/ICMP")
    for _ in range(random.randint(1, 6)):
        yield Allowed(random.choice(IDENTITIES), random.choice(ports), random.random() < 0.6, random.random() < 0.2)


def random_services(random: Random) -> Iterator[Service]:
    """Services with one, several or no backends, and one that refuses every other port of an address."""
    ends = [f"{pod.address}:8080" for pod in PODS]
    for number in range(3):
        protocol = random.choice(("TCP", "TCP", "UDP"))
        yield Service(
            f"default/s{number}", f"10.96.0.{50 + number}", 80, tuple(random.sample(ends, random.randint(0, 3))), protocol
        )
    if random.random() < 0.5:
        flags = random.choice(
            ("NodePort", "NodePort", "NodePort, dsr", "HostPort", "ClusterIP, non-routable", *CHECKED, *CHECKED)
        )
        for node in (1, 2):
            yield Service(
                "default/port", f"192.168.0.{10 + node}", 30080, tuple(random.sample(ends, random.randint(0, 3))), "TCP", flags
            )
    if random.random() < 0.3:
        yield Service("default/s0", "10.96.0.50", 0, (), "ANY")


def damaged(random: Random, files: dict[str, str]) -> dict[str, str]:
    """The files with a line of a listing lost or changed."""
    for _ in range(random.choice((0, 1, 1, 2))):
        name = random.choice([name for name in sorted(files) if name.rsplit("/", 1)[-1] in (*LISTINGS, "cilium_bpf_tunnel_list")])
        lines = files[name].split("\n")
        number = random.randrange(1, len(lines))
        changes = (
            ("identity=10002", "identity=10003"),
            ("192.168.0.12", "192.168.0.11"),
            ("ifindex=1", "ifindex=7"),
            ("id=20", "id=10"),
        )
        old, new = random.choice(changes)
        lines[number : number + 1] = [] if random.random() < 0.5 else [lines[number].replace(old, new)]
        files = {**files, name: "\n".join(lines)}
    return files


def flows(random: Random, cluster: Cluster) -> Iterator[Flow]:
    """Flows between pods, to services, nodes and the world."""
    places = [
        *TARGETS,
        *(pod.address for pod in PODS),
        *(pod.address for pod in PODS),
        *(one.address for one in cluster.services),
    ]
    for number in range(12):
        pod = random.choice(PODS)
        scope, source = Scope(f"n{pod.node}", f"{pod.namespace}_{pod.name}"), pod.address
        if random.random() < 0.2:
            scope, source = Scope(f"n{pod.node}"), ""
        elif random.random() < 0.05:
            source = "10.244.9.9"
        protocol = random.choice((TCP, TCP, UDP, ICMP))
        port = random.choice((80, 8080, 8081, 5432, 53, 30080))
        target = address(random.choice(places)).value
        begun = address(source).value if source else 0
        echo = 8 if protocol == ICMP else 0
        flags = SYN if protocol == TCP else 0
        if random.random() < 0.25:
            entrance, place = Interface(Scope("n1"), "eth0"), address(random.choice((*TARGETS[2:4], "10.96.0.50", *places))).value
            asked = Packet(
                4, address("203.0.113.9").value, place, TCP, random.choice((2000, 40000)) + number, 30080, tcp_flags=SYN
            )
            yield Flow(entrance, asked)
            continue
        yield Flow(scope, Packet(4, begun, target, protocol, 40000 + number, 0 if echo else port, echo, tcp_flags=flags))


def test_random_clusters(tmp_path: Path) -> None:
    wrong: list[str] = []
    tried = lowered = 0
    fates: dict[Fate, int] = dict.fromkeys(Fate, 0)
    for seed in range(SEED, SEED + COUNT):
        random = Random(seed)
        cluster = random_cluster(random)
        made = network_of(damaged(random, cluster.files()), tmp_path / str(seed))
        program = NetworkProgram(made, 4)
        for flow in flows(random, cluster):
            trace = walk(made, flow)
            told, found = walked(trace), outcomes(program, flow)
            tried += 1
            fates[trace.fate] += 1
            unknown = any(end.fate is Fate.UNKNOWN for end in found)
            lowered += not unknown
            if not (unknown and trace.fate is Fate.UNKNOWN) and not agree(found, told):
                wrong.append(
                    f"seed {seed}: {flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}\n{cluster}"
                )
    assert not wrong, f"{len(wrong)} of {tried} wrong\n" + "\n".join(wrong[:2])
    assert lowered > tried * 0.5
    assert min(fates[Fate.REACHABLE], fates[Fate.UNREACHABLE]) > tried * 0.2


def test_random_clusters_that_take_no_sctp(tmp_path: Path) -> None:
    lost = 0
    for seed in range(SEED, SEED + COUNT // 3):
        random = Random(seed)
        cluster = replace(random_cluster(random), sctp="false")
        made = network_of(damaged(random, cluster.files()), tmp_path / str(seed))
        program = NetworkProgram(made, 4)
        for flow in flows(random, cluster):
            sent = flow._replace(packet=flow.packet._replace(protocol=SCTP, tcp_flags=0, icmp_type=0))
            trace = walk(made, sent)
            told, found = walked(trace), outcomes(program, sent)
            lost += any("Unknown L4 protocol" in end.reason for end in told)
            unknown = any(end.fate is Fate.UNKNOWN for end in found)
            assert (unknown and trace.fate is Fate.UNKNOWN) or agree(found, told), f"seed {seed}: {sent}\n{told}\n{found}"
    assert lost


def in_six(flow: Flow) -> Flow:
    """The same flow between the addresses of IPv6."""
    packet = flow.packet

    def beside(value: int) -> int:
        return address(six(str(Address(4, value)))).value if value else 0

    protocol, kind = (ICMPV6, 128) if packet.protocol == ICMP else (packet.protocol, 0)
    source, destination = beside(packet.source), beside(packet.destination)
    six_packet = packet._replace(family=6, source=source, destination=destination, protocol=protocol, icmp_type=kind)
    return Flow(flow.start, six_packet)


def test_random_clusters_of_both_versions(tmp_path: Path) -> None:
    wrong: list[str] = []
    tried = alike = 0
    for seed in range(SEED, SEED + COUNT // 3):
        random = Random(seed)
        cluster = random_cluster(random)
        made = network_of(dual(damaged(random, cluster.files())), tmp_path / str(seed))
        program = NetworkProgram(made, 6)
        for flow in flows(random, cluster):
            trace = walk(made, in_six(flow))
            told, found = walked(trace), outcomes(program, in_six(flow))
            tried += 1
            alike += trace.fate is walk(made, flow).fate
            unknown = any(end.fate is Fate.UNKNOWN for end in found)
            if not (unknown and trace.fate is Fate.UNKNOWN) and not agree(found, told):
                wrong.append(f"seed {seed}: {flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    assert not wrong, f"{len(wrong)} of {tried} wrong\n" + "\n".join(wrong[:2])
    assert alike > tried * 0.9


def without(files: dict[str, str], name: str, *texts: str) -> dict[str, str]:
    """The files with the lines lost that hold one of the texts."""
    lines = [line for line in files[name].split("\n") if not any(text in line for text in texts)]
    assert len(lines) < files[name].count("\n") + 1
    return {**files, name: "\n".join(lines)}


def replaced(files: dict[str, str], name: str, old: str, new: str) -> dict[str, str]:
    """The files with a text changed."""
    assert old in files[name]
    return {**files, name: files[name].replace(old, new)}


N1, N2 = "nodes/n1/cilium_bpf_", "nodes/n2/cilium_bpf_"
POLICY = "policy_get_--all_--numeric"
Change = Callable[[dict[str, str]], dict[str, str]]
KINDS: dict[str, tuple[Cluster, Change, dict[str, str]]] = {
    "well": (Cluster(), lambda files: files, {}),
    "well without policies": (Cluster(isolated=False, policies={}), lambda files: files, {}),
    "well natively": (Cluster(tunnel=""), lambda files: files, {}),
    "well past the stack": (Cluster(masquerade="BPF", host_routing="BPF"), lambda files: files, {}),
    "well for clients outside": (
        Cluster(isolated=False, policies={}, masquerade="BPF", host_routing="BPF", published=True),
        lambda files: files,
        {},
    ),
    "well for clients outside, natively": (
        Cluster(isolated=False, policies={}, masquerade="BPF", host_routing="BPF", published=True, tunnel=""),
        lambda files: files,
        {},
    ),
    "a backend for clients outside is no endpoint": (
        Cluster(isolated=False, policies={}, masquerade="BPF", host_routing="BPF", published=True),
        lambda files: replaced(files, f"{N1}lb_list", "10.244.2.21:8080", "10.244.2.99:8080"),
        {"outside-to-service": ""},
    ),
    "well with a tunnel map": (Cluster(tunnel_map=True), lambda files: files, {}),
    "a remote pod is in no ipcache": (
        Cluster(),
        lambda files: without(files, f"{N1}ipcache_list", "10.244.2.21/32", "10.244.2.0/24"),
        {"pod-to-pod": "behind no node of the ipcache"},
    ),
    "the tunnel leads to another node": (
        Cluster(),
        lambda files: replaced(files, f"{N1}ipcache_list", "tunnelendpoint=192.168.0.12", "tunnelendpoint=192.168.0.77"),
        {"pod-to-pod": "192.168.0.77 was not captured"},
    ),
    "an identity is stale": (
        Cluster(tunnel=""),
        lambda files: replaced(files, f"{N2}ipcache_list", "identity=10002", "identity=10009"),
        {"pod-to-pod": "ingress of endpoint 202 from identity 10009"},
    ),
    "an endpoint is not in its map": (
        Cluster(),
        lambda files: without(files, f"{N2}endpoint_list", "10.244.2.21:0"),
        {"pod-to-pod": "n2"},
    ),
    "a policy map admits nobody": (
        Cluster(policies={202: (Allowed(HOST), Allowed(0, ingress=False))}),
        lambda files: files,
        {"pod-to-pod": "ingress of endpoint 202 from identity 10002", "policy-enforced": ""},
    ),
    "a policy map admits everybody": (
        Cluster(policies={}),
        lambda files: files,
        {"policy-enforced": "which no policy admits"},
    ),
    "a service has no backend": (
        Cluster(isolated=False, policies={}),
        lambda files: without(files, f"{N1}lb_list", "10.96.0.60:5432/TCP (1)"),
        {"pod-to-service": "has no backend"},
    ),
    "a policy map was not captured": (
        Cluster(without=frozenset({(2, f"cilium_bpf_{POLICY}")})),
        lambda files: files,
        {"pod-to-pod": "nodes/n2/cilium_bpf_policy_get_--all was not captured"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_states_of_known_kinds(kind: str, tmp_path: Path) -> None:
    cluster, change, expected = KINDS[kind]
    made = network_of(change(cluster.files()), tmp_path)
    found = {one.id: one for one in decide(made).guarantees}
    told = {name: one for name, one in found.items() if one.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)}
    told = {name: one for name, one in told.items() if not one.by_design and "whether policies want it" not in one.reason}
    for name, words in expected.items():
        assert name in told, f"{name}: {found[name].verdict} {found[name].reason}"
        assert words in found[name].reason, f"{name}: {found[name].verdict} {found[name].reason}"
    assert expected or not told, {name: one.reason for name, one in told.items()}
    assert not any("internal error" in one.reason for one in found.values())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("well", "a policy map", "an endpoint is"))])
def test_states_of_known_kinds_with_both_versions(kind: str, tmp_path: Path) -> None:
    cluster, change, _ = KINDS[kind]
    files = change(cluster.files())
    one, both = decide(network_of(files, tmp_path / "4")).guarantees, decide(network_of(dual(files), tmp_path / "46")).guarantees
    # How an endpoint reaches itself by an address for clients outside is in no source for IPv6.
    alone = {each.id: each.verdict for each in one}
    told = {each.id: alone[each.id] if "reaches itself by" in each.reason else each.verdict for each in both}
    assert told == alone, "\n".join(f"{each.id} {each.reason}" for each in both)


CLUSTER = Path(__file__).parent.parent / "samples" / "clusters" / "cilium-vxlan"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (CLUSTER / "README.md").read_text().split("\n")
    if line.startswith("|")
]


def test_the_sample_is_what_the_cluster_writes() -> None:
    files = Cluster().files()
    assert {str(path.relative_to(CLUSTER)) for path in CLUSTER.rglob("*") if path.is_file()} == {*files, "README.md"}
    assert {name for name, text in files.items() if (CLUSTER / name).read_text() != text} == set()


@pytest.fixture(scope="module")
def capture() -> Capture:
    return load(CLUSTER)


@pytest.mark.parametrize("row", ROWS[2:], ids=lambda row: f"{row[0]} to {row[1]} {row[2]}")
def test_packets_of_the_sample_fare_as_the_sources_say(row: list[str], capture: Capture) -> None:
    source, target, port, fate, seen, _ = row
    number, protocol = port.split("/")
    found = capture.trace(source, target, port=int(number), protocol=protocol)
    assert {str(one.fate) for one in found.outcomes} == {fate}
    assert not seen or {str(one.source_seen) for one in found.outcomes} == {seen}


@pytest.mark.parametrize(("told", "fate"), [("", Fate.REACHABLE), ("true", Fate.REACHABLE), ("false", Fate.UNREACHABLE)])
def test_packets_of_sctp_are_dropped_where_it_is_off_and_left_out_of_verdicts(told: str, fate: Fate, tmp_path: Path) -> None:
    for name, text in Cluster(sctp=told).files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = load(tmp_path)
    assert {one.fate for one in found.trace("default/client", "default/web-1", port=8080, protocol="SCTP").outcomes} == {fate}
    decided = {item.id: item for item in found.check().guarantees}["pod-to-pod"]
    assert decided.verdict is Verdict.PROVED
    assert any("SCTP is left out" in text for text in decided.assumptions) is (told == "false")


def test_pods_may_not_send_to_the_tunnel(capture: Capture) -> None:
    found = capture.trace("default/client", "default/web-1", port=8472, protocol="UDP")
    assert [one.reason for one in found.outcomes] == [
        "n1: Cilium drops the packet (Encapsulation traffic is prohibited): endpoint 101 sends to the tunnel's port"
    ]


@pytest.mark.parametrize(
    ("cluster", "words"),
    [(Cluster(firewall=True), "host policies of n"), (Cluster(encryption="Wireguard"), "encrypts between nodes")],
)
def test_what_is_not_modelled_is_open(cluster: Cluster, words: str, tmp_path: Path) -> None:
    found = {one.id: one for one in decide(network_of(cluster.files(), tmp_path)).guarantees}
    assert found["pod-to-pod"].verdict is Verdict.UNDECIDED
    assert words in found["pod-to-pod"].reason


@pytest.mark.parametrize(("said", "mode"), [({}, "snat"), ({"bpf-lb-mode": ""}, "snat"), ({"bpf-lb-mode": "DSR"}, "dsr")])
def test_the_mode_of_services_is_told_or_the_default(said: dict[str, str], mode: str) -> None:
    assert setup((), said, "", False).mode == mode
