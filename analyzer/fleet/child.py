"""``python -m analyzer.fleet.child``: one task in a process of its own, its content on stdin, its result on stdout; and how to start that."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib import import_module

from analyzer.fleet.limits import TRIES, Limits, Lost, bound, ended, too_large, too_slow


def isolated(content: bytes, work: str, limits: Limits) -> bytes | Lost:
    """What ``work`` (``module:function``, from bytes to bytes) makes of the content, in a process of its own."""
    command = [sys.executable, "-m", "analyzer.fleet.child", work, f"{limits.seconds}", f"{limits.megabytes}"]
    status = 0
    for _ in range(TRIES):
        try:
            done = subprocess.run(command, input=content, stdout=subprocess.PIPE, timeout=limits.seconds, check=False)
        except subprocess.TimeoutExpired:
            return too_slow(limits)
        status = done.returncode
        if status == 0:
            found = pickle.loads(done.stdout)
            return found if isinstance(found, bytes | Lost) else ended(1, limits)
        if status > 0:
            break
    return ended(status, limits)


def main(work: str, seconds: str, megabytes: str) -> None:
    """Reads, works and writes; whatever else is printed goes to stderr."""
    limits = Limits(float(seconds), int(megabytes))
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bound(limits)
    module, _, name = work.partition(":")
    found: bytes | Lost
    try:
        found = getattr(import_module(module), name)(sys.stdin.buffer.read())
    except MemoryError:
        found = too_large(limits)
    output.write(pickle.dumps(found))
    output.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
