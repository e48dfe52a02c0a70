"""The state of one packet's visit to one hook, while its chains are walked."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.facts.netfilter import Zone
from analyzer.model.changing import Changing, changing_sets
from analyzer.model.marks import ALL, asked_for
from analyzer.model.network import Namespace
from analyzer.solve.packet import Hop, Packet
from analyzer.solve.walk.netfilter.sets import LookUp, look_up_of
from analyzer.solve.walk.netfilter.state import (
    NO_ZONE,
    Connection,
    Connections,
    ConntrackZone,
    Hook,
    HookPacket,
    Judgement,
    Surroundings,
    Tracked,
)
from analyzer.solve.walk.oracle import Oracle
from analyzer.source import Span


@dataclass(slots=True)
class Sets:
    """The IP sets of a namespace, prepared when they are first asked for."""

    namespace: Namespace
    prepared: dict[str, LookUp | None] = field(default_factory=dict)
    _changing: dict[str, Changing] | None = None
    _marks: int | None = None

    @property
    def marks(self) -> int:
        """The bits of marks that something asks for."""
        if self._marks is None:
            self._marks = asked_for(self.namespace)
        return self._marks

    @property
    def changing(self) -> dict[str, Changing]:
        """The sets that rules change."""
        if self._changing is None:
            self._changing = changing_sets(self.namespace)
        return self._changing

    def get(self, name: str) -> LookUp | None:
        """The set's look-up table; None when it was not captured."""
        if name not in self.prepared:
            fact = self.namespace.sets.get(name)
            self.prepared[name] = look_up_of(fact) if fact else None
        return self.prepared[name]


@dataclass(slots=True)
class Visit:
    """A packet at a hook: what matches look at and targets change."""

    place: str
    hook: Hook
    packet: Packet
    at: HookPacket
    tracked: Tracked | None
    sets: Sets
    surroundings: Surroundings
    connections: Connections
    oracle: Oracle
    table: str = ""
    zone: Zone | None = None
    looked_up: bool = False
    start: int = 0
    hops: list[Hop] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    recent: dict[tuple[str, object], bool] = field(default_factory=dict)
    jumps: int = 0

    @property
    def connection(self) -> Connection | None:
        """The packet's connection."""
        return self.tracked.connection if self.tracked else None

    def change_connection(self, connection: Connection) -> None:
        """Gives the connection a new state; a confirmed one changes for all its packets."""
        if self.tracked is not None:
            self.tracked = Tracked(self.tracked.state, connection, self.tracked.reply)
            if connection.confirmed:
                self.connections.store(connection)

    def looked_up_in(self) -> ConntrackZone:
        """The zone that the packet is looked up in; ``--zone mark`` takes it from the packet (nf_conntrack_zones.h ``nf_ct_zone_tmpl``)."""
        given = self.zone
        if given is None:
            return NO_ZONE
        number = self.packet.mark & 0xFFFF if given.number is None else given.number
        return ConntrackZone(number, given.direction)

    def met(self, start: int, place: Hashable) -> None:
        """Tells the oracle that the decisions since a chain's start have led to this state, at this place."""
        trail = self.oracle.trail
        if trail is None or trail.now == start:
            return
        mask = (
            ALL if self.hook is Hook.OUTPUT else self.sets.marks
        )  # There, that a mark changes is seen: the packet is routed again.
        packet, at = self.packet.with_mark(self.packet.mark & mask), self.at.packet.with_mark(self.at.packet.mark & mask)
        state = (packet, self.at.with_packet(at), self.tracked, self.zone, tuple(self.oracle.picked))
        trail.meet(start, (place, state, frozenset(self.recent.items()), self.connections.left_behind()))

    def tell(self, what: str, at: Span | None) -> None:
        """Adds a hop."""
        self.hops.append(Hop(self.place, "netfilter", what, at, self.packet))


class Stop(NamedTuple):
    """The end of a base chain."""

    judgement: Judgement
    reason: str = ""
    at: Span | None = None
    answer: str = ""
    settle: str = ""


ACCEPTED = Stop(Judgement.ACCEPTED)
