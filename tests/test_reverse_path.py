"""``rpfilter``: the walk asks the routes for each packet, the language has sets of sources; both say the same, and what they should."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from analyzer.addresses import address
from analyzer.facts.matches import ReversePathMatch
from analyzer.model.network import Network
from analyzer.solve.packet import UDP, Packet
from analyzer.solve.walk.index import index_of
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.oracle import Oracle
from analyzer.solve.walk.reverse import passes
from analyzer.solve.walk.state import Walk
from analyzer.source import Scope
from analyzer.transfer.ir import All, Any, Bits, Field, In, Match, Not, Opaque
from analyzer.transfer.netfilter.reverse_path import reverse_path
from analyzer.transfer.space import Context
from tests.captures import network_of

NODE = Scope("n1")
LINK = "{0}: {1}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:0{0} brd ff:ff:ff:ff:ff:ff promiscuity 0\n    inet {2} scope global {1}\n"
FILES = {
    "nodes/n1/ip_-d_addr": "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    link/loopback 00:00:00:00:00:00 promiscuity 0\n    inet 127.0.0.1/8 scope host lo\n"
    + LINK.format(2, "eth0", "192.0.2.1/24")
    + LINK.format(3, "eth1", "198.51.100.1/24")
    + LINK.format(4, "cali1", "203.0.113.1/32"),
    "nodes/n1/ip_route_show_table_all": """default via 192.0.2.254 dev eth0
10.0.0.0/8 via 198.51.100.254 dev eth1
10.1.0.0/16 via 192.0.2.253 dev eth0 metric 10
10.1.0.0/16 via 198.51.100.253 dev eth1 metric 20
10.1.2.0/24 proto static
\tnexthop via 192.0.2.252 dev eth0 weight 1
\tnexthop via 198.51.100.252 dev eth1 weight 1
10.1.2.3 dev cali1 scope link
blackhole 10.1.3.0/26 proto bird
unreachable 10.1.4.0/24
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1
198.51.100.0/24 dev eth1 proto kernel scope link src 198.51.100.1
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
local 192.0.2.1 dev eth0 table local proto kernel scope host src 192.0.2.1
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.1
local 198.51.100.1 dev eth1 table local proto kernel scope host src 198.51.100.1
local 203.0.113.1 dev cali1 table local proto kernel scope host src 203.0.113.1
""",
    "nodes/n1/ip_rule": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n",
}
SOURCES = (
    "0.0.0.0 1.1.1.1 10.0.0.1 10.1.0.0 10.1.1.255 10.1.2.0 10.1.2.2 10.1.2.3 10.1.2.4 10.1.3.1 10.1.3.64 10.1.4.9 10.2.0.1 127.0.0.1 "
    "192.0.2.1 192.0.2.2 192.0.2.255 198.51.100.1 198.51.100.9 203.0.113.1 255.255.255.255"
)
MATCHES = [
    ReversePathMatch(loose, False, local, inverted)
    for loose in (False, True)
    for local in (False, True)
    for inverted in (False, True)
]


def holds(match: Match, values: dict[Field, int]) -> bool:
    """A match over plain values."""
    match match:
        case All(parts):
            return all(holds(part, values) for part in parts)
        case Any(parts):
            return any(holds(part, values) for part in parts)
        case Not(part):
            return not holds(part, values)
        case In(field, ranges):
            return any(low <= values[field] <= high for low, high in ranges)
        case Bits(field, mask, value):
            return values[field] & mask == value
        case _:
            raise AssertionError(match)


def lowered(network: Network, context: Context, match: ReversePathMatch) -> Match:
    return reverse_path(match, context, network.namespaces[NODE], lambda text: Opaque(text, None))


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_the_walk_and_the_language_agree(match: ReversePathMatch, tmp_path: Path) -> None:
    network = network_of(FILES, tmp_path)
    context = Context(network, 4)
    said = lowered(network, context, match)
    walk = Walk(index_of(network), Oracle())
    for device in ("lo", "eth0", "eth1", "cali1"):
        for source in (address(text).value for text in SOURCES.split()):
            packet = HookPacket(Packet(4, source, address("192.0.2.1").value, UDP, 40000, 53), in_device=device)
            walked = passes(walk, walk.space(NODE), match, packet) != match.inverted
            values = {Field.SOURCE: source, Field.IN_INTERFACE: context.names.number(device)}
            assert holds(said, values) == walked, f"{device} {source:08x}"


STRICT = {
    ("eth0", "1.1.1.1"): True,
    ("eth1", "1.1.1.1"): False,
    ("eth1", "10.2.0.1"): True,
    ("eth1", "10.1.1.1"): False,
    ("eth0", "10.1.2.9"): True,
    ("eth1", "10.1.2.9"): True,
    ("cali1", "10.1.2.3"): True,
    ("eth0", "10.1.3.1"): False,
    ("eth0", "192.0.2.1"): False,
}


@pytest.mark.parametrize(("device", "source"), STRICT)
def test_what_the_routes_say(device: str, source: str, tmp_path: Path) -> None:
    network = network_of(FILES, tmp_path)
    context = Context(network, 4)
    values = {Field.SOURCE: address(source).value, Field.IN_INTERFACE: context.names.number(device)}
    assert holds(lowered(network, context, ReversePathMatch()), values) == STRICT[device, source]


SIX_LINK = "{0}: {1}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:0{0} brd ff:ff:ff:ff:ff:ff promiscuity 0\n    inet6 {2} scope global\n"
SIX_FILES = {
    "nodes/n1/ip_-d_addr": "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    link/loopback 00:00:00:00:00:00 promiscuity 0\n    inet6 ::1/128 scope host\n"
    + SIX_LINK.format(2, "eth0", "fd00:a::1/64")
    + SIX_LINK.format(3, "eth1", "fd00:b::1/64")
    + SIX_LINK.format(4, "cali1", "fd00:c::1/128"),
    "nodes/n1/ip_-6_route_show_table_all": """fd00:a::/64 dev eth0 proto kernel metric 256 pref medium
