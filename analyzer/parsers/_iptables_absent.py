"""Matches of what packets seldom have: a transparent socket, extension headers of IPv6, a connection that a helper expected; and of what ``iptables -L``
does not show, or shows in words that no option is known for."""

from __future__ import annotations

from analyzer.facts.matches import ConntrackMatch, ExtensionHeaderMatch, IpsecMatch, Match, SocketMatch
from analyzer.parsers._iptables_options import Maker, Options, named, only


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


def ipsec(options: Options, family: int) -> list[Match]:
    """policy, of which ``--pol`` decides where no packet is transformed (net/netfilter/xt_policy.c ``policy_mt``)."""
    del family
    wanted = named(options, "pol").value
    if wanted not in ("none", "ipsec"):
        raise ValueError(f"--pol {wanted!r} is none of none and ipsec")
    return [IpsecMatch(wanted == "ipsec")]


def interfaces_not_shown(options: Options, family: int) -> list[Match]:
    """What a rule of ``iptables -L`` without ``-v`` may test."""
    del options, family
    raise ValueError("whether this rule tests interfaces is not shown: list it with -v (iptables -nvL), or with iptables-save")


def listed_as(options: Options, family: int) -> list[Match]:
    """What ``iptables -L`` says of a match, where the option behind it is not known."""
    del family
    text = next((" ".join(option.values) for option in options), "")
    raise ValueError(f"what iptables -L shows as {text!r} is not modelled (iptables-save has it as an option)")


def helper(options: Options, family: int) -> list[Match]:
    """helper: the connection was expected by that of a helper (net/netfilter/xt_helper.c ``helper_mt``: all else matches where the test is negated)."""
    del family
    if only(options, "helper").negated:
        return []
    return [ConntrackMatch(statuses=frozenset({"EXPECTED"}))]
