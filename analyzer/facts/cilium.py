"""Cilium: what its maps in the kernel hold, and what its agent says of endpoints, identities and itself.

Identities are numbers (pkg/identity/numericidentity.go): below 256 reserved (``RESERVED``), from ``1 << 24`` on those that a node gives to CIDRs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.source import Span

RESERVED: Mapping[int, str] = MappingProxyType(
    {
        0: "unknown",
        1: "host",
        2: "world",
        3: "unmanaged",
        4: "health",
        5: "init",
        6: "remote-node",
        7: "kube-apiserver",
        8: "ingress",
        9: "world-ipv4",
        10: "world-ipv6",
        11: "encrypted-overlay",
    }
)
UNKNOWN, HOST, WORLD, HEALTH, REMOTE_NODE, LOWEST, OF_CIDRS = 0, 1, 2, 4, 6, 256, 1 << 24
WORLDS: Mapping[int, int] = MappingProxyType({4: 9, 6: 10})
"""Reserved identities that decide something, the first number that is not reserved, and the first of those for CIDRs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IpcacheFact(Fact):
    """An entry of the ipcache: whose addresses these are. ``tunnel``: the node behind which they are (None: none, 0.0.0.0).

    ``flags`` as printed (``hastunnel``, ``skiptunnel``); empty in listings of versions that print none.
    """

    prefix: Prefix
    identity: int
    tunnel: Address | None = None
    key: int = 0
    flags: frozenset[str] = frozenset()

    @property
    def of_pod(self) -> bool:
        """Whether this is the address of a pod."""
        return self.prefix.length in (32, 128) and LOWEST <= self.identity < OF_CIDRS


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelEntryFact(Fact):
    """An entry of the tunnel map (until 1.17): the network address of a node's pod CIDR, and that node."""

    network: Address
    node: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEntryFact(Fact):
    """An entry of the endpoint map: an address of a local endpoint, or of the host itself (``host``)."""

    address: Address
    host: bool = False
    identifier: int = 0
    identity: int = 0
    index: int = 0
    mac: int | None = None
    node_mac: int | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend of a frontend. ``protocol`` 0: that of the packet."""

    address: Address
    port: int
    protocol: int = 0
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendFact(Fact):
    """A frontend of the load-balancing map: an address, a protocol (0: any that has ports) and a port (0: every other one, refused).

    ``internal``: the entry for clients in the cluster of a frontend with two scopes. ``flags`` are those of the first slot (``ClusterIP``,
    ``non-routable``, ``two-scopes`` …), empty where it was not listed. ``proxy``: packets go to this port of the node's proxy. ``lost``: backends by number
    of which the map of backends holds nothing.
    """

    address: Address
    port: int
    protocol: int = 0
    internal: bool = False
    reverse: int = 0
    flags: frozenset[str] = frozenset()
    proxy: int = 0
    backends: tuple[Backend, ...] = ()
    lost: tuple[int, ...] = ()

    def __str__(self) -> str:
        name = {6: "TCP ", 17: "UDP ", 132: "SCTP "}.get(self.protocol, "")
        host = f"{self.address}" if self.address.family == 4 else f"[{self.address}]"
        return f"{name}{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRangeFact(Fact):
    """Addresses that may ask a frontend that checks who asks (``check source-range``), or may not (``deny``). ``reverse``: the number of the frontend's translation."""

    prefix: Prefix
    reverse: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressEntryFact(Fact):
    """Packets of an endpoint to addresses outside the cluster that leave by a gateway, with its address ``egress``. ``gateway`` None: there is none, and the
    packets are lost, unless the addresses are ``excluded``."""

    source: Address
    target: Prefix
    egress: Address | None = None
    gateway: Address | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """An entry of a policy map: a peer's identity (0: any), a protocol (0: any), ports from ``low`` to ``high``.

    ``labels`` stand in the place of the identity where the listing names those only (``identity`` is None then). ``proxy``: the port of the
    node's proxy that gets the packets. ``authenticated``: peers must have authenticated themselves.
    """

    deny: bool
    ingress: bool
    identity: int | None
    protocol: int = 0
    low: int = 0
    high: int = 65535
    proxy: int = 0
    authenticated: bool = False
    labels: tuple[str, ...] = ()
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMapFact(Fact):
    """The policy map of an endpoint. ``lost``: the lines of the listing that were not understood, each an entry perhaps."""

    endpoint: int
    entries: tuple[PolicyEntry, ...] = ()
    lost: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFact(Fact):
    """An endpoint as the agent knows it (``endpoint list``). ``ingress`` and ``egress``: policy is enforced (None: not said).

    ``revision`` is the policy's that is realised (None: not said).
    """

    identifier: int
    identity: int
    addresses: tuple[Address, ...] = ()
    labels: tuple[str, ...] = ()
    state: str = ""
    ingress: bool | None = None
    egress: bool | None = None
    pod: str = ""
    device: str = ""
    index: int = 0
    mac: int | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFact(Fact):
    """An identity and its labels (``source:key=value``)."""

    identity: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFact(Fact):
    """What the agent says of itself (``status --verbose``), by the name of the line; lines of a block below it are ``Block/Name``."""

    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAddressFact(Fact):
    """Whose addresses these are, as the agent has it (``ip list``): what its ipcache in the kernel is to hold. ``identity`` None: labels were listed instead."""

    prefix: Prefix
    identity: int | None = None
    host: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServiceFact(Fact):
    """A service as the agent knows it (``service list``): what its map is to hold."""

    frontend: FrontendFact


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNodeFact(Fact):
    """A node as the agent knows it (``node list``)."""

    name: str
    addresses: tuple[Address, ...] = ()
    networks: tuple[Prefix, ...] = ()
