"""Files of a directory, opened so that nothing but a regular file inside it is ever read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from analyzer.capture.limits import DEPTH, FILE_BYTES, Budget, Refused, too_large
from analyzer.source import Gap, Source, Span

Earlier = Callable[[str, str], tuple[Source, int] | None]

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".cache"})
PIECE = 1 << 20
# Packed in ways that the standard library does not read, and what unpacks them.
UNREAD = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x1f\x9d": "compress",
}


@dataclass(frozen=True, slots=True)
class File:
    """One file's content. ``path`` is its name inside the input; ``place`` the same with the names of the folders that
    the input lies in, from which the node is told. ``named`` when it stood on the command line; ``link`` when a link led here. ``again``: an
    archive holds it a second time, with other content. ``origin``: the text of the file that it was rendered from and is laid out on, where it was; ``changers``: the paths and texts of files that change it. ``known``: of a file that was not
    opened, as it is what an earlier look read, what was read then."""

    path: str
    place: str
    data: bytes
    named: bool = False
    link: bool = False
    again: bool = False
    origin: str = ""
    changers: tuple[tuple[str, str], ...] = ()
    known: Source | None = None


def refusal(path: str, reason: str) -> Gap:
    """The gap for a file as a whole."""
    return Gap(Span(path, 1), reason)


def text_name(name: str) -> str:
    """A file's name with what is not UTF-8 replaced, so that it can be printed."""
    return os.fsencode(name).decode("utf-8", "replace")


def directory(root: str, prefix: str, budget: Budget, earlier: Earlier | None = None) -> Iterator[File | Gap]:
    """Every file below a directory, in path order. Links out of it, devices, pipes and sockets are gaps. ``earlier``: what is known of a file that is as it was."""
    real = os.path.realpath(root)
    stack = [(real, prefix, text_name(folder_place(real)), 0)]
    while stack:
        folder, name, place, depth = stack.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as problem:
            yield refusal(name or text_name(root), f"cannot be listed: {problem.strerror}")
            continue
        folders = []
        for entry in entries:
            shown = text_name(entry.name)
            path = f"{name}/{shown}" if name else shown
            if entry.is_dir(follow_symlinks=False):
                if entry.name in SKIPPED_FOLDERS:
                    continue
                if depth >= DEPTH:
                    yield refusal(path, f"not read: more than {DEPTH} folders deep")
                    continue
                folders.append((entry.path, path, f"{place}/{shown}", depth + 1))
            elif (found := entry_file(real, entry, path, f"{place}/{shown}", budget, earlier)) is not None:
                yield found
                if budget.spent():
                    return
        stack.extend(reversed(folders))


def entry_file(
    root: str, entry: os.DirEntry[str], path: str, place: str, budget: Budget, earlier: Earlier | None = None
) -> File | Gap | None:
    """One entry that is no folder: read, or refused. A link to a folder inside is passed over: that folder is read at its own place."""
    target, link = entry.path, entry.is_symlink()
    if link:
        target = os.path.realpath(entry.path)
        if not (target + "/").startswith(root.rstrip("/") + "/"):
            return refusal(path, "a link out of the directory is not followed")
        if os.path.isdir(target):
            return None
    elif (
        earlier is not None and entry.is_file(follow_symlinks=False) and (found := unopened(earlier, entry, path, place, budget))
    ):
        return found
    return regular(target, path, place, budget, link=link, listed=entry.is_file(follow_symlinks=False))


def unopened(earlier: Earlier, entry: os.DirEntry[str], path: str, place: str, budget: Budget) -> File | None:
    """A file that is as it was when it was read before, by its source; None where it has to be opened."""
    with suppress(OSError, Refused):
        if (known := earlier(path, entry.path)) is not None:
            budget.member()
            budget.take(known[1])
            return File(path, place, b"", known=known[0])
    return None


def folder_place(root: str) -> str:
    """The folder's name, with those above it where it lies in a capture itself: ``nodes/n1``, ``nodes/n1/netns/default_web``."""
    parts = root.strip("/").split("/")
    for back in (2, 4):
        if len(parts) > back - 1 and parts[-back] == "nodes" and (back == 2 or parts[-2] == "netns"):
            return "/".join(parts[-back:])
    return parts[-1] or "node"


def regular(
    target: str, path: str, place: str, budget: Budget, *, named: bool = False, link: bool = False, listed: bool = False
) -> File | Gap:
    """The content of a regular file; a gap for anything else, and for what cannot be read. ``listed``: its folder says that it is one."""
    try:
        budget.member()
        if not listed and not stat.S_ISREG(os.stat(target).st_mode):
            raise Refused("not read: not a regular file")
        return File(path, place, content(target, budget), named, link)
    except OSError as problem:
        return refusal(path, f"cannot be read: {problem.strerror or problem}")
    except Refused as problem:
        return refusal(path, str(problem))


def content(target: str, budget: Budget) -> bytes:
    """Reads a regular file whole. OSError, or Refused where it is too large, no regular file, or another one when it was read than before."""
    descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not read: not a regular file")
        if status.st_size > FILE_BYTES:
            raise Refused(too_large(status.st_size))
        data = until_end(descriptor, status.st_size)
        now = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if len(data) > FILE_BYTES:
        raise Refused(too_large(len(data)))
    if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise Refused("not read: it was written to while it was read; read it again, or a copy")
    budget.take(len(data))
    return data


def until_end(descriptor: int, size: int) -> bytes:
    """The bytes of a file of a size up to its end, at most some more than ``FILE_BYTES``: what a kernel makes up says any size."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    pieces, total = [data], len(data)
    while total <= FILE_BYTES and (piece := os.read(descriptor, PIECE)):
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)


def compression(data: bytes) -> str:
    """How the bytes are packed, by their magic numbers: gzip, bzip2, xz, zip, tar, what is not read here (zstd …), or empty."""
    if data.startswith(b"\x1f\x8b"):
        return "gzip"
    if data.startswith(b"BZh") and data[4:10] == b"1AY&SY":
        return "bzip2"
    if data.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if data[257:262] == b"ustar":
        return "tar"
    return next((name for magic, name in UNREAD.items() if data.startswith(magic)), "")
