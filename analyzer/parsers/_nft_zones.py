"""nft's ``ct zone set`` (net/netfilter/nft_ct.c ``nft_ct_set_zone_eval``), of one direction or of both."""

from __future__ import annotations

from analyzer.facts.netfilter import Zone
from analyzer.facts.nftables import LookUp, SetZone
from analyzer.parsers._conntrack_values import bounded
from analyzer.parsers._nft_keys import Node, looked_up


def set_zone(direction: str, value: Node) -> Zone | SetZone:
    """The zone of a connection: a number, or what a map says; ValueError where it is computed."""
    match value:
        case {"map": inner}:
            return SetZone(LookUp(*looked_up(inner, ("integer",))), direction)
        case int() | str():
            return Zone(bounded("zone", str(value), 16), direction)
        case _:
            raise ValueError("the zone is not modelled")
