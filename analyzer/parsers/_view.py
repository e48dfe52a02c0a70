"""Reading fields out of documents: what is absent has the API's default, what has the wrong type is a gap at its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from analyzer.parsers._documents import Key
from analyzer.source import Gap, Span

T = TypeVar("T")


class View(NamedTuple):
    """An object inside a document. ``gaps`` collects what could not be read."""

    value: Mapping[str, Any]
    places: Mapping[tuple[Key, ...], Span]
    kind: str
    gaps: list[Gap]
    path: tuple[Key, ...] = ()

    def at(self, *path: Key) -> Span:
        """The place of a value inside, or of the nearest around it."""
        whole = (*self.path, *path)
        for end in range(len(whole), -1, -1):
            if (span := self.places.get(whole[:end])) is not None:
                return span
        raise KeyError(whole)

    def wrong(self, reason: str, *path: Key) -> None:
        """Notes what could not be read."""
        self.gaps.append(Gap(self.at(*path), reason, self.kind))

    def typed(self, key: str, kinds: type | tuple[type, ...], words: str) -> Any:
        """The value of a key; None where it is absent or null, and with a gap where it has another type."""
        value = self.value.get(key)
        if value is None or (isinstance(value, kinds) and not (isinstance(value, bool) and kinds is not bool)):
            return value
        self.wrong(f"{self.name(key)} must be {words}, not {shown(value)}", key)
        return None

    def name(self, key: str) -> str:
        """The field's name from the top of the object."""
        return ".".join(str(part) for part in (*self.path, key))

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self.value.get(key)
        if not isinstance(value, str):
            value = self.typed(key, str, "a string")
        return default if value is None else str(value)

    def number(self, key: str, default: int = 0) -> int:
        """An integer."""
        value = self.typed(key, int, "an integer")
        return default if value is None else int(value)

    def truth(self, key: str) -> bool | None:
        """A boolean."""
        value = self.value.get(key)
        if value is None or value is True or value is False:
            return value
        self.typed(key, bool, "true or false")
        return None

    def part(self, key: str) -> View:
        """An object; an empty one where there is none."""
        value = self.value.get(key)
        if value is None or isinstance(value, dict):
            return View(value or {}, self.places, self.kind, self.gaps, (*self.path, key))
        return View(self.typed(key, dict, "an object") or {}, self.places, self.kind, self.gaps, (*self.path, key))

    def parts(self, key: str) -> Iterator[View]:
        """The objects of a list."""
        for index, item in enumerate(self.typed(key, list, "a list") or ()):
            if isinstance(item, dict):
                yield View(item, self.places, self.kind, self.gaps, (*self.path, key, index))
            else:
                self.wrong(f"{self.name(key)}[{index}] must be an object, not {shown(item)}", key, index)

    def texts(self, key: str) -> list[str]:
        """The strings of a list."""
        found = []
        for index, item in enumerate(self.typed(key, list, "a list") or ()):
            if isinstance(item, str):
                found.append(item)
            else:
                self.wrong(f"{self.name(key)}[{index}] must be a string, not {shown(item)}", key, index)
        return found

    def strings(self, key: str) -> dict[str, str]:
        """A map of strings."""
        found = {}
        for name, item in (self.typed(key, dict, "an object") or {}).items():
            if isinstance(item, str):
                found[name] = item
            elif item is None:
                found[name] = ""
            else:
                self.wrong(f"{self.name(key)}[{name!r}] must be a string, not {shown(item)}", key, name)
        return found

    def read(self, text: str, reader: Callable[[str], T], *path: Key) -> T | None:
        """The text through a reader; None where it is empty, and with a gap where the reader refuses it."""
        if not text:
            return None
        try:
            return reader(text)
        except ValueError as problem:
            self.wrong(str(problem), *path)
            return None


def shown(value: object) -> str:
    """A value of the wrong type, shortly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    return kinds.get(type(value)) or repr(value)[:40]
