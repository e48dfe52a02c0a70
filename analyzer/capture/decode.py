"""Bytes to text: byte order marks, UTF-16, line ends, the colours of a terminal, and what is no text at all."""

from __future__ import annotations

import codecs
import re

from analyzer.capture.files import File, refusal
from analyzer.capture.limits import Refused
from analyzer.source import Gap, Span

# ECMA-48: sequences that set colours and modes, titles of windows, character sets.
ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Z])")

NO_BREAK = "\u00a0"
OBJECTS = re.compile(r"\.(?:ya?ml|json)$")


def decode(file: File) -> tuple[str, tuple[Gap, ...]]:
    """The text with ``\\n`` at the line ends, and a gap where bytes are not UTF-8. Refused for binary content."""
    data = file.data
    gaps: tuple[Gap, ...] = ()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data:
        raise Refused("not read: binary content")
    else:
        text, gaps = from_utf8(data.removeprefix(codecs.BOM_UTF8), file.path)
    if "\0" in text:
        raise Refused("not read: binary content")
    text = ESCAPES.sub("", text) if "\x1b" in text else text
    return with_plain_space(text, file.path), gaps


def with_plain_space(text: str, path: str) -> str:
    """The text with ``\\n`` at the line ends, and with spaces where a page that it was copied from kept words together, but in the files of objects, which
    the API server reads as they are."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        text = text if "\n" in text else text.replace("\r", "\n")
    return text.replace(NO_BREAK, " ") if NO_BREAK in text and not OBJECTS.search(path) else text


def from_utf8(data: bytes, path: str) -> tuple[str, tuple[Gap, ...]]:
    """Decodes with replacement; the gap names the first line that needed it."""
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        return data.decode("utf-8", "replace"), (Gap(Span(path, line), "bytes here are not UTF-8 and were replaced"),)


def readable(file: File) -> tuple[str, tuple[Gap, ...]] | Gap:
    """The text of a file, or why there is none."""
    try:
        return decode(file)
    except Refused as problem:
        return refusal(file.path, str(problem))
