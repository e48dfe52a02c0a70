"""Connections that a namespace tracked when it was captured (``conntrack -L``), and what packets of a walk are to them.

``resolve_normal_ct`` (net/netfilter/nf_conntrack_core.c) finds a packet's connection by its tuple, zone and direction; what is found is followed, translated
as it was, and the nat chains are not asked. Of TCP its state decides (net/netfilter/nf_conntrack_proto_tcp.c ``tcp_conntracks``,
``nf_conntrack_tcp_packet``): a SYN reopens a connection that was closed (the old one is forgotten, ``nf_ct_kill``), is let through in one that conntrack
takes for open, and is INVALID from who answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from analyzer.addresses import Address
from analyzer.facts.netfilter import Chain
from analyzer.facts.system import ConnectionFact
from analyzer.memory import Same
from analyzer.model.network import Namespace
from analyzer.solve.packet import ACK, ICMP, ICMPV6, RST, SYN, TCP, Packet
from analyzer.solve.walk.netfilter.state import Captured, Connection, Connections, ConntrackZone, Entry, Flow, Place, keys

REOPENED, ENDED, STRAY = "REOPENED", "ended", "stray"
OPENING = frozenset({"SYN_SENT", "SYN_SENT2"})
FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
USES = re.compile(
    r"(?:-m|--match) (conntrack|state|connmark|connbytes|connlabel|connlimit|cluster|helper)\b"
    r"|(?:-j|--jump) (CT --(?!notrack)|CONNMARK|CONNSECMARK|DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP|SYNPROXY)"
)
NATIVE_USES = re.compile(r"\b(ct|dnat|snat|masquerade|redirect|synproxy)\b")


def captured_of(namespace: Namespace) -> Captured | None:
    """The connections that a namespace was captured with; None where it has none to follow."""
    return prepared(Same(namespace)) if namespace.connections or namespace.gaps.get("conntrack") else None


@lru_cache(maxsize=64)
def prepared(key: Same[Namespace]) -> Captured | None:
    """The connections by zone and tuple."""
    namespace = key.value
    followed = {family for family in FAMILIES if tracks(namespace, family)}
    translating = {family for family in FAMILIES if translates(namespace, family)}
    found: dict[Place, tuple[Connection, bool]] = {}
    for fact in namespace.connections:
        family = fact.original[0].family
        if family in followed:
            connection = connection_of(fact, family in translating and not balanced(namespace, fact))
            there, back = keys(connection)
            found.setdefault(there, (connection, False))
            found.setdefault(back, (connection, True))
    liberal = namespace.sysctl("net.netfilter.nf_conntrack_tcp_be_liberal") == "1"
    doubt = doubt_of(namespace) if followed else ""
    return Captured(found, str(namespace.scope), liberal, doubt) if found or doubt else None


def doubt_of(namespace: Namespace) -> str:
    """What is taken for granted of entries that were not understood."""
    gaps = namespace.gaps.get("conntrack", ())
    if not gaps:
        return ""
    at, more = gaps[0].at, f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
    return f"{namespace.scope} tracks no connection of the packet in what was not understood ({at.path}:{at.line}{more})"


def tracks(namespace: Namespace, family: int) -> bool:
    """Whether conntrack looks at packets: its hooks are there while a rule, a service of IPVS or a switch asks for them (``nf_ct_netns_get``), also a rule
    that nothing jumps to. Where the rules were not captured, the connections tell."""
    if namespace.missing.get(f"netfilter/{family}") or namespace.virtual_servers or namespace.switches:
        return True
    if any(USES.search(chain.rules.whole()) for chain in chains(namespace, family)):
        return True
    tables = [table for table in namespace.nft_tables if table.family in FAMILIES[family] and not table.dormant]
    return any(NATIVE_USES.search(rule.text) for table in tables for chain in table.chains.values() for rule in chain.rules)


def translates(namespace: Namespace, family: int) -> bool:
    """Whether the hooks of address translation are there: all of them, while some nat chain is (nf_nat_core.c ``nf_nat_register_fn``). Without them
    no connection is bound to what it has, nor to another port where that is taken."""
    if namespace.missing.get(f"netfilter/{family}") or namespace.switches:
        return True
    rulesets = [fact for fact in namespace.rulesets if fact.family == family]
    native = [table for table in namespace.nft_tables if table.family in FAMILIES[family] and not table.dormant]
    kinds = {chain.base.kind for table in native for chain in table.chains.values() if chain.base is not None}
    kinds |= {fact.kind for fact in namespace.nft_chains if fact.family in FAMILIES[family]}
    return "nat" in kinds or any("nat" in fact.tables for fact in rulesets)


def chains(namespace: Namespace, family: int) -> Iterator[Chain]:
    """The chains of a family's tables, those of nat first."""
    rulesets = [fact for fact in namespace.rulesets if fact.family == family]
    tables = sorted(
        ((name, table) for fact in rulesets for name, table in fact.tables.items()), key=lambda item: item[0] != "nat"
    )
    for _, table in tables:
        yield from table.values()


