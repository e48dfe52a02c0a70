"""Ports and protocols in policies, in the words of the Kubernetes API."""

from __future__ import annotations

import re
from functools import lru_cache

from analyzer.policy.profiles import Profile
from analyzer.policy.terms import ALL_PORTS, All, AnyOf, Box, Opaque, Traffic
from analyzer.ranges import Ranges, difference, normalised, single
from analyzer.source import Span

NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1, "ICMPv6": 58, "UDPLite": 136}
WITH_PORTS: Ranges = normalised(((6, 6), (17, 17), (132, 132)))
OTHERS: Ranges = difference(((0, 255),), WITH_PORTS)
PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


@lru_cache(maxsize=1 << 12)
def ports(protocol: int, low: int = 0, high: int = 65535) -> Box:
    """The flows of a protocol to a range of ports."""
    return Box(single(protocol), ((low, high),) if (low, high) != (0, 65535) else ALL_PORTS)


def other_protocols(profile: Profile, at: Span) -> tuple[Traffic, ...]:
    """What a rule with ports says of protocols without ports: by the profile all, none, or it is not known."""
    rest = Box(OTHERS)
    match profile.port_rules_admit_other_protocols:
        case True:
            return (rest,)
        case False:
            return ()
        case None:
            text = "whether a rule with ports lets ICMP pass, which the API leaves open"
            return (All((rest, Opaque(text, at, open=True))),)


def any_of_traffic(terms: tuple[Traffic, ...]) -> Traffic:
    """One of the tests."""
    return terms[0] if len(terms) == 1 else AnyOf(terms)


def is_port_name(text: str) -> bool:
    """Whether a text can name a port (apimachinery, validation.IsValidPortName)."""
    return PORT_NAME.fullmatch(text) is not None
