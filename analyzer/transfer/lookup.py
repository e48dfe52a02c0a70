"""The route of one known address, as a namespace's own questions ask for it: who answers for an address, whether a source may come in.

After ``fib_rules_lookup`` (net/core/fib_rules.c), ``fib_table_lookup`` (net/ipv4/fib_trie.c) and ``__fib_validate_source``
(net/ipv4/fib_frontend.c). Such questions are of IPv4 and have no mark, protocol and ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from analyzer.facts.links import Vrf
from analyzer.facts.routes import NextHop, RouteFact, RoutingRuleFact
from analyzer.model.network import Interface, Namespace
from analyzer.model.routing import own_local_routes
from analyzer.ranges import single
from analyzer.source import Scope, Span
from analyzer.transfer.ir import All, Field, In, Match, Opaque
from analyzer.transfer.space import Context, number

Levels = tuple[tuple[int, dict[int, tuple[RouteFact, ...]]], ...]
"""Routes by the length of their prefix, the longest first, and by the bits of it."""
REFUSED = frozenset({"blackhole", "unreachable", "prohibit"})
PLAIN = (0, 32766, 32767)
"""The rules that every namespace has (fib_default_rules_init)."""
WIDTH = 32


@dataclass(frozen=True, slots=True)
class NotKnown:
    """The routes that would decide were not captured or not understood: why, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Way:
    """A route and the ways of it that can be used."""

    route: RouteFact
    hops: tuple[NextHop, ...]

    @property
    def device(self) -> str:
        """The device of the first way."""
        return next((hop.device or "" for hop in self.hops), "")


Found = Way | NotKnown | None