def balanced(namespace: Namespace, fact: ConnectionFact) -> bool:
    """Whether IPVS, not conntrack, translates a connection (net/netfilter/ipvs/ip_vs_nfct.c ``ip_vs_update_conntrack`` changes its reply tuple alone)."""
    _, destination, _, port = fact.original
    return any(server.address == destination and server.port in (0, port) for server in namespace.virtual_servers)


def connection_of(fact: ConnectionFact, translated: bool) -> Connection:
    """The connection of an entry. The nat chains were asked when it was confirmed, so they are not asked again (nf_nat_core.c ``nf_nat_setup_info``)."""
    original, reply = flow_of(fact, fact.original), flow_of(fact, fact.reply)
    now = reply.inverse
    source = translated and (original.source, original.source_port) != (now.source, now.source_port)
    ends = (original.destination, original.destination_port), (now.destination, now.destination_port)
    state = fact.state if fact.protocol == TCP else ""
    entry = Entry(fact.at, state, bool(fact.status & {"OFFLOAD", "HW_OFFLOAD"}))
    return Connection(
        original,
        reply,
        fact.mark,
        seen_reply="UNREPLIED" not in fact.status,
        source_translated=source,
        destination_translated=translated and ends[0] != ends[1],
        source_decided=True,
        destination_decided=True,
        confirmed=True,
        zone=zone_of(fact),
        entry=entry,
        assured="ASSURED" in fact.status,
    )


def flow_of(fact: ConnectionFact, side: tuple[Address, Address, int, int]) -> Flow:
    """One tuple of an entry."""
    source, destination, first, second = side
    if fact.protocol in (ICMP, ICMPV6):
        return Flow(fact.protocol, source.value, destination.value, second, first << 8 | fact.code)
    return Flow(fact.protocol, source.value, destination.value, first, second)


def zone_of(fact: ConnectionFact) -> ConntrackZone:
    """The zone of an entry: its listing names the direction that has one (nf_conntrack_netlink.c ``ctnetlink_dump_zone_id``)."""
    if fact.zone == fact.reply_zone:
        return ConntrackZone(fact.zone)
    return ConntrackZone(fact.zone, "original") if fact.zone else ConntrackZone(fact.reply_zone, "reply")


def met(packet: Packet, connection: Connection, reply: bool, known: Connections) -> str:
    """The state that a captured connection has after a packet; ENDED: the packet opens a new one in its place, STRAY: it is INVALID."""
    assert connection.entry is not None
    state = connection.entry.state
    if not state or packet.protocol != TCP or packet.tcp_flags & RST:
        return state
    kind = packet.tcp_flags & (SYN | ACK)
    if kind == SYN:
        return reopened(connection, reply, state, known)
    if kind == SYN | ACK:
        return answered(reply, state)
    return later(packet, connection, reply, state, known)


def reopened(connection: Connection, reply: bool, state: str, known: Connections) -> str:
    """After a SYN. In CLOSE it reopens a connection that ended by FINs or by a reset of the same side; in others it waits to be answered."""
    entry = connection.entry
    assert entry is not None
    if state == "TIME_WAIT":
        return ENDED
    if reply:
        return REOPENED if state in OPENING else STRAY
    if state == "CLOSE" and known.test(
        f"{place(known)}: who opened the connection of {entry.at.path}:{entry.at.line} closed it", entry.at
    ):
        return ENDED
    return "" if state in ("NONE", "SYN_SENT") and not connection.seen_reply else REOPENED


def answered(reply: bool, state: str) -> str:
    """After a SYN with ACK: the answer to a SYN that was let through makes the connection anew, others are let through as well."""
    if reply:
        return STRAY if state == "NONE" else "" if state in OPENING or state == REOPENED else state
    return "" if state in ("SYN_SENT2", "SYN_RECV") else STRAY


def later(packet: Packet, connection: Connection, reply: bool, state: str, known: Connections) -> str:
    """After any other packet, of which the window is not known."""
    entry = connection.entry
    assert entry is not None
    if not packet.tcp_flags & ACK:
        return STRAY
    if state in OPENING or state == REOPENED or state == "NONE":
        return state if reply and state != "NONE" else STRAY
    words = f"{place(known)}: the packet is in the window of the connection of {entry.at.path}:{entry.at.line}"
    return state if liberal(known) or known.test(words, entry.at) else STRAY


def place(known: Connections) -> str:
    """Where captured connections are, in words."""
    return known.captured.place if known.captured is not None else ""


def liberal(known: Connections) -> bool:
    """Whether packets beyond the window are taken for the connection's (nf_conntrack_tcp_be_liberal)."""
    return known.captured is not None and known.captured.liberal
