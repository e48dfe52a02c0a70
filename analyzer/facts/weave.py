"""Weave Net: what a peer says of the ring of addresses, of itself, and of its connections (``weave report``, ``weave status``)."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEntryFact(Fact):
    """A part of the ring: ``size`` addresses from ``first`` on (None: only how many a peer has in all was listed). ``known`` False: the peer is not reached."""

    peer: str
    nickname: str = ""
    first: Address | None = None
    size: int = 0
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RingFact(Fact):
    """The ring as one peer sees it: the range that all share, and who waits for addresses (``waiting``). ``settled`` False: the peers have not agreed on a first ring."""

    network: Prefix
    peer: str = ""
    nickname: str = ""
    waiting: tuple[str, ...] = ()
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStateFact(Fact):
    """A connection of a peer: ``other`` and ``nickname`` where it is known who is there. ``way`` is ``fastdp`` or ``sleeve``; ``problem``: why it is not established."""

    address: str
    state: str
    outbound: bool = True
    other: str = ""
    nickname: str = ""
    way: str = ""
    mtu: int | None = None
    problem: str = ""

    @property
    def established(self) -> bool:
        """Whether packets go over it."""
        return self.state == "established"
