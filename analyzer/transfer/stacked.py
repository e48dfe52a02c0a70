"""Devices over one device, and which of them see each other's frames (drivers/net/macvlan.c)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import Ipvlan, Macvlan
from analyzer.model.hardware import stands_in
from analyzer.model.network import Interface
from analyzer.ranges import single
from analyzer.transfer.ir import Any, Assign, Bits, Drop, End, Field, If, In, Transfer, Unknown
from analyzer.transfer.space import Context, by_value, goto, seq

KNOWN = (Field.STATE, Field.STATUS, Field.DIRECTION, Field.PHYSICAL_IN, Field.PHYSICAL_OUT)


def hears(kind: object) -> bool:
    """Whether a device over another hears what is sent to all: an ipvlan device in mode ``l2`` alone (``ipvlan_handle_mode_l2``), as the others have no ARP."""
    return isinstance(kind, Macvlan) or (isinstance(kind, Ipvlan) and kind.mode == "l2")


def siblings(context: Context, at: Interface, kind: object) -> tuple[Interface, ...]:
    """The devices over the same device that take what one of them sends to all, as macvlan devices of bridge mode do, whose host does not hear it
    (``macvlan_queue_xmit``), and ipvlan devices (``ipvlan_process_multicast``)."""
    found = [(one, context.link(one)) for one in context.uppers.get(context.network.lower[at], ()) if one != at]
    if isinstance(kind, Ipvlan):
        return tuple(one for one, link in found if link is not None and isinstance(link.kind, Ipvlan) and hears(link.kind))
    if kind != Macvlan("bridge"):
        return ()
    return tuple(one for one, link in found if link is not None and link.kind in (Macvlan("bridge"), Macvlan("passthru")))


def bridged_macs(context: Context, at: Interface, kind: Macvlan) -> Iterator[int]:
    """The MACs of the other macvlan devices over a device that take frames of their siblings."""
    links = (context.link(one) for one in siblings(context, at, kind))
    return (link.mac for link in links if link is not None and link.mac is not None)


def forgotten() -> Transfer:
    """What the stack knew of the packet is gone."""
    return seq(*(Assign(name, 0) for name in KNOWN))


def upper_rows(context: Context, under: Interface, came: Interface | None, otherwise: Transfer) -> Transfer:
    """The macvlan device with the frame's MAC, or the ipvlan device that holds the packet's address, of what comes in for
    the device under it (``ipvlan_rcv_frame`` leaves the packet's type as it is)."""
    sourced = [one for one, kind in above(context, under) if kind == Macvlan("source")]
    if sourced and came is None:
        return End(Unknown(f"which frames {sourced[0]} takes is up to their sources"))
    macs: dict[int, Transfer] = {}
    addresses: dict[int, Transfer] = {}
    for upper in context.uppers.get(under, ()):
        link = context.link(upper)
        if link is None or upper == came:
            continue
        receive = seq(Assign(Field.MARK, 0), forgotten(), goto(upper.scope, "receive", upper.device))
        if isinstance(link.kind, Macvlan) and link.mac is not None:
            macs.setdefault(link.mac, receive)
        elif isinstance(link.kind, Ipvlan):
            for fact in context.held.get(upper, ()):
                addresses.setdefault(fact.address.value, receive)
    rest = by_value(Field.DESTINATION, addresses, otherwise) if addresses else otherwise
    own = context.link(under) if came is None and addresses else None
    if own is not None and own.mac is not None and not stands_in(own.mac):
        rest = If(
            Any((In(Field.DESTINATION_MAC, single(own.mac)), Bits(Field.DESTINATION_MAC, 1 << 40, 1 << 40))), rest, otherwise
        )
    return by_value(Field.DESTINATION_MAC, macs, rest) if macs else rest


def above(context: Context, under: Interface) -> Iterator[tuple[Interface, Macvlan | Ipvlan]]:
    """The macvlan and ipvlan devices over a device."""
    for one in context.uppers.get(under, ()):
        link = context.link(one)
        if link is not None and isinstance(link.kind, Macvlan | Ipvlan):
            yield one, link.kind


def macs_above(context: Context, under: Interface) -> set[int]:
    """The MACs of the macvlan devices over a bridge: they make it promiscuous (``__dev_set_rx_mode``), so that it takes their frames up."""
    links = (context.link(one) for one, kind in above(context, under) if isinstance(kind, Macvlan))
    return {link.mac for link in links if link is not None and link.mac is not None}


def from_ipvlan(context: Context, at: Interface, kind: Ipvlan, on: Transfer) -> Transfer:
    """``ipvlan_queue_xmit``: to the sibling that has the address, unless the devices are private or VEPA; else ``on`` in mode ``l2``, in others by the routes and
    hooks of the host, which is not lowered (drivers/net/ipvlan/ipvlan_core.c)."""
    under = context.network.lower[at]
    out = (
        on
        if kind.mode == "l2"
        else End(Unknown(f"{at} sends by the routes and hooks of {under.scope} (ipvlan mode {kind.mode})"))
    )
    if kind.flag == "vepa":
        return out
    if kind.flag != "private":
        return upper_rows(context, under, at, out)
    lost = End(Drop(f"{at} is private: it does not reach others over {under}"))
    held = (fact for one, _ in above(context, under) if one != at for fact in context.held.get(one, ()))
    return by_value(Field.DESTINATION, {fact.address.value: lost for fact in held if fact.address.family == context.family}, out)
