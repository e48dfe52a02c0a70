"""MACs of the capture: which interfaces have them, and what stands for one that the text does not tell (``ip -4 addr`` prints none)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from zlib import crc32

from analyzer.facts.links import LinkFact, Tunnel, Wireguard
from analyzer.model.network import Interface, Network

STANDING_IN = 0x02FF
GROUP = 1 << 40
WITHOUT = frozenset({"LOOPBACK", "NOARP", "POINTOPOINT"})


def with_mac(at: Interface, link: LinkFact) -> LinkFact:
    """The record of an interface, with a MAC of its own in place of one that was not captured, or that is a group's, which no interface can have
    (``is_valid_ether_addr``)."""
    if (
        (link.mac is not None and not link.mac & GROUP)
        or link.link_type != "ether"
        or link.flags & WITHOUT
        or isinstance(link.kind, Tunnel | Wireguard)
    ):
        return link
    return replace(link, mac=STANDING_IN << 32 | crc32(str(at).encode()))


def stands_in(mac: int | None) -> bool:
    """Whether a MAC stands for one that was not captured."""
    return mac is not None and mac >> 32 == STANDING_IN


def taken_for(at: Interface) -> str:
    """The words for it."""
    return f"{at}, whose MAC was not captured, has one that no other interface has"


def held(network: Network) -> Counter[int]:
    """How many interfaces have each MAC; those that were not captured are not among them."""
    links = (link for space in network.namespaces.values() for link in space.links.values())
    return Counter(link.mac for link in links if link.mac)
