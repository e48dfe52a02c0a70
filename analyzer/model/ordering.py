"""Facts put in order and sorted by what they are about, so that the order in which they arrive does not matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar, cast

from analyzer.facts.base import Fact
from analyzer.source import Scope, Span

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Ordered:
    """All facts by type, and by type and namespace, each list in the order of the text."""

    by_type: Mapping[type[Fact], list[Fact]] = field(default_factory=dict)
    by_scope: Mapping[tuple[type[Fact], Scope | None], list[Fact]] = field(default_factory=dict)

    def all(self, kind: type[F]) -> list[F]:
        """Every fact of the type."""
        return cast(list[F], list(self.by_type.get(kind, ())))

    def of(self, kind: type[F], scope: Scope) -> list[F]:
        """The facts of the type about one namespace."""
        return cast(list[F], list(self.by_scope.get((kind, scope), ())))

    def by_namespace(self) -> dict[Scope, dict[type[Fact], list[Fact]]]:
        """The facts about each namespace, by type."""
        found: dict[Scope, dict[type[Fact], list[Fact]]] = {}
        for (kind, scope), facts in self.by_scope.items():
            if scope is not None:
                found.setdefault(scope, {})[kind] = facts
        return found

    def scopes(self) -> set[Scope]:
        """Every namespace that a fact is about."""
        return {scope for _, scope in self.by_scope if scope is not None}


def place(fact: Fact) -> tuple[int, Span, int]:
    """Where a fact stands; facts of one place stay in an order of their own through their text. What an edit made, in no file, stands behind all that was
    captured, in the order of the edits; with an order below 0 before it."""
    order = getattr(fact, "order", 0)
    made = min(order, 0) or fact.at.line if fact.at.path.startswith("(") else 0
    return made, fact.at, order


def ordered(facts: Iterable[Fact]) -> Ordered:
    """The facts, sorted by place, each group on its own."""
    by_type: dict[type[Fact], list[Fact]] = defaultdict(list)
    by_scope: dict[tuple[type[Fact], Scope | None], list[Fact]] = defaultdict(list)
    for fact in facts:
        by_type[type(fact)].append(fact)
    for kind, group in by_type.items():
        settle(group)
        scope, own = None, by_scope[kind, None]
        for fact in group:
            if fact.scope is not scope:
                scope, own = fact.scope, by_scope[kind, fact.scope]
            own.append(fact)
        if not by_scope[kind, None]:
            del by_scope[kind, None]
    return Ordered(dict(by_type), dict(by_scope))


def settle(group: list[Fact]) -> None:
    """Sorts by place, and facts of one place by their text. Files are read in the order of their names, so that most are in order already."""
    if all(one < two for one, two in pairwise(map(place, group))):
        return
    group.sort(key=place)
    start = 0
    while start < len(group):
        end = start + 1
        while end < len(group) and place(group[end]) == place(group[start]):
            end += 1
        if end - start > 1:
            group[start:end] = sorted(group[start:end], key=repr)
        start = end
