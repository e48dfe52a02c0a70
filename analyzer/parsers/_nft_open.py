"""Tests of nft that ask what no capture tells: what is counted or timed, which process a packet is of, which CPU handles it."""

from __future__ import annotations

from analyzer.facts.matches import Concerned, OpenMatch, RateMatch
from analyzer.facts.nftables import Statement
from analyzer.parsers._nft_keys import Node, said


def undecided_of(left: Node, operator: str, right: Node) -> Statement | None:
    """The test; None for one that a packet decides, or that is not understood."""
    match left:
        case {"ct": {"key": "packets" | "bytes" | "avgpkt" | "expiration" as name}}:
            return RateMatch(f"ct {name}", "")
        case _ if (found := asked_of(left)) is not None and right not in (True, False, "missing", "exists"):
            settle, concerned = found
            return OpenMatch(said({"match": {"op": operator, "left": left, "right": right}}), settle, concerned)
        case _:
            return None


def asked_of(left: Node) -> tuple[str, Concerned] | None:
    """What settles a test that is open, and for which packets it is; for others the rule ends, negated or not (NFT_BREAK): nft_meta.c ``nft_meta_get_eval_cgroup``,
    nft_socket.c ``nft_socket_eval``, nft_osf.c ``nft_osf_eval``, nft_exthdr.c ``nft_exthdr_tcp_eval``; a segment's size is announced by what has SYN
    (RFC 9293 section 3.7.1)."""
    match left:
        case {"meta": {"key": "cgroup"}}:
            return "the cgroup of the process whose socket it is", Concerned.OWN
        case {"meta": {"key": "cpu"}}:
            return "the CPU that handles the packet", Concerned.EVERY
        case {"meta": {"key": "time" | "hour" | "day"}}:
            return "the time at which the packet passes", Concerned.EVERY
        case {"socket": {"key": "cgroupv2"}}:
            return "the cgroup of the process whose socket it is", Concerned.FOUND
        case {"osf": _}:
            return "which system sent the packet", Concerned.OPENING
        case {"tcp option": {"name": "maxseg"}}:
            return "which segment size the packet announces", Concerned.OPENING
        case _:
            return None
