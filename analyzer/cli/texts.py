"""Texts of files that options name, which may be devices and pipes: what does not end is refused, and not waited for."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import TextIO

LONGEST = 1 << 20


def text_of(path: str, largest: int, *, errors: str = "replace") -> str:
    """A file's text. OSError where it cannot be read; ValueError, in words, where it has more characters than are read."""
    with open(path, encoding="utf-8-sig", errors=errors) as file:
        text = file.read(largest + 1)
    if len(text) > largest:
        raise ValueError(f"{path}: not read: it has more than {largest >> 20} million characters")
    return text


def text_now(options: Namespace, path: str, largest: int, *, errors: str = "replace") -> str:
    """The text that an editor has open in place of a file (``options.texts``, by paths from here), else the file's."""
    opened: bytes | None = (getattr(options, "texts", None) or {}).get(os.path.relpath(path))
    return text_of(path, largest, errors=errors) if opened is None else opened.decode("utf-8", errors)


def lines_of(path: str, file: TextIO) -> Iterator[str]:
    """The lines that are not blank. ValueError, in words, at one that is too long to be a question."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), ""), 1):
        if len(line) > LONGEST:
            raise ValueError(f"{path}: line {number} has more than {LONGEST >> 20} million characters")
        if line.strip():
            yield line
