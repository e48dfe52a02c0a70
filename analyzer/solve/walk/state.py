"""What one walk carries along: its hops, its connections, what it learned; and the ways in which a step can end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.facts.openvswitch import FlowFact
from analyzer.facts.routes import NextHop
from analyzer.model.network import Interface
from analyzer.solve.packet import Hop, Packet
from analyzer.solve.walk.index import Space, WalkIndex
from analyzer.solve.walk.netfilter.captured import captured_of
from analyzer.solve.walk.netfilter.hooks import Connections, HookPacket, Surroundings
from analyzer.solve.walk.oracle import Oracle
from analyzer.solve.walk.route_answers import Answer
from analyzer.source import Scope, Span

BROADCAST = (1 << 48) - 1
HEADER = {4: 20, 6: 40}


class Question(NamedTuple):
    """An ARP request or a neighbour solicitation for ``target`` (``answer`` False), or its answer: ``mac`` has the target.

    ``asker`` is the interface that wants to know; ``sender`` the address it asks from (None: none). ``packet``: in IPv6, what netfilter sees.
    """

    target: Address
    sender: Address | None
    asker: Interface
    mac: int = 0
    answer: bool = False
    answered_by: Interface | None = None
    at: Span | None = None
    packet: HookPacket | None = None


class Frame(NamedTuple):
    """An Ethernet frame. ``said`` and ``said_at``: who says that the destination has this MAC. ``vlan`` 0: untagged.
    ``prerouted``: br_netfilter has taken it through PREROUTING in this namespace."""

    source: int
    destination: int
    load: HookPacket | Question
    vlan: int = 0
    said: str = ""
    said_at: Span | None = None
    prerouted: bool = False

    def carrying(self, load: HookPacket, prerouted: bool) -> Frame:
        """The same with another packet."""
        carried = self.load._replace(packet=load) if isinstance(self.load, Question) else load
        return Frame(self.source, self.destination, carried, self.vlan, self.said, self.said_at, prerouted)

    def towards(self, destination: int, said: str, said_at: Span | None) -> Frame:
        """The same to another MAC."""
        return Frame(self.source, destination, self.load, self.vlan, said, said_at, self.prerouted)

    @property
    def filtered(self) -> HookPacket | None:
        """What netfilter sees of it: an IP packet, neighbour discovery of IPv6 among them; None: ARP."""
        return self.load.packet if isinstance(self.load, Question) else self.load

    @property
    def kind(self) -> str:
        """``unicast``, ``multicast`` or ``broadcast`` (PACKET_…)."""
        if not self.destination >> 40 & 1:
            return "unicast"
        solicitation = isinstance(self.load, Question) and self.load.packet is not None
        return "multicast" if solicitation or self.destination != BROADCAST else "broadcast"

    @property
    def to_all(self) -> bool:
        """Broadcast or multicast."""
        return bool(self.destination >> 40 & 1)


class Delivered(NamedTuple):
    """A packet passed INPUT of a namespace; who listens is not looked at yet."""

    scope: Scope
    device: str
    at: HookPacket
    hops: tuple[Hop, ...] = ()


class Left(NamedTuple):
    """A frame left the capture through an interface, with its VLAN. ``open_end``: where it goes from there is not looked at yet."""

    by: Interface
    load: HookPacket | Question
    hops: tuple[Hop, ...] = ()
    open_end: bool = False
    vlan: int = 0


class Answered(NamedTuple):
    """An answer to a question arrived where it was asked."""

    mac: int
    by: Interface | None
    at: Span | None
    hops: tuple[Hop, ...] = ()


class Dropped(NamedTuple):
    """The packet ends. ``ignored``: a copy that was not meant for where it came. ``place``: which namespace ends it; empty: the one of the last hop."""

    reason: str
    at: Span | None = None
    ignored: bool = False
    hops: tuple[Hop, ...] = ()
    place: str = ""


class Undecided(NamedTuple):
    """What becomes of the packet is not known."""

    reason: str
    at: Span | None = None
    settle: str = ""
    hops: tuple[Hop, ...] = ()


Neighbour = tuple[int, Interface | None, Span | None]
"""A neighbour that a walk learned: its MAC, the interface that has it, and where that is said."""
Ending = Delivered | Left | Answered | Dropped | Undecided
Endings = list[Ending]


def rank(ending: Ending) -> tuple[int, int]:
    """What matters most of several endings of a flooded frame: the lowest."""
    match ending:
        case Delivered() | Answered():
            return 0, 0
        case Left():
            return 1, 0
        case Undecided():
            return 2, -len(ending.hops)
        case Dropped(ignored=ignored):
            return 4 if ignored else 3, -len(ending.hops)


def best(endings: Sequence[Ending]) -> Ending:
    """The ending that counts."""
    if len(endings) == 1:
        return endings[0]
    return min(endings, key=rank) if endings else Dropped("nothing takes the frame")


class Oversized(NamedTuple):
    """A packet that was dropped since it was too long: where, what it was there, what would have passed, and the words and place of its end.
    ``told``: the kernel of the namespace says so to the sender; a device or a bridge does not."""

    scope: Scope
    packet: Packet
    limit: int
    reason: str
    own: bool
    told: bool


class Known(NamedTuple):
    """What a question to a network taught, where no decision was met: the same question need not be asked again by later walks."""

    answer: Answered | Left | Dropped | Undecided
    learned: dict[tuple[Interface, int, int], str]
    remotes: dict[tuple[Interface, int], Address]
    macs: dict[tuple[Interface, Address], Neighbour]
    assumptions: tuple[str, ...]


@dataclass(slots=True)
class Walk:
    """One run of a walk. ``flows``: those that its packets made switches learn. ``circles``: how often a question for a neighbour had to wait for itself. ``kept``: the routes that were found before
    the source was chosen, by namespace and flow. ``oversized``: the last packet that was too long. ``later``: who was asked answers in the open connection. ``followed``: connections that were captured are followed.
    ``served``: somebody listens wherever a packet arrives."""

    index: WalkIndex
    oracle: Oracle
    hops: list[Hop] = field(default_factory=list)
    assumptions: dict[str, None] = field(default_factory=dict)
    connections: dict[Scope, Connections] = field(default_factory=dict)
    surroundings: dict[tuple[Scope, int], Surroundings] = field(default_factory=dict)
    learned: dict[tuple[Interface, int, int], str] = field(default_factory=dict)
    remotes: dict[tuple[Interface, int], Address] = field(default_factory=dict)
    endpoints: dict[tuple[Interface, str], tuple[Address, int]] = field(default_factory=dict)
    macs: dict[tuple[Interface, Address], Neighbour] = field(default_factory=dict)
    flows: dict[tuple[Scope, str], list[FlowFact]] = field(default_factory=dict)
    ways: dict[tuple[object, ...], NextHop] = field(default_factory=dict)
    kept: dict[tuple[object, ...], Answer] = field(default_factory=dict)
    asking: set[tuple[Interface, Address]] = field(default_factory=set)
    circles: int = 0
    oversized: Oversized | None = None
    seen: set[tuple[object, ...]] = field(default_factory=set)
    flooding: set[tuple[object, ...]] = field(default_factory=set)
    reply: bool = False
    later: bool = False
    quiet: int = 0
    depth: int = 0
    followed: bool = False
    served: bool = False

    def space(self, scope: Scope) -> Space:
        """The namespace's tables."""
        return self.index.spaces[scope]

    def tell(self, scope: Scope, stage: str, what: str, at: Span | None = None, packet: Packet | None = None) -> None:
        """Adds a hop; what happens to questions for neighbours is not told."""
        if not self.quiet:
            self.hops.append(Hop(self.index.spaces[scope].place, stage, what, at, packet, self.reply))

    def tell_all(self, hops: Sequence[Hop]) -> None:
        """Adds hops of a netfilter hook."""
        if not self.quiet and hops:
            self.hops += [hop.on_the_way_back() for hop in hops] if self.reply else hops

    def assume(self, text: str) -> None:
        """Names an assumption."""
        self.assumptions[text] = None

    def assume_all(self, texts: tuple[str, ...]) -> None:
        """Names assumptions."""
        for text in texts:
            self.assumptions[text] = None

    def connections_of(self, scope: Scope) -> Connections:
        """The connections of a namespace."""
        found = self.connections.get(scope)
        if found is None:
            space = self.index.spaces.get(scope)
            held = captured_of(space.namespace) if space is not None and self.followed else None
            strict = space is not None and space.namespace.strict
            found = self.connections[scope] = Connections(captured=held, oracle=self.oracle, strict=strict)
        return found

    def drop(self, scope: Scope, reason: str, at: Span | None = None, ignored: bool = False) -> Endings:
        """Ends the packet in a namespace."""
        return [Dropped(reason, at, ignored, tuple(self.hops), str(scope))]

    def undecided(self, reason: str, at: Span | None = None, settle: str = "") -> Endings:
        """Ends the walk since something is not known."""
        return [Undecided(reason, at, settle, tuple(self.hops))]

    def taken_for_granted(self, space: Space, kind: str) -> None:
        """Names the assumption about a table that was not captured and of which the kernel's default is taken."""
        text = space.granted.get(kind)
        if text is not None:
            self.assumptions[text] = None
