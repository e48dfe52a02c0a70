"""Actions of OpenFlow in bytes: those that OVN gives to its controller with a packet (``controller(userdata=…)``), which it does with its answer.

After include/openflow/openflow-1.5.h (``ofp15_action_copy_field``), lib/ofp-actions.c (``nx_action_resubmit``, ``nx_action_reg_load``, ``nx_action_stack``),
lib/meta-flow.c and include/openvswitch/meta-flow.h (numbers of fields), and OVN's include/ovn/actions.h (``action_header``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from analyzer.facts.openflow import ADVERTISING, Action, Load, Move, Pop, Push, Resubmit, Subfield
from analyzer.parsers._openflow_fields import subfield

HEADER = 8
SET_FIELD, COPY_FIELD, EXPERIMENTER, NICIRA = 25, 28, 0xFFFF, 0x2320
IN_PORT = 0xFFF8
# NXM's and OXM's numbers of fields, by class.
NXM: Mapping[int, str] = dict(
    enumerate(
        [
            "in_port",
            "eth_dst",
            "eth_src",
            "eth_type",
            "vlan_tci",
            "ip_tos",
            "ip_proto",
            "ip_src",
            "ip_dst",
            "tcp_src",
            "tcp_dst",
            "udp_src",
            "udp_dst",
            "icmp_type",
            "icmp_code",
            "arp_op",
            "arp_spa",
            "arp_tpa",
        ]
    )
)
OWN: Mapping[int, str] = {
    **{number: f"reg{number}" for number in range(16)},
    **dict(
        enumerate(
            [
                "tun_id",
                "arp_sha",
                "arp_tha",
                "ipv6_src",
                "ipv6_dst",
                "icmpv6_type",
                "icmpv6_code",
                "nd_target",
                "nd_sll",
                "nd_tll",
            ],
            16,
        )
    ),
    29: "nw_ttl",
    31: "tun_src",
    32: "tun_dst",
    33: "pkt_mark",
    105: "ct_state",
    106: "ct_zone",
    107: "ct_mark",
    108: "ct_label",
    **{111 + number: f"xxreg{number}" for number in range(4)},
}
BASIC: Mapping[int, str] = {
    **dict(enumerate(["metadata", "eth_dst", "eth_src", "eth_type", "vlan_vid", "vlan_pcp"], 2)),
    **dict(
        enumerate(
            [
                "ip_proto",
                "ipv4_src",
                "ipv4_dst",
                "tcp_src",
                "tcp_dst",
                "udp_src",
                "udp_dst",
                "sctp_src",
                "sctp_dst",
                "icmpv4_type",
                "icmpv4_code",
            ],
            10,
        )
    ),
    **dict(enumerate(["arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha", "ipv6_src", "ipv6_dst"], 21)),
    **dict(enumerate(["icmpv6_type", "icmpv6_code", "nd_target", "nd_sll", "nd_tll"], 29)),
}
CLASSES: Mapping[int, Mapping[int, str]] = {
    0x0000: NXM,
    0x0001: OWN,
    0x8000: BASIC,
    0x8001: {number: f"xreg{number}" for number in range(8)},
}


@lru_cache(maxsize=1024)
def answering(userdata: str) -> tuple[Action, ...] | None:
    """What OVN's controller does with its answer to a solicitation (``nd_na``, ``nd_na_router``); None where that is not understood."""
    if userdata[:11] not in ADVERTISING:
        return ()
    try:
        return enclosed(userdata)
    except (ValueError, IndexError):
        return None


def enclosed(userdata: str) -> tuple[Action, ...]:
    """The actions after the header of ``userdata`` (bytes in hexadecimal with dots between). ValueError where one is not known here."""
    return tuple(actions(bytes.fromhex(userdata.replace(".", ""))[HEADER:]))


def actions(data: bytes) -> Iterator[Action]:
    """Actions, one after the other."""
    while data:
        kind, length = whole(data, 0, 2), whole(data, 2, 2)
        if length < HEADER or length > len(data):
            raise ValueError(f"an action of {length} bytes does not fit")
        yield action(kind, data[:length])
        data = data[length:]


def action(kind: int, data: bytes) -> Action:
    """One action."""
    if kind == SET_FIELD:
        return set_field(data)
    if kind == COPY_FIELD:
        return moved(data, 4, 12)
    subtype = whole(data, 8, 2) if kind == EXPERIMENTER and whole(data, 4, 4) == NICIRA else -1
    reader = OF_NICIRA.get(subtype)
    if reader is None:
        raise ValueError(f"the action {kind:#x} is not known here")
    return reader(data)


def set_field(data: bytes) -> Action:
    """``set_field``: an OXM with its value, and its mask."""
    masked, length = data[6] & 1, data[7]
    size = length // 2 if masked else length
    part = field(data, 4)
    every = (1 << part.width) - 1
    mask = whole(data, 8 + size, size) & every if masked else every
    return Load(part.field, (whole(data, 8, size) & mask) << part.low, mask << part.low)


def moved(data: bytes, counts: int, fields: int) -> Action:
    """Bits of one field become bits of another: how many, from where, to where; the fields."""
    size, origin, target = (whole(data, counts + 2 * place, 2) for place in range(3))
    return Move(bits(field(data, fields), origin, size), bits(field(data, fields + 4), target, size))


def loaded(data: bytes) -> Action:
    """``nx_action_reg_load``: the first bit and how many, less one."""
    low, size = whole(data, 10, 2) >> 6, (whole(data, 10, 2) & 63) + 1
    part = bits(field(data, 12), low, size)
    return Load(part.field, whole(data, 16, 8) << part.low, ((1 << size) - 1) << part.low)


def resubmitted(data: bytes) -> Action:
    """``nx_action_resubmit``: the port, and the table."""
    port = whole(data, 10, 2)
    return Resubmit("" if port == IN_PORT else str(port), str(data[12]))


def stacked(data: bytes) -> Subfield:
    """``nx_action_stack``: the part of a field."""
    return bits(field(data, 12), whole(data, 10, 2), whole(data, 16, 2))


OF_NICIRA: Mapping[int, Callable[[bytes], Action]] = {
    6: lambda data: moved(data, 10, 16),
    7: loaded,
    14: resubmitted,
    27: lambda data: Push(stacked(data)),
    28: lambda data: Pop(stacked(data)),
}


def bits(part: Subfield, low: int, size: int) -> Subfield:
    """A part of a field."""
    if low + size > part.width:
        raise ValueError(f"{part.field} has {part.width} bits")
    return Subfield(part.field, part.low + low, size)


def field(data: bytes, at: int) -> Subfield:
    """The field of a header of NXM or OXM."""
    name = CLASSES.get(whole(data, at, 2), {}).get(data[at + 2] >> 1)
    if name is None:
        raise ValueError(f"the field {data[at : at + 4].hex()} is not known here")
    return subfield(name)


def whole(data: bytes, at: int, size: int) -> int:
    """A number of some bytes."""
    if at + size > len(data):
        raise ValueError("an action ends early")
    return int.from_bytes(data[at : at + size], "big")
