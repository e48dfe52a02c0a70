"""Matches of what packets seldom have: a transparent socket, extension headers of IPv6."""

from __future__ import annotations

from analyzer.facts.matches import ExtensionHeaderMatch, Match, SocketMatch
from analyzer.parsers._iptables_options import Maker, Options


def socket(options: Options, family: int) -> list[Match]:
    """socket, where it asks for transparent ones; whether an ordinary one takes the packet is not followed."""
    del family
    names = {option.name for option in options}
    if "transparent" not in names or names - {"transparent", "nowildcard"}:
        raise ValueError("the match 'socket' is modelled with --transparent only")
    return [SocketMatch("nowildcard" in names)]


def extension_header(name: str) -> Maker:
    """rt, frag, hbh, dst."""

    def make(options: Options, family: int) -> list[Match]:
        del options
        if family != 6:
            raise ValueError(f"IPv4 has no match {name!r}")
        return [ExtensionHeaderMatch(name)]

    return make
