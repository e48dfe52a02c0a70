"""What a task may cost, and the reasons why one may have no result."""

from __future__ import annotations

import math
import signal
from contextlib import suppress
from dataclasses import dataclass

TRIES = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall time that a task may take, and MiB that its process may have (0: as much as there is)."""

    seconds: float = 900.0
    megabytes: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a task has no result, in words."""

    reason: str


def too_slow(limits: Limits) -> Lost:
    """The task took too long."""
    return Lost(f"not done within {limits.seconds:g} s (--time-limit)")


def too_large(limits: Limits) -> Lost:
    """The task wanted too much memory."""
    allowed = f"the {limits.megabytes} MiB of --memory-limit" if limits.megabytes else "there was"
    return Lost(f"it wanted more memory than {allowed}")


def ended(status: int, limits: Limits) -> Lost:
    """The task's process ended without a result: by a signal (negative, as Python gives it) or by itself."""
    if status == -signal.SIGALRM:
        return too_slow(limits)
    if status < 0:
        return Lost(f"its process was ended by {named(-status)} {TRIES} times; the system does so when memory runs out")
    return Lost(
        f"its process ended with status {status} before it had an answer: a fault of the analyzer; analyze check shows it"
    )


def named(number: int) -> str:
    """A signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def bound(limits: Limits) -> None:
    """Sets the limits for this process. The time is one that it cannot outlive, whatever it is doing and whether or not somebody still waits for it."""
    if limits.megabytes:
        import resource

        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limits.megabytes << 20, limits.megabytes << 20))
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(limits.seconds) + 2)
