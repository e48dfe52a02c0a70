"""What is known of a packet in the pipeline of a switch while it is lowered: registers, metadata and the like as numbers.

The fields of the packet itself stay fields of the language. A register may also be a copy of one of these (an alias, as long as that
field is not written) or of 32 bits of one (OVN keeps an IPv6 address in four registers), or not be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from analyzer.facts.openflow import WIDTHS, FieldTest, Subfield
from analyzer.ranges import single
from analyzer.transfer.ir import KEEP, NEVER, Assign, Bits, Copy, Field, In, Match, Not, Opaque, Seq, SetBits, Transfer
from analyzer.transfer.widths import width


class Lost(Enum):
    """What is in a register is not known."""

    LOST = "not known"


LOST = Lost.LOST


class Slice(NamedTuple):
    """32 bits of a field, from one on."""

    field: Field
    low: int


Value = int | Field | Lost | Slice
Known = dict[str, Value]
Frozen = tuple[tuple[str, Value], ...]
OF_PACKET: Mapping[str, Field] = {
    "eth_src": Field.SOURCE_MAC,
    "eth_dst": Field.DESTINATION_MAC,
    "ip_proto": Field.PROTOCOL,
    "tp_src": Field.SOURCE_PORT,
    "tp_dst": Field.DESTINATION_PORT,
    "icmp_type": Field.ICMP_TYPE,
    "icmp_code": Field.ICMP_CODE,
    "tcp_flags": Field.TCP_FLAGS,
    "nw_ttl": Field.TTL,
    "nw_tos": Field.SERVICE,
    "pkt_mark": Field.MARK,
    "vlan_tci": Field.VLAN,
}
ADDRESSES: Mapping[int, Mapping[str, Field]] = {
    4: {"nw_src": Field.SOURCE, "nw_dst": Field.DESTINATION},
    6: {"ipv6_src": Field.SOURCE, "ipv6_dst": Field.DESTINATION},
}
ETHERNET_TYPE = {4: 0x800, 6: 0x86DD}
COMPOSED = {"xxreg": 4, "xreg": 2}
SCRATCH = Field.NEXT_HOP
"""Means nothing inside a switch, and holds what is swapped."""
TAGGED, SLICE, WHOLE = 0x1000, 32, 0xFFFFFFFF


def frozen(known: Known) -> Frozen:
    """What is known, as a key."""
    return tuple(sorted((name, value) for name, value in known.items() if value != 0 or name in ARP))


ARP = frozenset({"arp_spa", "arp_tpa", "arp_sha", "arp_tha", "arp_op", "eth_src", "eth_dst", "vlan_tci", "nw_src", "nw_dst"})


def value_of(known: Mapping[str, Value], name: str, family: int) -> Value:
    """A field's value; registers that were not written are 0."""
    found = known.get(name)
    if found is not None:
        return found
    own = OF_PACKET.get(name) or ADDRESSES[family].get(name)
    return own if own is not None else 0


def held(known: Mapping[str, Value], test: FieldTest, family: int) -> Match | bool:
    """Whether a test holds: known, or as a test of the language."""
    value = value_of(known, test.field, family)
    if isinstance(value, int):
        return value & test.mask == test.value
    if isinstance(value, Lost):
        return Opaque(f"{test.field} of a packet in a switch is {test.value:#x}/{test.mask:#x}")
    if isinstance(value, Slice):
        return matched(value.field, FieldTest(test.field, test.value << value.low, test.mask << value.low), family)
    return tagged(test) if value is Field.VLAN else matched(value, test, family)


def gathered(known: Mapping[str, Value], tests: Iterable[FieldTest], family: int) -> Iterator[Match | bool]:
    """What each test comes to; those of several parts of one field together."""
    parts: dict[Field, tuple[int, int]] = {}
    for test in tests:
        value = value_of(known, test.field, family)
        if isinstance(value, Slice):
            own, mask = parts.get(value.field, (0, 0))
            parts[value.field] = own | test.value << value.low, mask | test.mask << value.low
        else:
            yield held(known, test, family)
    for field, (own, mask) in parts.items():
        yield matched(field, FieldTest(field, own, mask), family)


def matched(field: Field, test: FieldTest, family: int) -> Match | bool:
    """A test of a field of the packet."""
    whole = (1 << width(field, family)) - 1
    mask, value = test.mask & whole, test.value
    if value & ~whole:
        return False
    if not mask:
        return True
    if mask == whole:
        return In(field, single(value))
    free = ~mask & whole
    if free & (free + 1) == 0:
        return In(field, ((value, value | free),))
    return Bits(field, mask, value)


def tagged(test: FieldTest) -> Match | bool:
    """A test of ``vlan_tci``: the language has the VLAN's number, 0 without one."""
    untagged = In(Field.VLAN, single(0))
    number, mask = test.value & 0xFFF, test.mask & 0xFFF
    if test.mask & TAGGED and not test.value & TAGGED:
        return untagged if not test.value & test.mask else False
    within: Match = (
        Not(untagged) if not mask else In(Field.VLAN, single(number)) if mask == 0xFFF else Bits(Field.VLAN, mask, number)
    )
    return NEVER if mask == 0xFFF and not number and test.mask & TAGGED else within


