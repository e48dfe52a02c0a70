"""Where the fields of headers stand, for rules that look at bits by their place (RFC 791, 8200, 9293, 768, 792, 4443).

``nh`` is the IP header, ``th`` the one behind it. Only fields that a packet of this program has are named, and bits that are 0 in all of its packets, which
are whole: the rest (identification, options, checksums, sequence numbers, data) is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ZERO = "0"
"""What stands for bits that are 0."""


class Piece(NamedTuple):
    """Bits of a word that are bits of a field: ``size`` of them, ``place`` bits from the word's last, ``shift`` bits from the field's last."""

    field: str
    place: int
    shift: int
    size: int


Layout = Mapping[str, tuple[int, int]]
"""First bit and number of bits of each field."""
FOUR: Layout = {ZERO: (51, 13), "TTL": (64, 8), "protocol": (72, 8), "source": (96, 32), "destination": (128, 32)}
SIX: Layout = {"protocol": (48, 8), "TTL": (56, 8), "source": (64, 128), "destination": (192, 128)}
PORTS: Layout = {"source port": (0, 16), "destination port": (16, 16)}
TCP: Layout = {**PORTS, "TCP flags": (106, 6)}
ICMP: Layout = {"ICMP type": (0, 8), "ICMP code": (8, 8)}
BEHIND: Mapping[int, Layout] = {6: TCP, 17: PORTS, 33: PORTS, 132: PORTS, 136: PORTS, 1: ICMP, 58: ICMP}
"""Layouts of what is behind the IP header, by its protocol; nothing is known of others."""


def pieces(layout: Layout, offset: int, length: int) -> tuple[Piece, ...]:
    """The known bits of a word of ``length`` bits that begins at a bit."""
    end = offset + length
    found = []
    for name, (first, size) in layout.items():
        low, high = max(offset, first), min(end, first + size)
        if low < high:
            found.append(Piece(name, end - high, first + size - high, high - low))
    return tuple(found)


def covered(found: tuple[Piece, ...]) -> int:
    """The bits of a word that are known."""
    return sum(((1 << piece.size) - 1) << piece.place for piece in found)


def blocks(low: int, high: int, width: int) -> list[tuple[int, int]]:
    """A range of numbers as values of their leading bits: each a value and a mask of ``width`` bits."""
    found, full = [], (1 << width) - 1
    high = min(high, full)
    while low <= high:
        size = min((low & -low) or 1 << width, 1 << ((high - low + 1).bit_length() - 1))
        found.append((low, full & ~(size - 1)))
        low += size
    return found


def beneath(family: int, offset: int) -> tuple[str, int]:
    """The header of an IP packet without options that a byte is in, and its place there."""
    size = 20 if family == 4 else 40
    return ("nh", offset) if offset < size else ("th", offset - size)
