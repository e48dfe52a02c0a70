"""Memory while much is made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
