"""Who sends and who receives, by kind: of the node, of the pod on it, and which of its addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analyzer.addresses import Address
from analyzer.query.alike.identities import Role
from analyzer.query.alike.kinds import Kinds
from analyzer.query.parties import Party
from analyzer.ranges import Ranges, normalised
from analyzer.source import Scope

End = tuple[int, int, Role]
"""The kind of a node, that of its pod (or of the node itself), and which of its addresses."""
SELF, BESIDE, APART = 0, 1, 2
"""Two ends are one, on one node, or on two."""


def end_of(found: Kinds, family: int, value: int, parties: Sequence[Party]) -> End | None:
    """The kind of whoever has an address; None where that is not one alone, and others are like it."""
    scope = parties[0].scope
    home = Scope(scope.node)
    if any(Scope(one.scope.node) not in found.of or one.scope not in found.of for one in parties):
        return None  # a node of which only pods' namespaces were captured
    owned = found.known.addresses.get(Address(family, value))
    if owned is not None and owned[0] == scope and len(parties) == 1:
        return found.of[home], found.of[scope], owned[1]
    apart = all(len(found.nodes[found.of[Scope(one.scope.node)]]) == 1 for one in parties)
    alone = apart and all(len(found.pods.get((Scope(one.scope.node), found.of[one.scope]), "1")) == 1 for one in parties)
    return (found.of[home], found.of[scope], ("shared", value)) if alone else None


def by_end(ends: dict[int, tuple[End, Scope]], values: Iterable[int]) -> dict[End, dict[Scope, list[int]]]:
    """The addresses by kind of end and node."""
    found: dict[End, dict[Scope, list[int]]] = {}
    for value in values:
        end, scope = ends[value]
        found.setdefault(end, {}).setdefault(Scope(scope.node), []).append(value)
    return found


def ranges(values: Iterable[int]) -> Ranges:
    """Values as ranges."""
    return normalised((value, value) for value in values)
