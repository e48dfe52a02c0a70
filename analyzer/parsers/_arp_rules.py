"""Rules of ``arptables-save`` as the statements of nft that do the same (arptables(8); iptables/nft-arp.c ``nft_arp_add``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from analyzer.addresses import prefix, short_hardware_address
from analyzer.facts.matches import UnknownMatch
from analyzer.facts.netfilter import Jump, Pass, UnknownTarget, Verdict
from analyzer.facts.nftables import Among, Bitwise, Element, Meta, NftSet, Payload, Selector, Statement, Value

OPERATIONS = (
    "request",
    "reply",
    "request_reverse",
    "reply_reverse",
    "drarp_request",
    "drarp_reply",
    "drarp_error",
    "inarp_request",
    "arp_nak",
)
VERDICTS: Mapping[str, Statement] = {
    **{name: Verdict(name) for name in ("ACCEPT", "DROP", "RETURN")},
    **{name: Pass(name) for name in ("CONTINUE", "LOG", "NFLOG")},
}
MAC = (1 << 48) - 1
Read = Callable[[str], tuple[Selector, str, Value]]


def statements(text: str, chains: frozenset[str]) -> tuple[Statement, ...]:
    """A rule without its chain's name: the tests, then the target."""
    tests, target = list[Statement](), ""
    for negated, option, value in options(text):
        if option in ("-j", "--jump", "-g", "--goto"):
            target = value
        elif option in ("-c", "--set-counters"):
            continue
        else:
            tests.append(test(option, value, negated))
    return (*tests, act(target, chains, text))


def options(text: str) -> Iterator[tuple[bool, str, str]]:
    """The options of a rule: whether it is negated, its name, its value."""
    words, negated, at = text.split(), False, 0
    while at < len(words):
        word, at = words[at], at + 1
        if word == "!":
            negated = True
            continue
        value = ""
        if at < len(words) and (words[at] == "!" or not words[at].startswith("-")):
            if words[at] == "!":
                negated, at = True, at + 1
            value, at = (words[at], at + 1) if at < len(words) else ("", at)
        yield negated, word, value
        negated = False


def test(option: str, value: str, negated: bool) -> Statement:
    """One test; what is not known may hold or not."""
    read = TESTS.get(option)
    try:
        if read is None:
            raise ValueError(option)
        selector, kind, wanted = read(value)
    except (ValueError, KeyError):
        return UnknownMatch(f"{'! ' if negated else ''}{option} {value}".strip())
    return Among((selector,), NftSet("", (kind,), (), (Element((wanted,)),)), negated)


def act(target: str, chains: frozenset[str], text: str) -> Statement:
    """What a rule does."""
    if target in chains:
        return Jump(target)
    return VERDICTS.get(target or "CONTINUE", UnknownTarget(text))


def ip(name: str) -> Read:
    """An address of ARP, or a network."""

    def read(value: str) -> tuple[Selector, str, Value]:
        network = prefix(value)
        return Payload("arp", name), "ipv4_addr", (network.value, network.last)

    return read


def mac(name: str) -> Read:
    """A MAC, perhaps with a mask."""

    def read(value: str) -> tuple[Selector, str, Value]:
        first, _, mask = value.partition("/")
        own, kept = short_hardware_address(first), short_hardware_address(mask) if mask else MAC
        selector: Selector = Payload("arp", name) if kept == MAC else Bitwise(Payload("arp", name), kept)
        return selector, "ether_addr", (own & kept, own & kept)

    return read


def device(key: str) -> Read:
    """The name of an interface; a plus at its end stands for any rest."""
    return lambda value: (Meta(key), "ifname", re.sub(r"\+$", "*", value))


def number(name: str, names: tuple[str, ...] = ()) -> Read:
    """A number, or a name that stands for one."""

    def read(value: str) -> tuple[Selector, str, Value]:
        own = names.index(value.lower()) + 1 if value.lower() in names else int(value, 0)
        return Payload("arp", name), "integer", (own, own)

    return read


TESTS: Mapping[str, Read] = {
    **dict.fromkeys(("-s", "--source", "--src-ip", "--source-ip"), ip("saddr ip")),
    **dict.fromkeys(("-d", "--destination", "--dst-ip", "--destination-ip"), ip("daddr ip")),
    **dict.fromkeys(("--source-mac", "--src-mac", "--source-hw"), mac("saddr ether")),
    **dict.fromkeys(("--destination-mac", "--dst-mac", "--target-mac", "--target-hw"), mac("daddr ether")),
    **dict.fromkeys(("-i", "--in-interface"), device("iifname")),
    **dict.fromkeys(("-o", "--out-interface"), device("oifname")),
    **dict.fromkeys(("--opcode", "--op"), number("operation", OPERATIONS)),
    **dict.fromkeys(("--h-length", "--hlen"), number("hlen")),
}
