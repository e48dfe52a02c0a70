"""Archives and compressed files, unpacked in memory: nothing is written, and no size that an archive states is believed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from analyzer.capture.files import File, compression, refusal
from analyzer.capture.limits import FILE_BYTES, MEBIBYTE, NESTED_ARCHIVES, RATIO, RATIO_FREE_BYTES, Budget, Refused, too_large
from analyzer.source import Gap

BROKEN = (
    OSError, EOFError, ValueError, LookupError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
    RuntimeError, NotImplementedError, OverflowError,
)  # fmt: skip
PIECE = 1 << 16
ENDINGS = (".tar.gz", ".tar.xz", ".tar.bz2", ".tgz", ".txz", ".tbz2", ".tbz", ".tar", ".zip", ".gz", ".xz", ".bz2")
UNPACKERS = {"zstd": "zstd -d", "lz4": "lz4 -d", "7-Zip": "7z x", "compress": "uncompress"}


def without_ending(path: str) -> str:
    """A name without what says that it is packed."""
    ending = next((ending for ending in ENDINGS if path.lower().endswith(ending)), "")
    return path[: len(path) - len(ending)] if ending else path


@dataclass(slots=True)
class Bounded:
    """A decompressed stream that stops (Refused) where it grows out of proportion to what is packed."""

    stream: BinaryIO
    packed: int
    unpacked: int = 0

    def read(self, size: int = -1) -> bytes:
        """Reads like a file; at most ``FILE_BYTES`` at once."""
        wanted = FILE_BYTES if size < 0 else size
        if wanted > FILE_BYTES:
            raise Refused(too_large(wanted))
        pieces = []
        while wanted > 0 and (piece := self.stream.read(min(PIECE, wanted))):
            pieces.append(piece)
            wanted -= len(piece)
            self.count(len(piece))
        return b"".join(pieces)

    def count(self, size: int) -> None:
        """Adds to what was unpacked, and checks it."""
        self.unpacked += size
        if self.unpacked > RATIO_FREE_BYTES and self.unpacked > RATIO * max(1, self.packed):
            raise Refused(
                f"not unpacked further: {self.unpacked // MEBIBYTE} MiB from {self.packed:,} bytes looks like an archive bomb"
            )


def unpacked(file: File, budget: Budget, depth: int = 0, *, alone: bool = False) -> Iterator[File | Gap]:
    """What a packed file holds, packed files in it as well. ``alone``: it is the whole input, its own name says nothing."""
    if depth >= NESTED_ARCHIVES:
        yield refusal(file.path, f"not unpacked: more than {NESTED_ARCHIVES} archives inside one another")
        return
    how = compression(file.data)
    try:
        if how in UNPACKERS:
            raise Refused(
                f"not unpacked: {how} is not read here; unpack it first ({UNPACKERS[how]} {file.path.rsplit('/', 1)[-1]})"
            )
        inside = zip_members(file, budget, alone) if how == "zip" else stream_members(file, how, budget, alone)
        for item in inside:
            if isinstance(item, File) and compression(item.data):
                yield from unpacked(item, budget, depth + 1)
            else:
                yield item
    except Refused as problem:
        yield refusal(file.path, str(problem))
    except BROKEN as problem:
        yield refusal(file.path, f"the archive is damaged: {problem or type(problem).__name__}")


def stream_members(file: File, how: str, budget: Budget, alone: bool) -> Iterator[File | Gap]:
    """The members of a tar archive, packed or not, or the one file that was packed by itself."""
    raw = io.BytesIO(file.data)
    bounded = Bounded(opened(raw, how), len(file.data))
    head = bounded.read(512)
    joined = Joined(head, bounded)
    if head[257:262] != b"ustar":
        rest = head + bounded.read(FILE_BYTES - 512)
        if bounded.stream.read(1):
            raise Refused(too_large(len(rest) + 1))
        budget.take(len(rest))
        yield File(without_ending(file.path), without_ending(file.place), rest, file.named)
        return
    with tarfile.open(fileobj=cast(BinaryIO, joined), mode="r|") as archive:
        yield from tar_members(archive, file, budget, alone)


def opened(raw: io.BytesIO, how: str) -> BinaryIO:
    """The bytes as a stream without the outer packing."""
    if how == "tar":
        return raw
    openers: dict[str, Callable[[BinaryIO], object]] = {"gzip": open_gzip, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
    return cast(BinaryIO, openers[how](raw))


def open_gzip(raw: BinaryIO) -> gzip.GzipFile:
    """A gzip stream."""
    return gzip.GzipFile(fileobj=raw, mode="rb")


@dataclass(slots=True)
class Joined:
    """A stream with its first bytes put back."""

    head: bytes
    rest: Bounded

    def read(self, size: int = -1) -> bytes:
        """Reads like a file."""
        if not self.head:
            return self.rest.read(size)
        piece, self.head = (self.head[:size], self.head[size:]) if size >= 0 else (self.head, b"")
        return piece + self.rest.read(size - len(piece) if size >= 0 else -1)


def tar_members(archive: tarfile.TarFile, file: File, budget: Budget, alone: bool) -> Iterator[File | Gap]:
    """Regular files are read; links, devices and names that lead out are gaps."""
    for member in archive:
        budget.member()
        if member.isdir():
            continue
        name = inner_name(member.name)
        path, place = member_paths(file, name or member.name, alone)
        if name is None:
            yield refusal(path, "not read: the name leads out of the archive")
        elif member.issym() or member.islnk():
            if not inside_link(member):
                yield refusal(path, "a link out of the archive is not followed")
        elif not member.isreg():
            yield refusal(path, "not read: not a regular file")
        elif member.size > FILE_BYTES:
            yield refusal(path, too_large(member.size))
        else:
            budget.take(member.size)
            content = archive.extractfile(member)
            yield File(path, place, content.read() if content else b"")


def inside_link(member: tarfile.TarInfo) -> bool:
    """Whether a link stays inside: what it leads to is then read at its own place."""
    if member.islnk():
        return inner_name(member.linkname) is not None
    folder = member.name.rsplit("/", 1)[0] if "/" in member.name else ""
    parts: list[str] = []
    if member.linkname.startswith("/"):
        return False
    for part in f"{folder}/{member.linkname}".split("/"):
        if part == ".." and not parts:
            return False
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return True


def zip_members(file: File, budget: Budget, alone: bool) -> Iterator[File | Gap]:
    """The members of a zip archive."""
    packed = Bounded(io.BytesIO(), len(file.data))
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        for member in archive.infolist():
            budget.member()
            if member.is_dir():
                continue
            name = inner_name(member.filename)
            path, place = member_paths(file, name or member.filename, alone)
            if name is None:
                yield refusal(path, "not read: the name leads out of the archive")
            elif stat.S_ISLNK(member.external_attr >> 16):
                yield refusal(path, "a link in an archive is not followed")
            elif member.flag_bits & 1:
                yield refusal(path, "not read: encrypted")
            else:
                yield zip_file(archive, member, File(path, place, b""), packed, budget)


def zip_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo, at: File, packed: Bounded, budget: Budget) -> File | Gap:
    """One member; a damaged one does not harm the others."""
    try:
        with archive.open(member) as stream:
            pieces, size = [], 0
            while piece := stream.read(PIECE):
                size += len(piece)
                packed.count(len(piece))
                if size > FILE_BYTES:
                    return refusal(at.path, too_large(size))
                pieces.append(piece)
    except Refused:
        raise
    except BROKEN as problem:
        return refusal(at.path, f"the archive is damaged here: {problem or type(problem).__name__}")
    budget.take(size)
    return File(at.path, at.place, b"".join(pieces))


def inner_name(name: str) -> str | None:
    """A member's name, cleaned; None where it is absolute or leads out."""
    text = name.replace("\\", "/").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts or (parts and len(parts[0]) == 2 and parts[0][1] == ":"):
        return None
    return "/".join(parts)


def member_paths(file: File, name: str, alone: bool) -> tuple[str, str]:
    """The path and the place of a member: beside the archive's own name, unless it is the whole input."""
    return (name if alone else f"{file.path}/{name}"), f"{without_ending(file.place)}/{name}"
