"""From files, archives and pasted text to sources."""

from analyzer.capture.loading import Loaded, load

__all__ = ["Loaded", "load"]
