"""The match ``ipvs`` of iptables (extensions/libxt_ipvs.c)."""

from __future__ import annotations

from analyzer.facts.ipvs import Forwarding
from analyzer.facts.matches import BalancedMatch, Match, Side
from analyzer.parsers._iptables_addresses import address_match, protocol
from analyzer.parsers._iptables_options import Option, Options
from analyzer.parsers._words import of_table

METHODS = {"GATE": Forwarding.DIRECT, "IPIP": Forwarding.TUNNEL, "MASQ": Forwarding.MASQUERADE}


def balanced(options: Options, family: int) -> list[Match]:
    """``--ipvs``, ``--vproto 6``, ``--vaddr 10.96.0.1/32``, ``--vport 80``, ``--vdir ORIGINAL``, ``--vmethod MASQ``: one match for each, all of one connection."""
    if not options:
        raise ValueError("the match 'ipvs' asks for nothing")
    asked = [option for option in options if option.name != "ipvs"]
    if asked and any(option.negated for option in options if option.name == "ipvs"):
        raise ValueError("! --ipvs beside other tests of a connection")
    return [part(option, family) for option in asked] or [BalancedMatch("", None, options[0].negated)]


def part(option: Option, family: int) -> Match:
    """One test of the connection."""
    match option.name:
        case "vproto":
            return BalancedMatch("protocol", (protocol(option.value),) * 2, option.negated)
        case "vaddr":
            found = address_match(Side.DESTINATION, option.value, False, family)
            return BalancedMatch("address", (found.value, found.mask), option.negated)
        case "vport":
            return BalancedMatch("port", (int(option.value),) * 2, option.negated)
        case "vdir":
            replies = {"ORIGINAL": False, "REPLY": True}[option.value.upper()]
            return BalancedMatch("replies", None, replies == option.negated)
        case "vmethod":
            return BalancedMatch("method", of_table(METHODS, option.value.upper(), "way of IPVS"), option.negated)
        case _:
            raise ValueError(f"the option {option.text!r} of ipvs is not modelled")
