"""Output formats: one file each, ending in ``FORMAT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.findings import Report
from analyzer.model.network import Network
from analyzer.report.style import Style


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a report. ``write`` gives the whole text, ending in a line end. ``follows_paths``: its readers open the files that it names, so its
    paths are to begin at the current folder. ``draw`` is ``write`` with pictures of the network that the report is about."""

    name: str
    write: Callable[[Report, Style], str]
    follows_paths: bool = False
    draw: Callable[[Report, Network, Style], str] | None = None
