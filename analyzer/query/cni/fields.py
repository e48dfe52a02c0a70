"""Whether JSON fits the types that a plugin decodes it into, as Go's ``encoding/json`` does: names are found without regard to case, null fits
everywhere, numbers must be whole and within the type, and what is not read may be anything (encoding/json, ``Unmarshal``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import address
from analyzer.model.embedded import Path


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two, both included."""

    low: int = -(2**63)
    high: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AddressText:
    """An address as text (``net.IP``); an empty text is none."""


@dataclass(frozen=True, slots=True)
class NetworkText:
    """A network as text (``types.IPNet``, ``net.ParseCIDR``): an address with a prefix length."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one kind of value."""

    of: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """An object whose keys are free, with one kind of value."""

    of: Kind


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known fields; others are not read."""

    known: Mapping[str, Kind] = field(default_factory=dict)


Kind = Text | Truth | Whole | AddressText | NetworkText | Anything | Many | Table | Fields

TEXT, TRUTH, NUMBER, ADDRESS, NETWORK, ANYTHING = Text(), Truth(), Whole(), AddressText(), NetworkText(), Anything()
NATURAL = Whole(0)
TEXTS = Many(TEXT)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, at which path, and what would mend it."""

    path: Path
    message: str
    help: str = ""


def lookup(value: Mapping[str, Any], name: str) -> tuple[str, Any] | None:
    """The key and value that a field is decoded from: the exact name, else the last one that differs in case only."""
    if name in value:
        return name, value[name]
    return next(((key, value[key]) for key in reversed(tuple(value)) if key.lower() == name.lower()), None)


def unfit(value: Any, kind: Kind, path: Path = ()) -> Iterator[Problem]:
    """The parts of a value that cannot be decoded."""
    if value is None:
        return
    match kind:
        case Fields(known):
            yield from unfit_fields(value, known, path)
        case Many(of):
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from unfit(item, of, (*path, index))
            else:
                yield wrong(path, "a list", value)
        case Table(of):
            if isinstance(value, dict):
                for key, item in value.items():
                    yield from unfit(item, of, (*path, key))
            else:
                yield wrong(path, "an object", value)
        case Text() | Truth() | Whole() | AddressText() | NetworkText():
            yield from unfit_scalar(value, kind, path)
        case Anything():
            return


def unfit_fields(value: Any, known: Mapping[str, Kind], path: Path) -> Iterator[Problem]:
    """The fields of an object that cannot be decoded."""
    if not isinstance(value, dict):
        yield wrong(path, "an object", value)
        return
    for name, kind in known.items():
        if (found := lookup(value, name)) is not None:
            yield from unfit(found[1], kind, (*path, found[0]))


def unfit_scalar(value: Any, kind: Text | Truth | Whole | AddressText | NetworkText, path: Path) -> Iterator[Problem]:
    """A scalar that cannot be decoded."""
    match kind:
        case Text():
            fits, words = isinstance(value, str), "a text"
        case Truth():
            fits, words = isinstance(value, bool), "true or false"
        case Whole(low, high):
            fits, words = is_whole(value) and low <= value <= high, "a whole number" if low else "a number from 0 on"
        case AddressText():
            fits, words = isinstance(value, str) and (not value or is_address(value)), "an address"
        case NetworkText():
            fits, words = isinstance(value, str) and is_network(value), "a network such as 10.0.0.0/24"
    if not fits:
        yield wrong(path, words, value)


def is_whole(value: Any) -> bool:
    """Whether Go reads the number into an integer: no fraction and no exponent."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_address(text: str) -> bool:
    """Whether ``net.ParseIP`` takes it."""
    try:
        address(text)
    except ValueError:
        return False
    return "%" not in text


def is_network(text: str) -> bool:
    """Whether ``net.ParseCIDR`` takes it: the length must be there."""
    first, slash, length = text.partition("/")
    if not slash or not is_address(first) or not length.isascii() or not length.isdigit() or len(length) > 3:
        return False
    return int(length) <= (128 if ":" in first else 32)


def wrong(path: Path, words: str, value: Any) -> Problem:
    """The problem of a value of another kind."""
    return Problem(path, f"{dotted(path)} must be {words}, not {shown(value)}")


def shown(value: Any) -> str:
    """A value, shortly."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)[:40]


def dotted(path: Sequence[str | int]) -> str:
    """A path as it is usually written: ``ipam.ranges[0][1].subnet``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the configuration"
