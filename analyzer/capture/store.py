"""What was worked out before, in a folder on the disk, by the hash of what it was worked out from.

An entry is a file named by its key: 32 bytes of a keyed hash over name and content, then the content. It counts only where the hash is right, so that a torn, damaged, swapped or
foreign file is as good as none, and nothing is ever unpickled that this user did not write. The folder is the user's own (mode 0700, no link), as is the key in it (0600); where they
are not, there is no store. Entries are written beside and renamed, so that programs which run at once, or are killed, do no harm.
"""

from __future__ import annotations

import hmac
import io
import os
import pickle
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any, BinaryIO

from analyzer import __version__
from analyzer.pieces import Piece
from analyzer.source import Source

MEBIBYTE = 1 << 20
LARGEST = 1024 * MEBIBYTE
"""The bytes of all entries; beyond them the oldest go."""
HASH = 32
DIGITS = frozenset("0123456789abcdef")
PART = ".part"
PART_SECONDS = 3600
LIBRARIES = ("jsonschema", "lark", "networkx", "yaml", "z3")
UNREADABLE = (pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError, KeyError, TypeError, ValueError)
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class Store:
    """The folder, the key of its hashes, and the most bytes that its entries may have."""

    folder: Path
    key: bytes
    largest: int = LARGEST

    def get(self, name: str, known: Sequence[Source] = ()) -> Any:
        """The value of a name; None where there is none that can be trusted. ``known`` are the sources that were given when it was put."""
        path = self.folder / name
        try:
            data = contents(path)
        except OSError:
            return None
        if not hmac.compare_digest(data[:HASH], self.hash(name, data[HASH:])):
            return None
        with suppress(OSError):
            os.utime(path)
        try:
            return Reading(io.BytesIO(data[HASH:]), known).load()
        except UNREADABLE:
            return None

    def put(self, name: str, value: object, known: Sequence[Source] = ()) -> None:
        """Keeps a value; a disk that takes nothing, or a value that cannot be kept, leaves the store as it was. Of ``known`` sources the place is kept, not the text."""
        file = io.BytesIO()
        try:
            Writing(file, known).dump(value)
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError):
            return
        content = file.getvalue()
        part = self.folder / f"{name[:16]}.{token_hex(6)}{PART}"
        try:
            with os.fdopen(os.open(part, NEW, 0o600), "wb") as out:
                out.write(self.hash(name, content))
                out.write(content)
            os.replace(part, self.folder / name)
        except OSError:
            with suppress(OSError):
                os.unlink(part)

    def hash(self, name: str, content: bytes) -> bytes:
        """The keyed hash of an entry."""
        return blake2b(name.encode() + b"\0" + content, key=self.key, digest_size=HASH).digest()

    def entries(self) -> list[tuple[float, int, Path]]:
        """When each entry was last used, its bytes and its file; the oldest first."""
        found = []
        with suppress(OSError):
            for item in os.scandir(self.folder):
                with suppress(OSError):
                    if is_entry(item.name):
                        status = item.stat(follow_symlinks=False)
                        found.append((status.st_mtime, status.st_size, Path(item.path)))
        return sorted(found)

    def trim(self) -> None:
        """Deletes the oldest entries beyond the most bytes, and what a killed program left."""
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        newest = entries[-1][0] if entries else 0.0
        for used, size, path in entries:
            if total > self.largest or (path.suffix == PART and used < newest - PART_SECONDS):
                with suppress(OSError):
                    path.unlink()
                total -= size

    def clear(self) -> int:
        """Deletes every entry; how many."""
        entries = self.entries()
        for _, _, path in entries:
            with suppress(OSError):
                path.unlink()
        return len(entries)


class Writing(pickle.Pickler):
    """Values, with the place of a known source instead of its text."""

    def __init__(self, file: BinaryIO, known: Sequence[Source]) -> None:
        super().__init__(file, 5)
        self.places = {id(source): place for place, source in enumerate(known)}

    def persistent_id(self, value: Any) -> int | None:
        """The place of a known source."""
        return self.places.get(id(value)) if type(value) is Source else None


class Reading(pickle.Unpickler):
    """Values, with the known sources in their places."""

    def __init__(self, file: BinaryIO, known: Sequence[Source]) -> None:
        super().__init__(file)
        self.known = known

    def persistent_load(self, place: Any) -> Source:
        """The known source of a place."""
        found: Source = self.known[place]
        return found


def is_entry(name: str) -> bool:
    """Whether a file is an entry, or what was to become one."""
    return (len(name) == 2 * HASH and set(name) <= DIGITS) or name.endswith(PART)


def contents(path: Path) -> bytes:
    """A file's bytes; OSError for a link, or what is no file."""
    with os.fdopen(os.open(path, READ), "rb") as file:
        return file.read()


def opened(folder: Path | None = None) -> Store | None:
    """The user's store, made where it is not there yet; None where it cannot be, or could be another's."""
    folder = folder or usual_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not own(folder, stat.S_ISDIR, 0o077):
            return None
        path = folder / "key"
        if not path.exists():
            new_key(folder, path)
        key = contents(path)
        return Store(folder, key) if own(path, stat.S_ISREG, 0o077) and len(key) == HASH else None
    except OSError:
        return None


def usual_folder() -> Path:
    """Where caches are: XDG_CACHE_HOME (XDG Base Directory Specification), else ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "analyze")


def own(path: Path, kind: Any, others: int) -> bool:
    """Whether a file is of a kind, this user's, and gives others nothing."""
    status = os.lstat(path)
    return kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def new_key(folder: Path, path: Path) -> None:
    """Makes the key; of two programs at once, the first one's counts."""
    part = folder / f"key.{token_hex(6)}{PART}"
    with os.fdopen(os.open(part, NEW, 0o600), "wb") as file:
        file.write(token_bytes(HASH))
    try:
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()


def name_of(what: str, *parts: object) -> str:
    """The name of what is worked out from values, by this program as it is."""
    found = blake2b(f"{what}\n{program()}\n".encode(), digest_size=HASH)
    for part in parts:
        data = repr(part).encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(data))
        found.update(data)
    return found.hexdigest()


def name_of_texts(sources: Sequence[Source]) -> str:
    """The hash of sources: their texts and all that is said of them."""
    found = blake2b(digest_size=HASH)
    for source in sources:
        said = repr((source.path, source.kind, source.scope, source.subject, source.command, source.length)).encode(
            "utf-8", "surrogatepass"
        )
        found.update(b"%d:" % len(said))
        found.update(said)
        if isinstance(source.content, str):
            found.update(b"text" + source.content.encode("utf-8", "surrogatepass"))
        else:
            found.update(b"".join([b"pieces", *map(digest, source.content.parts)]))
    return found.hexdigest()


def digest(piece: Piece) -> bytes:
    """The hash of a piece, worked out once for all texts that have it."""
    if not piece.digest:
        piece.digest = blake2b(piece.text.encode("utf-8", "surrogatepass"), digest_size=HASH).digest()
    return piece.digest


@lru_cache(maxsize=1)
def program() -> str:
    """What tells this program from others: its version, its files, the libraries that it reads with, and Python."""
    package = Path(__file__).parent.parent
    found = blake2b(f"{__version__} {sys.version}".encode(), digest_size=HASH)
    folders = [package, *(folder for name in ("rules", "grammars") if (folder := package.parent / name).is_dir())]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".json", ".lark")]
    files += [Path(spec.origin) for name in LIBRARIES if (spec := find_spec(name)) and spec.origin]
    for file in sorted(files):
        status = file.stat()
        found.update(repr((str(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)).encode())
    return found.hexdigest()