fd00:b::/64 dev eth1 proto kernel metric 256 pref medium
fd00:c::1 dev cali1 proto kernel metric 256 pref medium
fd10:1::/32 via fd00:a::fd dev eth0 metric 10 pref medium
fd10:1::/32 via fd00:b::fd dev eth1 metric 20 pref medium
fd10:2::/32 metric 1024 pref medium
\tnexthop via fd00:a::fc dev eth0 weight 1
\tnexthop via fd00:b::fc dev eth1 weight 1
fd10:3::5 dev cali1 metric 1024 pref medium
blackhole fd10:4::/32 dev lo metric 1024 pref medium
unreachable fd10:5::/32 dev lo metric 1024 pref medium
unreachable fd10:6::/32 dev lo metric 10 pref medium
fd10:6::/32 via fd00:a::fd dev eth0 metric 20 pref medium
fd10::/16 via fd00:b::fe dev eth1 metric 1024 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
fe80::/64 dev eth1 proto kernel metric 256 pref medium
fe80::/64 dev cali1 proto kernel metric 256 pref medium
default via fd00:a::fe dev eth0 metric 1024 pref medium
local ::1 dev lo table local proto kernel metric 0 pref medium
anycast fd00:a:: dev eth0 table local proto kernel metric 0 pref medium
local fd00:a::1 dev eth0 table local proto kernel metric 0 pref medium
local fd00:b::1 dev eth1 table local proto kernel metric 0 pref medium
local fd00:c::1 dev cali1 table local proto kernel metric 0 pref medium
local fd10:7::/32 dev lo table local metric 1024 pref medium
multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium
""",
    "nodes/n1/ip_-6_rule": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
}
SIX_SOURCES = [
    "2001:db8::1",
    "fd10:9::1",
    "fd10:1::1",
    "fd10:2::1",
    "fd10:3::5",
    "fd10:3::6",
    "fd10:4::1",
    "fd10:5::1",
    "fd10:6::1",
    "fd10:7::1",
    "fd00:a::1",
    "fd00:a::2",
    "fd00:b::2",
    "fd00:c::1",
    "fe80::99",
    "::",
]
KERNEL = {
    "strict": {
        "eth0": "2001:db8::1 fd10:1::1 fd10:2::1 fd10:6::1 fd00:a::2 fe80::99 ::",
        "eth1": "fd10:9::1 fd10:1::1 fd10:2::1 fd10:3::6 fd00:b::2 fe80::99 ::",
        "cali1": "fd10:3::5 fe80::99 ::",
    },
    "local": {
        "eth0": "2001:db8::1 fd10:1::1 fd10:2::1 fd10:6::1 fd10:7::1 fd00:a::1 fd00:a::2 fd00:c::1 fe80::99 ::",
        "eth1": "fd10:9::1 fd10:1::1 fd10:2::1 fd10:3::6 fd10:7::1 fd00:a::1 fd00:b::2 fd00:c::1 fe80::99 ::",
        "cali1": "fd10:3::5 fd10:7::1 fd00:a::1 fd00:c::1 fe80::99 ::",
    },
    "loose": dict.fromkeys(
        ("eth0", "eth1", "cali1"), "2001:db8::1 fd10:9::1 fd10:1::1 fd10:2::1 fd10:3::5 fd10:3::6 fd00:a::2 fd00:b::2 fe80::99 ::"
    ),
    "loose local": dict.fromkeys(
        ("eth0", "eth1", "cali1"),
        "2001:db8::1 fd10:9::1 fd10:1::1 fd10:2::1 fd10:3::5 fd10:3::6 fd10:7::1 fd00:a::1 fd00:a::2 fd00:b::2 fd00:c::1 fe80::99 ::",
    ),
}
"""What ``ip6tables -t raw -A PREROUTING -m rpfilter`` of Linux 6.18 matched of packets to fd00:a::1 with these sources, by device."""


@pytest.mark.parametrize("kind", KERNEL)
def test_six_is_as_the_kernel_has_it(kind: str, tmp_path: Path) -> None:
    """A route of another metric counts where it is by the device, one to a wider network does not; the walk and the language say so."""
    network = network_of(SIX_FILES, tmp_path)
    context = Context(network, 6)
    walk = Walk(index_of(network), Oracle())
    match = ReversePathMatch("loose" in kind, accept_local="local" in kind)
    said = lowered(network, context, match)
    for device, passing in KERNEL[kind].items():
        for text in SIX_SOURCES:
            source = address(text).value
            packet = HookPacket(Packet(6, source, address("fd00:a::1").value, UDP, 40000, 53), in_device=device)
            values = {Field.SOURCE: source, Field.IN_INTERFACE: context.names.number(device)}
            told = passes(walk, walk.space(NODE), match, packet), holds(said, values)
            assert told == (text in passing.split(),) * 2, f"{device} {text}"


RULES = (
    "512:\tfrom all to 10.1.2.3 lookup main\n512:\tfrom all to 10.1.2.4 lookup main\n1536:\tfrom 192.0.2.1 lookup 7\n",
    "100:\tfrom 10.0.0.0/8 lookup 7\n",
    "100:\tfrom all to 10.0.0.0/8 lookup 7\n200:\tfrom all to 10.2.0.0/16 unreachable\n",
    "100:\tfrom all fwmark 0x1 lookup 7\n",
    "100:\tfrom all fwmark 0/0x1 lookup 7\n",
    "100:\tnot from all to 10.1.0.0/16 lookup 7\n",
    "100:\tfrom all iif lo lookup 7\n",
    "100:\tfrom all iif eth0 lookup 7\n",
    "100:\tnot from 192.0.2.1 blackhole\n",
    "100:\tnot from all lookup main\n",
    "100:\tfrom all lookup 7\n",
)
TABLE = "default via 198.51.100.254 dev eth1 table 7\n10.1.2.0/24 dev cali1 table 7 scope link\nblackhole 10.1.4.0/24 table 7\n"


@pytest.mark.parametrize("valid_mark", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_with_rules_of_routing_both_say_the_same(rule: str, valid_mark: bool, tmp_path: Path) -> None:
    files = {**FILES, "nodes/n1/ip_rule": rule + FILES["nodes/n1/ip_rule"]}
    files["nodes/n1/ip_route_show_table_all"] += TABLE
    network = network_of(files, tmp_path)
    context, walk = Context(network, 4), Walk(index_of(network), Oracle())
    match = ReversePathMatch(False, valid_mark, False, False)
    said = lowered(network, context, match)
    for device, source, destination, mark in product(
        ("lo", "eth0", "eth1", "cali1"), SOURCES.split(), ("192.0.2.1", "10.9.9.9"), (0, 1)
    ):
        sent, to = address(source).value, address(destination).value
        walked = passes(
            walk, walk.space(NODE), match, HookPacket(Packet(4, sent, to, UDP, 40000, 53, mark=mark), in_device=device)
        )
        values = {Field.SOURCE: sent, Field.DESTINATION: to, Field.MARK: mark, Field.IN_INTERFACE: context.names.number(device)}
        assert holds(said, values) == walked, f"{device} {source} {destination} {mark}"


@pytest.mark.parametrize(
    "rule", ["100:\tfrom all tos 0x10 lookup 7\n", "100:\tfrom 224.0.0.0/4 lookup 7\n", "100:\tfrom all uidrange 0-0 lookup 7\n"]
)
def test_rules_about_something_else_leave_it_open(rule: str, tmp_path: Path) -> None:
    network = network_of({**FILES, "nodes/n1/ip_rule": rule + FILES["nodes/n1/ip_rule"]}, tmp_path)
    assert isinstance(lowered(network, Context(network, 4), ReversePathMatch()), Opaque)
