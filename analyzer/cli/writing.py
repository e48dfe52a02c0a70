"""Files that are whole or not there: what a command writes appears under its name only once all of it is on the disk."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from secrets import token_hex
from typing import TextIO


class Unwritable(Exception):
    """What was to be written could not be (a full disk, a folder that is not there), in words for the person who asked for it."""


def write(path: str | None, text: str) -> None:
    """Writes to stdout, or to a file, which then has the whole text or what it had before."""
    write_pieces(path, (text,))


def write_pieces(path: str | None, pieces: Iterable[str]) -> None:
    """Writes the pieces one after another, as ``write`` does."""
    with to_stdout() if path is None else to_file(path) as file:
        file.writelines(pieces)


@contextmanager
def to_stdout() -> Iterator[TextIO]:
    """Standard output. Unwritable where it takes nothing more; a reader that went away is the caller's."""
    try:
        with whole(sys.stdout) as file:
            yield file
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        forget_output()
        raise Unwritable(f"stdout cannot be written: {problem.strerror or problem}") from None


@contextmanager
def whole(stream: TextIO) -> Iterator[TextIO]:
    """The stream, or one with a buffer on the same file: under PYTHONUNBUFFERED Python drops without a word what a short write has left
    (io.TextIOWrapper.write takes no notice of what FileIO.write returns)."""
    if not isinstance(getattr(stream, "buffer", None), RawIOBase):
        yield stream
        return
    with open(stream.fileno(), "w", encoding=stream.encoding, errors=stream.errors, closefd=False) as file:
        yield file


def is_full(problem: OSError) -> bool:
    """Whether a file that is open takes nothing more: the disk is full, broken, or more than the user may have."""
    return problem.filename is None and problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def forget_output() -> None:
    """What still waits for standard output goes nowhere: at the end of the process it would fail once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def to_file(path: str) -> Iterator[TextIO]:
    """A file that takes the place of ``path`` when all is written; a device or a pipe, and what the shell has opened (``/dev/stdout``), is written on as it is."""
    try:
        before = mode_of(path)
        if path.startswith("/dev/") or (before is not None and not stat.S_ISREG(before)):
            with open(path, "a", encoding="utf-8") as file:
                yield file
            return
        with beside(os.path.realpath(path), before) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise Unwritable(f"{path}: cannot be written: {problem.strerror or problem}") from None


@contextmanager
def beside(target: str, before: int | None) -> Iterator[TextIO]:
    """A new file in the target's folder that is given its name at the end, with the mode of what it replaces; on any failure it is deleted."""
    folder, name = os.path.split(target)
    part = os.path.join(folder, f".{name[:100]}.{token_hex(6)}.part")
    try:
        with open(part, "x", encoding="utf-8") as file:
            if before is not None:
                os.chmod(part, stat.S_IMODE(before))
            yield file
        os.replace(part, target)
    finally:
        with suppress(OSError):
            os.unlink(part)


def mode_of(path: str) -> int | None:
    """The kind and mode of what stands there; None: nothing does."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None
