"""Addresses and prefixes as integers; text only at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import NamedTuple

WIDTH = {4: 32, 6: 128}
OCTETS = {str(number): number for number in range(256)}


class Address(NamedTuple):
    """An address: its family, 4 or 6, and its value."""

    family: int
    value: int

    def __str__(self) -> str:
        return address_text(self.family, self.value)


class Prefix(NamedTuple):
    """A network: family, first address (host bits are zero) and length in bits."""

    family: int
    value: int
    length: int

    @property
    def last(self) -> int:
        """The highest address of the network."""
        return self.value | ((1 << (WIDTH[self.family] - self.length)) - 1)

    def covers(self, item: Address | Prefix) -> bool:
        """Whether the network holds the address, or all of the other network."""
        last = item.last if isinstance(item, Prefix) else item.value
        return item.family == self.family and self.value <= item.value and last <= self.last

    def overlaps(self, other: Prefix) -> bool:
        """Whether the two networks share an address."""
        return self.family == other.family and self.value <= other.last and other.value <= self.last

    def __str__(self) -> str:
        return f"{Address(self.family, self.value)}/{self.length}"


def overlapping(prefixes: Sequence[Prefix]) -> list[tuple[int, int]]:
    """The pairs of places whose networks share an address, in order. Networks hold each other or are disjoint: side by side, once they are sorted,
    those that hold the next one are those that hold the one before."""
    around: list[int] = []
    found = []
    for place in sorted(range(len(prefixes)), key=prefixes.__getitem__):
        while around and not prefixes[around[-1]].overlaps(prefixes[place]):
            around.pop()
        found += [(min(one, place), max(one, place)) for one in around]
        around.append(place)
    return sorted(found)


def address_text(family: int, value: int) -> str:
    """Writes an address as Linux prints it."""
    if family == 4 and 0 <= value <= 0xFFFFFFFF:
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return library_text(family, value)


@lru_cache(maxsize=1 << 14)
def library_text(family: int, value: int) -> str:
    """An address as the standard library writes it (RFC 5952)."""
    return str(IPv4Address(value) if family == 4 else IPv6Address(value))


def dotted(text: str) -> int | None:
    """The value of four octets as they are usually written; None for all else, which ``ipaddress`` decides."""
    try:
        first, second, third, fourth = map(OCTETS.__getitem__, text.split("."))
    except (KeyError, ValueError):
        return None
    return first << 24 | second << 16 | third << 8 | fourth


@lru_cache(maxsize=1 << 16)
def address(text: str) -> Address:
    """Reads an address; a zone (``fe80::1%eth0``) is dropped. ValueError when it is none."""
    if (value := dotted(text)) is not None:
        return Address(4, value)
    written = text.partition("%")[0]
    try:
        parsed = ip_address(written)
    except ValueError:
        raise ValueError(f"{written!r} is no address") from None
    return Address(parsed.version, int(parsed))


@lru_cache(maxsize=1 << 16)
def prefix(text: str) -> Prefix:
    """Reads ``address/length``, ``address/netmask`` or an address (a host network); host bits are cleared."""
    first, _, length = text.partition("/")
    if length in OCTETS and (bits := OCTETS[length]) <= WIDTH[4] and (value := dotted(first)) is not None:
        return prefix_of(Address(4, value), bits)
    try:
        network = ip_interface(text).network
    except ValueError:
        raise ValueError(f"{text!r} is no network") from None
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def host_prefix(of: Address) -> Prefix:
    """The network that holds only this address."""
    return Prefix(of.family, of.value, WIDTH[of.family])


def default_prefix(family: int) -> Prefix:
    """The network of all addresses of the family."""
    return Prefix(family, 0, 0)


def prefix_of(of: Address, length: int) -> Prefix:
    """The network of this length that holds the address."""
    shift = WIDTH[of.family] - length
    return Prefix(of.family, (of.value >> shift) << shift, length)


def network_mask(family: int, length: int) -> int:
    """The mask of a prefix length, as an integer."""
    return ((1 << length) - 1) << (WIDTH[family] - length)


HEXADECIMAL = frozenset("0123456789abcdefABCDEF:")


@lru_cache(maxsize=1 << 14)
def hardware_address(text: str) -> int:
    """Reads a 48-bit MAC address such as ``0a:58:0a:84:02:2e``; ValueError when it is none."""
    if len(text) != 17:
        raise ValueError(f"{text!r} is not a MAC address")
    return short_hardware_address(text)


def short_hardware_address(text: str) -> int:
    """Reads a MAC address of which leading zeros may be left out, as people and ebtables (``ether_ntoa``) write it; ValueError when it is none."""
    parts = text.split(":")
    if len(parts) != 6 or any(not 1 <= len(part) <= 2 for part in parts) or not HEXADECIMAL.issuperset(text):
        raise ValueError(f"{text!r} is not a MAC address")
    return int("".join(part.zfill(2) for part in parts), 16)


@lru_cache(maxsize=1 << 14)
def hardware_text(value: int) -> str:
    """Writes a MAC address as Linux prints it."""
    digits = f"{value:012x}"
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
