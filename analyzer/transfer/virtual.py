"""The virtual servers of a namespace as one table, searched by destination, and whom their schedulers choose.

After net/netfilter/ipvs/ip_vs_ctl.c ``ip_vs_service_find``, ip_vs_core.c ``ip_vs_schedule`` and ``ip_vs_leave``, and the schedulers. Virtual servers that
differ in addresses and ports only are one family (``transfer/netfilter/families.py``): ten thousand are run at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from analyzer.facts.ipvs import Forwarding, RealServer, VirtualServerFact
from analyzer.ranges import Ranges, normalised, single
from analyzer.transfer.family import FEW, Enter, Family, Into, Row, Same, Step
from analyzer.transfer.ir import (
    ALWAYS,
    BALANCED_STATUS,
    KEEP,
    Accept,
    All,
    Bits,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Table,
    Transfer,
    Unknown,
)

TCP, UDP, FTP = 6, 17, 21
DATA_PORTS: Ranges = ((20, 20), (1024, 65535))
"""The ports of FTP's data connections, which are looked up by the control port."""
BY_WEIGHT = frozenset({"rr", "wrr", "lc", "wlc", "sed", "nq", "lblc", "lblcr", "ovf", "twos", "mh"})
FALLBACK = 1
Effect = Callable[[VirtualServerFact], Transfer]


class Chosen(NamedTuple):
    """The real servers that a scheduler may choose; ``none``: or none of them."""

    servers: tuple[RealServer, ...]
    none: bool


def chosen(fact: VirtualServerFact) -> Chosen | None:
    """Whom a scheduler may choose for a new connection: nobody with weight 0; None: the scheduler is not known.

    ``sh`` and ``dh`` also give a real server with weight 0 its share, and then choose nobody (``ip_vs_sh_schedule``; not ``sh`` with its fallback)."""
    weighted = tuple(server for server in fact.servers if server.weight)
    match fact.scheduler:
        case "sh" | "dh":
            shares = fact.servers if fact.scheduler == "dh" or FALLBACK not in fact.flags else weighted
            return Chosen(weighted, not weighted or shares != weighted)
        case "fo" if any(server.most for server in weighted):
            return Chosen(weighted, False)
        case "fo":
            best = sorted(weighted, key=lambda server: -server.weight)[:1]
            return Chosen(tuple(best), not best)
        case name:
            return Chosen(weighted, not weighted) if name in BY_WEIGHT else None


class Part(NamedTuple):
    """A row of the table: the packets, and what is done with them; ``value`` is their destination (None: any)."""

    match: Match
    fact: VirtualServerFact
    then: Transfer | None = None

    @property
    def value(self) -> int | None:
        """The destination."""
        return self.fact.address.value if self.fact.address is not None else None


def ordered(facts: Sequence[VirtualServerFact]) -> Iterator[Part]:
    """The rows in the order in which they are looked up: marks, addresses with ports, FTP's data connections, addresses alone."""
    for fact in facts:
        if fact.mark:
            yield Part(Bits(Field.MARK, (1 << 32) - 1, fact.mark), fact)
    placed = [fact for fact in facts if not fact.mark]
    yield from (Part(All((*place(fact), In(Field.DESTINATION_PORT, single(fact.port)))), fact) for fact in placed if fact.port)
    for fact in placed:
        if (fact.protocol, fact.port) == (TCP, FTP):
            unread = Unknown(f"the data connections of the virtual server {fact} are not lowered")
            then = End(unread if fact.persistent else Accept(), fact.at)
            yield Part(All((*place(fact), In(Field.DESTINATION_PORT, DATA_PORTS))), fact, then)
    for fact in placed:
        if not fact.port:
            refused = Drop(f"refused with icmp-port-unreachable: the virtual server {fact} is of every port, and not persistent")
            yield Part(All(place(fact)), fact, None if fact.persistent else End(refused, fact.at))


def place(fact: VirtualServerFact) -> tuple[Match, Match]:
    """The address and the protocol of a virtual server."""
    value = fact.address.value if fact.address is not None else 0
    return In(Field.DESTINATION, single(value)), In(Field.PROTOCOL, single(fact.protocol))


