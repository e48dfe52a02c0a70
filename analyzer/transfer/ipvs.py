"""IPVS in the language, after net/netfilter/ipvs/ip_vs_core.c (``ip_vs_in_hook``, ``ip_vs_out_hook``), ip_vs_xmit.c and ip_vs_nfct.c.

With ``net.ipv4.vs.conntrack`` 1 a connection of IPVS is one of conntrack whose answers come from the real server (BALANCED_STATUS); that is lowered.
What else takes a packet (a switch of 0, tunnels, packets without a connection of their own) leaves by ``Unknown``.

Points: ``(scope, "balanced")`` a packet that leaves for a real server in NEXT_HOP, ``"direct"`` for one that keeps its destination.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.ipvs import Forwarding, RealServer, VirtualServerFact, ending
from analyzer.facts.routes import NextHop, RouteFact
from analyzer.model.network import Namespace
from analyzer.ranges import normalised, single
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.ir import (
    BALANCED_STATUS,
    DNAT_STATUS,
    KEEP,
    Accept,
    All,
    Alt,
    Any,
    Assign,
    Bits,
    Copy,
    Drop,
    End,
    Field,
    Goto,
    Hook,
    If,
    In,
    Match,
    Not,
    Opaque,
    Point,
    Retrace,
    Return,
    Rewrite,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter.address_types import of_kind
from analyzer.transfer.routing import LookUp, towards
from analyzer.transfer.sizes import sent
from analyzer.transfer.space import Context, by_value, call, drop, goto, number, seq
from analyzer.transfer.virtual import chosen, table

REMARKED = "what the mangle table of {} does to packets that IPVS sends on is not lowered"
TCP, UDP, SCTP, FTP_DATA = 6, 17, 132, 20
SYN, RST = 2, 4
SWITCH = "net.ipv4.vs.conntrack"
REROUTES, SLOPPY = "net.ipv4.vs.snat_reroute", "net.ipv4.vs.sloppy_tcp"
BYPASS = "net.ipv4.vs.cache_bypass"
DUMMIES = ("kube-ipvs0", "kube-dummy-if")
LOOPBACK = {4: ((127 << 24, (128 << 24) - 1),), 6: ((1, 1),)}
IS_BALANCED = Bits(Field.STATUS, BALANCED_STATUS, BALANCED_STATUS)
REQUEST, REPLY = In(Field.DIRECTION, single(0)), In(Field.DIRECTION, single(1))
TAKEN, ANSWER = All((IS_BALANCED, REQUEST)), All((IS_BALANCED, REPLY))
Step = tuple[int, Transfer]


def opens(context: Context, scope: Scope) -> Match:
    """What is scheduled without a connection: TCP with SYN and without RST (``tcp_conn_schedule``; with sloppy_tcp all without RST), nothing from FTP's
    data port (``ip_vs_schedule``)."""
    sloppy = number(context.switch(scope, SLOPPY))
    flags = Bits(Field.TCP_FLAGS, RST, 0) if sloppy else Bits(Field.TCP_FLAGS, SYN | RST, SYN)
    return All(
        (
            In(Field.PROTOCOL, normalised((one, one) for one in (TCP, UDP, SCTP))),
            Not(In(Field.SOURCE_PORT, single(FTP_DATA))),
            Any((Not(In(Field.PROTOCOL, single(TCP))), flags)),
        )
    )


def own(context: Context, scope: Scope) -> tuple[VirtualServerFact, ...]:
    """The virtual servers of a namespace, in the family."""
    return tuple(fact for fact in context.space(scope).virtual_servers if fact.family == context.family)


def steps(context: Context, scope: Scope, hook: str) -> Iterator[Step]:
    """What IPVS does at a hook, by priority (``ip_vs_ops4``)."""
    if not own(context, scope):
        return
    if hook == "FORWARD":
        yield 100, answered(context, scope)
        yield 1 << 30, routed_back(context, scope)
    elif hook == "INPUT":
        looped = All((IS_BALANCED, context.is_device("lo")))
        yield 98, If(looped, KEEP, answered(context, scope))
        yield 99, If(Any((looped, ANSWER)), KEEP, requested(context, scope, hook))
    elif hook == "OUTPUT":
        yield -99, answered(context, scope)
        yield -98, If(ANSWER, KEEP, requested(context, scope, hook))
        yield 1 << 30, routed_back(context, scope)


def answered(context: Context, scope: Scope) -> Transfer:
    """A real server's answer comes from the virtual server (``handle_response``); whether one without conntrack is such an answer is not known."""
    known = [one for fact in own(context, scope) for one in fact.servers]
    servers = normalised((one.address.value,) * 2 for one in known)
    ports = normalised((one.port,) * 2 if one.port else (0, 65535) for one in known)
    lost = End(Unknown(f"a packet from a real server of IPVS of {scope} that conntrack does not look at"))
    dark = If(
        In(Field.STATE, single(ir.UNTRACKED)),
        If(All((In(Field.SOURCE_PORT, ports), In(Field.SOURCE, servers))), lost, KEEP),
        KEEP,
    )
    restored = seq(Copy(Field.SOURCE, Field.ORIGINAL_DESTINATION), Copy(Field.SOURCE_PORT, Field.ORIGINAL_DESTINATION_PORT))
    return If(ANSWER, restored, dark)


