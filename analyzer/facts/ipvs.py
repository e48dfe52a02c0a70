"""IPVS: virtual servers with the real servers behind them (``ipvsadm-save``, ``ipvsadm -Ln``, ``/proc/net/ip_vs``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from analyzer.addresses import Address
from analyzer.facts.base import Fact
from analyzer.source import Span


class Forwarding(StrEnum):
    """How a packet gets to a real server (IP_VS_CONN_F_FWD_MASK of include/uapi/linux/ip_vs.h); a tunnel is of IP in IP, GUE or GRE
    (IP_VS_CONN_F_TUNNEL_TYPE_*), of which most listings say nothing."""

    MASQUERADE = "masq"
    DIRECT = "direct"
    TUNNEL = "tunnel"
    GUE = "tunnel of GUE"
    GRE = "tunnel of GRE"
    UNTOLD = "tunnel of some kind"
    LOCAL = "local"

    @property
    def tunnels(self) -> bool:
        """Whether the packet goes inside another."""
        return self in (Forwarding.TUNNEL, Forwarding.GUE, Forwarding.GRE, Forwarding.UNTOLD)


@dataclass(frozen=True, slots=True)
class RealServer:
    """A destination of a virtual server. ``port`` 0: that of the packet. With ``most`` connections (0: no limit) it gets no more of them."""

    address: Address
    port: int
    forwarding: Forwarding
    weight: int = 1
    most: int = 0
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerFact(Fact):
    """A virtual server: of an address, protocol and port (0: every port), or, where ``mark`` is not 0, of the packets with this mark.

    ``persistent``: seconds for which a client keeps its real server (0: it does not). ``one_packet``: each UDP packet is a connection
    of its own. ``flags`` are the scheduler's, as numbers: ``flag-1`` is 1 (``ip_vs_sh.c``: fallback), ``flag-2`` is 2 (port).
    """

    family: int
    protocol: int = 0
    address: Address | None = None
    port: int = 0
    mark: int = 0
    scheduler: str = "wlc"
    persistent: int = 0
    one_packet: bool = False
    flags: frozenset[int] = frozenset()
    servers: tuple[RealServer, ...] = ()

    def __str__(self) -> str:
        if self.mark:
            return f"firewall mark {self.mark}"
        name = {6: "TCP", 17: "UDP", 132: "SCTP"}.get(self.protocol, str(self.protocol))
        return f"{name} {ending(self.address, self.port)}"


def ending(address: Address | None, port: int) -> str:
    """An address and a port as they are written."""
    if address is None:
        return f"port {port}"
    return f"{address}:{port}" if address.family == 4 else f"[{address}]:{port}"
