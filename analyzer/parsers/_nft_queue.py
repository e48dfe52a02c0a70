"""nft's ``queue`` (net/netfilter/nft_queue.c; libnftables-json(5), QUEUE)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.facts.netfilter import Queue
from analyzer.facts.nftables import Statement
from analyzer.parsers._nft_types import constant
from analyzer.parsers._nft_words import Node


def queue(inner: Node) -> Statement:
    """A number, a range, or what is computed; without any it is queue 0."""
    given = inner if isinstance(inner, Mapping) else {}
    said = given.get("flags", ())
    flags = (said,) if isinstance(said, str) else said
    return Queue(numbers(given.get("num", 0)), isinstance(flags, Sequence) and "bypass" in flags)


def numbers(given: Node) -> tuple[int, int] | None:
    """The first and the last queue; None where they are computed."""
    match given:
        case int() | str() | {"range": _}:
            found = constant("inet_service", given)
            if isinstance(found, str):
                raise ValueError(f"{given!r} is no queue")
            return found
        case _:
            return None
