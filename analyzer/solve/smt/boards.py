"""Boards: what is wanted between a few subjects and other ends, of a few kinds of flows (``covers.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Pair(NamedTuple):
    """A source and a destination, by their numbers among the ends."""

    source: int
    destination: int


@dataclass(frozen=True, slots=True)
class Board:
    """The rooms of the subjects; how many kinds of flows there are; what is wanted of each pair that counts, one of which at least is a subject; and the labels
    of the subjects, where selectors are to be conjunctions about these."""

    rooms: tuple[str, ...]
    flows: int
    wanted: Mapping[Pair, int] = field(repr=False)
    labels: tuple[Mapping[str, str], ...] = ()


class Cover(NamedTuple):
    """A policy: the subjects that it is about, and for each way the kinds of flows that it admits of each end; None: it says nothing for the way."""

    about: tuple[int, ...]
    out: Mapping[int, int] | None
    into: Mapping[int, int] | None
