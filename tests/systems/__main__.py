"""Prints ``docs/systems.md``."""

from __future__ import annotations

import sys

from tests.systems.document import document

sys.stdout.write(document())
