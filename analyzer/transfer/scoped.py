"""Link-local addresses of IPv6, which several links have alike."""

from __future__ import annotations

from analyzer.facts.routes import RouteFact
from analyzer.model.network import Namespace
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Field, If, In, Transfer
from analyzer.transfer.space import Context, drop

LINK_LOCAL = 0xFE80 << 112, (0xFEC0 << 112) - 1


def of_several_links(space: Namespace, family: int) -> frozenset[RouteFact]:
    """The routes to link-local addresses, where several devices have one: a socket's scope decides then (``sin6_scope_id``, ``ir_iif``), which is that
    of the device by which the packet came that it answers."""
    if family == 4:
        return frozenset()
    every = (route for table in space.routes.get(6, {}).values() for route in table if route.kind == "unicast")
    low, high = LINK_LOCAL
    found = frozenset(route for route in every if low <= route.destination.value <= high)
    return found if len({hop.device for route in found for hop in route.next_hops}) > 1 else frozenset()


def unforwarded(context: Context, scope: Scope) -> Transfer:
    """From a link-local address nothing is forwarded (``ip6_forward``)."""
    if context.family == 4:
        return KEEP
    reason = f"{scope} does not forward a packet from a link-local address"
    return If(In(Field.SOURCE, (LINK_LOCAL,)), drop(reason), KEEP)
