"""``python -m analyzer.fleet.child``: one task in a process of its own, its content on stdin, its result on stdout; and how to start that.

It ends when the process that started it does: nobody waits for its result, and whoever has the task now wants the time.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from threading import Thread

from analyzer.fleet.limits import TRIES, Limits, Lost, bound, ended, too_large, too_slow


def isolated(content: bytes, work: str, limits: Limits) -> bytes | Lost:
    """What ``work`` (``module:function``, from bytes to bytes) makes of the content, in a process of its own."""
    numbers = (f"{limits.seconds}", f"{limits.megabytes}", f"{os.getpid()}")
    command = [sys.executable, "-m", "analyzer.fleet.child", work, *numbers]
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


def main(work: str, seconds: str, megabytes: str, parent: str) -> None:
    """Reads, works and writes; whatever else is printed goes to stderr."""
    Thread(target=ends_with, args=(int(parent),), daemon=True).start()
    limits = Limits(float(seconds), int(megabytes))
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bound(limits)
    module, _, name = work.partition(":")
    found: bytes | Lost
    try:
        content = sys.stdin.buffer.read()
        if os.getppid() != int(parent):
            return
        found = getattr(import_module(module), name)(content)
    except MemoryError:
        found = too_large(limits)
    with suppress(BrokenPipeError), output:
        output.write(pickle.dumps(found))


def ends_with(parent: int) -> None:
    """Ends this process once its parent is another: the one that started it has ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
