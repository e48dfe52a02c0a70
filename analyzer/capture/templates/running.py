"""A program of the user's that prints text: it gets no input, a minute, and room for as much as is read of one file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from time import monotonic
from typing import IO

from analyzer.capture.limits import FILE_BYTES

SECONDS = 60.0
STEP = 0.05
LOGGED = re.compile(r"^[EFIW]\d{4} [\d:.]+ +\d+ [^\]]+\] ")
"""What stands before a line of klog: the time and the process, which are others each time."""
SAID = 1 << 16


class Failed(Exception):
    """Why a program printed nothing that can be used, in words."""


def printed(command: Sequence[str]) -> str:
    """What a program prints; Failed where it cannot be run, fails, takes too long, or prints too much or what is no text.

    What it prints goes to a file and not through a pipe, which programs that it left behind could hold open; with it end all that it started."""
    with TemporaryFile() as out, TemporaryFile() as said:
        try:
            status = ended(command, out, said)
        except OSError as problem:
            raise Failed(problem.strerror or str(problem)) from None
        if status:
            said.seek(0)
            raise Failed(reason(said.read(SAID).decode("utf-8", "replace"))[:300])
        out.seek(0)
        data = out.read()
    if b"\0" in data:
        raise Failed("it prints what is no text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Failed("it prints what is no text") from None


def reason(said: str) -> str:
    """The last thing that a program said: a line, or of klog the lines between ``<`` and ``>`` that it writes a longer text in."""
    words = said.strip().splitlines() or ["it failed"]
    begins = [number for number, line in enumerate(words) if line.endswith("=<")]
    if words[-1].strip() == ">" and begins:
        return " ".join(line.strip() for line in words[begins[-1] + 1 : -1])
    return LOGGED.sub("", words[-1])


def ended(command: Sequence[str], out: IO[bytes], said: IO[bytes]) -> int:
    """The exit status of a program, once it has ended; Failed where it is ended here."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True)
    until = monotonic() + SECONDS
    try:
        while True:
            try:
                return process.wait(STEP)
            except subprocess.TimeoutExpired:
                if os.fstat(out.fileno()).st_size > FILE_BYTES:
                    raise Failed("it prints more than is read of one file") from None
                if os.fstat(said.fileno()).st_size > FILE_BYTES:
                    raise Failed("it complains without end") from None
                if monotonic() > until:
                    raise Failed(f"it took more than {SECONDS:.0f} seconds") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
