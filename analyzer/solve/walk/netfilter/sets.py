"""IP sets as look-up tables, after ip_set(8) and net/netfilter/ipset.

Members are grouped by the lengths of their networks; a look-up tries the most specific lengths first, as the kernel does, so that ``nomatch`` members
hide wider ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.addresses import WIDTH, address, hardware_address, network_mask, prefix
from analyzer.facts.netfilter import IpsetFact
from analyzer.solve.packet import ICMP, ICMPV6, SCTP, TCP, UDP

Key = tuple[int | str, ...]
PROTOCOLS = {
    "tcp": TCP,
    "udp": UDP,
    "icmp": ICMP,
    "icmpv6": ICMPV6,
    "ipv6-icmp": ICMPV6,
    "sctp": SCTP,
    "udplite": 136,
    "gre": 47,
    "esp": 50,
    "ah": 51,
}
ICMP_NAMES = {
    "echo-reply": 0x000, "pong": 0x000, "network-unreachable": 0x300, "host-unreachable": 0x301, "protocol-unreachable": 0x302,
    "port-unreachable": 0x303, "fragmentation-needed": 0x304, "source-quench": 0x400, "echo-request": 0x800, "ping": 0x800,
    "ttl-zero-during-transit": 0xB00, "timestamp-request": 0xD00, "timestamp-reply": 0xE00,
}  # fmt: skip
ICMPV6_NAMES = {
    "no-route": 0x100, "address-unreachable": 0x103, "port-unreachable": 0x104, "packet-too-big": 0x200, "ttl-zero-during-transit": 0x300,
    "echo-request": 0x8000, "ping": 0x8000, "echo-reply": 0x8100, "pong": 0x8100, "router-solicitation": 0x8500, "router-advertisement": 0x8600,
    "neighbour-solicitation": 0x8700, "neigbour-solicitation": 0x8700, "neighbour-advertisement": 0x8800, "neigbour-advertisement": 0x8800,
}  # fmt: skip
LIMIT = 65536
BEGINS = "/"
"""What follows the beginning of a name that stands for all devices whose names begin so (``wildcard``): no device's name holds it."""
ANY_MAC = -1
"""The MAC of a member of a bitmap that has none yet: the first frame from its address gives it one (ip_set_bitmap_ipmac.c)."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """A set: members by the lengths of their networks, each with whether it matches (False: ``nomatch``). ``parts`` are the type's dimensions
    (``ip``, ``net``, ``port``, ``iface``, ``mac``, ``mark``, ``set``); ``unread`` are members that are not understood."""

    family: int
    kind: str
    parts: tuple[str, ...]
    by_lengths: tuple[tuple[tuple[int, ...], Mapping[Key, bool]], ...]
    names: tuple[tuple[str, bool], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """A look-up table while it is filled."""

    groups: dict[tuple[int, ...], dict[Key, bool]] = field(default_factory=dict)
    names: list[tuple[str, bool]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def look_up_of(fact: IpsetFact) -> LookUp:
    """The look-up table of a set."""
    kind, _, rest = fact.type.partition(":")
    parts = tuple(rest.split(","))
    width = WIDTH[fact.family]
    options = dict(zip(fact.options, fact.options[1:], strict=False))
    netmask = int(options["netmask"]) if options.get("netmask", "").isdecimal() else width
    draft = Draft()
    for member in fact.members:
        try:
            add(draft, parts, member, fact.family, netmask, kind)
        except (ValueError, KeyError, IndexError):
            draft.unread.append(member)
    groups = sorted(draft.groups.items(), key=lambda item: tuple(-length for length in item[0]))
    return LookUp(fact.family, kind, parts, tuple(groups), tuple(draft.names), tuple(draft.unread))


def add(draft: Draft, parts: tuple[str, ...], member: str, family: int, netmask: int, kind: str) -> None:
    """Adds a member such as ``10.0.0.0/8,tcp:80 nomatch timeout 5``."""
    words = member.split()
    matches = "nomatch" not in words[1:]
    if parts == ("set",):
        draft.names.append((words[0], matches))
        return
    fields = [words[0], ""] if (kind, parts) == ("bitmap", ("ip", "mac")) and "," not in words[0] else split(words[0], len(parts))
    keys: list[tuple[Key, tuple[int, ...]]] = [((), ())]
    for part, text in zip(parts, fields, strict=True):
        keys = [
            ((*key, value), (*lengths, length))
            for key, lengths in keys
            for value, length in component(
                part, text + BEGINS * (part == "iface" and "wildcard" in words[1:]), family, netmask, kind
            )
        ]
        if len(keys) > LIMIT:
            raise ValueError("a range of too many members")
    for key, lengths in keys:
        draft.groups.setdefault(lengths, {})[key] = matches


def split(text: str, count: int) -> list[str]:
    """The member's parts; ValueError when they are not as many as the type has."""
    fields = text.split(",")
    if len(fields) != count:
        raise ValueError(f"{text!r} does not have {count} parts")
    return fields


