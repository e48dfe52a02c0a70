"""The walk of one packet: small networks as text, and what the kernel does with a packet in each."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.model.network import Network
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate, Trace
from tests.captures import network_of

LO = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
"""
SWITCHES = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.default.rp_filter = 0\nnet.ipv4.conf.all.forwarding = 1\n"
OPEN = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
RULES = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"


def link(
    number: int,
    name: str,
    mac: str,
    addresses: str = "",
    *,
    more: str = "",
    kind: str = "",
    flags: str = "UP,LOWER_UP",
    mtu: int = 1500,
) -> str:
    """One interface as ``ip -d addr`` prints it."""
    lines = [f"{number}: {name}: <BROADCAST,MULTICAST,{flags}> mtu {mtu} qdisc noqueue {more} state UP group default"]
    lines.append(f"    link/ether {mac} brd ff:ff:ff:ff:ff:ff{' link-netnsid 0' if '@if' in name else ''} promiscuity 0")
    lines += [f"    {kind}"] if kind else []
    lines += [f"    inet {one} scope global {name.split('@')[0]}" for one in addresses.split()]
    return "\n".join(lines) + "\n"


def space(folder: str, links: str, routes: str, **more: str) -> dict[str, str]:
    """The files of one namespace; what is not named is as the kernel has it."""
    files = {
        "ip_-d_addr": LO + links,
        "ip_route": routes,
        "ip_rule": RULES,
        "ip_neigh": "",
        "bridge_fdb": "",
        "sysctl_net": SWITCHES,
        "iptables-save": OPEN,
        "iptables-legacy-save": "",
        "nft_list_ruleset": "",
        "tc_filter": "",
    }
    files.update({name.replace("__", "-"): text for name, text in more.items()})
    return {f"{folder}/{name}": text for name, text in files.items() if text != "absent"}


def pod(node: str, name: str, address: str, gateway: str, mac: str, peer: int, **more: str) -> dict[str, str]:
    """A pod's namespace with one interface and a default route."""
    links = link(2, f"eth0@if{peer}", mac, f"{address}/24", kind="veth")
    routes = f"default via {gateway} dev eth0\n{gateway.rsplit('.', 1)[0]}.0/24 dev eth0 proto kernel scope link src {address}\n"
    return space(f"nodes/{node}/netns/default_{name}", links, routes, **more)


def node(number: int, routes: str = "", extra: str = "", **more: str) -> dict[str, str]:
    """A node with an uplink, a bridge, and two pods on it."""
    subnet, own = f"10.244.{number}", f"192.168.9.{number}"
    links = (
        link(2, "eth0", f"02:00:00:00:00:0{number}", f"{own}/24")
        + link(3, "cni0", f"02:00:00:00:01:0{number}", f"{subnet}.1/24", kind="bridge forward_delay 1500 vlan_filtering 0")
        + "".join(
            link(
                3 + pod,
                f"veth{pod}@if2",
                f"02:00:00:00:0{number}:f{pod}",
                more="master cni0",
                kind="veth \n    bridge_slave state forwarding hairpin on",
            ).replace("link-netnsid 0", f"link-netnsid {pod - 1}")
            for pod in (1, 2)
        )
        + extra
    )
    base = f"192.168.9.0/24 dev eth0 proto kernel scope link src {own}\n{subnet}.0/24 dev cni0 proto kernel scope link src {subnet}.1\n"
    files = space(f"nodes/n{number}", links, base + routes, **more)
    for one in (1, 2):
        files |= pod(
            f"n{number}", f"p{number}{one}", f"{subnet}.{one + 1}", f"{subnet}.1", f"02:00:00:00:0{number}:e{one}", 3 + one
        )
    return files


def vxlan(number: int, other: int, mac: str = "") -> dict[str, str]:
    """What flannel's vxlan back end adds to a node."""
    mac = mac or f"02:00:00:00:aa:0{other}"
    kind = f"vxlan id 1 local 192.168.9.{number} dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300"
    device = link(9, "flannel.1", f"02:00:00:00:aa:0{number}", f"10.244.{number}.0/32", kind=kind, mtu=1450)
    return node(
        number,
        f"10.244.{other}.0/24 via 10.244.{other}.0 dev flannel.1 onlink\n",
        device,
        ip_neigh=f"10.244.{other}.0 dev flannel.1 lladdr {mac} PERMANENT\n",
        bridge_fdb=f"{mac} dev flannel.1 dst 192.168.9.{other} self permanent\n",
    )


