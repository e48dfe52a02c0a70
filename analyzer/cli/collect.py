"""``analyze collect``: prints the script that captures a node."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import analyzer.capture


def options(parser: ArgumentParser) -> None:
    """No options: those of the script are its own (``sh collect.sh --help``)."""
    parser.description = "Print a POSIX shell script. Run it as root on each node: sh collect.sh --node NAME --output DIR"


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Prints the script."""
    del options, parser
    sys.stdout.write((Path(analyzer.capture.__file__).parent / "collect.sh").read_text(encoding="utf-8"))
    return 0
