"""Layer-2 networks between hosts that were not captured: joined by what tables and addresses say, else not known, in both readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.model.network import Network
from analyzer.query.parties import pods
from analyzer.solve.packet import TCP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import outcomes
from tests.test_walk import RULES, build, link, pod, space

YES, NO, OPEN = {Fate.REACHABLE}, {Fate.UNREACHABLE}, {Fate.UNKNOWN}
BRIDGE = "bridge forward_delay 1500 vlan_filtering 0"
PORT = "veth \n    bridge_slave state forwarding"
MAC = "02:00:00:00:0{}:e1"


def plain(number: int) -> str:
    """A physical uplink."""
    return link(2, "eth1", f"02:00:00:00:00:1{number}", more="master br0", kind="bridge_slave state forwarding")


def pair(number: int) -> str:
    """An uplink that looks like what a pod hangs on."""
    return link(2, "eth1@if9", f"02:00:00:00:00:1{number}", more="master br0", kind=PORT).replace("netnsid 0", "netnsid 7")


def bond(number: int) -> str:
    """A bond with a VLAN that is the bridge's port."""
    slave = link(7, "eth1", f"02:00:00:00:00:1{number}", more="master bond0", kind="bond_slave state ACTIVE")
    own = link(
        8, "bond0", f"02:00:00:00:00:1{number}", kind="bond mode active-backup active_slave eth1", flags="MASTER,UP,LOWER_UP"
    )
    tagged = link(
        9,
        "bond0.5@bond0",
        f"02:00:00:00:00:1{number}",
        more="master br0",
        kind="vlan protocol 802.1Q id 5 <REORDER_HDR>\n    bridge_slave state forwarding",
    )
    return slave + own + tagged  # fmt: skip


def nothing(number: int) -> str:
    """No uplink."""
    return link(2, "eth1", f"02:00:00:00:00:1{number}", f"172.30.{number}.2/24")


def switched(number: int, uplink: str, address: str = "", length: int = 24, **more: str) -> dict[str, str]:
    """A node with a bridge, an uplink, and one pod of 10.5.0.0/24."""
    hosts = link(4, "veth1@if2", f"02:00:00:00:0{number}:f1", more="master br0", kind=PORT)
    bridge = link(3, "br0", f"02:00:00:00:01:0{number}", address, kind=BRIDGE)
    inner = pod(f"n{number}", f"p{number}", f"10.5.0.{number}", "10.5.0.254", MAC.format(number), 4)
    folder = f"nodes/n{number}/netns/default_p{number}/ip_-d_addr"
    inner[folder] = inner[folder].replace(f"10.5.0.{number}/24", f"10.5.0.{number}/{length}")
    return space(f"nodes/n{number}", uplink + bridge + hosts, "", **more) | inner


FDB = "02:00:00:00:02:e1 dev eth1 master br0\n"
NEIGHBOUR = "10.5.0.2 dev eth0 lladdr 02:00:00:00:02:e1 STALE\n"
CASES = [
    ("physical uplinks, whose pods are of one network", switched(1, plain(1)), switched(2, plain(2)), YES),
    ("bonds with a VLAN", switched(1, bond(1)), switched(2, bond(2)), YES),
    ("physical uplinks, and a pod that has a network of its own", switched(1, plain(1)), switched(2, plain(2), length=32), OPEN),
    ("pairs, which may be other pods'", switched(1, pair(1)), switched(2, pair(2)), OPEN),
    ("pairs, and the bridge has heard the other's pod", switched(1, pair(1), bridge_fdb=FDB), switched(2, pair(2)), YES),
    ("the same from the other side", switched(1, pair(1)), switched(2, pair(2), bridge_fdb=FDB.replace("02:e1", "01:e1")), YES),
    ("an entry that somebody wrote", switched(1, pair(1), bridge_fdb=FDB.strip() + " static\n"), switched(2, pair(2)), OPEN),
    ("one pair, one physical", switched(1, pair(1)), switched(2, plain(2)), OPEN),
    ("the bridges are their pods' gateways", switched(1, pair(1), "10.5.0.101/24"), switched(2, pair(2), "10.5.0.102/24"), NO),
    ("one is", switched(1, pair(1)), switched(2, pair(2), "10.5.0.102/24"), NO),
    ("no uplink", switched(1, nothing(1)), switched(2, nothing(2)), NO),
    ("no uplink of one", switched(1, plain(1)), switched(2, nothing(2)), NO),
]


