"""The virtual servers of a namespace, and whom they choose.

After net/netfilter/ipvs/ip_vs_ctl.c (``ip_vs_service_find``), ip_vs_core.c (``ip_vs_schedule``, ``ip_vs_sched_persist``) and the schedulers (ip_vs_rr.c,
ip_vs_wrr.c, ip_vs_lc.c, ip_vs_wlc.c, ip_vs_sed.c, ip_vs_nq.c, ip_vs_lblc.c, ip_vs_lblcr.c, ip_vs_fo.c, ip_vs_ovf.c, ip_vs_twos.c, ip_vs_mh.c, ip_vs_sh.c, ip_vs_dh.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from analyzer.facts.ipvs import RealServer, VirtualServerFact
from analyzer.model.network import Namespace
from analyzer.solve.packet import RST, SCTP, SYN, TCP, UDP, Packet

BALANCED = frozenset({TCP, UDP, SCTP})
FTP, FTP_DATA, UNPRIVILEGED = 21, 20, 1024
BY_WEIGHT = frozenset({"rr", "wrr", "lc", "wlc", "sed", "nq", "lblc", "lblcr", "ovf", "twos", "mh"})
BY_HASH = frozenset({"sh", "dh"})
FALLBACK = 1


class Choice(NamedTuple):
    """The real servers that a new connection may get; ``none``: or none of them. ``unread``: the scheduler is not known."""

    servers: tuple[RealServer, ...]
    none: bool
    unread: bool = False


@dataclass(frozen=True, slots=True)
class VirtualTable:
    """The virtual servers of one family, by firewall mark and by (protocol, address, port)."""

    by_mark: Mapping[int, VirtualServerFact]
    by_place: Mapping[tuple[int, int, int], VirtualServerFact]

    @staticmethod
    def of(namespace: Namespace, family: int) -> VirtualTable:
        """The table of a namespace."""
        own = [fact for fact in namespace.virtual_servers if fact.family == family]
        places = {(fact.protocol, fact.address.value, fact.port): fact for fact in own if fact.address is not None}
        return VirtualTable({fact.mark: fact for fact in own if fact.mark}, places)

    def find(self, packet: Packet) -> VirtualServerFact | None:
        """``ip_vs_service_find``: by the mark, by address and port, by FTP's control port, by address alone."""
        if packet.mark and (marked := self.by_mark.get(packet.mark)) is not None:
            return marked
        protocol, address, port = packet.protocol, packet.destination, packet.destination_port
        found = self.by_place.get((protocol, address, port))
        if found is None and protocol == TCP and (port == FTP_DATA or port >= UNPRIVILEGED):
            found = self.by_place.get((protocol, address, FTP))
        return found if found is not None else self.by_place.get((protocol, address, 0))


def opens(packet: Packet, sloppy: bool) -> bool:
    """Whether a packet without a connection is scheduled: TCP with SYN and without RST (``tcp_conn_schedule``; where ``sloppy``, all without RST), nothing
    from FTP's data port."""
    if packet.protocol not in BALANCED or packet.source_port == FTP_DATA:
        return False
    return packet.protocol != TCP or packet.tcp_flags & (RST if sloppy else SYN | RST) == (0 if sloppy else SYN)


def choice(fact: VirtualServerFact) -> Choice:
    """Whom the scheduler may choose. How many connections a real server has is not known: it is taken to be below its limit."""
    alive = tuple(server for server in fact.servers if server.weight > 0)
    if fact.scheduler in BY_HASH:
        kept = FALLBACK in fact.flags and fact.scheduler == "sh"
        return Choice(alive, not alive or (len(alive) < len(fact.servers) and not kept))
    if fact.scheduler == "fo":
        best = max((server.weight for server in alive), default=0)
        limited = any(server.most for server in alive)
        return Choice(alive if limited else tuple(server for server in alive if server.weight == best)[:1], not alive)
    return Choice(alive, not alive, fact.scheduler not in BY_WEIGHT)


def port_of(fact: VirtualServerFact, server: RealServer, packet: Packet) -> int:
    """The port at the real server: its own, but the packet's where it has none, and for a persistent server of every port (or of a mark)."""
    if fact.persistent and packet.destination_port != fact.port:
        return packet.destination_port
    return server.port or packet.destination_port
