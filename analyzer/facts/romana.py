"""Romana's address management: which host has which blocks, and which hosts it knows."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class RomanaBlockFact(Fact):
    """A block of addresses of a host, for the pods of one tenant (a namespace) and segment; ``taken``: how many of them have one."""

    prefix: Prefix
    host: str
    tenant: str = ""
    segment: str = ""
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RomanaHostFact(Fact):
    """A host that Romana knows."""

    name: str
    address: Address
