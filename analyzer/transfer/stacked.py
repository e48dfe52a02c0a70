"""Devices over one device, and which of them see each other's frames (drivers/net/macvlan.c)."""

from __future__ import annotations

from analyzer.facts.links import Macvlan
from analyzer.model.network import Interface
from analyzer.transfer.space import Context


def siblings(context: Context, at: Interface, kind: Macvlan) -> tuple[Interface, ...]:
    """The macvlan devices that take frames of one of bridge mode over the same device, whose host does not hear them (``macvlan_queue_xmit``)."""
    if kind.mode != "bridge":
        return ()
    found = ((one, context.link(one)) for one in context.uppers.get(context.network.lower[at], ()) if one != at)
    return tuple(one for one, link in found if link is not None and link.kind in (Macvlan("bridge"), Macvlan("passthru")))
