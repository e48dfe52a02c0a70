"""IPVS: packets to a virtual server go to a real one, and its answers come from the virtual server again.

After net/netfilter/ipvs/ip_vs_core.c (``ip_vs_in_hook``, ``ip_vs_out_hook``, ``handle_response``, ``ip_vs_leave``), ip_vs_xmit.c (``ip_vs_nat_xmit``, ``ip_vs_dr_xmit``,
``ip_vs_tunnel_xmit``, ``__ip_vs_get_out_rt``) and ip_vs_nfct.c (``ip_vs_update_conntrack``). A packet that leaves for a real server passes OUTPUT
and POSTROUTING, not FORWARD; with ``net.ipv4.vs.conntrack`` 0 conntrack forgets it, so that nothing translates its source.
"""

from __future__ import annotations

from dataclasses import replace

from analyzer.addresses import Address
from analyzer.facts.ipvs import Forwarding, VirtualServerFact, ending
from analyzer.facts.links import Tunnel
from analyzer.solve.packet import PICKED, Packet
from analyzer.solve.walk import internet, ip_tunnels, tunnels
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.ipvs_table import FTP, FTP_DATA, UNPRIVILEGED, Choice, choice, opens, port_of
from analyzer.solve.walk.netfilter.hooks import Flow, Hook, HookPacket, Tracked
from analyzer.solve.walk.netfilter.state import Balanced, Connections, HookResult
from analyzer.solve.walk.netfilter.tracking import flow_of
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.sources import source_of
from analyzer.solve.walk.state import HEADER, Endings, Frame, Walk

SWITCH = "net.ipv4.vs.conntrack"
REROUTES, SLOPPY = "net.ipv4.vs.snat_reroute", "net.ipv4.vs.sloppy_tcp"
BYPASS = "net.ipv4.vs.cache_bypass"
DUMMIES = ("kube-ipvs0", "kube-dummy-if")
"""The devices of kube-proxy and kube-router, which set the switch to 1 when they start."""


def looked_at(walk: Walk, space: Space, hook: Hook, result: HookResult) -> HookPacket | Endings:
    """What IPVS makes of a packet at its place in a hook: the packet with which the hook goes on, or what became of it elsewhere."""
    at = result.packet
    if at.balanced:
        return at
    if result.answers:
        return answered(walk, space, hook, at)
    if hook is Hook.INPUT and at.packet_type != "unicast":
        return at
    return requested(walk, space, hook, at)


def asked(walk: Walk, space: Space, packet: Packet) -> VirtualServerFact | None:
    """The virtual server of a packet, of which the port may have been picked at random."""
    table, port = space.virtual(packet.family), packet.destination_port
    if port < PICKED:
        return table.find(packet)
    cuts = [end for fact in space.namespace.virtual_servers for end in (fact.port, fact.port + 1)]

    def found(number: int) -> VirtualServerFact | None:
        return table.find(packet.to_destination(packet.destination, number))

    return found(walk.oracle.number(port, (*cuts, FTP_DATA, FTP_DATA + 1, UNPRIVILEGED), found))


def opened(walk: Walk, space: Space, packet: Packet) -> bool:
    """Whether a packet without a connection is scheduled; one from a port that was picked at random may be from FTP's data port."""
    sloppy = bool(space.switch(SLOPPY))
    if packet.source_port < PICKED:
        return opens(packet, sloppy)
    return not walk.oracle.within(packet.source_port, ((FTP_DATA, FTP_DATA),)) and opens(packet, sloppy)


def answered(walk: Walk, space: Space, hook: Hook, at: HookPacket) -> HookPacket | Endings:
    """A real server's answer comes from the virtual server (``handle_response``); what it is no answer to passes, and answers that come another way."""
    found = walk.connections_of(space.scope).balanced.get((True, flow_of(at.packet)))
    if found is None or found.forwarding is not Forwarding.MASQUERADE:
        return at
    packet = at.packet.from_source(found.virtual.destination, found.virtual.destination_port)
    words = f"the answer comes from {ending(Address(packet.family, packet.source), packet.source_port)}"
    walk.tell(space.scope, "ipvs", words, found.at, packet)
    tracked = kept(walk, space, at)
    if isinstance(tracked, list):
        return tracked
    going = at.after(packet, tracked)._replace(balanced=True)
    return going if hook is Hook.INPUT or at.out_device == "lo" else routed_back(walk, space, going)


