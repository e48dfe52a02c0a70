"""Prints ``docs/systems.md``."""

from __future__ import annotations

import sys

from tests.systems.document import document

if __name__ == "__main__":
    sys.stdout.write(document())