def component(part: str, text: str, family: int, netmask: int, kind: str) -> list[tuple[int | str, int]]:
    """The values of one part, each with the length of its network (-1 where it has none)."""
    match part:
        case "ip" | "net":
            return addresses(text, family, netmask)
        case "port":
            return [(value, -1) for value in ports(text, kind)]
        case "mac":
            return [(hardware_address(text.lower()) if text else ANY_MAC, -1)]
        case "mark":
            return [(int(text, 0), -1)]
        case "iface" if not text.startswith("physdev:"):
            return [(text, -1)]
        case _:
            raise ValueError(f"the part {part!r} of a set is not known")


def addresses(text: str, family: int, netmask: int) -> list[tuple[int | str, int]]:
    """``10.0.0.1``, ``10.0.0.0/8``, ``10.0.0.1-10.0.0.9``."""
    low, dash, high = text.partition("-")
    if dash:
        first, last = address(low).value, address(high).value
        if last - first >= LIMIT:
            raise ValueError("a range of too many addresses")
        return [(value, WIDTH[family]) for value in range(first, last + 1)]
    found = prefix(text)
    if found.family != family:
        raise ValueError(f"{text!r} is of the other family")
    length = min(found.length, netmask)
    return [(found.value & network_mask(family, length), length)]


def ports(text: str, kind: str) -> list[int]:
    """``tcp:80``, ``udp:53-60``, ``icmp:echo-request``, ``80``: the protocol in the bits above the port; a bitmap has no protocol."""
    name, _, rest = text.rpartition(":")
    base = 0 if kind == "bitmap" else protocol_number(name or "tcp") << 16
    if base >> 16 in (ICMP, ICMPV6) and not rest.isdecimal():
        return [base | icmp_kind(base >> 16, rest)]
    low, _, high = rest.partition("-")
    return [base | value for value in range(int(low), int(high or low) + 1)]


def protocol_number(name: str) -> int:
    """A protocol by name or number."""
    return int(name) if name.isdecimal() else PROTOCOLS[name]


def icmp_kind(protocol: int, text: str) -> int:
    """``8/0`` or a name as ipset prints it."""
    kind, slash, code = text.partition("/")
    if slash:
        return int(kind) << 8 | int(code)
    return (ICMP_NAMES if protocol == ICMP else ICMPV6_NAMES)[text]


def holds(table: LookUp, values: Key) -> bool | None:
    """Whether the set holds the packet's values (one for each part); None where the member that decides is a ``nomatch``, which ends the search."""
    if table.parts == DEVICES:
        return holds_device(table, values)
    for lengths, members in table.by_lengths:
        key = tuple(
            value & network_mask(table.family, length) if length >= 0 and isinstance(value, int) else value
            for value, length in zip(values, lengths, strict=True)
        )
        found = members.get(key)
        if found is not None:
            return found or None
    return False


DEVICES = ("net", "iface")


def holds_device(table: LookUp, values: Key) -> bool | None:
    """The same for networks at devices: where the most specific network of members has none with the packet's device, the wider ones are not looked at
    (``multi`` of ip_set_hash_netiface.c ``hash_netiface4_data_equal`` and ip_set_hash_gen.h ``mtype_test_cidrs``)."""
    address, device = values
    for (length, _), members in table.by_lengths:
        network = int(address) & network_mask(table.family, length)
        own = [(str(name), matches) for (other, name), matches in members.items() if other == network]
        if own:
            return next((matches or None for name, matches in own if names(name, str(device))), False)
    return False


def names(member: str, device: str) -> bool:
    """Whether a member's device is this one, or the beginning of its name."""
    return device.startswith(member[:-1]) if member.endswith(BEGINS) else device == member