def parts_of(part: Subfield) -> list[tuple[str, int, int, int]]:
    """The fields that bits are kept in: name, lowest bit there, width, lowest bit of the part."""
    prefix = next((prefix for prefix in COMPOSED if part.field.startswith(prefix)), None)
    if prefix is None:
        return [(part.field, part.low, part.width, 0)]
    count = COMPOSED[prefix]
    found = []
    for place in range(count):
        base = 32 * (count - 1 - place)
        low, high = max(part.low, base), min(part.low + part.width, base + 32)
        if low < high:
            found.append((f"reg{int(part.field[len(prefix) :]) * count + place}", low - base, high - low, low - part.low))
    return found


def read(known: Mapping[str, Value], part: Subfield, family: int) -> Value:
    """The bits of a field; an alias only where it is the whole field, or 32 bits of it."""
    parts = parts_of(part)
    if len(parts) == 1:
        name, low, size, _ = parts[0]
        value = value_of(known, name, family)
        if isinstance(value, Field):
            whole = not low and size >= min(WIDTHS.get(name, 32), width(value, family))
            return value if whole else Slice(value, low) if size == SLICE and width(value, family) > SLICE else LOST
        if isinstance(value, Slice):
            return value if not low and size == SLICE else LOST
    if (alias := together(known, parts)) is not None:
        return alias
    total = 0
    for name, low, size, base in parts:
        value = value_of(known, name, family)
        if not isinstance(value, int):
            return LOST
        total |= (value >> low & ((1 << size) - 1)) << base
    return total


def together(known: Mapping[str, Value], parts: Sequence[tuple[str, int, int, int]]) -> Field | None:
    """The field whose slices registers hold, one after the other; None: they hold something else."""
    first = known.get(parts[0][0])
    if not isinstance(first, Slice) or len(parts) * SLICE != width(first.field, 6):
        return None
    alike = all(known.get(name) == Slice(first.field, base) and not low for name, low, _, base in parts)
    return first.field if alike else None


def write(known: Known, part: Subfield, value: Value, family: int) -> Transfer:
    """Puts a value into bits of a field: what that does to the packet."""
    written: list[Transfer] = []
    parts = parts_of(part)
    for name, low, size, base in parts:
        mask = ((1 << size) - 1) << low
        piece: Value = value if not isinstance(value, int) else (value >> base) << low & mask
        if len(parts) > 1 and not isinstance(value, int):
            fits = isinstance(value, Field) and width(value, family) >= base + size == base + SLICE
            piece = Slice(value, base) if fits and isinstance(value, Field) else LOST
        written.append(put(known, name, piece, mask, family))
    effects = [one for one in written if one != KEEP]
    return effects[0] if len(effects) == 1 else Seq(tuple(effects))


def put(known: Known, name: str, value: Value, mask: int, family: int) -> Transfer:
    """Gives bits of one field a value, of which the others are 0."""
    field = OF_PACKET.get(name) or ADDRESSES[family].get(name)
    if field is not None and name not in known:
        return into_packet(field, value, mask, family)
    before = value_of(known, name, family)
    full = mask & WHOLE == WHOLE or (isinstance(value, Field) and mask >= (1 << min(32, width(value, family))) - 1)
    if isinstance(value, int):
        known[name] = before & ~mask | value if isinstance(before, int) else value if full else LOST
    else:
        known[name] = value if full else LOST
    return KEEP


def into_packet(field: Field, value: Value, mask: int, family: int) -> Transfer:
    """Writes a field of the packet; what is not known makes it unknown, which the caller sees by ``needs``."""
    whole = (1 << width(field, family)) - 1
    if field is Field.VLAN:
        number = value & 0xFFF if isinstance(value, int) and value & TAGGED else 0
        return Assign(field, number)
    if isinstance(value, int):
        return Assign(field, value & whole) if mask & whole == whole else SetBits(field, mask & whole, value & whole)
    return Copy(field, value) if isinstance(value, Field) else KEEP


def kept(known: Known, stack: tuple[Value, ...], field: Field) -> tuple[tuple[Value, ...], Transfer]:
    """A field of the packet is about to be written: what is a copy of it moves to the scratch field, or is lost where that is taken."""
    if not any(of_field(value) is field for value in (*known.values(), *stack)):
        return stack, KEEP
    taken = field is SCRATCH or any(of_field(value) is SCRATCH for value in (*known.values(), *stack))

    def instead(value: Value) -> Value:
        if of_field(value) is not field:
            return value
        return LOST if taken else Slice(SCRATCH, value.low) if isinstance(value, Slice) else SCRATCH

    known.update({name: instead(value) for name, value in known.items()})
    return tuple(map(instead, stack)), KEEP if taken else Copy(SCRATCH, field)


def of_field(value: Value) -> Field | None:
    """The field that a value is, or is a part of."""
    return value.field if isinstance(value, Slice) else value if isinstance(value, Field) else None


def forgotten(known: Known, stack: tuple[Value, ...], fields: Iterable[Field]) -> tuple[Value, ...]:
    """Fields were written by something else: copies of them are no longer that."""
    gone = set(fields)
    for name, value in known.items():
        if of_field(value) in gone:
            known[name] = LOST
    return tuple(LOST if of_field(value) in gone else value for value in stack)
