"""Output formats: one file each, ending in ``FORMAT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.findings import Report
from analyzer.report.style import Style


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a report. ``write`` gives the whole text, ending in a line end."""

    name: str
    write: Callable[[Report, Style], str]
