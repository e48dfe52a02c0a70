"""Cilium's services in the language: a packet to a frontend goes to one of its backends (bpf/bpf_lxc.c ``__per_packet_lb_svc_xlate_4``, bpf/lib/lb.h).

Frontends that differ in addresses and ports only are one family, as IPVS' virtual servers are (``virtual.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

from analyzer.facts.cilium import FrontendFact
from analyzer.facts.ipvs import Forwarding, RealServer, VirtualServerFact
from analyzer.ranges import normalised, single
from analyzer.transfer.cilium.maps import View
from analyzer.transfer.ir import (
    DNAT_STATUS,
    KEEP,
    All,
    Alt,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Not,
    Opaque,
    Rewrite,
    Transfer,
    Unknown,
)
from analyzer.transfer.space import seq
from analyzer.transfer.virtual import Part, searched

SERVED = (6, 17, 132)
IS_SERVED = In(Field.PROTOCOL, normalised((one, one) for one in SERVED))
LOOPBACK = 0xA9FE2A01


def balanced(view: View) -> Transfer:
    """The rules by which the destination of a connection that an endpoint opens is translated; the same for every endpoint of a node."""
    made = view.context.made
    for text in view.state.assumed:
        view.context.assume(text)
    found = made.get(("cilium services", view.scope))
    if found is None:
        made["cilium services", view.scope] = seq(searched(tuple(rows(view)), translated, True, DNAT_STATUS), unlisted(view))
        return balanced(view)
    return cast(Transfer, found)


class Place(NamedTuple):
    """A frontend at an address, for a protocol and a port (0: every other one): as clients in the cluster meet it."""

    value: int
    port: int
    protocol: int
    frontend: FrontendFact

    @property
    def match(self) -> Match:
        """The packets to it."""
        parts: list[Match] = [In(Field.DESTINATION, single(self.value)), In(Field.PROTOCOL, single(self.protocol))]
        return All((*parts, In(Field.DESTINATION_PORT, single(self.port)))) if self.port else All(tuple(parts))


def places(view: View) -> list[Place]:
    """The frontends that count for clients in the cluster: those with a port before those that refuse every other one."""
    inner = {(one.address, one.port, one.protocol): one for one in reversed(view.state.frontends) if one.internal}
    named: dict[tuple[int, int, int], Place] = {}
    for exact in (True, False):
        for one in view.state.frontends:
            if one.address.family == view.context.family and not one.internal and bool(one.protocol) is exact:
                found = inner.get((one.address, one.port, one.protocol)) if "two-scopes" in one.flags else one
                for protocol in (one.protocol,) if one.protocol else SERVED:
                    if found is not None:
                        value, port = one.address.value, one.port
                        named.setdefault((value, port, protocol), Place(value, port, protocol, found))
    return sorted(named.values(), key=lambda place: not place.port)


def rows(view: View) -> Iterator[Part]:
    """The frontends as the rows of a table that is searched by destination."""
    for place in places(view):
        found = place.frontend
        plain = place.port and found.backends and not found.proxy and not found.lost
        yield Part(place.match, as_server(place), None if plain else refused(view, place))


def as_server(place: Place) -> VirtualServerFact:
    """A frontend as a virtual server, so that those that are alike are run together."""
    found = place.frontend
    servers = tuple(RealServer(one.address, one.port, Forwarding.MASQUERADE, at=one.at) for one in found.backends)
    return VirtualServerFact(
        at=found.at,
        scope=found.scope,
        family=found.address.family,
        protocol=place.protocol,
        address=found.address,
        port=place.port,
        scheduler="rr",
        servers=servers,
    )


def translated(server: VirtualServerFact) -> Transfer:
    """To one of the backends."""
    branches = tuple(
        Rewrite(True, single(one.address.value), single(one.port) if one.port else None, one.at) for one in server.servers
    )
    return branches[0] if len(branches) == 1 else Alt(branches, server.at)


def refused(view: View, place: Place) -> Transfer:
    """A frontend without backends, with some that are in no map, or with a proxy in their place."""
    scope, found = view.scope, place.frontend
    if found.proxy:
        words = f"what the proxy of {scope} at port {found.proxy} does for {found} is not read"
        return End(Unknown(words), found.at)
    failed = f"{scope}: Cilium drops the packet (Service backend not found): "
    if not found.backends:
        why = "has no backend" if found.port else "has no port of this number"
        words = f"the backends {', '.join(map(str, found.lost))} of {found} of {scope} are in no map of backends"
        return End(Drop(failed + (words if found.lost else f"{found} {why}")), found.at)
    words = f"the backends {', '.join(map(str, found.lost))} of {found} of {scope} are in no map of backends"
    ready = translated(as_server(place))
    return If(Opaque(f"{words}, and are not chosen", found.at), ready, End(Drop(failed + words), found.at), found.at)


def unlisted(view: View) -> Transfer:
    """A packet to no known frontend: while the map was not captured, or a line of it not understood, one could be of it."""
    state, scope = view.state, view.scope
    if state.setup.replacement is False:
        return KEEP
    missing = state.missing.get("cilium-lb")
    doubt: Transfer = seq(*unread(view))
    if missing is not None:
        text = f"no frontend of Cilium of {scope} has the packet's destination ({missing})"
        doubt = If(Opaque(text), KEEP, End(Unknown(f"it is not known whether {text}")))
    pods = [pair for pair, fact in view.pieces if fact.of_pod]
    here = In(Field.DESTINATION, normalised([*pods, *((entry.address.value,) * 2 for entry in view.entries)]))
    return If(All((IS_SERVED, Not(here))), doubt, KEEP) if doubt != KEEP else KEEP


def unread(view: View) -> Iterator[Transfer]:
    """The lines of the map that were not understood."""
    for gap in view.context.space(view.scope).gaps.get("cilium-lb", ()):
        text = f"the line of {view.scope} that was not understood ({gap.reason}) is about no frontend of the packet"
        yield If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at), gap.at)
