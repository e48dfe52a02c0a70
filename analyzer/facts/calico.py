"""Calico's address management as ``calicoctl ipam`` tells it, and the maps of its eBPF dataplane."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUseFact(Fact):
    """How many addresses of a pool, or of a ``block``, are taken."""

    prefix: Prefix
    block: bool
    total: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowedFact(Fact):
    """An address that a node uses out of another's block. ``pod``: ``namespace/name``, where a pod has it."""

    address: Address
    node: str
    block: Prefix
    owner: str
    pod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBlockFact(Fact):
    """A block and the node that it belongs to (empty: none), as the check lists it."""

    prefix: Prefix
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamProblemFact(Fact):
    """What the check found: ``leaked`` (taken and not in use), ``outside`` (in use and in no pool), ``unrecorded`` (in use and not taken), ``handle-unused``,
    ``handle-missing``; and how often."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRouteFact(Fact):
    """An entry of the routing map of Calico's eBPF dataplane. ``local``: of this node; ``kind``: ``host``, ``workload`` or empty; ``flags`` are the others
    (``in-pool``, ``nat-out``, ``same-subnet``, ``no-dsr``, ``tunneled``, ``vm``, ``blackhole-drop``, ``blackhole-reject``). ``via`` is the node of another's workloads,
    ``index`` the interface of a local one."""

    prefix: Prefix
    local: bool = False
    kind: str = ""
    flags: frozenset[str] = frozenset()
    via: Address | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class MapBackend:
    """A backend of a frontend."""

    address: Address
    port: int
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFrontendFact(Fact):
    """A frontend of the NAT maps of Calico's eBPF dataplane. ``count`` -1: what comes to it is dropped. ``near``: how many of the backends, the first ones, are on this node.
    ``source``: whom it is for, everybody where it is None. ``lost``: backends that the map of backends does not have."""

    address: Address
    port: int
    protocol: int
    number: int
    count: int
    near: int = 0
    flags: frozenset[str] = frozenset()
    source: Prefix | None = None
    backends: tuple[MapBackend, ...] = ()
    lost: int = 0
