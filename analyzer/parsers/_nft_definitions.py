"""The variables of nft's configuration files (nft(8), SYMBOLIC VARIABLES): ``define NAME = …`` and ``$NAME``, replaced before the text is read.

A definition holds from its place to the end of the block that it stands in (parser_bison.y ``symbol_bind`` in the scope that is open). Lines keep their numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

DEFINES = re.compile(r"^[ \t]*(?:re)?define\b", re.MULTILINE)
START = r"(?:(?<=[\n;{])|\A)[ \t]*"
NAME = r"[A-Za-z_][\w/.-]*"
PIECE = re.compile(
    rf'"[^"\n]*"|\\\n|#[^\n]*|(?P<new>{START}(?:re)?define[ \t]+(?P<name>{NAME})[ \t]*=)|(?P<old>{START}undefine[ \t]+(?P<gone>{NAME}))|\$(?P<used>{NAME})|[{{}};\n]'
)


class Missing(NamedTuple):
    """A variable that is used and not defined before."""

    name: str
    line: int


@dataclass(slots=True)
class Scopes:
    """What is defined where the text is read: one table of names for each block that is open."""

    names: list[dict[str, str]] = field(default_factory=lambda: [{}])
    missing: list[Missing] = field(default_factory=list)

    def value(self, name: str, line: int) -> str:
        """The text that a variable stands for; itself where it is not defined."""
        for scope in reversed(self.names):
            if name in scope:
                return scope[name]
        self.missing.append(Missing(name, line))
        return f"${name}"

    def brace(self, word: str) -> None:
        """A block or set that begins or ends."""
        if word == "{":
            self.names.append({})
        elif len(self.names) > 1:
            self.names.pop()


def expanded(text: str) -> tuple[str, list[Missing]]:
    """The text without definitions and with what its variables stand for, and the variables that are not defined."""
    if not DEFINES.search(text):
        return text, []
    scopes, done, at, number = Scopes(), list[str](), 0, 1
    while (piece := PIECE.search(text, at)) is not None:
        before, word = text[at : piece.start()], piece.group()
        number += word.count("\n")
        at = piece.end()
        done.append(before)
        if piece["new"]:
            value, at = value_at(text, at, scopes, number)
            scopes.names[-1][piece["name"]] = value
            word = "\n" * text.count("\n", piece.end(), at)
            number += len(word)
        elif piece["old"]:
            scopes.names[-1].pop(piece["gone"], None)
            word = ""
        elif piece["used"]:
            word = scopes.value(piece["used"], number)
        elif word in "{}":
            scopes.brace(word)
        done.append(word)
    return "".join([*done, text[at:]]), scopes.missing


def value_at(text: str, start: int, scopes: Scopes, number: int) -> tuple[str, int]:
    """What is defined from here on, on one line, and where it ends: at the end of the line, but for what braces hold."""
    parts, depth, at = list[str](), 0, start
    while (piece := PIECE.search(text, at)) is not None:
        word = piece.group()
        parts.append(text[at : piece.start()])
        if word in "\n;" and not depth:
            return "".join(parts).strip(), piece.start()
        at = piece.end()
        number += word.count("\n")
        depth += {"{": 1, "}": -1}.get(word, 0)
        parts.append(said(piece, scopes, number))
    return "".join([*parts, text[at:]]).strip(), len(text)


def said(piece: re.Match[str], scopes: Scopes, number: int) -> str:
    """A piece of a value, on one line."""
    word = piece.group()
    if piece["used"]:
        return scopes.value(piece["used"], number)
    return " " if word[0] in "#\\\n" else word
