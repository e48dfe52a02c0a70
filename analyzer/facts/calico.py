"""Calico's address management as ``calicoctl ipam`` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact


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
