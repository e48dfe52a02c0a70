"""Cilium's maps for the lowering: its ipcache as disjoint ranges of addresses, by identity and by the node behind which they are. Worked out once for each node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from analyzer.addresses import Address, Prefix, prefix_of
from analyzer.facts.cilium import UNKNOWN, WORLD, WORLDS, EndpointEntryFact, IpcacheFact
from analyzer.model.cilium import HOST_DEVICE, PEER_DEVICE, CiliumState
from analyzer.model.network import Interface
from analyzer.model.unseen import is_uplink
from analyzer.ranges import Ranges, difference, intersection, normalised, union
from analyzer.source import Scope, Span
from analyzer.transfer.space import Context, everything, flattened, span_of

TUNNEL_BITS = 96
"""The tunnel map is looked up by all but the last 32 bits of an address of IPv6 (``encap_and_redirect_lxc``)."""
OUTGOING, INCOMING = "(cilium: opened by endpoints)", "(cilium: come in to endpoints)"


@dataclass(eq=False)
class View:
    """The maps of one node."""

    context: Context
    scope: Scope
    state: CiliumState

    @property
    def world(self) -> int:
        """The identity of addresses that the ipcache does not know."""
        return self.state.world(self.context.family)

    @property
    def routers(self) -> Ranges:
        """The addresses of the node's router: those of ``cilium_host``."""
        held = self.context.held.get(Interface(self.scope, HOST_DEVICE), ())
        return normalised((fact.address.value,) * 2 for fact in held)

    def source_on(self, device: str) -> Address | None:
        """The first address of a device that is of more than its link."""
        every = (fact.address for fact in self.context.held.get(Interface(self.scope, device), ()))
        return next((own for own in every if own.family == 4 or own.value >> 118 != 0x3FA), None)

    @property
    def outgoing(self) -> Scope:
        """Where the connections are kept that endpoints opened."""
        return Scope(self.scope.node, OUTGOING)

    @property
    def incoming(self) -> Scope:
        """Where the connections are kept that came in to endpoints."""
        return Scope(self.scope.node, INCOMING)

    @cached_property
    def pieces(self) -> tuple[tuple[tuple[int, int], IpcacheFact], ...]:
        """The ipcache as disjoint ranges, ascending, each with the entry of the longest prefix."""
        facts: dict[Prefix, IpcacheFact] = {}
        for fact in self.state.ipcache:
            if fact.prefix.family == self.context.family:
                facts.setdefault(fact.prefix, fact)
        return tuple((pair, facts[networks[-1]]) for pair, networks in flattened(tuple(facts)))

    @cached_property
    def identities(self) -> Mapping[int, Ranges]:
        """The addresses of each identity; what the ipcache does not know is of the world."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for pair, fact in self.pieces:
            found[fact.identity if fact.identity != UNKNOWN else self.world].append(pair)
        known = normalised(pair for pair, _ in self.pieces)
        ranges = {identity: normalised(pairs) for identity, pairs in found.items()}
        ranges[self.world] = union(ranges.get(self.world, ()), difference(everything(self.context.width), known))
        return dict(sorted(ranges.items()))

    @cached_property
    def senders(self) -> tuple[tuple[tuple[int, int], int], ...]:
        """The ipcache's ranges with their identities, neighbours of one identity together."""
        found: list[tuple[tuple[int, int], int]] = []
        for (low, high), fact in self.pieces:
            if found and found[-1][1] == fact.identity and found[-1][0][1] == low - 1:
                found[-1] = (found[-1][0][0], high), fact.identity
            else:
                found.append(((low, high), fact.identity))
        return tuple(found)

    @cached_property
    def nodes(self) -> tuple[tuple[Address, Ranges, Span], ...]:
        """The nodes that the tunnel leads to, each with the addresses behind it and where the first of them is said."""
        found: dict[Address, tuple[list[tuple[int, int]], Span]] = {}
        decided: list[tuple[int, int]] = []
        for pair, fact in self.pieces:
            skipped = "skiptunnel" in fact.flags
            if skipped or (fact.identity and fact.tunnel is not None):
                decided.append(pair)
            if not skipped and fact.identity and fact.tunnel is not None:
                found.setdefault(fact.tunnel, ([], fact.at))[0].append(pair)
        rest = difference(everything(self.context.width), normalised(decided))
        for network, node, at in self.networks():
            found.setdefault(node, ([], at))[0].extend(intersection(rest, (network,)))
        local = normalised((entry.address.value,) * 2 for entry in self.entries)
        return tuple((node, difference(normalised(pairs), local), at) for node, (pairs, at) in sorted(found.items()))

    def networks(self) -> Iterator[tuple[tuple[int, int], Address, Span]]:
        """The tunnel map: the addresses that begin as a network does, and their node."""
        seen: set[int] = set()
        family, length = self.context.family, self.state.mask if self.context.family == 4 else TUNNEL_BITS
        for entry in self.state.tunnels:
            value = entry.network.value
            if entry.network.family != family or value in seen or prefix_of(entry.network, length).value != value:
                continue
            if entry.node.value:
                seen.add(value)
                yield span_of(Prefix(family, value, length)), entry.node, entry.at

    @cached_property
    def entries(self) -> tuple[EndpointEntryFact, ...]:
        """The endpoint map: the first entry of each address."""
        found: dict[int, EndpointEntryFact] = {}
        for entry in self.state.entries:
            if entry.address.family == self.context.family:
                found.setdefault(entry.address.value, entry)
        return tuple(found.values())

    @cached_property
    def endpoints(self) -> tuple[EndpointEntryFact, ...]:
        """The endpoint map without the host's own addresses."""
        return tuple(entry for entry in self.entries if not entry.host)

    def own(self, endpoint: int) -> Ranges:
        """The addresses that an endpoint may send from."""
        fact = self.state.endpoints.get(endpoint)
        known = [entry.address for entry in self.endpoints if entry.identifier == endpoint]
        known += fact.addresses if fact is not None else ()
        return normalised((one.value, one.value) for one in known if one.family == self.context.family)

    def device(self, endpoint: int) -> str:
        """The device of an endpoint; empty where it has none."""
        return next((name for name, identifier in reversed(tuple(self.state.devices.items())) if identifier == endpoint), "")

    def leads_out(self, device: str) -> bool:
        """Whether a device is one of hardware."""
        link = self.context.space(self.scope).links.get(device)
        return link is not None and is_uplink(link)

    def programmed(self, device: str) -> bool:
        """Whether a program of Cilium is at a device."""
        own = (HOST_DEVICE, PEER_DEVICE, self.state.tunnel_device)
        return device in self.state.devices or device in own or self.leads_out(device)


def view(context: Context, scope: Scope) -> View | None:
    """The maps of a node; None where there are none."""
    state = context.space(scope).cilium
    if state is None:
        return None
    found = context.made.get(("cilium", scope))
    if not isinstance(found, View):
        found = context.made["cilium", scope] = View(context, scope, state)
    return found


def numbers(context: Context) -> tuple[int, ...]:
    """Every identity that a tunnel's packet may carry."""
    found = context.made.get("cilium identities")
    if not isinstance(found, tuple):
        states = [space.cilium for space in context.network.namespaces.values() if space.cilium is not None]
        known = {fact.identity for state in states for fact in state.ipcache}
        known |= {entry.identity for state in states for entry in state.entries}
        known |= {fact.identity for state in states for fact in state.endpoints.values()}
        found = context.made["cilium identities"] = tuple(sorted(known | {WORLD, 6, *WORLDS.values()}))
    return found
