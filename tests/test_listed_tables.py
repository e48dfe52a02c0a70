"""Listings of one routing table: ``ip route show table 100`` does not print the table again, and says nothing of the main one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.captures import network_of

LINKS = """$ ip addr
1: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.168.0.11/24 brd 192.168.0.255 scope global eth0
"""
ROUTE = "10.50.0.0/16 via 192.168.0.1 dev eth0\n"


@pytest.mark.parametrize(
    ("listing", "table"),
    [
        ("ip route show table 100", 100),
        ("ip r s t 100", 100),
        ("ip -4 route list table local", 255),
        ("ip route show", 254),
        ("ip route show table main", 254),
        ("ip route show table all", 254),
    ],
)
def test_a_listing_is_of_the_table_that_its_command_says(listing: str, table: int, tmp_path: Path) -> None:
    (space,) = network_of({"n1.txt": f"{LINKS}$ {listing}\n{ROUTE}"}, tmp_path).namespaces.values()
    assert "10.50.0.0/16" in {str(route.destination) for route in space.routes[4][table]}
    assert ("ip-route/4" in space.missing) is (table != 254)


@pytest.mark.parametrize(
    "listing",
    [
        "ip route show default",
        "ip r s 10.50.0.0/16",
        "ip route list table main proto bird",
        "ip -4 route show table all scope link",
    ],
)
def test_routes_that_a_selector_chose_are_not_all(listing: str, tmp_path: Path) -> None:
    (space,) = network_of({"n1.txt": f"{LINKS}$ {listing}\n{ROUTE}"}, tmp_path).namespaces.values()
    assert "ip-route/4" in space.missing


@pytest.mark.parametrize(
    ("listing", "known"), [("tc qdisc show", True), ("tc -s qdisc", True), ("tc qdisc show dev eth0", False)]
)
def test_the_disciplines_of_one_device_say_nothing_of_filters_elsewhere(listing: str, known: bool, tmp_path: Path) -> None:
    text = f"{LINKS}$ {listing}\nqdisc fq_codel 0: {'' if 'eth0' in listing else 'dev eth0 '}root refcnt 2\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert ("tc-filter" not in space.missing) is known


def test_of_the_table_of_a_vrf_nothing_is_known(tmp_path: Path) -> None:
    (space,) = network_of({"n1.txt": f"{LINKS}$ ip route show vrf blue\n{ROUTE}"}, tmp_path).namespaces.values()
    assert "ip-route/4" in space.missing
    assert not space.routes.get(4, {}).get(254)


def test_several_listings_are_of_their_tables(tmp_path: Path) -> None:
    text = f"{LINKS}$ ip route show table 7\n{ROUTE}$ ip route\ndefault via 192.168.0.1 dev eth0\n$ ip -6 route show table 8\nfd00::/64 dev eth0\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert {family: sorted({*tables} - {255}) for family, tables in space.routes.items()} == {4: [7, 254], 6: [8]}
    assert {key for key in space.missing if key.startswith("ip-route")} == {"ip-route/6"}


def test_rules_that_a_selector_chose_are_not_all(tmp_path: Path) -> None:
    text = f"{LINKS}$ ip rule list from 10.0.0.1\n32765:\tfrom 10.0.0.1 lookup 100\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert "ip-rule/4" in space.missing


TUNNEL = """2: vxlan.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN
    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff
    vxlan id 1 local 192.168.0.11 dev eth0 srcport 0 0 dstport 8472 nolearning