def host_gw(number: int, other: int, **more: str) -> dict[str, str]:
    """What flannel's host-gw back end adds to a node."""
    return node(number, f"10.244.{other}.0/24 via 192.168.9.{other} dev eth0\n", **more)


def build(folder: Path, *parts: dict[str, str]) -> Network:
    """The network of some nodes."""
    files: dict[str, str] = {}
    for part in parts:
        files |= part
    return network_of(files, folder)


def asked(network: Network, source: str, target: str, **more: object) -> Trace:
    """The trace of a TCP packet to port 80, or as said."""
    return trace(network, Question(source, target, **{"port": 80, **more}))  # type: ignore[arg-type]


def only(found: Trace) -> str:
    """The fate of the one outcome, and its reason."""
    assert len(found.outcomes) == 1, found
    return f"{found.fate} {found.outcomes[0].reason}".strip()


def test_two_pods_of_one_bridge(tmp_path: Path) -> None:
    network = build(tmp_path, host_gw(1, 2), host_gw(2, 1))
    found = asked(network, "default/p11", "default/p12")
    assert only(found) == "reachable"
    outcome = found.outcomes[0]
    assert (outcome.delivered_to, str(outcome.source_seen), outcome.port_seen) == ("default/p12", "10.244.1.2", 80)
    assert any(hop.reply for hop in outcome.hops)
    assert any("sockets were not captured" in text for text in found.assumptions)


@pytest.mark.parametrize("kind", [host_gw, vxlan])
def test_pods_of_two_nodes(tmp_path: Path, kind: object) -> None:
    network = build(tmp_path, kind(1, 2), kind(2, 1))  # type: ignore[operator]
    for protocol in ("TCP", "UDP", "ICMP"):
        found = asked(network, "default/p11", "default/p22", protocol=protocol, port=0 if protocol == "ICMP" else 80)
        assert only(found) == "reachable"
        assert found.outcomes[0].delivered_to == "default/p22"
        assert not found.outcomes[0].source_translated
    assert any("share one layer-2 network" in text for text in found.assumptions)


def test_a_frame_with_another_mac_is_dropped(tmp_path: Path) -> None:
    """eth_type_trans: PACKET_OTHERHOST. The line that pins the MAC decides, both MACs are named."""
    network = build(tmp_path, vxlan(1, 2, "02:00:00:00:bb:02"), vxlan(2, 1))
    found = asked(network, "default/p11", "default/p21")
    assert found.fate is Fate.UNREACHABLE
    reason, at = found.outcomes[0].reason, found.outcomes[0].at
    assert "02:00:00:00:bb:02" in reason
    assert "02:00:00:00:aa:02" in reason
    assert at is not None
    assert (at.path, at.line) == ("nodes/n1/ip_neigh", 1)


def test_the_way_back_counts(tmp_path: Path) -> None:
    network = build(tmp_path, host_gw(1, 2), node(2))
    assert only(asked(network, "default/p11", "default/p21")).startswith("unreachable the reply: n2 has no route to 10.244.1.2")


def test_routing_rules_decide_before_the_main_table(tmp_path: Path) -> None:
    rules = RULES.replace("32766", "100:\tfrom 10.244.1.2 lookup 7\n110:\tto 10.244.2.3 unreachable\n32766")
    routes = "10.244.2.0/24 via 192.168.9.2 dev eth0\nblackhole 10.244.2.2 table 7\n"
    network = build(tmp_path, node(1, routes, ip_rule=rules), host_gw(2, 1))
    assert "blackhole route for 10.244.2.2" in only(asked(network, "default/p11", "default/p21"))
    assert "routing rule 110 of n1 is unreachable" in only(asked(network, "default/p11", "default/p22"))
    assert only(asked(network, "default/p12", "default/p21")) == "reachable"


