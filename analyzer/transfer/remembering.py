"""What a host remembers of its neighbours while a packet and its answer are under way, said in connections.

Where the network alone does not settle who answers for an address, it matters who asked before: who answers a question notes who asked
(``neigh_event_ns`` of net/ipv4/arp.c ``arp_process``), and an address that several hosts have stays with the one that was heard. An entry is a
connection of a namespace that exists for the interface's entries alone: from the address to the number of the MAC, of a protocol
that no packet has. So is a far end that a VXLAN device learns. The packet itself is saved while the entry is written or looked for; its mark waits in SOURCE_MAC.
"""

from __future__ import annotations

from analyzer.model.network import Interface
from analyzer.ranges import single
from analyzer.source import Scope
from analyzer.transfer.ir import (
    ESTABLISHED,
    Assign,
    Confirm,
    Copy,
    Decapsulate,
    Encapsulate,
    Field,
    If,
    In,
    Track,
    Transfer,
)
from analyzer.transfer.space import Context, seq

ENTRY = 255
"""The protocol of an entry (reserved by IANA)."""


def place(at: Interface) -> Scope:
    """The namespace of the entries of an interface."""
    return Scope(at.scope.node, f"{at.scope.namespace} neighbours of {at.device}")


def entry(source: int, destination: int) -> Encapsulate:
    """The packet that stands for an entry."""
    return Encapsulate(
        ((Field.SOURCE, single(source)), (Field.DESTINATION, single(destination)), (Field.PROTOCOL, single(ENTRY)))
    )


def saved(source: int, destination: int) -> Transfer:
    """The packet is put away, and the entry is in its place."""
    return seq(Copy(Field.SOURCE_MAC, Field.MARK), entry(source, destination))


def restored(own: int) -> Transfer:
    """The packet is back."""
    return seq(Decapsulate(), Copy(Field.MARK, Field.SOURCE_MAC), Assign(Field.SOURCE_MAC, own))


def remember(context: Context, at: Interface, address: int, mac: int, own: int) -> Transfer:
    """An interface notes the MAC of an address; ``own``: the MAC that the packet under way is sent from."""
    where = place(at)
    return seq(saved(address, context.macs.number(f"{mac:012x}")), Track(where), Confirm(where), restored(own))


def recall(context: Context, at: Interface, address: int, macs: tuple[int, ...], own: int, otherwise: Transfer) -> Transfer:
    """The MAC that an interface has noted for an address, of those that it may have noted; ``otherwise`` where it has none."""
    result = otherwise
    for mac in reversed(macs):
        noted = In(Field.STATE, single(ESTABLISHED))
        found = seq(restored(own), Assign(Field.DESTINATION_MAC, mac))
        result = seq(
            saved(context.macs.number(f"{mac:012x}"), address), Track(place(at)), If(noted, found, seq(restored(own), result))
        )
    return result


def hear(context: Context, at: Interface, mac: int) -> Transfer:
    """A tunnel device notes behind which far end a MAC is (``vxlan_snoop``); the packet has just been taken out, and has no mark."""
    where, number = far_ends(at), context.macs.number(f"{mac:012x}")
    return seq(entry(number, 0), Track(where), Confirm(where), Decapsulate())


def if_heard(context: Context, at: Interface, mac: int, own: int, then: Transfer, otherwise: Transfer) -> Transfer:
    """What follows where a tunnel device has noted a MAC. ``own``: the MAC that the packet under way is sent from."""
    noted = If(In(Field.STATE, single(ESTABLISHED)), seq(restored(own), then), seq(restored(own), otherwise))
    return seq(saved(0, context.macs.number(f"{mac:012x}")), Track(far_ends(at)), noted)


def far_ends(at: Interface) -> Scope:
    """The namespace of what a tunnel device has noted."""
    return Scope(at.scope.node, f"{at.scope.namespace} far ends of {at.device}")
