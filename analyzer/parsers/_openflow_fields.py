"""Fields of OpenFlow by their many names, and their values as Open vSwitch prints them (lib/meta-flow.c, lib/nx-match.c, lib/match.c)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from analyzer.addresses import address, hardware_address
from analyzer.facts.openflow import CT_STATES, LOCAL_PORT, NO_PORT, REGISTERS, WIDTHS, FieldTest, Subfield

# Names that mean another field, lower case; those of NXM and OXM come from these, too.
SAME: Mapping[str, str] = {
    "dl_src": "eth_src",
    "dl_dst": "eth_dst",
    "dl_type": "eth_type",
    "nw_proto": "ip_proto",
    "ip_src": "nw_src",
    "ip_dst": "nw_dst",
    "ipv4_src": "nw_src",
    "ipv4_dst": "nw_dst",
    "ip_ttl": "nw_ttl",
    "tcp_src": "tp_src",
    "tcp_dst": "tp_dst",
    "udp_src": "tp_src",
    "udp_dst": "tp_dst",
    "sctp_src": "tp_src",
    "sctp_dst": "tp_dst",
    "icmpv6_type": "icmp_type",
    "icmpv6_code": "icmp_code",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "tunnel_id": "tun_id",
    "tunnel_src": "tun_src",
    "tunnel_dst": "tun_dst",
    "tun_ipv4_src": "tun_src",
    "tun_ipv4_dst": "tun_dst",
    "in_port_oxm": "in_port",
    "ct_state_nxm": "ct_state",
    "arp_spa_oxm": "arp_spa",
    "ipv6_nd_target": "nd_target",
    "ipv6_nd_sll": "nd_sll",
    "ipv6_nd_tll": "nd_tll",
    "icmpv6_nd_reserved": "nd_reserved",
    "icmpv6_nd_options_type": "nd_options_type",
    "ct_ip_src": "ct_nw_src",
    "ct_ip_dst": "ct_nw_dst",
    "ct_tcp_src": "ct_tp_src",
    "ct_tcp_dst": "ct_tp_dst",
    "mpls_bottom": "mpls_bos",
    "nw_frag": "ip_frag",
    "ip_tos": "nw_tos",
    **{f"pkt_reg{number}": f"xreg{number}" for number in range(REGISTERS // 2)},
    **{f"nxoxm_reg{number}": f"reg{number}" for number in range(REGISTERS)},
}
# Parts of a field that have a name of their own: the field, the lowest bit, and the mask.
PARTS: Mapping[str, tuple[str, int, int]] = {
    "ip_dscp": ("nw_tos", 2, 0xFC),
    "ip_dscp_shifted": ("nw_tos", 0, 0xFC),
    "nw_ecn": ("nw_tos", 0, 0x03),
    "ip_ecn": ("nw_tos", 0, 0x03),
}
OXM_PREFIX = re.compile(r"(?:nxm_of|nxm_nx|oxm_of|oxm_et|nxoxm_et|nxoxm_nsh|nxoxm|onfoxm_et|experimenter)_", re.IGNORECASE)
SUBFIELD = re.compile(r"([A-Za-z_0-9]+)\s*(?:\[\s*(?:(\d+)\s*(?:\.\.\s*(\d+)\s*)?)?\])?")
FLAG = re.compile(r"([+-])([a-z_]+)")
TCP_FLAGS: Mapping[str, int] = {
    "fin": 1,
    "syn": 2,
    "rst": 4,
    "psh": 8,
    "ack": 16,
    "urg": 32,
    "ece": 64,
    "cwr": 128,
    "ns": 256,
    "[200]": 0x200,
    "[400]": 0x400,
    "[800]": 0x800,
}
TUNNEL_FLAGS: Mapping[str, int] = {"oam": 1, "df": 2, "csum": 4, "key": 8}
FRAGMENTS: Mapping[str, tuple[int, int]] = {"no": (0, 3), "yes": (1, 1), "first": (1, 3), "later": (3, 3), "not_later": (0, 2)}
PORTS: Mapping[str, int] = {
    "local": LOCAL_PORT,
    "any": NO_PORT,
    "none": NO_PORT,
    "in_port": 0xFFF8,
    "controller": 0xFFFD,
    "all": 0xFFFC,
    "flood": 0xFFFB,
    "normal": 0xFFFA,
    "table": 0xFFF9,
    "unset": 0xFFF7,
}
HARDWARE = frozenset({"eth_src", "eth_dst", "arp_sha", "arp_tha", "nd_sll", "nd_tll"})
FOUR = frozenset({"nw_src", "nw_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst", "ct_nw_src", "ct_nw_dst"})
SIX = frozenset({"ipv6_src", "ipv6_dst", "nd_target", "tun_ipv6_src", "tun_ipv6_dst", "ct_ipv6_src", "ct_ipv6_dst"})


@lru_cache(maxsize=1024)
def field_name(text: str) -> str:
    """The field of any of its names: ``dl_src``, ``NXM_OF_ETH_SRC``. ValueError where there is none."""
    name = text.lower()
    prefix = OXM_PREFIX.match(name)
    bare = name[prefix.end() :] if prefix else name
    # What NXM calls by the layer: NXM_OF_IP_SRC, OXM_OF_TUNNEL_ID, NXM_NX_ND_TARGET.
    for candidate in (bare, name):
        found = SAME.get(candidate, candidate)
        if found in WIDTHS or found in PARTS or found in ("vlan_vid", "vlan_pcp"):
            return found
    raise ValueError(f"{text} is no field of OpenFlow that is known here")


@lru_cache(maxsize=4096)
def subfield(text: str) -> Subfield:
    """``NXM_NX_REG0[0..15]``, ``reg1[3]``, ``eth_src[]`` or ``eth_src``."""
    found = SUBFIELD.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text} is no part of a field")
    name = field_name(found[1])
    base, shift = name, 0
    width = WIDTHS.get(name, 0)
    if name in PARTS:
        base, shift, mask = PARTS[name]
        width = (mask >> shift).bit_length() if name != "ip_dscp_shifted" else 8
    elif name in ("vlan_vid", "vlan_pcp"):
        base, shift, width = "vlan_tci", (13 if name == "vlan_pcp" else 0), (3 if name == "vlan_pcp" else 12)
    low = int(found[2]) if found[2] else 0
    high = int(found[3]) if found[3] else (low if found[2] else width - 1)
    if not low <= high < width:
        raise ValueError(f"{text}: {name} has bits 0 to {width - 1}")
    return Subfield(base, low + shift, high - low + 1)


def number(text: str) -> int:
    """A number as C reads it: 0x2a, 052 and 42."""
    word = text.strip().lower()
    if len(word) > 260:
        raise ValueError("the number is too long")
    if word.startswith("0") and word.isdecimal() and len(word) > 1:
        return int(word, 8)
    return int(word, 16 if word.startswith("0x") else 10)


def valued(field: str, text: str) -> int:
    """A value of a field, without a mask. ValueError where it is none."""
    word = text.strip()
    if field in HARDWARE:
        return hardware_address(word) if ":" in word else number(word)
    if field in FOUR or field in SIX:
        return address(word).value if "." in word or ":" in word else number(word)
    if field == "in_port" or field == "actset_output":
        return PORTS[word.lower()] if word.lower() in PORTS else number(word)
    if field == "eth_type" and not word[:1].isdigit():
        return {"ip": 0x800, "ipv6": 0x86DD, "arp": 0x806}[word]
    if field in FLAGGED:
        return flags(field, word, FLAGGED[field])[0]
    return number(word)


def masked(field: str, text: str) -> tuple[int, int]:
    """The value and mask of ``value[/mask]``."""
    whole = (1 << WIDTHS[field]) - 1
    reader = SPECIAL.get(field)
    if reader is not None and (found := reader(text)) is not None:
        return found
    value_text, slash, mask_text = text.partition("/")
    value = valued(field, value_text)
    mask = whole
    if slash:
        addressed = field in FOUR or field in SIX
        if addressed and mask_text.isdecimal():
            length = int(mask_text)
            if length > WIDTHS[field]:
                raise ValueError(f"{text}: a prefix of {field} has at most {WIDTHS[field]} bits")
            mask = whole ^ (whole >> length)
        else:
            mask = valued(field, mask_text)
    if value > whole or mask > whole:
        raise ValueError(f"{text} does not fit {field}, which has {WIDTHS[field]} bits")
    return value & mask, mask


def flags(field: str, text: str, names: Mapping[str, int]) -> tuple[int, int]:
    """``+new-est``, ``syn|ack`` or a number with its mask."""
    whole = (1 << WIDTHS[field]) - 1
    if text[:1] in "+-" and text:
        value = mask = 0
        if FLAG.sub("", text):
            raise ValueError(f"{text} are no flags of {field}")
        for sign, name in FLAG.findall(text):
            bit = names[name]
            mask |= bit
            value |= bit if sign == "+" else 0
        return value, mask
    if text[:1].isdigit():
        first, slash, second = text.partition("/")
        mask = number(second) if slash else whole
        return number(first) & mask, mask
    if not text or text == "0":
        return 0, whole
    return sum(names[name] for name in text.split("|")), whole


def fragments(text: str) -> tuple[int, int] | None:
    """``ip_frag=no``."""
    return FRAGMENTS.get(text)


def packet_type(text: str) -> tuple[int, int] | None:
    """``packet_type=(1,0x800)``: the namespace and the type."""
    found = re.fullmatch(r"\((\w+),\s*(\w+)\)", text)
    return (number(found[1]) << 16 | number(found[2]), 0xFFFFFFFF) if found else None


FLAGGED: Mapping[str, Mapping[str, int]] = {"ct_state": CT_STATES, "tcp_flags": TCP_FLAGS, "tun_flags": TUNNEL_FLAGS}
SPECIAL: Mapping[str, Callable[[str], tuple[int, int] | None]] = {
    "ct_state": lambda text: flags("ct_state", text, CT_STATES),
    "tcp_flags": lambda text: flags("tcp_flags", text, TCP_FLAGS),
    "tun_flags": lambda text: flags("tun_flags", text, TUNNEL_FLAGS),
    "ip_frag": fragments,
    "packet_type": packet_type,
}


def test(name: str, value: str) -> tuple[FieldTest, ...]:
    """The tests that ``name=value`` of a match means."""
    if name == "dl_vlan":
        if value.lower() in ("0xffff", "65535"):
            return (FieldTest("vlan_tci", 0, 0xFFFF),)
        return (FieldTest("vlan_tci", 0x1000 | number(value), 0x1FFF),)
    if name == "dl_vlan_pcp":
        return (FieldTest("vlan_tci", 0x1000 | number(value) << 13, 0xF000),)
    if "[" in name:
        part = subfield(name)
        return split(part.field, number(value) << part.low, ((1 << part.width) - 1) << part.low)
    field = field_name(name)
    if field == "vlan_vid":
        vid, _, mask = value.partition("/")
        bits = number(mask) if mask else 0x1FFF
        return (FieldTest("vlan_tci", number(vid) & bits, bits),)
    if field == "vlan_pcp":
        return (FieldTest("vlan_tci", 0x1000 | number(value) << 13, 0xF000),)
    if field in PARTS:
        base, shift, whole = PARTS[field]
        return (FieldTest(base, number(value) << shift & whole, whole),)
    found = masked(field, value)
    if field == "nw_tos" and found[1] == 0xFF:
        found = (found[0] & 0xFC, 0xFC)
    return split(field, *found)


def split(field: str, value: int, mask: int) -> tuple[FieldTest, ...]:
    """A test of a field; one of ``xreg`` and ``xxreg`` as tests of the registers that they are made of, the first of which has the highest bits."""
    count = 4 if field.startswith("xxreg") else 2 if field.startswith("xreg") else 0
    if not count:
        return (FieldTest(field, value, mask),)
    first = int(field.lstrip("xreg")) * count
    parts = []
    for offset in range(count):
        shift = 32 * (count - 1 - offset)
        bits = mask >> shift & 0xFFFFFFFF
        if bits:
            parts.append(FieldTest(f"reg{first + offset}", value >> shift & bits, bits))
    return tuple(parts)
