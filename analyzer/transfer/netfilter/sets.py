"""IP sets as matches, after net/netfilter/ipset (``ip_set_hash_gen.h``, ``ip_set_getport.c``).

Members of several dimensions are grouped by all but their first, whose values become ranges. A ``nomatch`` member hides the wider members after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.addresses import WIDTH, address, hardware_address, hardware_text, prefix
from analyzer.facts.matches import Side
from analyzer.facts.netfilter import IpsetFact
from analyzer.ranges import Ranges, difference, normalised, single, union
from analyzer.source import Span
from analyzer.transfer.ir import NEVER, All, Any, Field, In, Match, Not, Opaque
from analyzer.transfer.space import Names

PROTOCOLS = {
    "tcp": 6,
    "udp": 17,
    "icmp": 1,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "sctp": 132,
    "udplite": 136,
    "gre": 47,
    "esp": 50,
    "ah": 51,
}
PORTED = (6, 17, 132, 136)
ICMP_CODES = {
    "echo-reply": (0, 0), "pong": (0, 0), "network-unreachable": (3, 0), "host-unreachable": (3, 1), "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3), "fragmentation-needed": (3, 4), "source-quench": (4, 0), "echo-request": (8, 0), "ping": (8, 0),
    "ttl-zero-during-transit": (11, 0), "timestamp-request": (13, 0), "timestamp-reply": (14, 0),
}  # fmt: skip
ICMPV6_CODES = {
    "no-route": (1, 0), "address-unreachable": (1, 3), "port-unreachable": (1, 4), "packet-too-big": (2, 0), "echo-request": (128, 0),
    "ping": (128, 0), "echo-reply": (129, 0), "pong": (129, 0), "neighbour-solicitation": (135, 0), "neighbour-advertisement": (136, 0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Element:
    """A member: what each dimension asks, how specific its networks are, and whether it matches."""

    parts: tuple[Match, ...]
    lengths: tuple[int, ...]
    matches: bool


@dataclass(frozen=True, slots=True)
class Frames:
    """What is known of the frames that packets come in: which are of hosts outside the capture, which MACs such a host does not have."""

    of_strangers: Match
    captured: Callable[[int], bool]
    place: str
    at: Span | None

    def mac(self, wanted: int | None, side: Side) -> Match:
        """Whether a received frame has a MAC (None: any): nothing sent here came in one (ip_set_hash_mac.c ``hash_mac4_kadt``). The destination's is not followed."""
        known: Match = Not(In(Field.SOURCE_MAC, single(0)))
        if wanted is None:
            return Any((known, self.of_strangers))
        if side is Side.DESTINATION:
            words = f"{self.place}: the frame that the packet came in is to {hardware_text(wanted)}"
            return All((Any((known, self.of_strangers)), Opaque(words, self.at)))
        own = In(Field.SOURCE_MAC, single(wanted))
        if self.of_strangers == NEVER or self.captured(wanted):
            return own
        words = f"{self.place}: the host outside the capture that the packet comes from has the MAC {hardware_text(wanted)}"
        return Any((own, All((self.of_strangers, Opaque(words, self.at)))))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads members of one set for one use of it (``src,dst``)."""

    names: Names
    family: int
    kind: str
    netmask: int
    sides: tuple[Side, ...]
    frames: Frames

    def element(self, parts: Sequence[str], member: str) -> Element:
        """A member as printed; ValueError or KeyError when it is not understood."""
        words = member.split()
        texts = words[0].split(",")
        if self.kind == "bitmap" and list(parts) == ["ip", "mac"] and len(texts) == 1:
            texts.append("")
        if len(texts) != len(parts):
            raise ValueError(f"{member!r} does not have {len(parts)} parts")
        begins = "wildcard" in words[1:]
        read = [self.part(kind, text, side, begins) for kind, text, side in zip(parts, texts, self.sides, strict=False)]
        return Element(tuple(item[0] for item in read), tuple(item[1] for item in read), "nomatch" not in words[1:])

    def part(self, kind: str, text: str, side: Side, begins: bool) -> tuple[Match, int]:
        """One dimension, with the length of its network. ``begins``: a device is told by the beginning of its name."""
        source = side is Side.SOURCE
        match kind:
            case "ip" | "net":
                ranges, length = self.addresses(text)
                return In(Field.SOURCE if source else Field.DESTINATION, ranges), length
            case "port":
                return self.port(text, Field.SOURCE_PORT if source else Field.DESTINATION_PORT), 0
            case "mac":
                return self.frames.mac(hardware_address(text.lower()) if text else None, side), 0
            case "mark":
                return In(Field.MARK, single(int(text, 0))), 0
            case "iface" if not text.startswith("physdev:"):
                device = Field.IN_INTERFACE if source else Field.OUT_INTERFACE
                begun = [number for name, number in self.names.numbers.items() if name.startswith(text)] if begins else []
                return In(device, normalised((number, number) for number in begun or [self.names.number(text)])), 0
            case _:
                raise ValueError(f"{text!r} is not understood")

    def addresses(self, text: str) -> tuple[Ranges, int]:
        """``10.0.0.1``, ``10.0.0.0/8`` or a range."""
        low, dash, high = text.partition("-")
        if dash:
            return ((address(low).value, address(high).value),), WIDTH[self.family]
        found = prefix(text)
        if found.family != self.family:
            raise ValueError(f"{text!r} is of the other family")
        length = min(found.length, self.netmask)
        start = (found.value >> (WIDTH[self.family] - length)) << (WIDTH[self.family] - length)
        return ((start, start | ((1 << (WIDTH[self.family] - length)) - 1)),), length

    def port(self, text: str, field: Field) -> Match:
        """``tcp:80``, ``udp:53-60``, ``icmp:8/0``; a bitmap has no protocol (``ip_set_get_ip_port``: TCP and UDP)."""
        name, _, rest = text.rpartition(":")
        if self.kind == "bitmap":
            return All((In(Field.PROTOCOL, ((6, 6), (17, 17))), In(field, port_range(rest))))
        protocol = int(name) if name.isdecimal() else PROTOCOLS[name or "tcp"]
        known = In(Field.PROTOCOL, single(protocol))
        if protocol in (1, 58):
            kind, code = icmp_code(protocol, rest)
            return All((known, In(Field.ICMP_TYPE, single(kind)), In(Field.ICMP_CODE, single(code))))
        return All((known, In(field, port_range(rest)))) if protocol in PORTED else known


def port_range(text: str) -> Ranges:
    """``80`` or ``80-90``."""
    low, _, high = text.partition("-")
    return ((int(low), int(high or low)),)


def icmp_code(protocol: int, text: str) -> tuple[int, int]:
    """``8/0``, a name, or the number of both."""
    kind, slash, code = text.partition("/")
    if slash:
        return int(kind), int(code)
    if text.isdecimal():
        return int(text) >> 8, int(text) & 255
    return (ICMP_CODES if protocol == 1 else ICMPV6_CODES)[text]


def set_match(
    sets: Mapping[str, IpsetFact],
    name: str,
    sides: tuple[Side, ...],
    family: int,
    names: Names,
    place: str,
    at: Span | None,
    frames: Frames,
    nomatch: bool = False,
) -> Match:
    """The match of a set; what is not captured or not understood is open. ``nomatch``: as ``--return-nomatch`` has it, the members with
    that flag match and the others do not, in sets of networks (ip_set_core.c ``ip_set_test``)."""
    fact = sets.get(name)
    if fact is None:
        return Opaque(f"{place}: the set {name}, which was not captured, holds the packet", at)
    kind, _, rest = fact.type.partition(":")
    if kind == "list" and nomatch:
        return Opaque(f"{place}: a member of the list {name} holds the packet as nomatch", at)
    if kind == "list":
        return list_match(sets, fact, sides, family, names, place, at, frames)
    parts = rest.split(",")
    if fact.family != family and any(part in ("ip", "net") for part in parts):
        return NEVER
    if len(sides) < len(parts):
        return Opaque(f"{place}: the set {name} holds the packet", at)
    options = dict(zip(fact.options, fact.options[1:], strict=False))
    netmask = int(options["netmask"]) if options.get("netmask", "").isdecimal() else WIDTH[fact.family]
    reader = Reader(names, fact.family, kind, netmask, sides, frames)
    elements: list[Element] = []
    unread = False
    for member in fact.members:
        try:
            elements.append(reader.element(parts, member))
        except (ValueError, KeyError, IndexError):
            unread = True
    if nomatch and "net" in parts:
        elements = [replace(element, matches=not element.matches) for element in elements]
    known = at_devices(elements) if parts == ["net", "iface"] else held(elements)
    return (
        Any((known, Opaque(f"{place}: a member of the set {name} that is not understood holds the packet", at)))
        if unread
        else known
    )


def list_match(
    sets: Mapping[str, IpsetFact],
    fact: IpsetFact,
    sides: tuple[Side, ...],
    family: int,
    names: Names,
    place: str,
    at: Span | None,
    frames: Frames,
) -> Match:
    """A list of sets (which does not nest, ip_set_list_set.c)."""
    members = [member.split()[0] for member in fact.members]
    inner = [item for item in members if item not in sets or not sets[item].type.startswith("list:")]
    found = (set_match(sets, item, sides, family, names, place, at, frames) for item in inner)
    return Any(tuple(match for match in found if match != NEVER))


def held(elements: Sequence[Element]) -> Match:
    """Whether the set holds a packet."""
    if any(not element.matches for element in elements):
        return first_found(sorted(elements, key=lambda element: tuple(-length for length in element.lengths)))
    return joined(elements)


def at_devices(elements: Sequence[Element]) -> Match:
    """Networks at devices: members of the most specific network decide, wider ones are not looked at (``multi`` of ip_set_hash_gen.h ``mtype_test_cidrs``)."""
    groups: dict[tuple[int, Match], list[Element]] = {}
    for element in elements:
        groups.setdefault((-element.lengths[0], element.parts[0]), []).append(element)
    found: list[Match] = []
    seen: Ranges = ()
    for (_, network), own in sorted(groups.items(), key=lambda item: item[0][0]):
        if isinstance(network, In):
            left = difference(network.ranges, seen)
            seen = union(seen, network.ranges)
            if left:
                found.append(
                    All((In(network.field, left), first_found([Element(one.parts[1:], (), one.matches) for one in own])))
                )
    return any_of(found)


def joined(elements: Sequence[Element]) -> Match:
    """Members that all match: those that differ in one dimension alone become one."""
    groups: dict[tuple[Field, tuple[Match, ...]], list[Ranges]] = {}
    others: list[Match] = []
    for element in elements:
        first = element.parts[0]
        if isinstance(first, In):
            groups.setdefault((first.field, element.parts[1:]), []).append(first.ranges)
        else:
            others.append(All(element.parts))
    found: list[Match] = []
    for (name, rest), ranges in groups.items():
        own = In(name, normalised(pair for item in ranges for pair in item))
        found.append(All((*rest, own)) if rest else own)
    return any_of((*found, *others))


def any_of(matches: Sequence[Match]) -> Match:
    """One of the matches."""
    return matches[0] if len(matches) == 1 else Any(tuple(matches))


def first_found(elements: Sequence[Element]) -> Match:
    """Members of which some hide others: the most specific decides."""
    if all(len(element.parts) == 1 and isinstance(element.parts[0], In) for element in elements):
        return first_ranges(elements)
    found: list[Match] = []
    hidden: list[Match] = []
    for element in elements:
        own = All(element.parts)
        if element.matches:
            found.append(All((*element.parts, *(Not(item) for item in hidden))))
        else:
            hidden.append(own)
    return any_of(found)


def first_ranges(elements: Sequence[Element]) -> Match:
    """The same for sets of one dimension."""
    inside: Ranges = ()
    seen: Ranges = ()
    name = Field.SOURCE
    for element in elements:
        part = element.parts[0]
        if isinstance(part, In):
            name = part.field
            if element.matches:
                inside = union(inside, difference(part.ranges, seen))
            seen = union(seen, part.ranges)
    return In(name, inside)
