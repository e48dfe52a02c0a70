"""Texts and numbers as the API server takes them (apimachinery pkg/util/validation, pkg/apis/core/validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from analyzer.addresses import Address
from analyzer.addresses import address as read_address
from analyzer.policy.ports import is_port_name
from analyzer.policy.selectors import is_key, is_value
from analyzer.query.workloads import is_number

Key = str | int
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PLACEHOLDER = re.compile(r"[{}<>$%]|__")
ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")


class Refused(NamedTuple):
    """A value that is refused: the path to it, why, where another value belongs to it the path to that and what it is, and what was meant where that is sure."""

    path: tuple[Key, ...]
    why: str
    other: tuple[tuple[Key, ...], str] | None = None
    instead: str = ""


def word(value: Any, among: Sequence[str], path: tuple[Key, ...]) -> Iterator[Refused]:
    """A text that must be one of a few."""
    if isinstance(value, str) and value and value not in among and not PLACEHOLDER.search(value):
        near = next((one for one in among if one.lower() == value.lower()), "")
        yield Refused(path, f"{value!r} must be {near or alternatives(among)}", instead=near)


def alternatives(words: Sequence[str]) -> str:
    """Words to choose from."""
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + f" or {words[-1]}"


def number(value: Any, low: int, high: int, path: tuple[Key, ...]) -> Iterator[Refused]:
    """A number that must be in a range."""
    if is_number(value) and not low <= value <= high:
        yield Refused(path, f"{value} must be between {low} and {high}")


def label(value: Any, path: tuple[Key, ...], what: str) -> Iterator[Refused]:
    """A name that must be a DNS label."""
    if isinstance(value, str) and value and not LABEL.fullmatch(value) and not PLACEHOLDER.search(value):
        yield Refused(path, f"{value!r} is no {what}: it must be a DNS label, in lower case, of at most 63 characters")


def port_name(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """A name of a port."""
    if isinstance(value, str) and value and not is_port_name(value) and not PLACEHOLDER.search(value):
        words = (
            "a number stands without quotes"
            if value.isdecimal()
            else "at most 15 lower-case letters, digits and dashes, one letter at least"
        )
        yield Refused(path, f"{value!r} is no name of a port: {words}")


def labels(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """Labels: their keys and values (apimachinery pkg/apis/meta/v1/validation, ValidateLabels)."""
    for key, text in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(text, str) or PLACEHOLDER.search(str(key)) or PLACEHOLDER.search(text):
            continue
        if not is_key(str(key)):
            yield Refused((*path, key), f"{key!r} is no label key")
        elif not is_value(text):
            yield Refused(
                (*path, key),
                f"{text!r} is no label value: at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last",
            )


def qualified(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """A name that may have a domain before it, as keys of labels have."""
    if isinstance(value, str) and value and not is_key(value) and not PLACEHOLDER.search(value):
        yield Refused(
            path, f"{value!r} is no name of a protocol: letters, digits, '-', '_' and '.', after a domain and a slash or without"
        )


def target_port(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """A port by its number or its name."""
    yield from number(value, 1, 65535, path) if is_number(value) else port_name(value, path)


def address(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """An address. Numbers with leading zeros are taken by some releases, and told where policies and services read them."""
    if isinstance(value, str) and value and not PLACEHOLDER.search(value) and known_address(value) is None:
        yield Refused(path, f"{value!r} is no address")


def known_address(value: str) -> Address | None:
    """An address; None where it is none."""
    try:
        return read_address(ZEROS.sub("", value) if ":" not in value else value)
    except ValueError:
        return None


def network(value: Any, path: tuple[Key, ...]) -> Iterator[Refused]:
    """A network by its address and length."""
    if not isinstance(value, str) or PLACEHOLDER.search(value):
        return
    own, slash, length = value.strip().partition("/")
    found = known_address(own)
    if found is None or not slash or not length.isdecimal() or int(length) > (32 if found.family == 4 else 128):
        yield Refused(path, f"{value!r} is no network: it must be an address, a slash and a length")


def once(values: Mapping[Any, Any], what: str) -> Iterator[Refused]:
    """Values by their paths, each of which may stand there once."""
    first: dict[Any, Any] = {}
    for path, value in values.items():
        if (before := first.setdefault(value, path)) != path:
            yield Refused(path, f"{what} stands there twice", (before, "the first one"))
