"""Output formats: one file each, ending in ``FORMAT``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.report.style import Style

if TYPE_CHECKING:
    from analyzer.findings import Report
    from analyzer.model.network import Network

SIGN = re.compile(r'^FORMAT = Format\("([a-z]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a report. ``write`` gives the whole text, ending in a line end. ``follows_paths``: its readers open the files that it names, so its
    paths are to begin at the current folder. ``draw`` is ``write`` with pictures of the network that the report is about."""

    name: str
    write: Callable[[Report, Style], str]
    follows_paths: bool = False
    draw: Callable[[Report, Network, Style], str] | None = None


@lru_cache(maxsize=1)
def formats() -> dict[str, str]:
    """The modules of the formats by the formats' names, told from their text: a format is imported when it is asked for."""
    here = sorted(Path(__file__).parent.glob("*.py"), key=lambda item: item.name)
    found = ((SIGN.search(item.read_text(encoding="utf-8")), item.name.removesuffix(".py")) for item in here)
    return {sign[1]: name for sign, name in found if sign}


def format_named(name: str) -> Format:
    """A format. KeyError where there is none of the name, TypeError where its file does not end in it."""
    found = import_module(f"{__name__}.{formats()[name]}").FORMAT
    if not isinstance(found, Format) or found.name != name:
        raise TypeError(f"{formats()[name]}.py: FORMAT must be a Format of the name {name}")
    return found
