"""Routes, routing rules and next-hop objects, as ``ip route``, ``ip rule`` and ``ip nexthop`` print them."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact

MAIN, LOCAL, DEFAULT = 254, 255, 253


@dataclass(frozen=True, slots=True)
class NextHop:
    """One way of a route. ``flags`` holds ``onlink``, ``linkdown``, ``dead``, ``pervasive``; ``encap`` is its text."""

    via: Address | None = None
    device: str | None = None
    weight: int = 1
    flags: frozenset[str] = frozenset()
    encap: str | None = None

    @property
    def usable(self) -> bool:
        """Whether the kernel considers this way (``dead`` next hops are skipped)."""
        return "dead" not in self.flags


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFact(Fact):
    """One route. ``kind`` is ``unicast``, ``local``, ``broadcast``, ``anycast``, ``multicast``, ``blackhole``,
    ``unreachable``, ``prohibit`` or ``throw``; ``table`` is a number, or a name that only rt_tables knows.
    ``order`` is the position in its listing: among equal prefix, tos and metric, the first listed wins.
    """

    destination: Prefix
    kind: str = "unicast"
    table: int | str = MAIN
    next_hops: tuple[NextHop, ...] = ()
    next_hop_id: int | None = None
    metric: int = 0
    source: Address | None = None
    scope_name: str | None = None
    protocol: str | None = None
    tos: int = 0
    mtu: int | None = None
    hop_limit: int | None = None
    source_prefix: Prefix | None = None
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRuleFact(Fact):
    """One routing rule. ``action`` is ``lookup``, ``goto``, ``nop``, ``blackhole``, ``unreachable`` or ``prohibit``;
    ``unknown`` holds selectors that are not understood: the rule then may or may not match."""

    family: int
    priority: int
    inverted: bool = False
    source: Prefix | None = None
    destination: Prefix | None = None
    mark: int | None = None
    mask: int = 0xFFFFFFFF
    in_interface: str | None = None
    out_interface: str | None = None
    protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    tos: int | None = None
    user_ids: tuple[int, int] | None = None
    l3mdev: bool = False
    action: str = "lookup"
    table: int | str | None = None
    target: int | None = None
    suppress_prefix_length: int | None = None
    suppress_group: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHopFact(Fact):
    """A next-hop object: a way, a blackhole, or a group of (id, weight)."""

    identifier: int
    next_hop: NextHop | None = None
    group: tuple[tuple[int, int], ...] = ()
    blackhole: bool = False
    fdb: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAnswerFact(Fact):
    """``ip route get``: what the kernel itself answered for one destination. ``mtu`` is the path MTU in its cache, in bytes."""

    destination: Address
    kind: str = "unicast"
    next_hop: NextHop = NextHop()
    source: Address | None = None
    origin: Address | None = None
    in_interface: str | None = None
    mtu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNameFact(Fact):
    """``rt_tables``: the number of a named table."""

    number: int
    name: str
