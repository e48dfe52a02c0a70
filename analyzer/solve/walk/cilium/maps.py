"""Cilium's maps for the walk: look-ups as its programs make them.

After bpf/lib/eps.h (``__lookup_ip4_endpoint``, ``ipcache_lookup4``), bpf/lib/policy.h (``__policy_can_access``), bpf/lib/lb.h (``lb4_lookup_service``) and bpf/lib/encap.h
(``encap_and_redirect_lxc``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.facts.cilium import EndpointEntryFact, FrontendFact, IpcacheFact, PolicyEntry, TunnelEntryFact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.model.cilium import HOST_DEVICE, PEER_DEVICE, CiliumState
from analyzer.model.unseen import is_uplink
from analyzer.solve.packet import ICMP, ICMPV6, SCTP, TCP, UDP, Packet
from analyzer.source import Span

FIRST_PORT, LAST_PORT = 32768, 65535
"""The ports of translated connections: those above the range of node ports (``NODEPORT_PORT_MAX_NAT``)."""
TUNNEL_BITS = 96
SERVED = frozenset({TCP, UDP, SCTP})


class Node(NamedTuple):
    """The node behind which an address is, and where that is said."""

    address: Address
    at: Span


class Verdict(NamedTuple):
    """What a policy map says of a packet: allowed or not, by which entry (None: none matches)."""

    allowed: bool
    entry: PolicyEntry | None = None


class CiliumMaps:
    """The maps of one node, prepared."""

    def __init__(self, state: CiliumState, links: Mapping[str, LinkFact]) -> None:
        self.state = state
        self.links = links

    @cached_property
    def endpoints(self) -> dict[Address, EndpointEntryFact]:
        """The endpoint map."""
        return {entry.address: entry for entry in reversed(self.state.entries)}

    @cached_property
    def device_of(self) -> dict[int, str]:
        """The device of each endpoint."""
        return {identifier: device for device, identifier in self.state.devices.items()}

    @cached_property
    def own(self) -> dict[int, frozenset[Address]]:
        """The addresses of each endpoint: those of the endpoint map and those that the agent names."""
        found: dict[int, set[Address]] = defaultdict(set)
        for entry in self.state.entries:
            if not entry.host:
                found[entry.identifier].add(entry.address)
        for identifier, fact in self.state.endpoints.items():
            found[identifier].update(fact.addresses)
        return {identifier: frozenset(addresses) for identifier, addresses in found.items()}

    @cached_property
    def prefixes(self) -> dict[int, dict[tuple[int, int], IpcacheFact]]:
        """The ipcache by family, and in it by length and bits; lengths from long to short."""
        found: dict[int, dict[tuple[int, int], IpcacheFact]] = {4: {}, 6: {}}
        for fact in sorted(self.state.ipcache, key=lambda fact: -fact.prefix.length):
            width = WIDTH[fact.prefix.family]
            bits = fact.prefix.value >> (width - fact.prefix.length)
            found[fact.prefix.family].setdefault((fact.prefix.length, bits), fact)
        return found

    @cached_property
    def lengths(self) -> dict[int, tuple[int, ...]]:
        """The lengths of the ipcache's prefixes, from long to short."""
        return {family: tuple(dict.fromkeys(length for length, _ in found)) for family, found in self.prefixes.items()}

    def whose(self, address: Address) -> IpcacheFact | None:
        """The ipcache's entry with the longest prefix."""
        family, width = self.prefixes[address.family], WIDTH[address.family]
        for length in self.lengths[address.family]:
            found = family.get((length, address.value >> (width - length)))
            if found is not None:
                return found
        return None

    def node_of(self, address: Address) -> Node | None:
        """The node that packets to an address are sent to in the tunnel: by the ipcache, else by the tunnel map."""
        fact = self.whose(address)
        if fact is not None and "skiptunnel" in fact.flags:
            return None
        if fact is not None and fact.identity and fact.tunnel is not None:
            return Node(fact.tunnel, fact.at)
        entry = self.networks.get(prefix_of(address, self.state.mask if address.family == 4 else TUNNEL_BITS))
        return Node(entry.node, entry.at) if entry is not None and entry.node.value else None

    @cached_property
    def networks(self) -> dict[Prefix, TunnelEntryFact]:
        """The tunnel map, by network: in IPv6 by all but the last 32 bits (``encap_and_redirect_lxc``)."""
        masks = {4: self.state.mask, 6: TUNNEL_BITS}
        every = (
            (Prefix(one.network.family, one.network.value, masks[one.network.family]), one)
            for one in reversed(self.state.tunnels)
        )
        return dict(every)

    @cached_property
    def frontends(self) -> dict[tuple[Address, int, int, bool], FrontendFact]:
        """The frontends by address, port, protocol and scope."""
        return {(one.address, one.port, one.protocol, one.internal): one for one in reversed(self.state.frontends)}

    def frontend(self, packet: Packet, inside: bool) -> FrontendFact | None:
        """The frontend of a packet. ``inside``: the client is in the cluster, so that the inner one of two scopes counts."""
        if packet.protocol not in SERVED:
            return None
        place = Address(packet.family, packet.destination)
        found = self._listed(place, packet.destination_port, packet.protocol, False)
        if found is not None and inside and "two-scopes" in found.flags:
            return self._listed(place, packet.destination_port, packet.protocol, True)
        return found or self._listed(place, 0, packet.protocol, False)

    def _listed(self, place: Address, port: int, protocol: int, internal: bool) -> FrontendFact | None:
        return self.frontends.get((place, port, protocol, internal)) or self.frontends.get((place, port, 0, internal))

    def verdict(self, endpoint: int, ingress: bool, peer: int, packet: Packet) -> Verdict | None:
        """What the policy map of an endpoint says; None: the map was not captured."""
        fact = self.state.policies.get(endpoint)
        if fact is None:
            return None
        port = packet.icmp_type if packet.protocol in (ICMP, ICMPV6) else packet.destination_port
        mine = [one for one in fact.entries if one.ingress is ingress and matches(one, packet.protocol, port)]
        near, every = longest(mine, peer), longest(mine, 0)
        if near is not None and near.deny:
            return Verdict(False, near)
        if every is not None and (every.deny or near is None or specific(every) > specific(near)):
            return Verdict(not every.deny, every)
        return Verdict(near is not None, near)

    def unread(self, endpoint: int, ingress: bool) -> Span | None:
        """The first line of a policy map that was not understood, or whose labels no list of identities explains."""
        fact = self.state.policies.get(endpoint)
        if fact is None:
            return None
        named = [one.at for one in fact.entries if one.ingress is ingress and one.identity is None]
        return next(iter((*named, *fact.lost)), None)

    def programmed(self, device: str) -> bool:
        """Whether a program of Cilium is at a device: those of pods, its own ones, and those that lead out of the node."""
        if device in self.state.devices or device in (HOST_DEVICE, PEER_DEVICE, self.state.tunnel_device):
            return True
        return self.leads_out(device)

    def leads_out(self, device: str) -> bool:
        """Whether a device is one of hardware."""
        link = self.links.get(device)
        return link is not None and is_uplink(link)


def router_of(addresses: Mapping[str, Iterable[AddressFact]]) -> list[Address]:
    """The addresses of the node's router: those of ``cilium_host``."""
    return [fact.address for fact in addresses.get(HOST_DEVICE, ())]


def first_of(facts: Iterable[AddressFact], family: int) -> Address | None:
    """The first address of a family that is of more than its link."""
    every = (fact.address for fact in facts if fact.address.family == family)
    return next((own for own in every if family == 4 or own.value >> 118 != 0x3FA), None)


def matches(entry: PolicyEntry, protocol: int, port: int) -> bool:
    """Whether an entry is of a protocol and port."""
    return entry.protocol in (0, protocol) and entry.low <= port <= entry.high


def specific(entry: PolicyEntry) -> int:
    """How much of protocol and port an entry fixes, in bits (``lpm_prefix_length``)."""
    return 0 if not entry.protocol else 24 - (entry.high - entry.low).bit_length()


def longest(entries: Iterable[PolicyEntry], identity: int) -> PolicyEntry | None:
    """The entry of an identity that fixes most."""
    return max((one for one in entries if one.identity == identity), key=specific, default=None)
