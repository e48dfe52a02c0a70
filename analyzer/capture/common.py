"""What the long texts of one kind have in common: they are cut into pieces, of which equal ones are one object.

A text is cut where the pieces of an earlier one fit it, line by line where none does, so that lines that were added, taken away or moved cost the piece around
them and no more. The first text of a kind stays whole until there is a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from analyzer.pieces import Piece, Pieces

SMALLEST = 1 << 16
"""Characters of a text from which on it is cut."""
LARGEST = 1 << 26
"""Characters of a text up to which it is: so long a one is a single file of its kind, and not one of hundreds of nodes."""
SIZE = 1 << 13
"""Characters of a piece of text that none of the earlier ones has."""
HEAD = 64
"""Characters by which a piece is found."""
ALIKE = 4
"""Pieces that begin alike and are tried."""
MISSED = 200_000
"""Lines at which no piece fits, one after the other, after which the rest of a text is taken to be new."""


@dataclass(slots=True)
class Common:
    """The pieces of the texts of one kind, by how they begin, and by the piece that they followed last; ``first``: a text that is not cut yet."""

    first: str | None = None
    heads: dict[str, list[Piece]] = field(default_factory=dict)
    next: dict[int, Piece] = field(default_factory=dict)

    def cut(self, text: str) -> str | Pieces:
        """A text in pieces; as it is where it is short, or the first."""
        if not SMALLEST <= len(text) <= LARGEST:
            return text
        if self.first is None and not self.heads:
            self.first = text
            return text
        if self.first is not None:
            before, self.first = self.first, None
            self.known(before)
        return Pieces(tuple(self.known(text)))

    def known(self, text: str) -> list[Piece]:
        """The pieces of a text: earlier ones where they fit, else new ones."""
        parts: list[Piece] = []
        at = begin = missed = 0
        while at < len(text) and missed < MISSED:
            piece = self.next.get(id(parts[-1])) if parts and begin == at else None
            if piece is None or not text.startswith(piece.text, at):
                piece = self.beginning(text, at)
            if piece is None:
                at, missed = text.find("\n", at) + 1 or len(text), missed + 1
                continue
            parts += self.made(text, begin, at)
            parts.append(piece)
            begin = at = at + len(piece.text)
            missed = 0
        parts += self.made(text, begin, len(text))
        self.next.update((id(one), following) for one, following in pairwise(parts) if following.text[-1] == "\n")
        return parts

    def beginning(self, text: str, at: int) -> Piece | None:
        """An earlier piece that stands at a place."""
        return next((one for one in self.heads.get(text[at : at + HEAD], ()) if text.startswith(one.text, at)), None)

    def made(self, text: str, begin: int, end: int) -> Iterator[Piece]:
        """New pieces of a part of a text."""
        while begin < end:
            behind = min(text.find("\n", begin + SIZE) + 1 or end, end)
            piece = Piece(text[begin:behind], text.count("\n", begin, behind))
            if text[behind - 1] == "\n":
                alike = self.heads.setdefault(piece.text[:HEAD], [])
                alike.insert(0, piece)
                del alike[ALIKE:]
            yield piece
            begin = behind
