"""What is said on stderr: lines of the analyzer's own, in which names from the input and the call are written out."""

from __future__ import annotations

import sys

from analyzer.report.style import safe, safe_lines


def tell(text: str) -> None:
    """Says one line."""
    print(safe(text), file=sys.stderr)


def tell_lines(text: str) -> None:
    """Says a text that has lines."""
    print(safe_lines(text), file=sys.stderr)
