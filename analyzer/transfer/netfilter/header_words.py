"""Tests of bits by their place in headers, in the language (net/netfilter/nft_payload.c, xt_u32.c)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.facts.headers import BEHIND, FOUR, SIX, ZERO, Layout, Piece, blocks, covered, pieces
from analyzer.facts.matches import WordMatch, WordTest
from analyzer.ranges import normalised
from analyzer.transfer.ir import ALWAYS, NEVER, All, Any, Field, In, Match, Not
from analyzer.transfer.netfilter.where import Where, masked
from analyzer.transfer.widths import width

FULL = 0xFFFFFFFF
Block = tuple[int, int]
"""Bits that a word must have: their values, and a mask of them."""


def in_word(base: str, offset: int, length: int, wanted: Iterable[Block], family: int, unknown: Match) -> Match:
    """When the bits from a place on are as one of the blocks says; ``unknown`` stands for bits of which that is not known."""
    found = tuple(wanted)
    cases = [
        All((protocol, Any(tuple(as_wanted(block, pieces(layout, offset, length), family, unknown) for block in found))))
        for protocol, layout in layouts(base, family)
    ]
    return Any(tuple(cases))


def layouts(base: str, family: int) -> Iterator[tuple[Match, Layout]]:
    """Where the fields of a header are, by the packet's protocol."""
    if base == "nh":
        yield ALWAYS, FOUR if family == 4 else SIX
        return
    known: dict[int, tuple[Layout, list[int]]] = {}
    for protocol, layout in BEHIND.items():
        known.setdefault(id(layout), (layout, []))[1].append(protocol)
    for layout, protocols in known.values():
        yield In(Field.PROTOCOL, normalised((number, number) for number in protocols)), layout
    yield Not(In(Field.PROTOCOL, normalised((number, number) for number in BEHIND))), {}


def as_wanted(block: Block, found: tuple[Piece, ...], family: int, unknown: Match) -> Match:
    """When bits are as a block says."""
    value, mask = block
    parts = [one for piece in found if (one := of_piece(piece, value, mask, family)) != ALWAYS]
    if NEVER in parts:
        return NEVER
    return All((*parts, unknown)) if mask & ~covered(found) else All(tuple(parts))


def of_piece(piece: Piece, value: int, mask: int, family: int) -> Match:
    """When the bits that are a field's are as they must be."""
    ones = (1 << piece.size) - 1
    own, asked = value >> piece.place & ones, mask >> piece.place & ones
    if not asked:
        return ALWAYS
    if piece.field == ZERO:
        return NEVER if own else ALWAYS
    field = Field(piece.field)
    return masked(field, own << piece.shift, asked << piece.shift, width(field, family))


def word(match: WordMatch, where: Where) -> Match:
    """xt_u32.c ``u32_match_it``."""
    own = All(tuple(holds(test, match.text, where) for test in match.tests))
    return Not(own) if match.negated else own


def holds(test: WordTest, text: str, where: Where) -> Match:
    """One test of ``u32``: what is moved is moved back."""
    ones = FULL >> test.shift if test.shift >= 0 else FULL << -test.shift & FULL
    asked = test.mask & ones
    wanted = [
        (back(value & asked, test.shift), back(mask & asked, test.shift))
        for low, high in test.ranges
        for value, mask in blocks(low, high, 32)
        if not value & mask & ~asked
    ]
    return in_word(test.base, test.offset * 8, 32, wanted, where.context.family, where.opaque(f"u32 {text!r} holds"))


def back(value: int, shift: int) -> int:
    """Bits where they stood in the word."""
    return value << shift & FULL if shift >= 0 else value >> -shift
