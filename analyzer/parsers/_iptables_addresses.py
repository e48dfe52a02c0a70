"""Addresses and protocols in the options of iptables rules."""

from __future__ import annotations

from analyzer.addresses import WIDTH, address, network_mask
from analyzer.facts.matches import AddressMatch, Side
from analyzer.parsers._iptables_names import PROTOCOLS
from analyzer.parsers._words import of_table


def address_match(side: Side, text: str, negated: bool, family: int) -> AddressMatch:
    """``10.0.0.0/8``, ``10.0.0.0/255.0.255.0``, ``10.0.0.1``."""
    host, _, tail = text.partition("/")
    value = address(host).value
    if not tail:
        mask = network_mask(family, WIDTH[family])
    elif tail.isdecimal():
        if int(tail) > WIDTH[family]:
            raise ValueError(f"{text!r} is no network")
        mask = network_mask(family, int(tail))
    else:
        mask = address(tail).value
    return AddressMatch(side, family, value & mask, mask, negated)


def protocol(text: str) -> int:
    """A protocol's number, or its name of ``/etc/protocols``."""
    return int(text) if text.isdecimal() else of_table(PROTOCOLS, text.lower(), "protocol")
