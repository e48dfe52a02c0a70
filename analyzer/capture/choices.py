"""What a caller may choose about how input is read."""

from __future__ import annotations

from dataclasses import dataclass

UNRENDERED = "not rendered: "
"""How the reason of a gap begins that says why a chart or kustomization was not rendered."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that a kustomization's file has."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How to render: ``values`` are files of values for charts, ``enabled`` False renders nothing."""

    values: tuple[str, ...] = ()
    enabled: bool = True