def test_every_way_of_a_route_is_an_outcome(tmp_path: Path) -> None:
    routes = "10.244.2.0/24 \n\tnexthop via 192.168.9.2 dev eth0 weight 1 \n\tnexthop via 192.168.9.77 dev eth0 weight 1 \n"
    network = build(tmp_path, node(1, routes), host_gw(2, 1))
    found = asked(network, "default/p11", "default/p21")
    assert {outcome.fate for outcome in found.outcomes} == {Fate.REACHABLE, Fate.UNKNOWN}
    assert "192.168.9.77 was not captured" in next(o.reason for o in found.outcomes if o.fate is Fate.UNKNOWN)


@pytest.mark.parametrize(("protocol", "fate"), [("TCP", "depends"), ("UDP", "depends"), ("ICMP", "reachable")])
def test_what_connects_is_routed_again_with_its_source(protocol: str, fate: str, tmp_path: Path) -> None:
    """``ip_route_connect``: the way that chose the source need not be that of the packets; what does not connect is routed once."""
    routes = "203.0.113.0/24 \n\tnexthop via 192.168.9.254 dev eth0 weight 1 \n\tnexthop via 192.168.8.254 dev eth1 weight 1 \n"
    rules = OPEN.replace("COMMIT", "-A OUTPUT -s 192.168.9.1/32 -o eth1 -j DROP\nCOMMIT")
    uplink = link(9, "eth1", "02:00:00:00:09:01", "192.168.8.1/24")
    network = build(tmp_path, node(1, routes, uplink, iptables__save=rules))
    found = asked(network, "node:n1", "203.0.113.9", protocol=protocol, port=0 if protocol == "ICMP" else 53)
    assert found.fate == fate
    assert {str(one.source_seen) for one in found.outcomes if one.fate is Fate.REACHABLE} == {"192.168.9.1", "192.168.8.1"}


def test_strict_reverse_path_filter(tmp_path: Path) -> None:
    """fib_validate_source: the source is reached by another device."""
    strict = SWITCHES.replace("rp_filter = 0", "rp_filter = 1")
    network = build(tmp_path, host_gw(1, 2), node(2, "10.244.1.0/24 dev cni0 scope link\n", sysctl_net=strict))
    found = asked(network, "default/p11", "default/p21")
    assert only(found).startswith("unreachable n2: rp_filter refuses 10.244.1.2 on eth0")
    assert found.outcomes[0].at is not None
    assert found.outcomes[0].at.path == "nodes/n2/sysctl_net"


def test_forwarding_off(tmp_path: Path) -> None:
    network = build(tmp_path, host_gw(1, 2, sysctl_net=SWITCHES.replace("= 1", "= 0")), host_gw(2, 1))
    assert only(asked(network, "default/p11", "default/p21")).startswith("unreachable n1 does not forward")
    assert only(asked(network, "default/p11", "default/p12")) == "reachable"


def test_what_was_not_captured_is_not_known(tmp_path: Path) -> None:
    cases = {
        "sysctl_net": "forwards IPv4",
        "iptables__save": "iptables-save was not captured",
        "ip_route": "ip_route_show_table_all",
    }
    for number, (name, words) in enumerate(cases.items()):
        absent = {name: "absent", "iptables__legacy__save": "absent"}
        network = build(tmp_path / str(number), host_gw(1, 2, **absent), host_gw(2, 1))
        found = asked(network, "default/p11", "default/p21")
        assert found.fate is Fate.UNKNOWN, name
        assert words in found.outcomes[0].reason, name


def test_a_line_that_was_not_understood_may_be_the_route(tmp_path: Path) -> None:
    network = build(tmp_path, node(1, "10.244.2.0/24 via 192.168.9.2 dev eth0\n10.244.2.0/25 gibberish\n"), host_gw(2, 1))
    assert asked(network, "default/p11", "default/p21").fate is Fate.UNKNOWN


