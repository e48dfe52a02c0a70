"""What can be asked about policies, as the grammar understands it; names are still texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Quantity(StrEnum):
    """How many of the named are meant. UNSAID: some where a question asks "can", every one where it asserts."""

    UNSAID = ""
    EVERY = "every"
    SOME = "some"


class Word(NamedTuple):
    """A name as written, and the column that it begins at, from 1."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Names:
    """Those named, together; none named: every pod."""

    words: tuple[Word, ...]
    quantity: Quantity = Quantity.UNSAID


@dataclass(frozen=True, slots=True)
class AnyPod:
    """Any pod that could ever be created: in a namespace or in any, existing or new (``new``: in new ones only), with at least the labels."""

    namespace: Word | None = None
    new: bool = False
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AnyChange:
    """A pod as it would be with any other labels."""

    pod: Word


Party: TypeAlias = Names | AnyPod | AnyChange


class Ports(NamedTuple):
    """Flows that are asked about: a protocol's number and a range of ports. ICMP: types times 256."""

    protocol: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Details:
    """How. ``ports`` empty: any traffic (for an assertion that something reaches: some traffic); ``all_ports``: all traffic is meant.
    ``hops``: over so many pods in a row at most."""

    ports: tuple[Ports, ...] = ()
    all_ports: bool = False
    through: Word | None = None
    without: tuple[Word, ...] = ()
    hops: int = 1


class Mode(StrEnum):
    """What is asked about two parties."""

    CAN = "can reach"
    CANNOT = "cannot reach"
    REACHES = "reaches"
    REACHES_ONLY = "reaches only"
    ONLY_REACHES = "only … reaches"
    ISOLATED = "is isolated from"


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether one party reaches another."""

    mode: Mode
    source: Party
    target: Party
    details: Details


class Relation(StrEnum):
    """How two sets of policies compare."""

    CONTAINED = "contained in"
    EQUIVALENT = "equivalent to"
    DISJOINT = "disjoint from"


@dataclass(frozen=True, slots=True)
class Compare:
    """Whether what one set of policies admits is as the relation says to what the other does."""

    relation: Relation
    left: tuple[Word, ...]
    right: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Which:
    """Which policies decide what goes from one party to another."""

    source: Party
    target: Party
    details: Details


@dataclass(frozen=True, slots=True)
class OneWay:
    """Whether two pods (of those named) can talk in one direction only."""

    among: Names
    details: Details


Question: TypeAlias = Reach | Compare | Which | OneWay
