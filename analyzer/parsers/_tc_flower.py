"""The keys of tc's flower classifier as words of the IP header (iproute2 tc/f_flower.c, net/sched/cls_flower.c)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.addresses import address

Keys = tuple[tuple[int, int, int], ...]
"""Values, masks and offsets of 32-bit words, as u32 has them."""
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132}
FAMILIES = {"ipv4": 4, "ipv6": 6}
PROTOCOL_PLACES = {4: (8, 16), 6: (4, 8)}
ADDRESSES = {4: {"src_ip": 12, "dst_ip": 16}, 6: {"src_ip": 8, "dst_ip": 24}}
PORTS = {"src_port": 16, "dst_port": 0}


def flower_keys(given: Mapping[str, str]) -> Keys | None:
    """The words that a filter's keys compare; None where one of them is none of the IP header's, or written in another way."""
    family = FAMILIES.get(given.get("eth_type", ""))
    names = {"eth_type", "ip_proto", *PORTS, "src_ip", "dst_ip"}
    if family is None or not names.issuperset(given) or (not PORTS.keys().isdisjoint(given) and "ip_proto" not in given):
        return None
    try:
        return tuple(key for name, value in given.items() if name != "eth_type" for key in _key(family, name, value))
    except ValueError:
        return None


def _key(family: int, name: str, value: str) -> Keys:
    """The words of one key; ValueError where its value is not read."""
    if name == "ip_proto":
        offset, shift = PROTOCOL_PLACES[family]
        return (((PROTOCOLS[value] if value in PROTOCOLS else int(value)) << shift, 0xFF << shift, offset),)
    if name in PORTS:
        return ((int(value) << PORTS[name], 0xFFFF << PORTS[name], 20 if family == 4 else 40),)
    text, _, length = value.partition("/")
    width = 32 if family == 4 else 128
    wanted, ones = address(text), int(length or width)
    if wanted.family != family or not 0 <= ones <= width:
        raise ValueError(value)
    mask = (1 << width) - (1 << width - ones)
    words = range(width - 32, -1, -32)
    start = ADDRESSES[family][name]
    return tuple(
        (wanted.value >> shift & 0xFFFFFFFF, mask >> shift & 0xFFFFFFFF, start + 4 * place) for place, shift in enumerate(words)
    )
