"""A static configuration and policy analyzer for Kubernetes networking: ``analyzer.load("dump/").check()``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.api import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "load":
        from analyzer.api import load

        return load
    raise AttributeError(f"module 'analyzer' has no attribute {name!r}")
