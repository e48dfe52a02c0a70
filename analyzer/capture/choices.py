"""What a caller may choose about how input is read."""

from __future__ import annotations

import os
from dataclasses import dataclass

from analyzer.capture.files import SKIPPED_FOLDERS
from analyzer.capture.limits import DEPTH

UNRENDERED = "not rendered: "
"""How the reason of a gap begins that says why a chart or kustomization was not rendered."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that a kustomization's file has."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How to render: ``values`` are files of values for charts, ``enabled`` False renders nothing."""

    values: tuple[str, ...] = ()
    enabled: bool = True


def to_render(root: str) -> bool:
    """Whether a chart or a kustomization may lie below a directory. What renders them, with a parser of YAML, is imported only then."""
    for folder, folders, files in os.walk(root):
        if "Chart.yaml" in files or any(name in files for name in KUSTOMIZATIONS):
            return True
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        if folder.count(os.sep) - root.count(os.sep) >= DEPTH:
            folders.clear()
    return False
