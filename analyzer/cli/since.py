"""``--since REF``: the input as it was at a commit of its git repository, so that only what came since counts.

Both sides are analysed whole: a label that changed can break a policy in a file that did not. Files are taken out of git's objects as they are
(``git ls-tree``, ``git cat-file``): no filter, hook or attribute of the repository runs or hides anything, and the working tree stays untouched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from analyzer.capture.limits import FILE_BYTES

LINK, MODULE = "120000", "commit"


class Blob(NamedTuple):
    """A file of a commit: its mode, object and path from the repository's top."""

    mode: str
    object: str
    path: str


@contextmanager
def as_of(reference: str, paths: Sequence[str]) -> Iterator[dict[str, str]]:
    """Inside, the current folder is one that holds the paths as they were; what files of then are called now, from the current folder, where git knows
    it. ValueError, in words, where that cannot be."""
    top = Path(git("rev-parse", "--show-toplevel").strip()).resolve()
    if any(os.path.isabs(path) or path == "-" for path in paths):
        raise ValueError("--since wants paths that are relative to the current folder")
    here = Path.cwd().resolve().relative_to(top)
    commit = git(
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{reference}^{{commit}}",
        wrong=f"git knows no commit {reference!r}",
    )
    wanted = [os.path.normpath(here / path) for path in paths]
    if any(path == ".." or path.startswith("../") for path in wanted):
        raise ValueError("--since wants paths inside the repository")
    with TemporaryDirectory(prefix="analyze-since-") as name:
        folder = Path(name)
        written(blobs(commit.strip(), wanted, top), folder, top)
        (folder / here).mkdir(parents=True, exist_ok=True)
        called = renames(commit.strip(), wanted, top)
        with chdir(folder / here):
            yield {os.path.relpath(old, here): os.path.relpath(new, here) for old, new in called.items()}


def renames(commit: str, paths: Sequence[str], top: Path) -> dict[str, str]:
    """The files of a commit that are called otherwise in the index, as git finds them alike. The index is asked and not the working tree, which filters
    would be run for."""
    options = ("-M", "-l0", "-z", "--name-status", "--diff-filter=R", "--no-ext-diff")
    listing = git("--literal-pathspecs", "diff-index", "--cached", *options, commit, "--", *paths, folder=top)
    found = listing.split("\0")
    return dict(zip(found[1::3], found[2::3], strict=False))


def blobs(commit: str, paths: Sequence[str], top: Path) -> Iterator[Blob]:
    """The files of a commit below the paths, without those that are too large to be read; submodules hold nothing here."""
    listing = git("--literal-pathspecs", "ls-tree", "-r", "-z", "--long", "--full-tree", commit, "--", *paths, folder=top)
    for entry in filter(None, listing.split("\0")):
        about, _, path = entry.partition("\t")
        mode, kind, name, size = about.split()
        if kind != MODULE and int(size) <= FILE_BYTES:
            yield Blob(mode, name, path)


def written(found: Iterator[Blob], folder: Path, top: Path) -> None:
    """Writes the files, one process of git for all of them."""
    command = ["git", "cat-file", "--batch"]
    with subprocess.Popen(command, cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for blob in found:
            process.stdin.write(f"{blob.object}\n".encode())
            process.stdin.flush()
            size = int(process.stdout.readline().split()[2])
            data = process.stdout.read(size + 1)[:size]
            target = folder / blob.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if blob.mode == LINK:
                target.symlink_to(os.fsdecode(data))
            else:
                target.write_bytes(data)
        process.stdin.close()


def git(*arguments: str, folder: Path | None = None, wrong: str = "") -> str:
    """What git says. ValueError, in words, where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    except FileNotFoundError:
        raise ValueError("--since wants git, which is not there") from None
    except subprocess.CalledProcessError as problem:
        said = problem.stderr.decode("utf-8", "replace").strip()
        raise ValueError(wrong or f"--since: {said or 'git failed'}") from None
    return done.stdout.decode("utf-8", "surrogateescape")
