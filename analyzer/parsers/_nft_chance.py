"""Tests of nft that the packet does not decide: numbers picked at random."""

from __future__ import annotations

from analyzer.facts.nftables import Among, Element, NftSet, Pick, Statement
from analyzer.parsers._nft_keys import Node
from analyzer.parsers._nft_types import flags, top


def by_chance(left: Node, operator: str, right: Node) -> Statement | None:
    """``meta random & 2147483647 < 1073741824``, as iptables writes its ``statistic`` for nft (nft_meta.c: ``get_random_u32``): one of two cases, where
    neither has all the numbers."""
    match left, operator, right:
        case {"meta": {"key": "random"}}, "<" | ">=", int() | str():
            most = top("mark")
        case {"&": [{"meta": {"key": "random"}}, int() | str() as bits]}, "<" | ">=", int() | str():
            most = flags("mark", bits)
        case _:
            return None
    if most & (most + 1):
        raise ValueError("a mask with holes")
    below = flags("mark", right)
    some = 0 < below <= most
    modulus, wanted = (2, 0) if some else (1, 0 if below else 1)
    return Among(
        (Pick("meta random", modulus),), NftSet("", ("integer",), elements=(Element(((wanted, wanted),)),)), operator == ">="
    )
