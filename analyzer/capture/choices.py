"""What a caller may choose about how input is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rendering:
    """How to render: ``values`` are files of values for charts, ``enabled`` False renders nothing."""

    values: tuple[str, ...] = ()
    enabled: bool = True
