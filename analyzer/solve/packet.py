"""A packet, the hops it takes, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from analyzer.addresses import Address, address_text
from analyzer.display import heading, paragraph, table
from analyzer.source import Span

TCP, UDP, ICMP, ICMPV6, SCTP = 6, 17, 1, 58, 132
PICKED = 1 << 16
"""From here, what stands for a port are those that a kernel picked at random (``Oracle.picked``)."""
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
PROTOCOL_NAMES = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6", SCTP: "SCTP"}


class Packet(NamedTuple):
    """One IP packet. Addresses are integers of the family's width.

    For ICMP echo ``source_port`` is the identifier and ``destination_port`` is 0; type and code stand apart.
    ``size`` is the length of the IP payload in bytes (what follows the IP header), None when it does not matter (small);
    with a size, Don't Fragment is set, unless ``fragments``: it then is cut where it must be. ``mark`` is the packet mark of the namespace that it is in.
    ``service`` is the byte of the service class and ECN's two bits; None where it is not known.
    """

    family: int
    source: int
    destination: int
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    tcp_flags: int = 0
    ttl: int = 64
    size: int | None = None
    mark: int = 0
    fragments: bool = False
    service: int | None = 0

    def from_source(self, source: int, port: int) -> Packet:
        """The same from another address and port."""
        return tuple.__new__(Packet, (self.family, source, self.destination, self.protocol, port, *self[5:]))

    def to_destination(self, destination: int, port: int) -> Packet:
        """The same to another address and port."""
        return tuple.__new__(Packet, (*self[:2], destination, self.protocol, self.source_port, port, *self[6:]))

    def with_mark(self, mark: int) -> Packet:
        """The same with another mark."""
        return tuple.__new__(Packet, (*self[:11], mark, *self[12:]))

    def with_flags(self, flags: int) -> Packet:
        """The same with other flags of TCP."""
        return tuple.__new__(Packet, (*self[:8], flags, *self[9:]))

    def with_ttl(self, ttl: int) -> Packet:
        """The same with another time to live."""
        return tuple.__new__(Packet, (*self[:9], ttl, *self[10:]))

    def __str__(self) -> str:
        name = PROTOCOL_NAMES.get(self.protocol) or f"protocol {self.protocol}"
        source, destination = address_text(self.family, self.source), address_text(self.family, self.destination)
        if self.protocol in (TCP, UDP, SCTP):
            here, there = port_text(self.source_port), port_text(self.destination_port)
            if self.family == 4:
                return f"{name} {source}:{here} -> {destination}:{there}"
            return f"{name} [{source}]:{here} -> [{destination}]:{there}"
        kind = f" type {self.icmp_type}" if self.protocol in (ICMP, ICMPV6) else ""
        return f"{name}{kind} {source} -> {destination}"


def port_text(port: int) -> str:
    """A port; ``*`` for one that was picked at random."""
    return str(port) if port < PICKED else "*"


class Fate(StrEnum):
    """What becomes of a flow: the request is delivered and the reply comes back; not so; or it cannot be known."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    DEPENDS = "depends"
    UNKNOWN = "unknown"


class Hop(NamedTuple):
    """One step of a walk: where (a namespace), at which stage, what happened, by which line, with the packet as it left the stage.

    Stages: ``send``, ``rule``, ``route``, ``netfilter``, ``conntrack``, ``neighbour``, ``bridge``, ``link``, ``tc``, ``encapsulate``,
    ``decapsulate``, ``receive``, ``deliver``, ``drop``, ``leave``. ``reply`` marks the way back.
    """

    place: str
    stage: str
    what: str
    at: Span | None = None
    packet: Packet | None = None
    reply: bool = False

    def on_the_way_back(self) -> Hop:
        """The same of the reply."""
        return tuple.__new__(Hop, (*self[:5], True))

    def left_by(self, packet: Packet) -> Hop:
        """The same with the packet as it left in the end."""
        return tuple.__new__(Hop, (*self[:4], packet, self.reply))


class Outcome(NamedTuple):
    """One way that the network may treat the flow.

    ``delivered_to`` is ``namespace/pod``, ``node:NAME``, ``outside`` or None. ``source_seen``, ``destination_seen`` and ``port_seen`` are what
    the receiver sees. ``reason`` says why it is unreachable or unknown, ``at`` where that is decided.
    ``assumptions`` name what was taken for granted.
    """

    fate: Fate
    delivered_to: str | None = None
    source_seen: Address | None = None
    destination_seen: Address | None = None
    port_seen: int | None = None
    source_translated: bool = False
    destination_translated: bool = False
    reason: str = ""
    at: Span | None = None
    hops: tuple[Hop, ...] = ()
    assumptions: tuple[str, ...] = ()
    settle: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """All outcomes of a flow and the fate that they amount to: DEPENDS when some arrive and some do not."""

    fate: Fate
    outcomes: tuple[Outcome, ...]
    packet: Packet | None = None

    @property
    def assumptions(self) -> tuple[str, ...]:
        """The assumptions of all outcomes, each once, in order."""
        return tuple(dict.fromkeys(text for outcome in self.outcomes for text in outcome.assumptions))

    @property
    def sent(self) -> Packet | None:
        """The packet as it was sent, with the source that the sender's routes chose."""
        first = self.outcomes[0].hops[0].packet if self.outcomes and self.outcomes[0].hops else None
        return first or self.packet

    def __repr__(self) -> str:
        packet = f": {self.sent}" if self.sent else ""
        reasons = "; ".join(dict.fromkeys(outcome.reason for outcome in self.outcomes if outcome.reason))
        return f"<{self.fate}{packet}{f'; {reasons}' if reasons else ''}>"

    def _repr_html_(self) -> str:
        """The trace as a notebook shows it: each outcome with its hops."""
        parts = [heading(f"{self.fate}: {self.sent}" if self.sent else self.fate)]
        for outcome in self.outcomes:
            said = f"reaches {outcome.delivered_to}" if outcome.fate is Fate.REACHABLE else outcome.reason
            hops = [("back" if hop.reply else "", hop.place, hop.stage, hop.what, hop.at) for hop in outcome.hops]
            parts += [paragraph(said), table(("", "where", "stage", "what happens", "by which line"), hops)]
        return "".join((*parts, table(("taken for granted",), [(text,) for text in self.assumptions])))
