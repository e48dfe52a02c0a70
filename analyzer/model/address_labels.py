"""The labels of IPv6 addresses: the policy table of RFC 6724, 2.1, as net/ipv6/addrlabel.c has it by default. ``ip addrlabel`` may have changed it, of which
captures say nothing."""

from __future__ import annotations

from analyzer.addresses import Prefix, prefix

LABELS: tuple[tuple[Prefix, int], ...] = tuple(
    (prefix(text), label)
    for text, label in (
        ("::1/128", 0),
        ("::ffff:0:0/96", 4),
        ("::/96", 3),
        ("2001::/32", 6),
        ("2001:10::/28", 7),
        ("3ffe::/16", 12),
        ("2002::/16", 2),
        ("fec0::/10", 11),
        ("fc00::/7", 5),
        ("::/0", 1),
    )
)
"""The prefixes with their labels; the first that holds an address is the longest."""


def label(value: int) -> int:
    """The label of an address."""
    return next(number for network, number in LABELS if network.value <= value <= network.last)
