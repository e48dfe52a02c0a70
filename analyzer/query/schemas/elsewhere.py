"""Where a field belongs that stands where its kind has none of that name: most are a step too far out or in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.schemas import Key, Types, schemas, takes

DEEPEST = 4


def belongs(version: str, kind: str, path: tuple[Key, ...], value: Any) -> str:
    """The object, as a path such as ``spec.template.spec``, that has a field of the name and for the value at ``path``; empty where there is none, or
    several are as near. A release may have had the field: nothing is sure."""
    table = schemas()
    number = table.kinds.get(f"{version}/{kind}")
    if number is None or not isinstance(path[-1], str):
        return ""
    around = list(along(table.types, number, path[:-1]))
    here, own = around[-1]
    if inner := nearest_below(table.types, own, path[-1], value):
        return dotted((*here, *inner))
    has = (place for place, one in reversed(around[:-1]) if fits_into(table.types, one, path[-1], value))
    found = next(has, None)
    return "" if found is None else dotted(found) or "the object itself"


def value_at(document: object, path: tuple[Key, ...]) -> object:
    """The value at a path that is there."""
    for key in path:
        if isinstance(document, list) and isinstance(key, int):
            document = document[key]
        else:
            document = document.get(key) if isinstance(document, dict) else None
    return document


def along(types: Types, number: int, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], int]]:
    """The types of the objects that a path leads through, each with the path to it."""
    yield (), number
    kind: Any = number
    for index, key in enumerate(path):
        if isinstance(kind, int):
            kind = types[kind]["fields"][key][0]
        elif isinstance(kind, list):
            kind = kind[0]
        elif isinstance(kind, Mapping):
            kind = kind["of"]
        if isinstance(kind, int):
            yield path[: index + 1], kind


def nearest_below(types: Types, number: int, key: str, value: Any) -> tuple[Key, ...]:
    """The path to the only object inside that is nearest and has the field; empty where there is none."""
    level: list[tuple[tuple[Key, ...], int]] = [((), number)]
    seen = {number}
    for _ in range(DEEPEST):
        level = [
            ((*path, *step), inner)
            for path, one in level
            for name, (kind, *_) in types[one]["fields"].items()
            if name != "status"
            for step, inner in objects_in((name,), kind)
            if inner not in seen
        ]
        seen.update(inner for _, inner in level)
        found = [path for path, one in level if fits_into(types, one, key, value)]
        if found:
            return found[0] if len(found) == 1 else ()
    return ()


def objects_in(path: tuple[Key, ...], kind: Any) -> Iterator[tuple[tuple[Key, ...], int]]:
    """The type of an object that a field holds, itself or in a list."""
    if isinstance(kind, int):
        yield path, kind
    elif isinstance(kind, list) and isinstance(kind[0], int):
        yield (*path, 0), kind[0]


def fits_into(types: Types, number: int, key: str, value: Any) -> bool:
    """Whether a type has a field of this name for such a value."""
    field = types[number]["fields"].get(key)
    return field is not None and takes(types, field[0], value)


def dotted(path: tuple[Key, ...]) -> str:
    """A path as it is written."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