def routed_back(walk: Walk, space: Space, going: HookPacket) -> HookPacket | Endings:
    """``ip_vs_route_me_harder``: an answer to another host is routed again, as one that this host sends from the virtual server."""
    value = space.switch(REROUTES)
    if value is None:
        walk.assume(f"{REROUTES} of {space.place} is 1, as the kernel sets it (it was not captured)")
    if value == 0:
        return going
    route = internet.route_out(walk, space, going.packet)
    return going._replace(routed_as=going.packet) if isinstance(route, Route) else route


def kept(walk: Walk, space: Space, at: HookPacket) -> Tracked | Endings | None:
    """What conntrack still knows of a packet that IPVS has handled (``ip_vs_notrack``)."""
    uses = uses_conntrack(walk, space)
    if isinstance(uses, list):
        return uses
    return at.tracked if uses or at.tracked is None else Tracked("UNTRACKED")


def uses_conntrack(walk: Walk, space: Space) -> bool | Endings:
    """Whether IPVS keeps conntrack informed."""
    value = space.switch(SWITCH)
    if value is not None:
        return value > 0
    if any(name in space.links for name in DUMMIES):
        walk.assume(f"{SWITCH} of {space.place} is 1, as kube-proxy and kube-router set it (it was not captured)")
        return True
    text = f"IPVS of {space.place} keeps conntrack informed ({SWITCH})"
    if walk.oracle.test(text, None, "sysctl_net"):
        return True
    return walk.undecided(f"whether {text} is not known", None, "sysctl_net")


def requested(walk: Walk, space: Space, hook: Hook, at: HookPacket) -> HookPacket | Endings:
    """A packet of a connection goes where that went; one that opens a connection to a virtual server is scheduled."""
    connections = walk.connections_of(space.scope)
    flow = flow_of(at.packet)
    found = connections.balanced.get((False, flow))
    if found is None:
        if not opened(walk, space, at.packet):
            return at
        fact = asked(walk, space, at.packet)
        if fact is None:
            return unless_unread(walk, space, at)
        if at.packet.destination_port >= PICKED:
            return walk.undecided(f"the port of {fact} of {space.place} that is asked for was picked at random", None)
        chosen = held(walk, space, fact, at) or scheduled(walk, space, fact, at)
        if not isinstance(chosen, Balanced):
            return chosen
        found = remembered(connections, fact, chosen)
    return forwarded(walk, space, hook, at, found)


def held(walk: Walk, space: Space, fact: VirtualServerFact, at: HookPacket) -> Balanced | Endings | None:
    """The real server of a connection that conntrack was captured with, whose answers it expects from there; whether IPVS has the connection too is not
    known, since the two forget it apart. One that is no real server any more is dropped or expired (``ip_vs_in_hook``, expire_nodest_conn)."""
    connection = at.tracked.connection if at.tracked is not None else None
    if connection is None or connection.entry is None or at.tracked is None or at.tracked.reply:
        return None
    server, port, entry = Address(at.packet.family, connection.reply.source), connection.reply.source_port, connection.entry
    words = f"IPVS of {space.place} still has the connection of {entry.at.path}:{entry.at.line} with {ending(server, port)}"
    if not walk.oracle.test(words, entry.at, "ipvsadm -Lcn"):
        return None
    for own in fact.servers:
        if own.address == server and port_of(fact, own, at.packet) == port:
            return Balanced(flow_of(at.packet), server, port, own.forwarding, own.at)
    return walk.undecided(f"{words}, which is no real server of {fact}", entry.at, "ipvsadm -Lcn")


def unless_unread(walk: Walk, space: Space, at: HookPacket) -> HookPacket | Endings:
    """A packet that no virtual server takes, as far as the table was understood."""
    for one in space.namespace.gaps.get("ipvs", ())[:1]:
        text = f"the line of {space.place} that was not understood ({one.reason}) is about no virtual server of the packet"
        if not walk.oracle.test(text, one.at, "a line of the table of IPVS that is understood"):
            return walk.undecided(f"{one.at} was not understood: {one.reason}", one.at, "the virtual server of that line")
    return at


