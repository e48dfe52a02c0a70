"""Whether the plain values of a fact are of the kinds that it states: JSON may hold anything anywhere."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from types import NoneType, UnionType
from typing import get_args, get_type_hints

from analyzer.facts.base import Fact

PLAIN = frozenset({str, int, bool, NoneType})


@lru_cache(maxsize=256)
def plain_fields(kind: type[Fact]) -> tuple[tuple[str, frozenset[type]], ...]:
    """The fields of a kind of fact that hold texts, numbers and truths, with the types that each may have."""
    hints = get_type_hints(kind)
    found = ((item.name, hints[item.name]) for item in fields(kind))
    allowed = ((name, frozenset(get_args(hint) if isinstance(hint, UnionType) else (hint,))) for name, hint in found)
    return tuple((name, kinds) for name, kinds in allowed if kinds <= PLAIN)


def mistyped(fact: Fact) -> str:
    """The first value of another kind than stated, in words; empty: there is none."""
    for name, kinds in plain_fields(type(fact)):  # type: ignore[arg-type]  # A class has its own hash, whatever its values have.
        value = getattr(fact, name)
        if type(value) not in kinds:
            wanted = " or ".join(sorted(WORDS[kind] for kind in kinds if kind is not NoneType))
            return f"{name} is {str(value)[:40]!r}, where {wanted} was expected"
    return ""


WORDS = {str: "a text", int: "a number", bool: "true or false"}
