"""Memory while much is made at once, and keys of what is remembered."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


@contextmanager
def without_cycles() -> Iterator[None]:
    """Pauses the collector of cycles: millions of new objects that all stay make it run for nothing (a factor of two to three).

    They are then left out of later collections (``gc.freeze``), which would go through all of them again and again; counting references still frees them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


class Same(Generic[Value]):
    """Any value as a key by which object it is."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