def test_nobody_listens(tmp_path: Path) -> None:
    sockets = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp   LISTEN 0      128          0.0.0.0:8080      0.0.0.0:*\n"
    files = host_gw(1, 2)
    files["nodes/n1/netns/default_p12/ss_-tunlp"] = sockets
    network = build(tmp_path, files)
    assert "nothing listens on TCP port 80" in only(asked(network, "default/p11", "default/p12"))
    assert only(asked(network, "default/p11", "default/p12", port=8080)) == "reachable"


def test_a_packet_that_must_not_be_fragmented(tmp_path: Path) -> None:
    network = build(tmp_path, vxlan(1, 2), vxlan(2, 1))
    assert only(asked(network, "default/p11", "default/p21", protocol="ICMP", port=0, size=1430)) == "reachable"
    assert "flannel.1 carries 1450" in only(asked(network, "default/p11", "default/p21", protocol="ICMP", port=0, size=1431))


def test_outside_is_reached_and_named(tmp_path: Path) -> None:
    network = build(
        tmp_path, host_gw(1, 2), node(2, "default via 192.168.9.254 dev eth0\n10.244.1.0/24 via 192.168.9.1 dev eth0\n")
    )
    found = asked(network, "default/p21", "203.0.113.9")
    assert (only(found), found.outcomes[0].delivered_to) == ("reachable", "outside")
    assert any("the reply was not walked" in text for text in found.assumptions)
    assert "no route to 203.0.113.9" in only(asked(network, "default/p11", "203.0.113.9"))


def test_a_packet_from_outside_and_its_answer(tmp_path: Path) -> None:
    routed = "default via 192.168.9.254 dev eth0\n10.244.2.0/24 via 192.168.9.2 dev eth0\n"
    network = build(tmp_path, node(1, routed), host_gw(2, 1))
    found = asked(network, "198.51.100.7", "192.168.9.1", enter="node:n1/eth0")
    assert (only(found), found.outcomes[0].delivered_to) == ("reachable", "node:n1")
    assert str(found.outcomes[0].source_seen) == "198.51.100.7"
    assert "n2 has no route to 198.51.100.7" in only(asked(network, "198.51.100.7", "192.168.9.2", enter="node:n2/eth0"))


def test_a_packet_from_outside_comes_in_where_its_destination_is(tmp_path: Path) -> None:
    second = link(9, "eth1", "02:00:00:00:09:01", "192.168.8.1/24")
    routes = "default via 192.168.9.254 dev eth0\n192.168.8.0/24 dev eth1 proto kernel scope link src 192.168.8.1\n"
    network = build(tmp_path, node(1, routes, second, sysctl_net=SWITCHES + "net.ipv4.conf.eth1.rp_filter = 1\n"))
    found = asked(network, "192.168.8.254", "192.168.8.1")
    assert (only(found), found.outcomes[0].delivered_to) == ("reachable", "node:n1")
    assert "on eth1, since it is reached by eth0" in only(asked(network, "203.0.113.9", "192.168.8.1"))


def test_two_nodes_that_route_to_each_other_loop(tmp_path: Path) -> None:
    one = node(1, "10.99.0.0/16 via 192.168.9.2 dev eth0\n10.244.2.0/24 via 192.168.9.2 dev eth0\n")
    two = node(2, "10.99.0.0/16 via 192.168.9.1 dev eth0\n10.244.1.0/24 via 192.168.9.1 dev eth0\n")
    assert "loops" in only(asked(build(tmp_path, one, two), "default/p11", "10.99.1.1"))


def test_rp_filter_that_is_not_known_is_asked_for_where_it_matters(tmp_path: Path) -> None:
    partial = "net.ipv4.ip_forward = 1\n"
    one = node(1, "10.99.0.0/16 via 192.168.9.2 dev eth0\n10.244.2.0/24 via 192.168.9.2 dev eth0\n", sysctl_net=partial)
    two = node(2, "10.99.0.0/16 via 192.168.9.1 dev eth0\n10.244.1.0/24 via 192.168.9.1 dev eth0\n", sysctl_net=partial)
    network = build(tmp_path, one, two)
    assert asked(network, "default/p11", "10.244.2.2").fate is Fate.REACHABLE
    assert "rp_filter of eth0" in only(asked(network, "default/p11", "10.99.1.1"))


