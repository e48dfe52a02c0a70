"""Services from outside in Cilium's programs: node ports, external and load balancers' addresses (bpf/lib/nodeport.h ``nodeport_lb4``, mode SNAT).

A backend of the node gets the packet as it came; to one of another node it goes from an address of this node, in the tunnel from the router's. Answers come back by this
node and pass by its stack. Where packets go through the stack (legacy host routing) they are not walked, and with DSR not to backends of other nodes.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.cilium import FrontendFact
from analyzer.model.cilium import HOST_DEVICE
from analyzer.model.network import Interface
from analyzer.solve.packet import TCP, Packet
from analyzer.solve.walk.cilium.maps import FIRST_PORT, LAST_PORT, CiliumMaps, first_of
from analyzer.solve.walk.cilium.services import backend
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import Tracked
from analyzer.solve.walk.netfilter.state import Connections
from analyzer.solve.walk.netfilter.tracking import bind, confirm, flow_of, manipulated, track, undecided
from analyzer.solve.walk.state import Endings, Walk
from analyzer.source import Scope

PORTS = "(cilium: node ports)"
MODES = ("snat", "dsr", "hybrid")


def served(maps: CiliumMaps) -> bool:
    """Whether services from outside are walked."""
    setup = maps.state.setup
    return bool(setup.replacement and setup.host_routing and setup.mode in MODES and maps.state.frontends)


def known(walk: Walk, space: Space) -> Connections:
    """The connections to node ports of a node."""
    return walk.connections_of(Scope(space.scope.node, PORTS))


def answered(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet) -> Packet | None:
    """A backend's answer, as its client is to see it; None: it is none."""
    tracked = track(packet, None, known(walk, space)) if served(maps) else None
    if tracked is None or not tracked.reply or tracked.connection is None:
        return None
    found = manipulated(manipulated(packet, tracked, tracked.connection, False), tracked, tracked.connection, True)
    walk.tell(space.scope, "cilium", f"a backend's answer: {found}", None, found)
    return found


def asked(walk: Walk, space: Space, maps: CiliumMaps, at: Interface, packet: Packet) -> Packet | Endings | None:
    """A packet from outside to a service, as its backend is to see it; None: it is to none."""
    if maps.state.setup.replacement is False or of_host(walk, space, packet):
        return None
    frontend = maps.frontend(packet, False)
    if not served(maps):
        words = f"what Cilium of {space.place} does from outside for {frontend} is not walked"
        return walk.undecided(words, frontend.at) if frontend is not None else None
    own = known(walk, space)
    tracked = track(packet, None, own)
    if tracked.connection is None or (frontend is None and not tracked.connection.destination_translated):
        return None
    if frontend is not None and undecided(tracked, True):
        bound = chosen(walk, space, maps, at, packet, frontend, tracked, own)
        if not isinstance(bound, Tracked):
            return bound
        tracked = bound
    confirm(tracked, own)
    assert tracked.connection is not None
    return manipulated(manipulated(packet, tracked, tracked.connection, True), tracked, tracked.connection, False)


def of_host(walk: Walk, space: Space, packet: Packet) -> bool:
    """Whether a packet answers a socket of the host: none is bound to a port of a service (``cil_sock4_post_bind``)."""
    tracked = track(packet, None, walk.connections_of(space.scope))
    return tracked.reply and (tracked.connection is None or not tracked.connection.source_translated)


def chosen(
    walk: Walk,
    space: Space,
    maps: CiliumMaps,
    at: Interface,
    packet: Packet,
    frontend: FrontendFact,
    tracked: Tracked,
    own: Connections,
) -> Tracked | Endings:
    """The connection with one of the backends, and for one of another node with the address that it is to see."""
    if "non-routable" in frontend.flags:
        words = f"{space.place}: Cilium drops the packet (Is a ClusterIP): {frontend} is for clients in the cluster alone"
        return walk.drop(space.scope, words, frontend.at)
    if "check source-range" in frontend.flags and (refused := unasked(walk, space, maps, packet, frontend)) is not None:
        return refused
    one = backend(walk, space, frontend)
    if isinstance(one, list):
        return one
    assert tracked.connection is not None
    wanted = flow_of(packet)._replace(destination=one.address.value, destination_port=one.port or packet.destination_port)
    connection = bind(tracked.connection, True, wanted, own)
    entry = maps.endpoints.get(one.address)
    if entry is None or entry.host:
        if "HostPort" in frontend.flags:
            return walk.drop(
                space.scope,
                f"{space.place}: Cilium drops the packet: {one.address} of {frontend} is no endpoint of the node",
                one.at,
            )
        if by_itself(maps, frontend, packet.protocol):
            words = f"how {one.address}, a backend of another node, answers the clients of {frontend} itself (DSR) is not walked"
            return walk.undecided(words, one.at)
        source = address_of(space, maps, at, one.address)
        if source is None:
            return walk.undecided(f"the address that {space.place} asks {one.address} from is not known", one.at)
        port = (
            packet.source_port if packet.source_port >= FIRST_PORT else FIRST_PORT + packet.source_port % (LAST_PORT - FIRST_PORT)
        )
        connection = bind(connection, False, wanted._replace(source=source, source_port=port), own)
    walk.tell(space.scope, "cilium", f"{frontend} is served by {one.address}:{wanted.destination_port}", one.at, packet)
    return tracked._replace(connection=connection)


def unasked(walk: Walk, space: Space, maps: CiliumMaps, packet: Packet, frontend: FrontendFact) -> Endings | None:
    """A packet of somebody who may not ask (``lb4_src_range_ok``); None: who sends it may."""
    words = f"which sources {frontend} of {space.place} admits was not captured"
    if maps.state.sources is None:
        return walk.undecided(words, frontend.at, "cilium_bpf_lb_list_--source-ranges")
    for gap in space.namespace.gaps.get("cilium-source-ranges", ()):
        if not walk.oracle.test(
            f"the line of {space.place} that was not understood ({gap.reason}) is about others", gap.at, gap.reason
        ):
            return walk.undecided(f"{gap.at} was not understood: {gap.reason}", gap.at, gap.reason)
    source = Address(packet.family, packet.source)
    listed = any(range_.covers(source) for range_ in maps.state.sources.get(frontend.reverse, ()))
    if listed is not ("deny" in frontend.flags):
        return None
    text = f"{space.place}: Cilium drops the packet (Not in source range): {source} may not ask {frontend}"
    return walk.drop(space.scope, text, frontend.at)


def by_itself(maps: CiliumMaps, frontend: FrontendFact, protocol: int) -> bool:
    """Whether backends of other nodes answer the client themselves (DSR): all services' do, those of TCP (hybrid), or those that are annotated so."""
    mode = maps.state.setup.mode
    return "dsr" in frontend.flags or mode == "dsr" or (mode == "hybrid" and protocol == TCP)


def address_of(space: Space, maps: CiliumMaps, at: Interface, target: Address) -> int | None:
    """The address that a backend of another node is asked from: the router's in the tunnel, else the device's."""
    device = HOST_DEVICE if maps.state.setup.tunnel and maps.node_of(target) is not None else at.device
    found = first_of(space.addresses.get(device, ()), target.family)
    return None if found is None else found.value
