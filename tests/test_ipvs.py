"""IPVS: guarantees about services decided through virtual servers, what breaks them, and what the kernel does in special cases.

The kernel that tests run on need not have IPVS: whole captures are recordings of real networks with kube-proxy's iptables mode, of which
``ipvs_mode.convert`` makes the IPVS mode; both must have the same verdicts. kube-proxy's own states are read in place where ``ANALYZER_DATA`` has them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.findings import Guarantee, Verdict
from analyzer.model.network import Interface, Network
from analyzer.model.services import untranslated
from analyzer.pipeline import read_input
from analyzer.query.guarantees import Decided, decide
from analyzer.solve.packet import SYN, TCP, UDP, Fate, Outcome, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from tests.ipvs_mode import convert
from tests.lab import record
from tests.mutations import Tally, doubtful, unfounded

ROOT = Path(__file__).parent.parent
TRUTH = ROOT / "samples" / "truth"
DATA = (
    Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
    / "kubeproxy"
    / "kubernetes-kubernetes"
    / "ipvs-state-v1.28"
)
IDS = ("pod-to-service", "outside-to-service", "node-to-pod")
TABLE = "nodes/node-b/ipvsadm-save"
NODE = Scope("node-b")


def prepared(sample: str, folder: Path, balanced: bool = True) -> Path:
    """A recording, in IPVS mode or as it is."""
    record.unpack((TRUTH / f"{sample}.txt").read_text(), folder)
    if balanced:
        convert(folder)
    return folder


def network_of(folder: Path) -> Network:
    """The network of a capture."""
    return read_input((str(folder),)).network


def decided(folder: Path) -> Decided:
    """The verdicts, each held against the walk."""
    network = network_of(folder)
    assert network.gaps == ()
    found = decide(network, IDS)
    wrong = [text for guarantee in found.guarantees for text in doubtful(network, guarantee, Tally())]
    wrong += [text for broken in found.broken for text in unfounded(network, broken)]
    assert wrong == []
    return found


def to_services(found: Decided) -> Guarantee:
    """The verdict on what pods send to services."""
    return next(item for item in found.guarantees if item.id == IDS[0])


def edited(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


SAMPLES = (
    "flannel-vxlan-services",
    "host-gw-services-published",
    "flannel-vxlan-services-br-nf-off",
    "host-gw-services-no-hairpin",
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_both_modes_of_kube_proxy_have_the_same_verdicts(sample: str, tmp_path: Path) -> None:
    plain = decide(network_of(prepared(sample, tmp_path / "iptables", False)), IDS).guarantees
    balanced = decided(prepared(sample, tmp_path / "ipvs")).guarantees
    assert [(item.id, item.verdict) for item in balanced] == [(item.id, item.verdict) for item in plain]


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        (TABLE, "-A -t 10.96.0.51:80 -s rr\n", "", "nothing listens on TCP port 80 of node-b"),
        (TABLE, ":8080 -m -w 1", ":8080 -m -w 0", "has no real server"),
        (TABLE, "-r 10.244.1.4:8080 -m", "-r 10.244.1.44:8080 -m", "10.244.1.44"),
        (
            "nodes/node-b/sysctl_net",
            "net.ipv4.vs.conntrack = 1",
            "net.ipv4.vs.conntrack = 0",
            "the source 10.244.1.2 is an address of its own",
        ),
    ],
)
def test_what_breaks_services_is_refuted(file: str, old: str, new: str, reason: str, tmp_path: Path) -> None:
    folder = prepared("flannel-vxlan-services", tmp_path)
    if new == "":
        kept = [line for line in (folder / file).read_text().splitlines(keepends=True) if " 10.96.0.51:80 " not in line]
        (folder / file).write_text("".join(kept))
    else:
        edited(folder / file, old, new)
    guarantee = to_services(decided(folder))
    assert guarantee.verdict is Verdict.REFUTED, guarantee.reason
    assert reason in guarantee.reason


def test_an_address_that_the_dummy_device_lacks_is_refuted(tmp_path: Path) -> None:
    folder = prepared("host-gw-services-published", tmp_path)
    edited(folder / "nodes/node-b/ip_addr.json", '"local": "10.96.0.51"', '"local": "10.96.99.51"')
    edited(folder / "nodes/node-b/ip_route.json", '"dst": "10.96.0.51"', '"dst": "10.96.99.51"')
    edited(folder / "nodes/node-b/ip_route.json", '"prefsrc": "10.96.0.51"', '"prefsrc": "10.96.99.51"')
    found = decided(folder)
    assert to_services(found).verdict is Verdict.REFUTED
    assert {item.target for item in found.broken if item.guarantee == IDS[0]} == {"svc:default/db"}
    told = untranslated(network_of(folder), "node-b", address("10.96.0.51"))
    assert "kube-ipvs0 of node-b does not have 10.96.0.51, the cluster address of" in told.reason


def test_a_table_that_was_not_captured_leaves_it_open(tmp_path: Path) -> None:
    folder = prepared("flannel-vxlan-services", tmp_path)
    (folder / TABLE).unlink()
    guarantee = to_services(decide(network_of(folder), IDS))
    assert guarantee.verdict is Verdict.UNDECIDED
    assert "ipvsadm-save was not captured" in guarantee.reason


ADDRESSES = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 52:54:00:00:02:0b brd ff:ff:ff:ff:ff:ff promiscuity 0
    inet 192.168.0.11/24 scope global eth0
9: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default
    link/ether de:ad:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0
    dummy numtxqueues 1 numrxqueues 1
    inet 10.96.0.1/32 scope global kube-ipvs0
"""
ROUTES = """\
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11
default via 192.168.0.1 dev eth0
local 192.168.0.11 dev eth0 table local proto kernel scope host src 192.168.0.11
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
local 10.96.0.1 dev kube-ipvs0 table local proto kernel scope host src 10.96.0.1
"""
RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -j DROP
COMMIT
"""
ONE = "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 192.168.0.50:8080 -m -w 1\n"


def director(folder: Path, table: str, conntrack: int = 1, switches: str = "") -> Network:
    """One node that balances."""
    place = folder / "nodes" / "n1"
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "ip_-d_addr": ADDRESSES,
        "ip_route_show_table_all": ROUTES,
        "ip_rule": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
        "iptables-save": RULES,
        "nft_list_ruleset": "",
        "ipvsadm-save": table,
        "sysctl_net": f"net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.forwarding = 1\nnet.ipv4.vs.conntrack = {conntrack}\n{switches}",
        "ss_-tunlp": "",
    }
    for name, text in files.items():
        (place / name).write_text(text)
    return network_of(folder)


def asked(network: Network, port: int = 80, protocol: int = TCP, sent_from: int = 40000, flags: int = SYN) -> tuple[Outcome, ...]:
    """What becomes of a packet from 192.168.0.60 to the service's address."""
    packet = Packet(4, address("192.168.0.60").value, address("10.96.0.1").value, protocol, sent_from, port)
    packet = packet._replace(tcp_flags=flags if protocol == TCP else 0)
    return walk(network, Flow(Interface(Scope("n1"), "eth0"), packet)).outcomes