def test_a_translated_service_comes_back_translated(tmp_path: Path) -> None:
    nat = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
        "-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.2.2:8080\nCOMMIT\n"
    )
    network = build(tmp_path, host_gw(1, 2, iptables__save=OPEN + nat), host_gw(2, 1))
    outcome = asked(network, "default/p11", "10.96.0.10").outcomes[0]
    assert (outcome.fate, outcome.delivered_to, outcome.port_seen) == (Fate.REACHABLE, "default/p21", 8080)
    assert outcome.destination_translated
    assert not outcome.source_translated


def ipip(number: int, other: int, **more: str) -> dict[str, str]:
    """What Calico's IP-in-IP mode adds to a node: one device without a far end, the route's gateway is it."""
    device = (
        f"9: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN group default\n    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0\n"
        f"    ipip any remote any local any ttl inherit nopmtudisc\n    inet 10.244.{number}.0/32 scope global tunl0\n"
    )
    return node(number, f"10.244.{other}.0/24 via 192.168.9.{other} dev tunl0 onlink\n", device, **more)


def test_ip_in_ip(tmp_path: Path) -> None:
    """ip_tunnel_xmit: without a remote the outer destination is the route's gateway."""
    found = asked(build(tmp_path / "a", ipip(1, 2), ipip(2, 1)), "default/p11", "default/p21")
    assert only(found) == "reachable"
    assert any("ipip to 192.168.9.2" in hop.what for hop in found.outcomes[0].hops)
    closed = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p ipencap -j DROP\nCOMMIT\n"
    lost = asked(build(tmp_path / "b", ipip(1, 2), ipip(2, 1, iptables__save=closed)), "default/p11", "default/p21")
    assert "the tunnel packet" in only(lost)
    assert "filter INPUT rule 1" in only(lost)


def test_a_chain_of_routers(tmp_path: Path) -> None:
    """A long way is walked to its end, and a loop of layer 2 ends."""
    files: dict[str, str] = {}
    count = 16
    for number in range(count):
        left, right = f"10.9.{number}.2", f"10.9.{number + 1}.1"
        links = link(2, "left@if3", f"02:00:00:01:00:{number:02x}", f"{left}/24", kind="veth").replace(
            "link-netnsid 0", f"link-netns r{number - 1}"
        ) + link(3, "right@if2", f"02:00:00:02:00:{number:02x}", f"{right}/24", kind="veth").replace(
            "link-netnsid 0", f"link-netns r{number + 1}"
        )
        routes = f"10.9.{number}.0/24 dev left scope link\n10.9.{number + 1}.0/24 dev right scope link\n"
        routes += f"10.8.0.0/16 via 10.9.{number + 1}.2 dev right\n10.9.0.0/16 via 10.9.{number}.1 dev left\n"
        if number == count - 1:
            routes = routes.replace(f"10.8.0.0/16 via 10.9.{number + 1}.2 dev right\n", "")
            links = links.replace(f"inet {right}/24", "inet 10.8.0.1/16")
        files |= space(f"nodes/n/netns/r{number}", links, routes)
    found = asked(network_of(files, tmp_path), "r0", "10.8.0.1")
    assert only(found) == "reachable"


@pytest.mark.parametrize(
    ("rule", "fate"),
    [
        ("counter", Fate.REACHABLE),
        ("ip daddr 10.0.0.1 drop", Fate.REACHABLE),
        ("ip saddr 10.0.0.0/8 drop", Fate.UNREACHABLE),
        ("ether type arp drop", Fate.UNREACHABLE),
        ("arp operation reply drop", Fate.UNKNOWN),
        ("ether saddr 02:99:00:00:00:01 drop", Fate.REACHABLE),
        ("ct state new drop", Fate.UNKNOWN),
    ],
)
def test_what_native_chains_of_bridges_do_to_frames(tmp_path: Path, rule: str, fate: Fate) -> None:
    files = host_gw(1, 2)
    files["nodes/n1/nft_list_ruleset"] = (
        f"table bridge fw {{\n\tchain c {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t{rule}\n\t}}\n}}\n"
    )
    assert asked(build(tmp_path, files, host_gw(2, 1)), "default/p11", "default/p12").fate is fate