def routed_back(context: Context, scope: Scope) -> Transfer:
    """``ip_vs_route_me_harder``: an answer to another host is routed again, as one that this host sends from the virtual server."""
    value = context.switch(scope, REROUTES)
    if value is None:
        context.assume(f"{REROUTES} of {scope} is 1, as the kernel sets it (it was not captured)")
    if value is not None and not number(value):
        return KEEP
    stays = In(Field.OUT_INTERFACE, single(context.names.number("lo")))
    return If(All((ANSWER, Not(stays))), call(scope, "route output"), KEEP)


def requested(context: Context, scope: Scope, hook: str) -> Transfer:
    """A packet of a connection goes where that went, one that opens a connection is scheduled; it leaves the hook unless its real server is this host."""
    space = context.space(scope)
    for fact in own(context, scope):
        if any(server.most for server in fact.servers):
            context.assume(f"the real servers of {fact} of {scope} have not reached their limits of connections")
    test = informed(context, scope)
    fresh = All((In(Field.STATE, single(ir.NEW)), REQUEST, Bits(Field.STATUS, DNAT_STATUS, 0)))
    first = table(own(context, scope), lambda fact: taken(context, scope, hook, fact, test), test is None)
    others = table(own(context, scope), lambda fact: unlike(scope, fact), False)
    return seq(
        If(TAKEN, Retrace(), If(opens(context, scope), Hook(seq(If(fresh, first, others), *doubts(space))), KEEP)),
        If(TAKEN, leaving(context, scope, hook), KEEP),
    )


def doubts(space: Namespace) -> Iterator[Transfer]:
    """The lines of the table that were not understood could be about the packet; the first stands for all."""
    for gap in space.gaps.get("ipvs", ())[:1]:
        text = f"the line of {space.scope} that was not understood ({gap.reason}) is about no virtual server of the packet"
        yield If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at))


def leaving(context: Context, scope: Scope, hook: str) -> Transfer:
    """A balanced packet: on in the hook where the real server is this host (OUTPUT routes it again), else to it."""
    local = In(Field.DESTINATION, of_kind(context.family, "local", None, context.space(scope)))
    barred = If(
        In(Field.DESTINATION, LOOPBACK[4]), drop(f"IPVS of {scope} sends nothing from outside to a loopback address"), KEEP
    )
    stays = barred if hook == "INPUT" and context.family == 4 else KEEP
    return If(local, stays, seq(Copy(Field.NEXT_HOP, Field.DESTINATION), goto(scope, "balanced")))


def informed(context: Context, scope: Scope) -> Match | None:
    """Whether IPVS keeps conntrack informed; None: always. kube-proxy and kube-router set the switch when they start."""
    space = context.space(scope)
    value = space.sysctl(SWITCH)
    if value is not None:
        return None if number(value) else ir.NEVER
    if any(name in space.links for name in DUMMIES):
        context.assume(f"{SWITCH} of {scope} is 1, as kube-proxy and kube-router set it (it was not captured)")
        return None
    return Opaque(f"IPVS of {scope} keeps conntrack informed ({SWITCH})")


def taken(context: Context, scope: Scope, hook: str, fact: VirtualServerFact, test: Match | None) -> Transfer:
    """What the scheduler of a virtual server does with a packet that opens a connection."""
    found = chosen(fact)
    if found is None:
        return End(Unknown(f"the scheduler {fact.scheduler} of the virtual server {fact} of {scope} is not known"), fact.at)
    nobody = End(Drop(f"refused with icmp-port-unreachable: the virtual server {fact} of {scope} has no real server"), fact.at)
    if fact.mark and number(context.switch(scope, BYPASS)):
        nobody = End(
            Unknown(f"where {scope} sends a packet that no real server of {fact} gets is not lowered ({BYPASS})"), fact.at
        )
    branches = [to(context, scope, hook, fact, server) for server in found.servers] + [nobody] * found.none
    ready = branches[0] if len(branches) == 1 else Alt(tuple(branches), fact.at)
    if not found.servers or test is None:
        return ready
    dark = End(Unknown(f"what IPVS of {scope} balances without telling conntrack ({SWITCH}) is not lowered"), fact.at)
    return If(test, ready, dark)


def to(context: Context, scope: Scope, hook: str, fact: VirtualServerFact, server: RealServer) -> Transfer:
    """One real server."""
    name = f"the real server {ending(server.address, server.port)} of {fact} of {scope}"
    if fact.one_packet and fact.protocol == UDP:
        return End(Unknown(f"one-packet scheduling is not lowered: {name}"), fact.at)
    alike = server.address.family == context.family
    ports = single(server.port) if server.port and not (fact.persistent and not fact.port) else None
    if server.forwarding is Forwarding.MASQUERADE and alike and (ports or server.address != fact.address):
        return Rewrite(True, single(server.address.value), ports, server.at, True)
    if server.forwarding is Forwarding.DIRECT and alike and hook == "INPUT":
        if local(context, scope, server):
            return End(Accept(), server.at)
        return seq(Assign(Field.NEXT_HOP, server.address.value, server.at), End(Goto(Point(scope, "direct")), server.at))
    return End(Unknown(f"how a packet gets to {name} ({server.forwarding.value}) is not lowered"), server.at)


