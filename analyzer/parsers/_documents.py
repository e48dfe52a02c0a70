"""Documents with the place of every value, whatever they were written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.source import Span

Key = str | int
Mark = tuple[int, int, int, int, "Marks | None"]
Marks = dict[Key, Mark]


class Places(Mapping[tuple[Key, ...], Span]):
    """The spans of a document's values by their paths, made when they are asked for.

    A mark is line, column, end line, end column (from 1; ends of 0: to the end of the line) and the marks of what lies inside.
    """

    __slots__ = ("path", "root")

    def __init__(self, path: str, root: Mark) -> None:
        self.path, self.root = path, root

    def __getitem__(self, key: tuple[Key, ...]) -> Span:
        mark = self.root
        for part in key:
            inner = mark[4]
            if inner is None:
                raise KeyError(key)
            mark = inner[part]
        return Span(self.path, *mark[:4])

    def __iter__(self) -> Iterator[tuple[Key, ...]]:
        stack: list[tuple[tuple[Key, ...], Mark]] = [((), self.root)]
        while stack:
            key, mark = stack.pop()
            yield key
            stack.extend(((*key, part), inner) for part, inner in reversed((mark[4] or {}).items()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{len(self)} places>"


def below(places: Mapping[tuple[Key, ...], Span], path: tuple[Key, ...]) -> Places:
    """The places below a path."""
    known = places if isinstance(places, Places) else places.all()  # type: ignore[attr-defined]
    mark = known.root
    for part in path:
        mark = (mark[4] or {})[part]
    return Places(known.path, mark)


@dataclass(frozen=True, slots=True)
class Document:
    """A document's value and the places in it; its own place is that of the empty path."""

    value: Any
    places: Mapping[tuple[Key, ...], Span]

    @property
    def at(self) -> Span:
        """Where the document begins."""
        return self.places[()]


def kind_of_items(kind: str, version: str) -> dict[str, str]:
    """The kind and version of the items of a typed list such as PodList, whose items do not name their own."""
    item = kind.removesuffix("List")
    return {"apiVersion": version, "kind": item} if item and item != kind else {}
