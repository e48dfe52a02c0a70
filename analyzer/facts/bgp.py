"""Routing daemons: their sessions, tables and configuration, as BIRD, FRR, GoBGP and Cilium's agent print them.

States have the names of RFC 4271, section 8.2.2 (``Idle``, ``Connect``, ``Active``, ``OpenSent``, ``OpenConfirm``, ``Established``), and BIRD's own ``Down``, ``Close`` and
``Passive`` beside them (nest/proto.c, proto/bgp/bgp.c ``bgp_state_dsc``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.facts.routes import NextHop
from analyzer.source import Span

ESTABLISHED = "Established"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFact(Fact):
    """A session of a daemon with a peer. ``name``: what BIRD calls it. ``disabled``: somebody switched it off. ``problem``: the last error, as printed.

    ``received`` and ``sent``: how many routes (None: not said). ``outward``: the export filter as BIRD prints it (``ACCEPT``, ``REJECT``, its name).
    ``policy``: FRR exchanges no routes, since an external peer has no policy (``bgp ebgp-requires-policy``).
    """

    program: str
    name: str = ""
    peer: Address | None = None
    state: str = ""
    remote_as: int | None = None
    local_as: int | None = None
    disabled: bool = False
    problem: str = ""
    received: int | None = None
    sent: int | None = None
    outward: str = ""
    policy: bool = False

    @property
    def established(self) -> bool:
        """Whether routes are exchanged."""
        return self.state == ESTABLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFact(Fact):
    """Another protocol of BIRD's: ``kind`` is ``Kernel``, ``Static``, ``Direct``, ``Device`` …; ``outward`` as in ``SessionFact``. ``table`` is empty where it has several, or none."""

    name: str
    kind: str
    up: bool
    table: str = ""
    outward: str = ""
    sent: int | None = None


@dataclass(frozen=True, slots=True)
class DaemonRoute:
    """A route in a daemon's table. ``kind`` as the kernel has it; ``source``: ``bgp``, ``static``, ``kernel``, ``connected`` … (empty: not said).

    ``protocol``: what BIRD calls the protocol that it came from. ``peer``: who sent it. ``best``: the one that the daemon uses. ``installed``: whether FRR says that
    the kernel has it (None: not said).
    """

    prefix: Prefix
    kind: str = "unicast"
    next_hops: tuple[NextHop, ...] = ()
    source: str = ""
    protocol: str = ""
    peer: Address | None = None
    best: bool = True
    installed: bool | None = None
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonTableFact(Fact):
    """A table of a daemon: ``name`` is ``master4``, ``bgp`` (FRR's and GoBGP's), ``rib`` (zebra's). ``exported``: only what goes to this protocol or peer was listed;
    ``part``: another part of the table only. ``lost``: the lines that were not understood, each a route perhaps."""

    program: str
    name: str = ""
    routes: tuple[DaemonRoute, ...] = ()
    exported: str = ""
    part: bool = False
    lost: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfiguredPeer:
    """A peer of a daemon's configuration. ``exports``: False where nothing may go to it, None where a filter decides."""

    name: str = ""
    address: Address | None = None
    remote_as: int | None = None
    local_as: int | None = None
    port: int | None = None
    passive: bool = False
    disabled: bool = False
    exports: bool | None = None
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Permission:
    """What a filter does with routes: those of exactly this network, or (``inside``) with all within it."""

    prefix: Prefix
    accept: bool
    inside: bool = False
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfigFact(Fact):
    """A file of a daemon's configuration. ``networks``: what it states of its own (BIRD's static routes, FRR's ``network``); ``filters``: by the name of each
    filter or function, what it says of networks, in order. ``kernel``: the filter of what goes to the kernel (``none``, ``all``, a name; empty: not said)."""

    program: str
    local_as: int | None = None
    router: Address | None = None
    port: int | None = None
    peers: tuple[ConfiguredPeer, ...] = ()
    networks: tuple[tuple[Prefix, Span], ...] = ()
    filters: tuple[tuple[str, tuple[Permission, ...]], ...] = ()
    kernel: str = ""
