"""Namespaces of an earlier look at the same capture: where all that one is made of is the same, it is that one, the same object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import TYPE_CHECKING

from analyzer.facts.base import Fact
from analyzer.model.network import Namespace
from analyzer.source import Scope

if TYPE_CHECKING:
    from analyzer.model.captured import Captured

Facts = Mapping[type[Fact], Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class Made:
    """A namespace, and all that it was made of: its facts by type, its texts with what could not be read of them, the names of tables, and whether defaults are assumed."""

    space: Namespace
    facts: Facts
    given: Captured
    names: Mapping[str, int]
    assume: bool

    def of(self, facts: Facts, given: Captured, names: Mapping[str, int], assume: bool) -> bool:
        """Whether a namespace is made of the same. Cilium's programs are asked about objects of the cluster too, and are not looked at here."""
        return (
            self.space.cilium is None
            and (self.names, self.assume) == (names, assume)
            and self.given.by_kind.keys() == given.by_kind.keys()
            and all(map(same, self.given.by_kind.values(), given.by_kind.values()))
            and (self.given.failed, self.given.unread) == (given.failed, given.unread)
            and self.facts.keys() == facts.keys()
            and all(same(self.facts[kind], facts[kind]) for kind in facts)
        )


@dataclass(slots=True)
class Built:
    """The namespaces of the last look."""

    spaces: dict[Scope, Made] = field(default_factory=dict)


def same(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two sequences hold the same objects."""
    return len(one) == len(other) and all(map(is_, one, other))
