"""Negated tests of fields that lie side by side. nft 1.0.6 loads them as one comparison (src/payload.c ``payload_is_adjacent`` and ``payload_can_merge``, src/rule.c
``stmt_reduce``), which holds as soon as one field differs, and lists them as two: of a listing it is not known whether both must hold, or one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from analyzer.facts.nftables import Among, Negations, NftSet, Payload, Statement

PORTS = {"sport": (0, 2), "dport": (2, 2)}
MESSAGE = {"type": (0, 1), "code": (1, 1), "checksum": (2, 2), "id": (4, 2), "sequence": (6, 2)}
NETWORK = {
    "ip": {"length": (2, 2), "id": (4, 2), "ttl": (8, 1), "protocol": (9, 1), "checksum": (10, 2)},
    "ip6": {"length": (4, 2), "nexthdr": (6, 1), "hoplimit": (7, 1)},
    "tcp": PORTS | {"sequence": (4, 4), "ackseq": (8, 4), "checksum": (16, 2), "urgptr": (18, 2)},
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


def paired(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """A rule's statements, tests that may have been made one together."""
    found: list[Statement] = []
    for item in statements:
        before = found[-1] if found else None
        parts = before.parts if isinstance(before, Negations) else (before,) if isinstance(before, Among) else ()
        if isinstance(item, Among) and parts and one_comparison((*parts, item)):
            found[-1] = Negations((*parts, item))
        else:
            found.append(item)
    return tuple(found)


def one_comparison(parts: tuple[Among, ...]) -> bool:
    """Whether tests are of one value each, negated, and of fields that fill one stretch of a header."""
    places = [place(part) for part in parts]
    known = [found for found in places if found is not None]
    if len(known) < len(places) or len({header for header, *_ in known}) > 1:
        return False
    total = sum(size for *_, size in known)
    most = REGISTER if known[0][0] in LINK else WORD
    return total <= most and all(one + size == other for (_, one, size), (_, other, _) in pairwise(known))


def place(part: Among) -> tuple[str, int, int] | None:
    """The header of the field that a negated test of one value is about, its offset and its size; None for other tests."""
    match part:
        case Among((Payload(protocol, name),), NftSet("", _, _, (element,), ()), True):
            value, fields = element.key[0], NETWORK.get(protocol) or LINK.get(protocol) or {}
            single = isinstance(value, tuple) and value[0] == value[1]
            return (protocol, *fields[name]) if single and name in fields else None
        case _:
            return None