def scheduled(walk: Walk, space: Space, fact: VirtualServerFact, at: HookPacket) -> Balanced | HookPacket | Endings:
    """``ip_vs_schedule``: one of the real servers, else the sender is told that nobody is there (``ip_vs_leave``)."""
    packet = at.packet
    elsewhere = not fact.mark and packet.destination_port != fact.port
    if elsewhere and fact.port == FTP:
        if not fact.persistent:
            return at
        return walk.undecided(f"the data connections of the virtual server {fact} of {space.place} are not walked", fact.at)
    found = Choice((), True) if elsewhere and not fact.persistent else choice(fact)
    if found.unread:
        return walk.undecided(
            f"the scheduler {fact.scheduler} of the virtual server {fact} of {space.place} is not known", fact.at
        )
    if any(server.most for server in found.servers):
        walk.assume(f"the real servers of {fact} of {space.place} have not reached their limits of connections")
    ways = len(found.servers) + found.none
    taken = walk.oracle.choose(ways, f"the real server of {fact}", fact.at)
    if taken == len(found.servers) and fact.mark and space.switch(BYPASS):
        reason = f"where {space.place} sends a packet that no real server of {fact} gets is not walked ({BYPASS})"
        return walk.undecided(reason, fact.at)
    if taken == len(found.servers):
        said = (
            "no real server"
            if not fact.servers
            else "no real server with a weight above 0"
            if not found.servers
            else "no real server for this client"
        )
        return walk.drop(
            space.scope, f"{space.place}: refused with icmp-port-unreachable: the virtual server {fact} has {said}", fact.at
        )
    server = found.servers[taken]
    return Balanced(flow_of(packet), server.address, port_of(fact, server, packet), server.forwarding, server.at)


def remembered(connections: Connections, fact: VirtualServerFact, found: Balanced) -> Balanced:
    """Stores the connection under its packets and the real server's answers; with one-packet scheduling there is none."""
    if fact.one_packet and fact.protocol == 17:
        return found
    answers = found.virtual.inverse
    if found.forwarding is Forwarding.MASQUERADE:
        answers = answers._replace(source=found.server.value, source_port=found.port)
    connections.balanced[False, found.virtual] = connections.balanced[True, answers] = found
    return found


def forwarded(walk: Walk, space: Space, hook: Hook, at: HookPacket, found: Balanced) -> HookPacket | Endings:
    """``packet_xmit`` of the connection: to the real server by its own route, or on in the hook where that is this host."""
    packet, server = at.packet, found.server
    route = internet.route_out(walk, space, Packet(server.family, 0, server.value, 0))
    if not isinstance(route, Route):
        return route
    words = f"to the real server {ending(server, found.port)} ({found.forwarding.value})"
    if route.kind == "local" or found.forwarding is Forwarding.LOCAL:
        if server.family == 4 and server.value >> 24 == 127 and hook is Hook.INPUT and found.forwarding is Forwarding.MASQUERADE:
            return walk.drop(space.scope, f"{space.place}: IPVS sends nothing from outside to {server}", found.at)
        return handled(walk, space, at, found, packet, words)
    if is_loopback(packet):
        return walk.drop(
            space.scope,
            f"{space.place}: IPVS sends nothing from {Address(packet.family, packet.source)} to another host",
            found.at,
        )
    if packet.ttl <= 1:
        return walk.drop(space.scope, f"{space.place}: the TTL of {packet} is used up")
    going = handled(walk, space, at, found, packet.with_ttl(packet.ttl - 1), words)
    if not isinstance(going, HookPacket):
        return going
    if found.forwarding in (Forwarding.GUE, Forwarding.GRE):
        return walk.undecided(f"{space.place}: what IPVS sends through a {found.forwarding.value} is not walked", found.at)
    if found.forwarding is Forwarding.UNTOLD:
        walk.assume(
            f"the tunnel of {space.place} to the real server {server} is of IP in IP, as they are by default (the listing does not say)"
        )
    if found.forwarding.tunnels:
        return tunnelled(walk, space, route, going, server)
    return sent_on(walk, space, route, going.between("", route.device), found)


