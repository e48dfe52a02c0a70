"""``--watch -``: captures that come on stdin one after another, each a tar archive, are checked as they come, and what each changed is told.

What an archive has of a node takes the place of all that was known of that node (``nodes/NAME/``), so that no file of an earlier capture stands beside those of a
later one; any other file takes the place of the file of its path. The archives are those of POSIX ("ustar", pax) and GNU tar, one behind the other: blocks of
zeros end each, and pad it. One that is cut or damaged ends the stream, for where the next one begins cannot be told.
"""

from __future__ import annotations

import re
import sys
import tarfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, cast

from analyzer.capture.archives import BROKEN, inner_name
from analyzer.capture.limits import FILE_BYTES, Budget, Refused, too_large
from analyzer.cli.shared import fail
from analyzer.cli.telling import tell
from analyzer.cli.watching import changed, told
from analyzer.findings import Report
from analyzer.report.style import safe

BLOCK = 512
NODE = re.compile(r"(?:.*/)?nodes/[^/]+/")
Member = tuple[tarfile.TarInfo, bytes]


class Damaged(ValueError):
    """What stands where an archive should begin, or ends too early, in words."""


@dataclass(slots=True)
class Blocks:
    """A stream that can be looked into for the next archive. ``ahead`` is what was read and not yet given; ``ended``: whether what was given last is a whole block of zeros."""

    stream: BinaryIO
    ahead: bytes = b""
    ended: bool = False

    def read(self, size: int) -> bytes:
        """Reads like a file."""
        piece, self.ahead = self.ahead[:size], self.ahead[size:]
        piece += self.stream.read(size - len(piece)) if size > len(piece) else b""
        self.ended = len(piece) == BLOCK and not piece.strip(b"\0")
        return piece

    def another(self) -> bool:
        """Whether an archive follows, once what pads the one before is skipped."""
        while piece := self.stream.read(BLOCK):
            if piece.strip(b"\0"):
                self.ahead = piece
                return True
        return False


@dataclass(slots=True)
class Held:
    """What was captured last of everything."""

    members: list[Member] = field(default_factory=list)

    def take(self, members: list[Member]) -> None:
        """Puts an archive in the place of what it has captured anew."""
        anew = {whose(member.name) for member, _ in members}
        self.members = [*(held for held in self.members if whose(held[0].name) not in anew), *members]

    def packed(self) -> BytesIO:
        """All of it as one archive."""
        file = BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            for member, content in self.members:
                archive.addfile(member, BytesIO(content))
        file.seek(0)
        return file


def whose(name: str) -> str:
    """What is captured as one: a node, or else a file."""
    path = inner_name(name) or name
    found = NODE.match(path)
    return found[0] if found else path


def archives(stream: BinaryIO) -> Iterator[list[Member]]:
    """The archives of a stream, each as soon as it is whole. One that is too large is told, and left out. Damaged where one cannot be read to its end."""
    blocks, number = Blocks(stream), 0
    while blocks.another():
        number += 1
        try:
            with tarfile.open(fileobj=cast(BinaryIO, blocks), mode="r|", bufsize=BLOCK) as archive:
                members = members_of(archive)
            if not blocks.ended:
                raise EOFError("unexpected end")
        except Refused as problem:
            tell(f"analyze: archive {number} of the stream: {problem}")
        except BROKEN as problem:
            raise Damaged(
                f"archive {number} on stdin is damaged or not a plain tar archive, and nothing after it is read: {safe(str(problem))}"
            ) from None
        else:
            yield members


def members_of(archive: tarfile.TarFile) -> list[Member]:
    """The members of an archive, read. Refused, when all of it has been passed, where they are too many or too large."""
    budget, found, refused = Budget(), list[Member](), ""
    for member in archive:
        try:
            budget.member()
            if member.size > FILE_BYTES:
                raise Refused(f"{member.name}: {too_large(member.size)}")
            budget.take(member.size)
            content = archive.extractfile(member) if member.isreg() else None
            if not member.isdir():
                found.append((member, content.read() if content else b""))
        except Refused as problem:
            refused, found = str(problem), []
    if refused:
        raise Refused(refused)
    return found


def stream(options: Namespace, look: Callable[[], Report | None]) -> int:
    """Looks at what is known after each archive, until none comes or it is interrupted: the first look tells all itself, of later ones the differences are told.
    The exit status is that of the last look."""
    held = Held()
    before: Report | None = None
    options.status = None
    try:
        for number, members in enumerate(archives(sys.stdin.buffer)):
            held.take(members)
            options.streamed = held.packed()
            if number:
                changed({whose(member.name).rstrip("/") for member, _ in members})
            before = told(before, look()) if number else look()
    except KeyboardInterrupt:
        tell("analyze: no longer watching")
        return 0
    except Damaged as problem:
        return fail(str(problem))
    return (
        fail("stdin has no archive: --watch - takes tar archives, one after another, as they come")
        if options.status is None
        else options.status
    )
