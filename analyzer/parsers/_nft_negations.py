"""Negated tests of fields that lie side by side. nft 1.0.6 loads them as one comparison (src/payload.c ``payload_is_adjacent`` and ``payload_can_merge``, src/rule.c
``stmt_reduce``), which holds as soon as one field differs, and lists them as two: of a listing it is not known whether both must hold, or one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from analyzer.facts.matches import UnknownMatch
from analyzer.facts.nftables import Among, Negations, NftSet, Payload, Statement

PORTS = {"sport": (0, 2), "dport": (2, 2)}
MESSAGE = {"type": (0, 1), "code": (1, 1), "checksum": (2, 2), "id": (4, 2), "sequence": (6, 2)}
NETWORK = {
    "ip": {"length": (2, 2), "id": (4, 2), "frag-off": (6, 2), "ttl": (8, 1), "protocol": (9, 1), "checksum": (10, 2)},
    "ip6": {"length": (4, 2), "nexthdr": (6, 1), "hoplimit": (7, 1)},
    "tcp": PORTS
    | {"sequence": (4, 4), "ackseq": (8, 4), "flags": (13, 1), "window": (14, 2), "checksum": (16, 2), "urgptr": (18, 2)},
    "udp": PORTS | {"length": (4, 2), "checksum": (6, 2)},
    "sctp": PORTS,
    "dccp": PORTS,
    "th": PORTS,
    "icmp": MESSAGE,
    "icmpv6": MESSAGE,
}
"""The offsets and sizes of fields, in bytes; addresses are not among them, since two are more than a word together."""
LINK = {"ether": {"daddr": (0, 6), "saddr": (6, 6), "type": (12, 2)}}
WORD, REGISTER = 4, 16
"""How much of a header above the link layer is compared at once, and how much at all, in bytes."""


Unit = tuple[Sequence[Statement], object]
"""What a node of a rule comes to, with the node: its last statement is the node's own, those before it are what it asks for first."""
Place = tuple[str, int, int]
"""A header, and the offset and size of a field in it."""


def paired(units: Iterable[Unit]) -> tuple[Statement, ...]:
    """A rule's statements, tests that may have been made one together."""
    found: list[Statement] = []
    places: tuple[Place, ...] = ()
    for statements, node in units:
        if not statements:
            continue
        before, item, own = found[-1] if found else None, statements[-1], place(statements[-1], node)
        if isinstance(item, Among | UnknownMatch) and own is not None and places and one_comparison((*places, own)):
            parts = (
                before.parts if isinstance(before, Negations) else (before,) if isinstance(before, Among | UnknownMatch) else ()
            )
            found[-1], places = Negations((*parts, item)), (*places, own)
        else:
            found, places = [*found, *statements], () if own is None else (own,)
    return tuple(found)


def one_comparison(places: tuple[Place, ...]) -> bool:
    """Whether the fields of tests fill one stretch of a header that is short enough."""
    if len({header for header, *_ in places}) > 1:
        return False
    most = REGISTER if places[0][0] in LINK else WORD
    sizes, sides = sum(size for *_, size in places), pairwise(places)
    return sizes <= most and all(one + size == other for (_, one, size), (_, other, _) in sides)


def place(item: Statement, node: object) -> Place | None:
    """Where the field is that a negated test of one value is about; None for other tests."""
    match item, node:
        case Among((Payload(protocol, name),), NftSet("", _, _, (element,), ()), True), _:
            value = element.key[0]
            single = isinstance(value, tuple) and value[0] == value[1]
        case UnknownMatch(), {
            "match": {"op": "!=", "left": {"payload": {"protocol": str(protocol), "field": str(name)}}, "right": value}
        }:
            single = isinstance(value, int | str) and not str(value).startswith("@")
        case _:
            return None
    fields = NETWORK.get(protocol) or LINK.get(protocol) or {}
    return (protocol, *fields[name]) if single and name in fields else None