def is_loopback(packet: Packet) -> bool:
    """Whether the source is of the loopback network."""
    return packet.source >> 24 == 127 if packet.family == 4 else packet.source == 1


def handled(walk: Walk, space: Space, at: HookPacket, found: Balanced, packet: Packet, words: str) -> HookPacket | Endings:
    """The packet for the real server, and what conntrack knows of it: its answers will come from there."""
    tracked = kept(walk, space, at)
    if isinstance(tracked, list):
        return tracked
    if found.forwarding is Forwarding.MASQUERADE:
        packet = packet.to_destination(found.server.value, found.port)
        stored = walk.connections_of(space.scope).balanced.get((False, found.virtual))
        tracked = altered(tracked, found) if stored is not None else tracked
    walk.tell(space.scope, "ipvs", words, found.at, packet)
    return at.after(packet, tracked)._replace(balanced=True)


def altered(tracked: Tracked | None, found: Balanced) -> Tracked | None:
    """``ip_vs_update_conntrack``: a connection that is not confirmed yet expects its answers from the real server; it is not one that was translated."""
    connection = tracked.connection if tracked is not None else None
    if tracked is None or connection is None or connection.confirmed or tracked.reply:
        return tracked
    reply: Flow = connection.reply._replace(source=found.server.value, source_port=found.port)
    return Tracked(tracked.state, connection._replace(reply=reply), tracked.reply)


def sent_on(walk: Walk, space: Space, route: Route, going: HookPacket, found: Balanced) -> Endings:
    """OUTPUT, POSTROUTING and the device. The nat table's OUTPUT routes a packet again whose answers come from elsewhere (``nf_nat_ipv4_local_fn``)."""
    internet.told(walk, space, route, going.packet)
    passed = internet.run(walk, space, Hook.OUTPUT, going._replace(routed_as=None))
    if not isinstance(passed, HookPacket):
        return passed
    again = found.forwarding is Forwarding.MASQUERADE and translates(space, passed)
    if again or passed.routed_as is not None:
        once_more = internet.route_out(walk, space, passed.routed_as or passed.packet)
        if not isinstance(once_more, Route):
            return once_more
        route = once_more
        passed = passed._replace(out_device=route.device)
    if found.forwarding is Forwarding.DIRECT and route.kind != "local" and route.ways[0].via is None:
        route = Route(route.fact, (replace(route.ways[0], via=found.server),), route.rule)
    return internet.output(walk, space, passed, route)


def translates(space: Space, at: HookPacket) -> bool:
    """Whether the nat hook of OUTPUT looks at a packet: there is a nat table, and conntrack knows the packet."""
    if at.tracked is None or at.tracked.connection is None:
        return False
    family = at.packet.family
    tables = any("nat" in ruleset.tables for ruleset in space.namespace.rulesets if ruleset.family == family)
    return tables or any(chain.kind == "nat" and chain.hook.lower() == "output" for chain in space.namespace.nft_chains)


def tunnelled(walk: Walk, space: Space, route: Route, going: HookPacket, server: Address) -> Endings:
    """``ip_vs_tunnel_xmit``: the packet as it is, in one to the real server."""
    if server.family != going.packet.family:
        return walk.undecided(f"{space.place}: IPVS sends a packet in one of the other family, which is not walked")
    source = source_of(space, route, server.value)
    if source is None:
        reason = f"{space.place} has no address to send to {server} from"
        if (words := space.namespace.missing.get("ip-addr")) is not None:
            return walk.undecided(f"whether {reason} is not known: {words}", None, f"ip_-d_addr of {space.place}")
        return walk.drop(space.scope, reason)
    inner = going.packet
    size = None if inner.size is None else inner.size + HEADER[inner.family]
    outer = Packet(
        server.family, source, server.value, 4 if server.family == 4 else 41, size=size, mark=inner.mark, service=inner.service
    )
    kind = Tunnel("ipip" if server.family == 4 else "ip6tnl")
    frame = Frame(0, 0, HookPacket(inner))
    return tunnels.carried(walk, space.scope, outer, lambda end: ip_tunnels.opened(walk, end, kind, frame))
