"""CIDR blocks in policies: reading them as the API server does, and what they match by the profile."""

from __future__ import annotations

from functools import lru_cache

from analyzer.addresses import WIDTH, Prefix, address, prefix_of
from analyzer.parsers._view import View
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import All, AnyOf, InBlocks, Is, Kind, Not, Opaque, Peer
from analyzer.source import Span


def block(view: View, text: str, *path: str | int) -> Prefix | None:
    """A CIDR of the object: an address and a length. None, and a note, where it is none; host bits are taken away, as API servers do."""
    try:
        return cidr(text)
    except ValueError as problem:
        view.wrong(f"{text!r} is no CIDR: {problem}", *path)
        return None


@lru_cache(maxsize=1 << 16)
def cidr(text: str) -> Prefix:
    """Reads an address and a length; ValueError where it is none."""
    own, slash, length = text.partition("/")
    if not slash:
        raise ValueError("it has no length")
    if not length.isdecimal() or "%" in own:
        raise ValueError("it must be an address and a length")
    found = address(own)
    if int(length) > WIDTH[found.family]:
        raise ValueError(f"its length is more than {WIDTH[found.family]}")
    return prefix_of(found, int(length))


def has_host_bits(text: str) -> bool:
    """Whether a CIDR that is one has bits beyond its length, which are of no effect."""
    return address(text.partition("/")[0]).value != cidr(text).value


def in_blocks(blocks: tuple[Prefix, ...], profile: Profile, at: Span) -> Peer:
    """A test for addresses in blocks, which counts pods and nodes as the profile says."""
    sure = InBlocks(blocks, profile.blocks_match_pods is True, profile.blocks_match_nodes is True)
    doubts: list[Peer] = []
    for kind, value in ((Kind.POD, profile.blocks_match_pods), (Kind.HOST, profile.blocks_match_nodes)):
        if value is None:
            what = Opaque(f"whether a block matches a {kind}'s address, in which network systems differ", at)
            doubts.append(All((Is(frozenset({kind})), InBlocks(blocks), what)))
    return AnyOf((sure, *doubts)) if doubts else sure


def without(blocks: tuple[Prefix, ...], peer: Peer) -> Peer:
    """What the test holds for, but for addresses in the blocks."""
    return All((peer, Not(InBlocks(blocks)))) if blocks else peer
