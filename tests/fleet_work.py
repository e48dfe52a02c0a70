"""Tasks that go wrong, for the engines of fleets; they run in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def echo(content: bytes) -> bytes:
    """An answer."""
    return content.upper()


def slow(content: bytes) -> bytes:
    """An answer after a while."""
    time.sleep(1.5)
    return content.upper()


def waits(content: bytes) -> bytes:
    """Says that it began, by a file, and waits for longer than a test does."""
    Path(content.decode()).touch()
    time.sleep(60)
    return b"done"


def stays(content: bytes) -> bytes:
    """Never answers, and hardly looks at signals meanwhile: a solver on a product of two large primes, again and again."""
    import z3

    del content

    x, y = z3.BitVecs("x y", 128)
    solver = z3.Solver()
    solver.add(x * y == z3.BitVecVal(18446744073709551557 * 18446744073709551533, 128), z3.UGT(x, 1), z3.UGT(y, 1))
    solver.add(z3.ULT(x, 1 << 64), z3.ULT(y, 1 << 64))
    while True:
        solver.check()


def greedy(content: bytes) -> bytes:
    """Wants a gibibyte, for each byte of its content."""
    return content * (1 << 30)


def dies_once(content: bytes) -> bytes:
    """Its process is killed, as for lack of memory, the first time; the content is the path of a file that remembers."""
    remembered = Path(content.decode())
    if not remembered.exists():
        remembered.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return b"done"


def dies(content: bytes) -> bytes:
    """Its process is killed each time."""
    os.kill(os.getpid(), signal.SIGKILL)
    return content


def fails(content: bytes) -> bytes:
    """A fault of the program."""
    raise RuntimeError(content.decode())
