"""Neighbour entries, bridge forwarding entries, bridge ports and VLANs."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourFact(Fact):
    """One entry of ``ip neigh`` (or ``arp -n``). ``states`` such as PERMANENT, REACHABLE, STALE, FAILED, NOARP;
    ``proxy`` is an entry of ``ip neigh show proxy``: this host answers for the address on the device."""

    address: Address
    device: str | None
    mac: int | None
    states: frozenset[str] = frozenset()
    proxy: bool = False
    external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingFact(Fact):
    """One entry of ``bridge fdb``: frames to ``mac`` leave through ``device``, for a tunnel towards ``destination``.

    ``master`` is the bridge whose table it is; ``own`` means the device's own list (``self``). ``flags`` holds
    ``permanent``, ``static``, ``extern_learn``, ``offload``, ``sticky``, ``router``; ``permanent`` in a bridge's table is a local
    address of that port.
    """

    mac: int
    device: str
    master: str | None = None
    own: bool = False
    destination: Address | None = None
    vlan: int | None = None
    vni: int | None = None
    port: int | None = None
    via: str | None = None
    next_hop_id: int | None = None
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePortFact(Fact):
    """A bridge port, of ``bridge -d link`` or the slave part of ``ip -d link``. None: not said."""

    device: str
    master: str | None = None
    state: str | None = None
    hairpin: bool | None = None
    learning: bool | None = None
    flood: bool | None = None
    multicast_flood: bool | None = None
    broadcast_flood: bool | None = None
    isolated: bool | None = None
    locked: bool | None = None
    proxy_arp: bool | None = None
    neighbour_suppression: bool | None = None
    vlan_tunnel: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeVlanFact(Fact):
    """A VLAN of a bridge port or of the bridge itself; ``first`` to ``last`` inclusive."""

    device: str
    first: int
    last: int
    pvid: bool = False
    untagged: bool = False
