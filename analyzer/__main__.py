"""The command ``analyze``."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    from analyzer.cli import run

    streams()
    return run(sys.argv[1:] if arguments is None else arguments)


def streams() -> None:
    """A standard stream that whoever started the process has closed goes nowhere: else the next file that is opened would have its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 as long as the process


if __name__ == "__main__":
    sys.exit(main())
