"""Progress on stderr: only when the work takes longer than a second."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from analyzer.cli.telling import tell


@dataclass(slots=True)
class Progress:
    """Says on stderr what is being done, once a second has passed: one line that is rewritten on a terminal, else a line for each stage."""

    quiet: bool = False
    started: float = field(default_factory=time.monotonic)
    last: float = 0.0
    stage: str = ""
    shown: int = 0

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Reports a stage, with how much of it is done where that is known."""
        now = time.monotonic()
        if self.quiet or now - self.started < 1:
            return
        terminal = sys.stderr.isatty()
        if terminal and now - self.last > 0.1:
            self._rewrite(f"{stage} {done}/{total}" if total else stage)
            self.last = now
        elif not terminal and stage != self.stage:
            tell(f"analyze: {stage}")
        self.stage = stage

    def _rewrite(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self.shown))
        sys.stderr.flush()
        self.shown = len(text)

    def end(self) -> None:
        """Clears the line."""
        if self.shown:
            sys.stderr.write("\r" + " " * self.shown + "\r")
            sys.stderr.flush()
            self.shown = 0