"""


@pytest.mark.parametrize(("option", "known"), [("dev vxlan.1", True), ("", True), ("dev eth0", False), ("br cni0", False)])
def test_entries_of_other_devices_are_not_those_of_a_tunnel(option: str, known: bool, tmp_path: Path) -> None:
    text = f"{LINKS.replace('ip addr', 'ip -d addr')}{TUNNEL}$ bridge fdb show {option}\n02:00:00:00:00:07 dst 192.168.0.3 dev vxlan.1 self permanent\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert ("bridge-fdb" not in space.missing) is known


CHAIN = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"


@pytest.mark.parametrize(
    ("listing", "lacks"),
    [
        ("nft list ruleset", set()),
        ("nft -a list ruleset", set()),
        ("nft list ruleset ip", {"nft", "netfilter/6"}),
        ("nft list table ip filter", {"nft", "netfilter/6"}),
        ("nft -n list chain ip filter FORWARD", {"nft", "netfilter/6"}),
    ],
)
def test_tables_that_were_not_listed_are_not_known(listing: str, lacks: set[str], tmp_path: Path) -> None:
    (space,) = network_of({"n1.txt": f"{LINKS}$ {listing}\n{CHAIN}"}, tmp_path).namespaces.values()
    assert {key for key in space.missing if key in ("nft", "netfilter/6")} == lacks


@pytest.mark.parametrize(("option", "known"), [("-Ln", True), ("-Ln -t 10.96.0.1:443", False)])
def test_a_service_of_ipvs_is_not_all(option: str, known: bool, tmp_path: Path) -> None:
    text = f"{LINKS}$ ipvsadm {option}\nTCP  10.96.0.1:443 rr\n  -> 192.168.0.11:6443            Masq    1      2          0\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert ("ipvs" not in space.missing) is known


RULES = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"


@pytest.mark.parametrize(
    ("listing", "known"),
    [
        ("iptables-save", True),
        ("iptables-save -c", True),
        ("iptables-save -t nat", False),
        ("iptables-nft-save -tnat -c", False),
        ("iptables-save -ct nat", False),
        ("iptables-save --table=nat", False),
        ("iptables-legacy-save", True),
        ("iptables-legacy-save -t nat", False),
    ],
)
def test_one_table_of_iptables_is_not_all(listing: str, known: bool, tmp_path: Path) -> None:
    (space,) = network_of({"n1.txt": f"{LINKS}$ {listing}\n{RULES}"}, tmp_path).namespaces.values()
    key = "netfilter-legacy" if "legacy" in listing else "netfilter/4"
    assert (key not in space.missing) is known


@pytest.mark.parametrize("listing", ["ip route show cache", "ip -d route show cache", "ip route list table cache"])
def test_what_the_kernel_learned_of_paths_is_no_table(listing: str, tmp_path: Path) -> None:
    text = f"{LINKS}$ ip route\ndefault via 192.168.0.1 dev eth0\n$ {listing}\n10.9.0.1 via 192.168.0.7 dev eth0\n    cache expires 500sec mtu 1400\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert [str(route.destination) for route in space.routes[4][254]] == ["0.0.0.0/0"]
    assert [answer.mtu for answer in space.route_answers] == [1400]


@pytest.mark.parametrize(("listing", "known"), [("bridge vlan show", True), ("bridge vlan show dev eth0", False)])
def test_vlans_of_one_port_are_not_all(listing: str, known: bool, tmp_path: Path) -> None:
    text = f"{LINKS}$ {listing}\nport              vlan-id\neth0              1 PVID Egress Untagged\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    assert ("bridge-vlan" not in space.missing) is known


SIX = (
    "fd01::/64 via fd00::2 dev eth0 metric 1024 pref medium\n",
    '[{"dst":"fd01::/64","gateway":"fd00::%d","dev":"eth0","metric":1024}]\n',
)
FOUR = ("10.1.0.0/16 via 192.168.0.2 dev eth0\n", '[{"dst":"10.1.0.0/16","gateway":"192.168.0.%d","dev":"eth0"}]\n')


@pytest.mark.parametrize("far", [2, 3])
@pytest.mark.parametrize(("option", "forms"), [("-4 ", FOUR), ("-6 ", SIX)])
def test_listings_of_one_table_in_one_text_are_held_against_each_other(
    option: str, forms: tuple[str, str], far: int, tmp_path: Path
) -> None:
    text = f"{LINKS}$ ip {option}route\n{forms[0]}$ ip {option}-j route\n{forms[1] % far}"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    ways = [str(route.next_hops[0].via)[-1] for route in space.routes[int(option[1])][254]]
    assert ways == ["2", "3"][: far - 1]
    assert [gap.reason.split(";")[1] for gap in space.gaps.get("ip-route", ())] == [" both are kept"] * (far - 2)


@pytest.mark.parametrize("more", ["src 192.168.0.12", "mtu 1300"])
def test_what_two_listings_say_of_one_route_is_held_against_each_other(more: str, tmp_path: Path) -> None:
    known = more.replace("12", "11") if "src" in more else "mtu 1400"
    text = f"{LINKS}$ ip route\n{ROUTE.strip()} {known}\n$ ip -4 route\n{ROUTE.strip()} {more}\n"
    (space,) = network_of({"n1.txt": text}, tmp_path).namespaces.values()
    (gap,) = space.gaps["ip-route"]
    assert "the route to 10.50.0.0/16" in gap.reason
