"""The MACs of received frames, as rules and IP sets look at them, where they are not known: those of hosts outside the capture, and those that no walk follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analyzer.addresses import hardware_text
from analyzer.facts.matches import Side
from analyzer.solve.walk.netfilter.sets import ANY_MAC, Key, LookUp
from analyzer.solve.walk.netfilter.state import FOREIGN_MAC
from analyzer.solve.walk.netfilter.visit import Visit

UNSEEN = -2
"""What stands for a MAC that is not followed."""


def frame_mac(side: Side, visit: Visit) -> int:
    """A MAC of the received frame."""
    return UNSEEN if side is Side.DESTINATION or visit.at.source_mac is None else visit.at.source_mac


def known_here(visit: Visit) -> Callable[[int], bool]:
    """Whether an interface of the capture has a MAC, so that no host outside has it."""
    return visit.surroundings.captured_mac or (lambda _: False)


def is_strangers(mac: int, visit: Visit) -> bool:
    """Whether the host outside the capture that the packet comes from has a MAC."""
    if known_here(visit)(mac):
        return False
    text = f"{visit.place}: the host outside the capture that {visit.packet} comes from has the MAC {hardware_text(mac)}"
    return visit.oracle.test(text, None, "the MAC of the host outside")


def holds_frame(name: str, table: LookUp, sides: Sequence[Side], values: Key, visit: Visit) -> bool:
    """ip_set_hash_mac.c ``hash_mac4_kadt``, ip_set_hash_ipmac.c, ip_set_bitmap_ipmac.c ``bitmap_ipmac_do_test``: a member without a MAC holds any."""
    place = table.parts.index("mac")
    mac = values[place]

    def held(wanted: int) -> bool:
        return any((*values[:place], wanted, *values[place + 1 :]) in members for _, members in table.by_lengths)

    if held(ANY_MAC):
        return True
    if mac not in (FOREIGN_MAC, UNSEEN):
        return held(int(mac))
    macs = sorted({int(member[place]) for _, members in table.by_lengths for member in members})
    possible = [one for one in macs if held(one) and not (mac == FOREIGN_MAC and known_here(visit)(one))]
    if mac == FOREIGN_MAC and len(possible) == 1:
        return is_strangers(possible[0], visit)
    words = f"{visit.place}: the set {name} holds a MAC of the frame ({sides[place].value}) that {visit.packet} came in"
    return bool(possible) and visit.oracle.test(words, None, "the MACs of the frame")