def local(context: Context, scope: Scope, server: RealServer) -> bool:
    """Whether a real server is the host itself."""
    ranges = of_kind(context.family, "local", None, context.space(scope))
    return any(low <= server.address.value <= high for low, high in ranges)


def unlike(scope: Scope, fact: VirtualServerFact) -> Transfer:
    """A packet that opens no connection of its own and is scheduled all the same."""
    return End(Unknown(f"IPVS of {scope} takes a packet without a new connection for the virtual server {fact}"), fact.at)


def balanced_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """To the real server in NEXT_HOP by its own route: OUTPUT, POSTROUTING and the device (``ip_vs_nat_xmit``, ``ip_vs_dr_xmit``)."""
    del detail
    if remarked(context, scope) and rerouted(context, scope) == KEEP:
        return End(Unknown(REMARKED.format(scope)))
    return towards_server(context, scope)


def remarked(context: Context, scope: Scope) -> bool:
    """Whether rules may mark packets in OUTPUT."""
    found = (ruleset for ruleset in context.space(scope).rulesets if ruleset.family == context.family)
    chains = (ruleset.tables.get("mangle", {}).get("OUTPUT") for ruleset in found)
    return any(chain is not None and len(chain.rules) for chain in chains)


def towards_server(context: Context, scope: Scope) -> Transfer:
    """OUTPUT and POSTROUTING of a packet that leaves for a real server."""
    rows: dict[int, Transfer] = {value: Assign(Field.TTL, value - 1) for value in range(2, 256)}
    rows[1] = drop(f"IPVS of {scope} does not forward a packet whose TTL is 1")
    barred = If(
        In(Field.SOURCE, LOOPBACK[context.family]),
        drop(f"IPVS of {scope} sends nothing from a loopback address to another host"),
        KEEP,
    )
    return seq(
        barred,
        by_value(Field.TTL, rows, KEEP),
        call(scope, "route server"),
        Assign(Field.IN_INTERFACE, 0),
        call(scope, "hook", "OUTPUT balanced"),
        goto(scope, "post"),
    )


def direct_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """As ``balanced``; what is marked in OUTPUT is routed to its own destination again."""
    del detail
    return End(Unknown(REMARKED.format(scope))) if remarked(context, scope) else towards_server(context, scope)


def server_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The route to NEXT_HOP, whatever the packet's source and mark (``do_output_route4``)."""
    del detail
    space = context.space(scope)
    if number(context.whole(scope, "src_valid_mark")) and any(rule.mark for rule in space.rules.get(context.family, ())):
        return End(Unknown(f"the route of {scope} to a real server is not lowered: rules look at marks, and src_valid_mark is 1"))

    def effect(route: RouteFact, hop: NextHop) -> Transfer:
        if route.kind != "unicast" or hop.device is None or hop.encap is not None:
            return End(Unknown(f"the route to {route.destination} of {scope} is none to a real server"), route.at)
        fits = sent(route.mtu, f"the route to {route.destination}", route.at)
        via = towards(context, route, hop) if hop.via is not None else KEEP
        return seq(fits, Assign(Field.OUT_INTERFACE, context.names.number(hop.device), route.at), via, End(Return(), route.at))

    nothing = drop(f"{scope} has no route to the real server")
    return seq(
        Assign(Field.PHYSICAL_OUT, 0),
        LookUp(context, space, effect, Field.NEXT_HOP, Field.PHYSICAL_OUT, None, True, classless=True).rules(nothing),
    )


def rerouted(context: Context, scope: Scope) -> Transfer:
    """The nat table's OUTPUT routes a packet again whose answers come from elsewhere (``nf_nat_ipv4_local_fn``)."""
    space = context.space(scope)
    tables = any("nat" in ruleset.tables for ruleset in space.rulesets if ruleset.family == context.family)
    natives = any(chain.kind == "nat" and chain.hook.lower() == "output" for chain in space.nft_chains)
    return If(IS_BALANCED, call(scope, "route output"), KEEP) if tables or natives else KEEP


def unread(context: Context, scope: Scope) -> Transfer:
    """Addresses of services that are the host's own while the table of IPVS was not captured."""
    space = context.space(scope)
    missing = space.missing.get("ipvs")
    if missing is None or space.virtual_servers:
        return KEEP
    held = [fact.address.value for fact in space.addresses if fact.device in DUMMIES and fact.address.family == context.family]
    lost = End(Unknown(f"the table of IPVS of {scope} is not known ({missing})"))
    return If(In(Field.DESTINATION, normalised((value, value) for value in held)), lost, KEEP) if held else KEEP
