"""The match ``u32`` of iptables (iptables-extensions(8), net/netfilter/xt_u32.c ``u32_match_it``)."""

from __future__ import annotations

import re

from analyzer.facts.matches import Match, UnknownMatch, WordMatch, WordTest
from analyzer.parsers._iptables_options import Options, only

FULL = 0xFFFFFFFF
STEP = re.compile(r"\s*(&|>>|<<|@)\s*(0x[0-9a-fA-F]+|\d+)")
NUMBER = re.compile(r"\s*(0x[0-9a-fA-F]+|\d+)")
LENGTH_OF_HEADER = ("nh", 0, 22, 0x3C)
"""``0>>22&0x3C``: how long an IPv4 header is, in bytes."""


def word(options: Options, family: int) -> list[Match]:
    """``--u32 "6&0xFF=6 && 0>>22&0x3C@0>>16=80"``; what looks for its place in data is not followed."""
    option = only(options, "u32")
    try:
        tests = tuple(test(part, family) for part in option.value.split("&&"))
    except ValueError:
        return [UnknownMatch(f"-m u32 {option.text}")]
    return [WordMatch(tests, option.value, option.negated)]


def test(text: str, family: int) -> WordTest:
    """One test: a place, and the numbers that may stand there."""
    place, _, wanted = text.partition("=")
    begun = NUMBER.match(place)
    if begun is None or not wanted:
        raise ValueError(f"{text!r} is no test of u32")
    base, offset, shift, mask, end = "nh", int(begun[1], 0), 0, FULL, begun.end()
    while end < len(place.rstrip()):
        step = STEP.match(place, end)
        if step is None:
            raise ValueError(f"{place!r} is no place of u32")
        end, number = step.end(), int(step[2], 0)
        match step[1]:
            case "&":
                mask &= number
            case "@" if (base, offset, shift, mask) == LENGTH_OF_HEADER and family == 4:
                base, offset, shift, mask = "th", number, 0, FULL
            case ">>" if number < 32:
                shift, mask = shift + number, mask >> number
            case "<<" if number < 32:
                shift, mask = shift - number, mask << number & FULL
            case _:
                raise ValueError(f"{place!r} leads into data")
    return WordTest(base, offset, shift, mask, tuple(map(numbers, wanted.split(","))))


def numbers(text: str) -> tuple[int, int]:
    """``80`` or ``80:90``."""
    low, colon, high = text.partition(":")
    return int(low, 0), int(high, 0) if colon else int(low, 0)
