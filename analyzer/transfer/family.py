"""Families: what a table does to packets to many destinations in one shape, with *holes* for what differs among them (its *members*).

``ir.Table.families`` gives them, whatever made the table (chains of iptables, maps of nftables, virtual servers); ``solve/sets/families.py`` runs each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from analyzer.ranges import Ranges
from analyzer.transfer import ir
from analyzer.transfer.ir import Field, Transfer

FEW = 8
"""Fewer members are run one by one."""
Row = tuple[Ranges, ...]
"""What stands in the holes of a member."""


class Same(NamedTuple):
    """Whether a field has the value of a hole."""

    field: Field
    hole: int
    negated: bool


class Into(NamedTuple):
    """The destination becomes the address of a hole; the port is that of a hole, one that is given, or stays. ``status``: the bit that the connection gets."""

    address: int
    port: int | Ranges | None
    status: int = ir.DNAT_STATUS


class Enter(NamedTuple):
    """Another chain, whose first hole is this one. ``goto``: at its end the chain is left from which it was entered."""

    steps: tuple[Step, ...]
    first: int
    goto: bool = False


class Step(NamedTuple):
    """A rule: its tests, whether it also may be passed by, and what it does."""

    known: ir.Match
    same: tuple[Same, ...]
    chance: bool
    then: Transfer | Into | Enter


class Family(NamedTuple):
    """What happens to packets to any of the members, in order: steps with their first hole, or a rule of the table by its index."""

    parts: tuple[Enter | int, ...]
    members: Mapping[int, Row]
    addresses: Ranges