@dataclass(slots=True)
class Parts(Sequence[Transfer]):
    """The rows, each lowered when it is first looked at."""

    rows: tuple[Part, ...]
    effect: Effect
    made: dict[int, Transfer] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            return [self.part(position) for position in range(*index.indices(len(self)))]
        return self.part(index)

    def part(self, index: int) -> Transfer:
        """One row."""
        found = self.made.get(index)
        if found is None:
            row = self.rows[index]
            found = self.made[index] = If(row.match, row.then or self.effect(row.fact), KEEP, row.fact.at)
        return found


def table(facts: Sequence[VirtualServerFact], effect: Effect, alike: bool) -> Transfer:
    """The table of the virtual servers; ``alike``: those that only translate may be run together."""
    return searched(tuple(ordered(facts)), effect, alike)


def searched(rows: tuple[Part, ...], effect: Effect, alike: bool, status: int = BALANCED_STATUS) -> Transfer:
    """Rows as a table that is searched by destination; ``status`` is what the connection of a translated packet gets."""
    everywhere = [index for index, row in enumerate(rows) if row.value is None]
    placed = sorted((row.value, index) for index, row in enumerate(rows) if row.value is not None)
    values = [value for value, _ in placed]

    def select(ranges: Ranges) -> Sequence[int]:
        spans = ((bisect_left(values, low), bisect_right(values, high)) for low, high in ranges)
        return sorted(chain(everywhere, (index for low, high in spans for _, index in placed[low:high])))

    return Table(Parts(rows, effect), select, lambda: families(rows, everywhere, status) if alike else ())


def families(rows: Sequence[Part], everywhere: Sequence[int], status: int = BALANCED_STATUS) -> tuple[Family, ...]:
    """Addresses whose virtual servers differ in ports and in real servers' addresses and ports only."""
    by_address: dict[int, list[Part]] = {}
    for row in rows:
        if row.value is not None:
            by_address.setdefault(row.value, []).append(row)
    kinds: dict[tuple[tuple[int, int], ...], dict[int, Row]] = {}
    for value, own in by_address.items():
        if all(map(translates, own)):
            own.sort(key=lambda row: (row.fact.protocol, row.fact.port))
            shape = tuple((row.fact.protocol, len(live(row.fact))) for row in own)
            kinds.setdefault(shape, {})[value] = tuple(chain.from_iterable(holes(row.fact) for row in own))
    return tuple(
        Family((*everywhere, Enter(steps(shape, status), 0)), members, normalised((value, value) for value in members))
        for shape, members in kinds.items()
        if len(members) >= FEW
    )


def live(fact: VirtualServerFact) -> tuple[RealServer, ...]:
    """The real servers that may be chosen."""
    found = chosen(fact)
    return found.servers if found is not None else ()


def translates(row: Part) -> bool:
    """Whether a row does nothing but translate to one of its real servers' addresses and ports."""
    fact, found = row.fact, chosen(row.fact)
    if row.then is not None or found is None or found.none or not fact.port or (fact.one_packet and fact.protocol == UDP):
        return False
    return all(
        server.forwarding is Forwarding.MASQUERADE and server.port and server.address.family == fact.family
        for server in found.servers
    )


def holes(fact: VirtualServerFact) -> Iterator[Ranges]:
    """What stands in the holes of a virtual server: its port, and the address and port of each real server."""
    yield single(fact.port)
    for server in live(fact):
        yield single(server.address.value)
        yield single(server.port)


def steps(shape: tuple[tuple[int, int], ...], status: int) -> tuple[Step, ...]:
    """The steps of a family: for each virtual server the test of its port, and the choice among its real servers."""
    found: list[Step] = []
    first = 0
    for protocol, count in shape:
        choices = tuple(
            Step(ALWAYS, (), position < count - 1, Into(first + 1 + 2 * position, first + 2 + 2 * position, status))
            for position in range(count)
        )
        test = Same(Field.DESTINATION_PORT, first, False)
        found.append(Step(In(Field.PROTOCOL, single(protocol)), (test,), False, Enter(choices, 0)))
        first += 1 + 2 * count
    return tuple(found)
