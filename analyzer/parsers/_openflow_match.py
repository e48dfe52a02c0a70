"""The match of a flow: ``priority=100,ip,in_port=1,nw_dst=10.0.0.0/8`` (lib/ofp-parse.c, lib/match.c, ``match_format``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from analyzer.facts.openflow import FieldTest
from analyzer.parsers._openflow_fields import test

ETHERNET = 0xFFFF


def protocol(ether: int, number: int | None = None) -> tuple[FieldTest, ...]:
    """The tests of a protocol's name."""
    kind = FieldTest("eth_type", ether, 0xFFFF)
    return (kind,) if number is None else (kind, FieldTest("ip_proto", number, 0xFF))


# Short names (lib/ofp-protocol.c, ofp_parse_protocol).
NAMES: Mapping[str, tuple[FieldTest, ...]] = {
    "ip": protocol(0x800),
    "ipv4": protocol(0x800),
    "arp": protocol(0x806),
    "rarp": protocol(0x8035),
    "icmp": protocol(0x800, 1),
    "icmp4": protocol(0x800, 1),
    "tcp": protocol(0x800, 6),
    "udp": protocol(0x800, 17),
    "sctp": protocol(0x800, 132),
    "ipv6": protocol(0x86DD),
    "ip6": protocol(0x86DD),
    "tcp6": protocol(0x86DD, 6),
    "udp6": protocol(0x86DD, 17),
    "sctp6": protocol(0x86DD, 132),
    "icmp6": protocol(0x86DD, 58),
    "mpls": protocol(0x8847),
    "mplsm": protocol(0x8848),
    "eth": (FieldTest("packet_type", 0, 0xFFFFFFFF),),
}
ARP_NAMES: Mapping[str, str] = {"nw_src": "arp_spa", "nw_dst": "arp_tpa", "ip_proto": "arp_op"}
ICMP_NAMES: Mapping[str, str] = {"tp_src": "icmp_type", "tp_dst": "icmp_code"}


@lru_cache(maxsize=1 << 16)
def tests_of(word: str) -> tuple[FieldTest, ...]:
    """The tests of one word of a match."""
    name, equals, value = word.partition("=")
    if not equals:
        found = NAMES.get(word)
        if found is None:
            raise ValueError(f"{word} is no match of a flow that is known here")
        return found
    return test(name, value)


def match_of(words: Sequence[str]) -> tuple[FieldTest, ...]:
    """A test for each field, sorted by name; ValueError where two of them cannot both hold or a word is not known."""
    found: dict[str, FieldTest] = {}
    for word in words:
        for one in tests_of(word):
            other = found.get(one.field)
            found[one.field] = one if other is None else both(other, one)
    kind = found.get("eth_type")
    if kind is not None:
        if kind.value in (0x806, 0x8035):
            found = renamed(found, ARP_NAMES)
        elif (upper := found.get("ip_proto")) is not None and upper.value == (1 if kind.value == 0x800 else 58):
            found = renamed(found, ICMP_NAMES)
    return tuple(sorted(one for one in found.values() if one.mask))


def both(one: FieldTest, other: FieldTest) -> FieldTest:
    """Two tests of a field as one."""
    common = one.mask & other.mask
    if one.value & common != other.value & common:
        raise ValueError(f"{one.field} is tested twice, for different values")
    return FieldTest(one.field, one.value | other.value, one.mask | other.mask)


def renamed(tests: Mapping[str, FieldTest], names: Mapping[str, str]) -> dict[str, FieldTest]:
    """The tests under the names that the fields have in this protocol."""
    result: dict[str, FieldTest] = {}
    for name, one in tests.items():
        new = names.get(name, name)
        moved = one if new == name else FieldTest(new, one.value, one.mask)
        result[new] = both(result[new], moved) if new in result else moved
    return result