def last(outcome: Outcome) -> str:
    """The packet as it left."""
    return next(str(hop.packet) for hop in reversed(outcome.hops) if hop.packet is not None)


CASES = {
    "what is sent to a real server passes OUTPUT and POSTROUTING, not FORWARD": (ONE, 1, {}, "TCP 192.168.0.11:40000 -> 192.168.0.50:8080"),
    "without conntrack nothing translates its source": (ONE, 0, {}, "TCP 192.168.0.60:40000 -> 192.168.0.50:8080"),
    "a persistent virtual server of every port keeps the port": (
        "-A -t 10.96.0.1:0 -s rr -p 300\n-a -t 10.96.0.1:0 -r 192.168.0.50:0 -m -w 1\n", 1, {"port": 4711}, "TCP 192.168.0.11:40000 -> 192.168.0.50:4711",
    ),
    "a real server without a port has that of the packet": (ONE.replace("50:8080", "50:0"), 1, {}, "TCP 192.168.0.11:40000 -> 192.168.0.50:80"),
    "the best weight wins with fo": (
        "-A -t 10.96.0.1:80 -s fo\n-a -t 10.96.0.1:80 -r 192.168.0.50:1 -m -w 1\n-a -t 10.96.0.1:80 -r 192.168.0.51:2 -m -w 5\n", 1, {},
        "TCP 192.168.0.11:40000 -> 192.168.0.51:2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_packets_are_balanced_as_the_kernel_does(name: str, tmp_path: Path) -> None:
    table, conntrack, options, wanted = CASES[name]
    (outcome,) = asked(director(tmp_path, table, conntrack), **options)
    assert outcome.fate is Fate.REACHABLE, outcome.reason
    assert (outcome.delivered_to, last(outcome)) == ("outside", wanted)


HELD = "tcp 6 99 SYN_RECV src=192.168.0.60 dst=10.96.0.1 sport=40000 dport=80 src={server} dst=192.168.0.11 sport=8080 dport=40000 use=1\n"


@pytest.mark.parametrize(
    ("server", "fate"), [("192.168.0.50", Fate.REACHABLE), ("192.168.0.51", Fate.UNKNOWN), ("192.168.0.59", Fate.UNKNOWN)]
)
def test_a_connection_that_is_tracked_already_may_have_its_real_server_still(server: str, fate: Fate, tmp_path: Path) -> None:
    table = ONE if server == "192.168.0.50" else f"{ONE}-a -t 10.96.0.1:80 -r 192.168.0.51:8080 -m -w 1\n"
    (tmp_path / "nodes" / "n1").mkdir(parents=True)
    (tmp_path / "nodes" / "n1" / "conntrack").write_text(HELD.format(server=server))
    network = director(tmp_path, table)
    packet = Packet(4, address("192.168.0.60").value, address("10.96.0.1").value, TCP, 40000, 80, tcp_flags=SYN)
    told = walk(network, Flow(Interface(Scope("n1"), "eth0"), packet, tracked=True))
    assert told.fate is fate
    if fate is Fate.UNKNOWN:
        assert told.outcomes[0].reason.startswith("IPVS of n1 still has the connection of nodes/n1/conntrack:1 with")
        assert told.outcomes[0].settle == "ipvsadm -Lcn"


def test_direct_routing_keeps_the_destination(tmp_path: Path) -> None:
    (outcome,) = asked(director(tmp_path, ONE.replace("-m", "-g")))
    assert outcome.reason == "the router 192.168.0.50 was not captured: how it reaches 10.96.0.1 is not known"
    assert last(outcome) == "TCP 192.168.0.11:40000 -> 10.96.0.1:80"


@pytest.mark.parametrize("kind", ["gue --tun-port 5555", "gre"])
def test_what_goes_through_other_tunnels_is_open(kind: str, tmp_path: Path) -> None:
    (outcome,) = asked(director(tmp_path, ONE.replace("-m", f"-i --tun-type {kind}")))
    assert (outcome.fate, outcome.reason) == (
        Fate.UNKNOWN,
        f"n1: what IPVS sends through a tunnel of {kind[:3].upper()} is not walked",
    )


@pytest.mark.parametrize(
    ("sloppy", "flags", "fate"), [(0, 16, Fate.UNREACHABLE), (1, 16, Fate.REACHABLE), (1, 4, Fate.UNREACHABLE)]
)
def test_sloppy_tcp_schedules_what_opens_no_connection(sloppy: int, flags: int, fate: Fate, tmp_path: Path) -> None:
    network = director(tmp_path, ONE, switches=f"net.ipv4.vs.sloppy_tcp = {sloppy}\n")
    assert [one.fate for one in asked(network, flags=flags)] == [fate]


MARKED = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1/32 -j MARK --set-mark 7\nCOMMIT\n"


@pytest.mark.parametrize(("bypass", "fate"), [(0, Fate.UNREACHABLE), (1, Fate.UNKNOWN)])
def test_what_a_mark_without_real_servers_sends_past_them_is_open(bypass: int, fate: Fate, tmp_path: Path) -> None:
    director(tmp_path, "-A -f 7 -s rr\n", switches=f"net.ipv4.vs.cache_bypass = {bypass}\n")
    (tmp_path / "nodes" / "n1" / "iptables-save").write_text(MARKED + RULES)
    assert [one.fate for one in asked(network_of(tmp_path))] == [fate]


RULED = "0:\tfrom all lookup local\n100:\tfrom 10.96.0.0/16 unreachable\n32766:\tfrom all lookup main\n"
ANSWERED = "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 192.168.0.11:8080 -m -w 1\n"


@pytest.mark.parametrize(("reroute", "fate"), [("1", Fate.UNREACHABLE), ("0", Fate.REACHABLE)])
def test_answers_are_routed_as_from_the_virtual_server(reroute: str, fate: Fate, tmp_path: Path) -> None:
    director(tmp_path, ANSWERED, switches=f"net.ipv4.vs.snat_reroute = {reroute}\nnet.ipv4.conf.eth0.rp_filter = 0\n")
    place = tmp_path / "nodes" / "n1"
    (place / "ip_rule").write_text(RULED)
    (place / "ss_-tunlp").write_text(
        "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp LISTEN 0 5 0.0.0.0:8080 0.0.0.0:*\n"
    )
    (outcome,) = asked(network_of(tmp_path))
    assert outcome.fate is fate, outcome.reason


@pytest.mark.parametrize(
    ("table", "options", "reason"),
    [
        ("-A -t 10.96.0.1:80 -s rr\n", {}, "has no real server"),
        (ONE.replace("-w 1", "-w 0"), {}, "no real server with a weight above 0"),
        (ONE.replace("10.96.0.1:80", "10.96.0.1:0").replace("-s rr", "-s rr"), {}, "has no real server"),
        (ONE, {"sent_from": 20}, "nothing listens on TCP port 80"),
        (ONE, {"flags": 16}, "nothing listens on TCP port 80"),
        (ONE, {"port": 81}, "nothing listens on TCP port 81"),
        (ONE, {"protocol": UDP}, "nothing listens on UDP port 80"),
    ],
)
def test_packets_that_no_real_server_gets(table: str, options: dict[str, int], reason: str, tmp_path: Path) -> None:
    (outcome,) = asked(director(tmp_path, table), **options)
    assert outcome.fate is Fate.UNREACHABLE
    assert reason in outcome.reason.replace("the virtual server TCP 10.96.0.1:0 has no", "has no")


def test_a_hashing_scheduler_gives_clients_of_a_dead_server_nobody(tmp_path: Path) -> None:
    table = ONE.replace("-s rr", "-s sh") + "-a -t 10.96.0.1:80 -r 192.168.0.51:8080 -m -w 0\n"
    fates = sorted(outcome.fate.value for outcome in asked(director(tmp_path / "plain", table)))
    assert fates == ["reachable", "unreachable"]
    kept = table.replace("-s sh", "-s sh -b flag-1")
    assert [outcome.fate for outcome in asked(director(tmp_path / "fallback", kept))] == [Fate.REACHABLE]


def test_a_line_that_was_not_understood_leaves_other_ports_open(tmp_path: Path) -> None:
    network = director(tmp_path, ONE + "-A -t web:http -s rr\n")
    assert asked(network)[0].fate is Fate.REACHABLE
    assert asked(network, 81)[0].fate is Fate.UNKNOWN


STATES = sorted(DATA.glob("*.json")) if DATA.exists() else []


@pytest.mark.skipif(not STATES, reason="kube-proxy's states are not here")
@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_kube_proxys_own_states(path: Path, tmp_path: Path) -> None:
    """Every virtual server of kube-proxy's tests balances to exactly its real servers; one without any is refused."""
    state = json.loads(path.read_text())
    place = tmp_path / "nodes" / "n1"
    place.mkdir(parents=True)
    held = [(device, host) for device, hosts in state["localAddresses"].items() for host in hosts]
    held += [("kube-ipvs0", server["address"]) for server in state["virtualServers"]]
    held = list({host: (device, host) for device, host in reversed(held)}.values())
    (place / "ip_-d_addr").write_text(
        ADDRESSES.replace("    inet 10.96.0.1/32 scope global kube-ipvs0\n", "")
        + "".join(
            f"    inet{'6' * (':' in host)} {host}/{128 if ':' in host else 32} scope global kube-ipvs0\n" for _, host in held
        )
    )
    (place / "ip_route_show_table_all").write_text(
        ROUTES.replace("local 10.96.0.1 dev kube-ipvs0 table local proto kernel scope host src 10.96.0.1\n", "")
        + "".join(f"local {host} dev kube-ipvs0 table local proto kernel scope host\n" for _, host in held if ":" not in host)
    )
    (place / "ip_-6_route_show_table_all").write_text(
        "default via fe80::1 dev eth0\n"
        + "".join(
            f"local {host} dev kube-ipvs0 table local proto kernel metric 0 pref medium\n" for _, host in held if ":" in host
        )
    )
    (place / "ipvsadm-save").write_text(path.with_name(f"{path.stem}.ipvsadm-save.txt").read_text())
    (place / "sysctl_net").write_text("net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv4.vs.conntrack = 1\n")
    (place / "iptables-save").write_text("")
    (place / "ip6tables-save").write_text("")
    (place / "ss_-tunlp").write_text("")
    network = network_of(tmp_path)
    space = network.namespaces[Scope("n1")]
    numbers = {"TCP": 6, "UDP": 17, "SCTP": 132}
    assert len(space.virtual_servers) == len(state["virtualServers"])
    for server in state["virtualServers"]:
        target = address(server["address"])
        if target.family == 4 and target.value >> 24 == 127:
            continue
        source = address("198.51.100.7" if target.family == 4 else "2001:db8:99::7").value
        packet = Packet(target.family, source, target.value, numbers[server["protocol"]], 40000, server["port"])
        packet = packet._replace(tcp_flags=SYN if packet.protocol == TCP else 0)
        trace = walk(network, Flow(Interface(Scope("n1"), "eth0"), packet))
        ends = {(one["address"], one["port"]) for one in server["realServers"] or ()}
        seen = {(str(one.destination_seen), one.port_seen) for one in trace.outcomes if one.destination_seen is not None}
        sent = {
            (hop.packet.destination, hop.packet.destination_port)
            for one in trace.outcomes
            for hop in one.hops
            if hop.stage == "ipvs" and hop.packet
        }
        assert sent == {(address(host).value, port) for host, port in ends}, (server, seen)
        if not ends:
            assert [one.reason for one in trace.outcomes if "has no real server" not in one.reason] == []