@dataclass
class Routing:
    """The IPv4 routing of a namespace. ``found`` are the answers that the destination alone decides. ``custom``: it has rules of its own;
    ``whole``: or local routes, so that every source is looked up."""

    context: Context
    scope: Scope
    tables: dict[int, Levels] = field(default_factory=dict)
    found: dict[int, Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        space = self.context.space(self.scope)
        self.rules = space.rules.get(4, ())
        self.custom = any(rule.priority not in PLAIN for rule in self.rules)
        self.whole = self.custom or own_local_routes(space.routes.get(4, {}))
        sourced = (route.source_prefix for routes in space.routes.get(4, {}).values() for route in routes)
        self.plain = not self.custom and not any(sourced)

    def look_up(self, destination: int, source: int = 0, device: str = "lo") -> Found:
        """The route for what came in by a device (``lo``: what the namespace sends); None: there is none, or it refuses."""
        if not self.plain:
            return self.searched(destination, source, device)
        if destination not in self.found:
            self.found[destination] = self.searched(destination, source, device)
        return self.found[destination]

    def searched(self, destination: int, source: int, device: str) -> Found:
        """By the rules, in order."""
        space = self.context.space(self.scope)
        if (words := space.missing.get("ip-route/4")) is not None and not space.routes.get(4):
            return NotKnown(f"the routes of {self.scope} are not known ({words})")
        position = 0
        while position < len(self.rules):
            rule = self.rules[position]
            position += 1
            if rule.action == "nop" or not self.about(rule, destination, source, device):
                continue
            if rule.action == "goto":
                position = next((i for i in range(position, len(self.rules)) if self.rules[i].priority == rule.target), 1 << 20)
                continue
            if rule.unknown or rule.user_ids is not None:
                return NotKnown(f"{self.scope}: it is not known whether the routing rule {rule.priority} is about the packet")
            ends, found = self.by_rule(rule, destination, source, device)
            if ends:
                return found
        return None

    def about(self, rule: RoutingRuleFact, destination: int, source: int, device: str) -> bool:
        """Whether a rule is about the question."""
        other = rule.out_interface or rule.protocol or rule.source_ports or rule.destination_ports or rule.tos
        hit = not other and rule.in_interface in (None, device)
        hit = hit and (rule.mark is None or not rule.mark & rule.mask)
        for prefix, value in ((rule.source, source), (rule.destination, destination)):
            hit = hit and (prefix is None or prefix.value <= value <= prefix.last)
        return hit != rule.inverted

    def by_rule(self, rule: RoutingRuleFact, destination: int, source: int, device: str) -> tuple[bool, Found]:
        """Whether the search ends with a rule, and what it found."""
        if rule.action in REFUSED:
            return True, None
        table = self.of_master(device) if rule.l3mdev else rule.table
        if not isinstance(table, int):
            return False, None
        missing = self.context.space(self.scope).missing.get(f"ip-route/4/{table}")
        if missing is not None:
            return True, NotKnown(f"the routing table {table} of {self.scope} is not known ({missing})")
        return self.in_table(table, rule.suppress_prefix_length, destination, source)

    def of_master(self, device: str) -> int | None:
        """The table of the device's VRF."""
        master = self.context.master(self.scope, device)
        link = self.context.link(Interface(self.scope, master)) if master else None
        return link.kind.table if link is not None and isinstance(link.kind, Vrf) else None

    def in_table(self, table: int, suppressed: int | None, destination: int, source: int) -> tuple[bool, Found]:
        """The longest prefix with a way that can be used."""
        if table not in self.tables:
            self.tables[table] = levels(self.context.space(self.scope).routes.get(4, {}).get(table, ()))
        for length, by_bits in self.tables[table]:
            for route in by_bits.get(destination >> (WIDTH - length), ()):
                own = route.source_prefix
                if own is not None and not own.value <= source <= own.last:
                    continue
                if route.kind == "throw":
                    return False, None
                if route.kind in REFUSED:
                    return True, None
                if hops := self.usable(route):
                    short = suppressed is not None and suppressed >= 0 and length <= suppressed
                    return not short, None if short else Way(route, hops)
        return False, None

    def usable(self, route: RouteFact) -> tuple[NextHop, ...]:
        """The ways that the kernel considers (fib_lookup_good_nhc)."""
        if route.kind == "local":
            return route.next_hops or (NextHop(device="lo"),)
        stays = route.scope_name == "host"
        return tuple(hop for hop in route.next_hops if hop.usable and (stays or self.alive(hop.device)))

    def alive(self, device: str | None) -> bool:
        """Whether the device of a way is up."""
        link = self.context.space(self.scope).links.get(device or "")
        return link is None or link.up


def levels(routes: Sequence[RouteFact]) -> Levels:
    """A table as it is searched."""
    found: dict[int, dict[int, list[RouteFact]]] = {}
    for route in routes:
        if not route.tos and route.destination.family == 4:
            length = route.destination.length
            found.setdefault(length, {}).setdefault(route.destination.value >> (WIDTH - length), []).append(route)
    return tuple(
        (length, {bits: tuple(sorted(some, key=precedence)) for bits, some in found[length].items()})
        for length in sorted(found, reverse=True)
    )


def precedence(route: RouteFact) -> tuple[int, int, int]:
    """The kernel's order among equal prefixes."""
    return (-route.source_prefix.length if route.source_prefix is not None else 0), route.metric, route.order


def routing(context: Context, scope: Scope) -> Routing:
    """A namespace's routing, made once."""
    found = context.made.get(("routing", scope))
    if not isinstance(found, Routing):
        found = context.made["routing", scope] = Routing(context, scope)
    return found


def largest(context: Context, at: Interface, name: str) -> int:
    """The larger of a device's switch and that of ``all`` (IN_DEV_MAXCONF, IN_DEV_ORCONF), worked out once."""
    found = context.made.get(("largest", at, name))
    if not isinstance(found, int):
        found = max(number(context.setting(at.scope, at.device, name)), number(context.whole(at.scope, name)))
        context.made["largest", at, name] = found
    return found


def refused(context: Context, at: Interface, source: int, destination: int, out: str) -> bool | NotKnown:
    """Whether a source may not come in by an interface (fib_validate_source); ``out``: the device by which the answer's packet would go on."""
    own, strict = routing(context, at.scope), largest(context, at, "rp_filter")
    local = largest(context, at, "accept_local") > 0
    if not strict and not own.whole:
        return not local and is_own(context, at.scope, source)
    found = own.look_up(source, destination, out or "lo")
    if not isinstance(found, Way):
        return found if found is not None else strict > 0
    if found.route.kind != "unicast" and not (found.route.kind == "local" and (local or at.device == "lo")):
        return True
    if not strict or any(hop.device == at.device for hop in found.route.next_hops):
        return False
    return not (strict == 2 and context.held.get(at))


def is_own(context: Context, scope: Scope, value: int) -> bool:
    """Whether an address is one of the namespace's."""
    return value in own_values(context, scope)


def own_values(context: Context, scope: Scope) -> frozenset[int]:
    """The addresses of a namespace, worked out once."""
    found = context.made.get(("own", scope))
    if not isinstance(found, frozenset):
        facts = context.space(scope).addresses
        found = frozenset(fact.address.value for fact in facts if fact.address.family == context.family)
        context.made["own", scope] = found
    return found


def bound_to(space: Namespace, device: str, at: Span | None) -> Match:
    """What a routing rule's ``oif`` asks: packets of sockets that are bound to the device; of others, and of what is forwarded, only a VRF's device is asked for
    (``flowi_oif`` and ``flowi_l3mdev``, net/core/fib_rules.c ``fib_rule_match``)."""
    link = space.links.get(device)
    own = All(()) if link is None or isinstance(link.kind, Vrf) else In(Field.IN_INTERFACE, single(0))
    return All((own, Opaque(f"{space.scope}: the packet's socket is bound to {device}", at)))