def fates(network: Network) -> tuple[set[Fate], set[Fate]]:
    """What becomes of a packet between the pods of two nodes, by both readings."""
    source = next(one for one in pods(network, 4) if str(one.address) == "10.5.0.1")
    target = next(one for one in pods(network, 4) if str(one.address) == "10.5.0.2")
    flow = Flow(source.scope, Packet(4, source.address.value, target.address.value, TCP, 40000, 80))
    told = {outcome.fate for outcome in walk(network, flow).outcomes}
    return told, {end.fate for end in outcomes(NetworkProgram(network, 4), flow)}


@pytest.mark.parametrize(("words", "one", "two", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_bridges_without_an_address(
    words: str, one: dict[str, str], two: dict[str, str], wanted: set[Fate], tmp_path: Path
) -> None:
    assert fates(build(tmp_path, one, two)) == (wanted, wanted), words


def test_a_neighbour_that_was_heard_joins_networks(tmp_path: Path) -> None:
    one = switched(1, pair(1))
    one["nodes/n1/netns/default_p1/ip_neigh"] = NEIGHBOUR
    assert fates(build(tmp_path, one, switched(2, pair(2)))) == (YES, YES)


def uplink(number: int, length: int) -> dict[str, str]:
    """A node without a pod."""
    links = link(2, "eth0", f"02:00:00:00:00:0{number}", f"10.5.0.{number}/{length}")
    return space(f"nodes/n{number}", links, f"10.5.0.0/24 dev eth0 scope link src 10.5.0.{number}\n")


@pytest.mark.parametrize(("length", "wanted"), [(24, YES), (32, OPEN), (25, YES)])
def test_a_node_whose_address_has_no_network(length: int, wanted: set[Fate], tmp_path: Path) -> None:
    assert between_nodes(build(tmp_path, uplink(1, 24), uplink(2, length))) == wanted


def between_nodes(network: Network) -> set[Fate]:
    """What becomes of a packet from the first node to the second, by both readings."""
    flow = Flow(sorted(network.namespaces)[0], Packet(4, 0x0A050001, 0x0A050002, TCP, 40000, 80))
    told = {outcome.fate for outcome in walk(network, flow).outcomes}
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == told
    return told


def test_networks_of_other_addresses_are_apart(tmp_path: Path) -> None:
    two = uplink(2, 24)
    for name, text in two.items():
        two[name] = text.replace("10.5.0.", "10.6.0.")
    one = {
        name: text + ("10.6.0.2 dev eth0 scope link\n" if name.endswith("ip_route") else "")
        for name, text in uplink(1, 24).items()
    }
    network = build(tmp_path, one, two)
    flow = Flow(sorted(network.namespaces)[0], Packet(4, 0x0A050001, 0x0A060002, TCP, 40000, 80))
    assert {outcome.fate for outcome in walk(network, flow).outcomes} == NO
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == NO


def test_who_keeps_silent_on_a_network_that_is_known_is_not_reached(tmp_path: Path) -> None:
    two = uplink(2, 24)
    two["nodes/n2/sysctl_net"] += "net.ipv4.conf.all.arp_ignore = 8\n"
    assert between_nodes(build(tmp_path, uplink(1, 24), two)) == NO


@pytest.mark.parametrize(("described", "wanted"), [("", OPEN), ("  more details\n", NO)])
def test_a_bridge_whose_ports_no_text_names(described: str, wanted: set[Fate], tmp_path: Path) -> None:
    """``ifconfig`` says nothing of a device but its addresses: docker0 may be what the container hangs on."""
    node = {
        "nodes/n1/ifconfig": "docker0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"
        "        inet 10.5.0.2  netmask 255.255.255.0  broadcast 10.5.0.255\n        ether 02:00:00:00:00:aa  txqueuelen 0  (Ethernet)\n",
        "nodes/n1/netns/default_p1/ifconfig": "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"
        "        inet 10.5.0.1  netmask 255.255.255.0  broadcast 10.5.0.255\n        ether 02:00:00:00:00:bb  txqueuelen 0  (Ethernet)\n",
    }
    if described:
        node["nodes/n1/ip_-d_link"] = link(2, "docker0", "02:00:00:00:00:aa", kind=BRIDGE)
    routes = "10.5.0.0/24 dev eth0 scope link src 10.5.0.1\n"
    network = build(tmp_path, node, {"nodes/n1/netns/default_p1/ip_route": routes, "nodes/n1/netns/default_p1/iptables-save": ""})
    flow = Flow(next(one for one in network.namespaces if one.namespace), Packet(4, 0x0A050001, 0x0A050002, TCP, 40000, 80))
    told = {outcome.fate for outcome in walk(network, flow).outcomes}
    assert told == {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == wanted


@pytest.mark.parametrize(("rule", "wanted"), [("512:\tfrom all to 10.5.0.9 lookup main\n", OPEN), ("", NO)])
def test_a_clouds_network_may_lead_to_pods_addresses(rule: str, wanted: set[Fate], tmp_path: Path) -> None:
    """Without its own chains (external SNAT) the Amazon VPC CNI is known by its rules and the names of its pods' host ends."""

    def node(number: int) -> dict[str, str]:
        links = link(2, "eth0", f"02:00:00:00:00:0{number}", f"10.5.0.10{number}/24") + link(
            4, f"eni{number}@if2", f"02:00:00:00:0{number}:f1", kind="veth"
        )
        routes = f"10.5.0.0/24 dev eth0 scope link src 10.5.0.10{number}\n10.5.0.{number} dev eni{number} scope link\n"
        inner = pod(f"n{number}", f"p{number}", f"10.5.0.{number}", "169.254.1.1", MAC.format(number), 4)
        folder = f"nodes/n{number}/netns/default_p{number}"
        inner[f"{folder}/ip_-d_addr"] = inner[f"{folder}/ip_-d_addr"].replace(f"10.5.0.{number}/24", f"10.5.0.{number}/32")
        inner[f"{folder}/ip_route"] = "default via 169.254.1.1 dev eth0\n169.254.1.1 dev eth0 scope link\n"
        inner[f"{folder}/ip_neigh"] = f"169.254.1.1 dev eth0 lladdr 02:00:00:00:0{number}:f1 PERMANENT\n"
        return space(f"nodes/n{number}", links, routes, ip_rule=rule + RULES) | inner

    assert fates(build(tmp_path, node(1), node(2))) == (wanted, wanted)


def second_interface(own: str, table: str) -> dict[str, str]:
    """A node with an interface that has no address, and a pod whose address is the interface's by the router's tables."""
    links = link(2, "eth0", "02:00:00:00:00:02", "10.5.0.2/24") + own + link(4, "cali1@if2", "02:00:00:00:02:f1", kind="veth")
    routes = f"10.5.0.0/24 dev eth0 scope link src 10.5.0.2\n10.9.0.2 dev cali1 scope link\n{table}"
    inner = pod("n2", "p", "10.9.0.2", "169.254.1.1", MAC.format(2), 4)
    inner["nodes/n2/netns/default_p/ip_-d_addr"] = inner["nodes/n2/netns/default_p/ip_-d_addr"].replace("/24", "/32")
    return space("nodes/n2", links, routes) | inner


OWN = {
    "physical": link(3, "eth1", "02:00:00:00:00:77"),
    "pair": link(3, "eth1@if9", "02:00:00:00:00:77", kind="veth").replace("netnsid 0", "netnsid 7"),
}


@pytest.mark.parametrize(
    ("kind", "table", "wanted"),
    [("physical", "", OPEN), ("pair", "default via 10.5.0.1 dev eth1 table 1003 onlink\n", OPEN), ("pair", "", NO)],
)
def test_a_frame_to_the_mac_of_an_interface_of_which_nobody_knows_where_it_leads(
    kind: str, table: str, wanted: set[Fate], tmp_path: Path
) -> None:
    one = uplink(1, 24)
    one["nodes/n1/ip_route"] += "10.9.0.2 dev eth0 scope link\n"
    one["nodes/n1/ip_neigh"] = "10.9.0.2 dev eth0 lladdr 02:00:00:00:00:77 PERMANENT\n"
    network = build(tmp_path, one, second_interface(OWN[kind], table))
    flow = Flow(sorted(network.namespaces)[0], Packet(4, 0x0A050001, 0x0A090002, TCP, 40000, 80))
    assert {outcome.fate for outcome in walk(network, flow).outcomes} == wanted
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == wanted


@pytest.mark.parametrize(("flags", "wanted"), [("UP,LOWER_UP", YES), ("NO-CARRIER,UP", OPEN)])
def test_routers_outside_lead_to_nodes_by_devices_with_a_carrier(flags: str, wanted: set[Fate], tmp_path: Path) -> None:
    parts = []
    for number, router, state in ((1, 254, "UP,LOWER_UP"), (2, 254, flags)):
        links = link(2, "eth0", f"02:00:00:00:00:0{number}", f"10.5.{number}.2/24", flags=state)
        own = f"10.5.{number}.0/24 dev eth0 scope link src 10.5.{number}.2\ndefault via 10.5.{number}.{router} dev eth0\n"
        parts.append(space(f"nodes/n{number}", links, own))
    network = build(tmp_path, *parts)
    flow = Flow(sorted(network.namespaces)[0], Packet(4, 0x0A050102, 0x0A050202, TCP, 40000, 80))
    assert {outcome.fate for outcome in walk(network, flow).outcomes} == wanted
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == wanted


BARE, RULESET = "198.51.100.{}", "*filter\nCOMMIT\n"


def bare(number: int, peer: int, route: str, **more: str) -> dict[str, str]:
    """A node that has its address on lo, and an uplink that is the end of a pair, without one."""
    end = link(7, "up@if7", f"02:00:00:00:0a:0{number}", f"fe80::{number}/64", kind="veth").replace(
        "netnsid 0", f"netnsid {peer}"
    )
    own = space(f"nodes/n{number}", end, route, **{"ip6tables__save": RULESET, "ip6tables__legacy__save": "", **more})
    name = f"nodes/n{number}/ip_-d_addr"
    return own | {name: own[name].replace("    inet 127", f"    inet {BARE.format(number)}/32 scope global lo\n    inet 127", 1)}


DIRECT = f"{BARE} dev up scope link\n"
GATEWAYS = [
    ("a route for the address itself", DIRECT, YES),
    ("a router by its address", f"{BARE} via {BARE} dev up onlink\n", YES),
    ("a router by its link-local address", f"{BARE} via inet6 fe80::{{}} dev up\n", YES),
    ("another's link-local address", f"{BARE} via inet6 fe80::9 dev up\n", OPEN),
]


@pytest.mark.parametrize(("words", "route", "wanted"), GATEWAYS, ids=[case[0] for case in GATEWAYS])
def test_ends_without_networks_that_lead_to_each_others_nodes_face_each_other(
    words: str, route: str, wanted: set[Fate], tmp_path: Path
) -> None:
    one, two = (bare(own, other, route.replace("{}", str(other))) for own, other in ((1, 2), (2, 1)))
    assert across_ends(build(tmp_path, one, two)) == wanted, words


def test_an_end_without_a_network_may_lead_to_any_node_that_has_one_too(tmp_path: Path) -> None:
    """No route leads back by it; who was heard there tells."""
    back = DIRECT.format(3)
    assert across_ends(build(tmp_path / "alone", bare(1, 2, DIRECT.format(2)), bare(2, 1, back), bare(3, 2, ""))) == OPEN
    heard = f"{BARE.format(2)} dev up lladdr 02:00:00:00:0a:02 REACHABLE\n"
    told = bare(1, 2, DIRECT.format(2), ip_neigh=heard)
    network = build(tmp_path / "heard", told, bare(2, 1, DIRECT.format(3) + "default dev up\n"), bare(3, 2, ""))
    assert across_ends(network) == YES
    lost = bare(1, 2, DIRECT.format(2), ip_neigh=heard.replace("REACHABLE", "PERMANENT"))
    assert across_ends(build(tmp_path / "written", lost, bare(2, 1, back), bare(3, 2, ""))) == OPEN


def across_ends(network: Network) -> set[Fate]:
    """What becomes of a packet from the first of these nodes to the second, by both readings."""
    flow = Flow(sorted(network.namespaces)[0], Packet(4, 0xC6336401, 0xC6336402, TCP, 40000, 80))
    told = {outcome.fate for outcome in walk(network, flow).outcomes}
    assert {end.fate for end in outcomes(NetworkProgram(network, 4), flow)} == told
    return told
