"""What is asked of a namespace's routing, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address
from analyzer.facts.routes import NextHop, RouteFact, RoutingRuleFact
from analyzer.solve.packet import SCTP, TCP, UDP, Packet
from analyzer.source import Span

MANY = 1 << 16
"""So many answers are remembered of one namespace."""
REFUSALS = {
    "blackhole": "a blackhole route",
    "unreachable": "an unreachable route",
    "prohibit": "a prohibit route",
}


class Query(NamedTuple):
    """What is looked up: ``in_device`` is ``lo`` for packets that this namespace sends. Addresses are integers, 0 where not known yet.

    ``link_state``: whether ways without a carrier are left out where the switch says so. ``service`` is the type of service; None: not known, as of what a
    host sends itself in IPv6, where sockets and answers ask for other routes than what is routed again."""

    family: int
    destination: int
    source: int = 0
    mark: int = 0
    in_device: str = "lo"
    out_device: str = ""
    protocol: int = 0
    source_port: int = 0
    destination_port: int = 0
    link_state: bool = True
    service: int | None = 0

    @staticmethod
    def of(packet: Packet, in_device: str = "lo", out_device: str = "") -> Query:
        """The query of a packet."""
        ports = packet.protocol in (TCP, UDP, SCTP)
        hidden = packet.family == 6 and in_device == "lo" and packet.service != 0
        return Query(
            packet.family,
            packet.destination,
            packet.source,
            packet.mark,
            in_device,
            out_device,
            packet.protocol,
            packet.source_port if ports else 0,
            packet.destination_port if ports else 0,
            service=None if hidden else packet.service,
        )


@dataclass(frozen=True)
class Route:
    """A route that was found, the ways of it that can be used, and the rule that led to it."""

    fact: RouteFact
    ways: tuple[NextHop, ...]
    rule: RoutingRuleFact

    @property
    def kind(self) -> str:
        """``unicast``, ``local``, ``broadcast`` …"""
        return self.fact.kind

    @cached_property
    def words(self) -> str:
        """The route as ``ip route`` would show it, for a hop."""
        return words(self.fact, self.ways[0] if len(self.ways) == 1 else None)

    @cached_property
    def device(self) -> str:
        """The device that a packet leaves by: ``lo`` for the namespace's own addresses."""
        return "lo" if self.fact.kind == "local" else self.ways[0].device or "lo"


class Refused(NamedTuple):
    """No route, or one that refuses. ``silent``: a blackhole, of which the sender hears nothing."""

    reason: str
    at: Span | None = None
    silent: bool = False


class NotKnown(NamedTuple):
    """The routes cannot be known."""

    reason: str
    at: Span | None = None
    settle: str = ""


Answer = Route | Refused | NotKnown


@dataclass(frozen=True, slots=True)
class Memory:
    """What a namespace's routing answered, by destination, out device and ``link_state``. ``plain``: nothing else can decide, nor is anything not known;
    else nothing is kept."""

    plain: bool
    answers: dict[tuple[int, str, bool], Answer] = field(default_factory=dict)

    def keep(self, query: Query, answer: Answer) -> None:
        """Remembers an answer."""
        if len(self.answers) >= MANY:
            self.answers.clear()
        self.answers[query.destination, query.out_device, query.link_state] = answer


def words(fact: RouteFact, way: NextHop | None = None) -> str:
    """A route in words."""
    kind = "" if fact.kind == "unicast" else f"{fact.kind} "
    way = way or (fact.next_hops[0] if fact.next_hops else NextHop())
    whole = fact.destination.length == 0
    target = "default" if whole else str(Address(fact.destination.family, fact.destination.value))
    if not whole and fact.destination.length < WIDTH[fact.destination.family]:
        target = str(fact.destination)
    parts = [kind + target]
    parts += [f"via {way.via}"] if way.via else []
    parts += [f"dev {way.device}"] if way.device else []
    parts += ["onlink"] if "onlink" in way.flags else []
    return " ".join(parts)
