"""Services in Cilium's programs: the frontend of a packet, and one of its backends (bpf/bpf_lxc.c ``__per_packet_lb_svc_xlate_4``, bpf/lib/lb.h ``lb4_local``).

Sockets that are translated when they connect (``bpf_sock.c``) get the same backends.
"""

from __future__ import annotations

from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.cilium import FrontendFact
from analyzer.solve.packet import Packet
from analyzer.solve.walk.cilium.maps import SERVED, CiliumMaps
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import Tracked
from analyzer.solve.walk.netfilter.state import Connections
from analyzer.solve.walk.netfilter.tracking import bind, bound, flow_of, undecided
from analyzer.solve.walk.state import Endings, Walk
from analyzer.source import Span

LOOPBACK = 169 << 24 | 254 << 16 | 42 << 8 | 1
"""From here an endpoint seems to come that reaches itself by a service (``IPV4_LOOPBACK``, pkg/option/config.go LoopbackIPv4)."""


def looped(packet: Packet, value: int) -> bool:
    """Whether an address of a packet is the one from which an endpoint seems to reach itself; IPv6 has none."""
    return packet.family == 4 and value == LOOPBACK


class Chosen(NamedTuple):
    """A backend that was chosen; port 0: the packet's."""

    address: Address
    port: int
    at: Span


def to_backend(
    walk: Walk, space: Space, maps: CiliumMaps, packet: Packet, tracked: Tracked, known: Connections
) -> Tracked | Endings:
    """The connection with a backend of its service, where it is new (``__per_packet_lb_svc_xlate_4``)."""
    connection = tracked.connection
    assert connection is not None
    if not undecided(tracked, True):
        return tracked
    wanted = flow_of(packet)
    frontend = maps.frontend(packet, True)
    walk.assume_all(maps.state.assumed)
    if frontend is None:
        if (doubt := unlisted(walk, space, maps, packet)) is not None:
            return doubt
    else:
        chosen = backend(walk, space, frontend)
        if not isinstance(chosen, Chosen):
            return chosen
        wanted = wanted._replace(destination=chosen.address.value, destination_port=chosen.port or packet.destination_port)
        walk.tell(
            space.scope,
            "cilium",
            f"the service {frontend} is served by {chosen.address}:{wanted.destination_port}",
            chosen.at,
            packet,
        )
    connection = bind(connection, True, wanted, known)
    if frontend is not None and wanted.destination == packet.source:
        if packet.family == 6:
            return walk.undecided(
                f"how an endpoint of {space.place} reaches itself by {frontend} in IPv6 is not walked", frontend.at
            )
        connection = bind(connection, False, wanted._replace(source=LOOPBACK), known)
    return Tracked(tracked.state, bound(connection, False, known) if not connection.source_decided else connection, tracked.reply)


def unlisted(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Endings | None:
    """A packet to no known frontend: while the map was not captured, or a line of it not understood, one could be of it."""
    target = Address(packet.family, packet.destination)
    whose = maps.whose(target)
    known = target in maps.endpoints or (whose is not None and whose.of_pod)
    if known or packet.protocol not in SERVED or maps.state.setup.replacement is False:
        return None
    missing = maps.state.missing.get("cilium-lb")
    gaps = space.namespace.gaps.get("cilium-lb", ())
    if missing is not None:
        text = f"no frontend of Cilium of {space.place} has the packet's destination ({missing})"
        return None if walk.oracle.test(text, None, missing) else walk.undecided(f"it is not known whether {text}", None, missing)
    for one in gaps:
        text = f"the line of {space.place} that was not understood ({one.reason}) is about no frontend of the packet"
        if not walk.oracle.test(text, one.at, "a line of the load-balancing map that is understood"):
            return walk.undecided(f"{one.at} was not understood: {one.reason}", one.at, "the frontend of that line")
    return None


def backend(walk: Walk, space: Space, frontend: FrontendFact) -> Chosen | Endings:
    """One of the backends: an address, a port (0: the packet's) and where it stands."""
    if frontend.proxy:
        words = f"what the proxy of {space.place} at port {frontend.proxy} does for {frontend} is not read"
        return walk.undecided(words, frontend.at, "the configuration of the proxy")
    ways = frontend.backends
    if frontend.lost:
        words = f"the backends {', '.join(map(str, frontend.lost))} of {frontend} of {space.place} are in no map of backends"
        if not ways or not walk.oracle.test(f"{words}, and are not chosen", frontend.at, "the map of backends"):
            return walk.drop(
                space.scope, f"{space.place}: Cilium drops the packet (Service backend not found): {words}", frontend.at
            )
    if not ways:
        why = "has no backend" if frontend.port else "has no port of this number"
        return walk.drop(
            space.scope, f"{space.place}: Cilium drops the packet (Service backend not found): {frontend} {why}", frontend.at
        )
    taken = ways[walk.oracle.choose(len(ways), f"the backend of {frontend} on {space.place}", frontend.at)]
    return Chosen(taken.address, taken.port, taken.at)
