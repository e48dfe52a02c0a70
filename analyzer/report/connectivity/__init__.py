"""Output formats of ``connectivity``: one file each, ending in ``FORMAT``; only the one that is asked for is imported."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module

from analyzer.query.connectivity.answer import Connectivity
from analyzer.query.connectivity.entrances import Entrance
from analyzer.query.connectivity.exposure import Exposure
from analyzer.report.style import Style
from analyzer.source import Source


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to tell. ``profile`` is the name of the network system as which policies were read; ``exposure`` is None where it was not asked.
    ``base`` stands before the paths of the ``sources`` to reach them from the current folder. ``left_out`` are the pods that are only listed, of which
    nothing is said, and ``aside`` says of which flows nothing is."""

    found: Connectivity
    entrances: tuple[Entrance, ...] = ()
    exposure: Exposure | None = None
    profile: str = "unknown"
    sources: tuple[Source, ...] = field(default=(), repr=False)
    base: str = ""
    left_out: tuple[str, ...] = ()
    aside: str = ""


@dataclass(frozen=True, slots=True)
class ConnectivityFormat:
    """A way to write the answer. ``write`` gives the text in pieces, the last of which ends in a line end: pairs can be millions."""

    name: str
    write: Callable[[Answer, Style], Iterable[str]]


def format_names() -> tuple[str, ...]:
    """The names of the formats: those of the files."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))


def format_named(name: str) -> ConnectivityFormat:
    """A format by its name. TypeError when its file does not end in one."""
    found = import_module(f"{__name__}.{name}").FORMAT
    if not isinstance(found, ConnectivityFormat) or found.name != name:
        raise TypeError(f"{name}.py: FORMAT must be a ConnectivityFormat of that name")
    return found
