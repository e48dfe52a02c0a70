"""Which formats a command writes, and where to: ``-f FORMAT``, ``-o FILE``, ``-o FORMAT:FILE``."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Collection

from analyzer.cli.telling import tell

ENDINGS = {
    ".csv": "csv",
    ".dot": "dot",
    ".gv": "dot",
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".mmd": "mermaid",
    ".sarif": "sarif",
    ".svg": "svg",
}
"""What a file is written in where no format is named."""
TOLD = ("concise", "dot", "github", "gitlab", "html", "junit", "markdown", "mermaid", "sarif")
"""The formats that every answer has beside its own (``report/told.py``)."""
WORD = re.compile(r"[a-z]+")


def outputs_of(options: Namespace, known: Collection[str]) -> list[tuple[str, str | None]]:
    """The formats to write, each with its file; None is stdout, which gets what no file without a format of its own gets. ValueError, in words, where a file has no
    name, or a format is none of this command's."""
    found: list[tuple[str, str | None]] = []
    plain = False
    for text in options.output:
        name, colon, path = text.partition(":")
        if not colon or not WORD.fullmatch(name):
            name, path, plain = options.format or by_ending(text, known), text, True
            hint(options, text, name, known)
        if name not in known:
            raise ValueError(
                f"-o {text}: {name} is no format of this command ({', '.join(known)}); a file of that name is ./{text}"
            )
        if not path:
            raise ValueError("-o wants a file name")
        found.append((name, path))
    return found if plain else [(options.format or "text", None), *found]


def hint(options: Namespace, path: str, name: str, known: Collection[str]) -> None:
    """Says on stderr where a file gets another format than its ending promises, because ``-f`` is of all files without a format of their own."""
    promised = by_ending(path, known)
    of_json = promised == "json" and name in ("gitlab", "sarif")
    if promised not in ("text", name) and not of_json and not options.quiet:
        tell(f"analyze: {path} is written as {name}, as -f says; -o {promised}:{path} writes {promised}")


def by_ending(path: str, known: Collection[str]) -> str:
    """The format that a file's name asks for."""
    name = ENDINGS.get(os.path.splitext(path)[1], "text")
    return name if name in known else "text"
