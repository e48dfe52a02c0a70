"""A text in pieces that it shares with other texts: what hundreds of nodes say alike is held once, and looked through once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate


@dataclass(slots=True, eq=False)
class Piece:
    """Whole lines of a text (the last piece of a text may end otherwise). ``ends``: how many lines end in it. ``said``: whether words stand in it, as far
    as that was asked; ``digest``: a hash of it, once that was asked for."""

    text: str
    ends: int
    said: dict[str, bool] = field(default_factory=dict)
    digest: bytes = b""

    def says(self, word: str) -> bool:
        """Whether a word stands in the piece."""
        found = self.said.get(word)
        if found is None:
            found = self.said[word] = word in self.text
        return found


@dataclass(slots=True, eq=False)
class Pieces:
    """A text as its pieces, in order. ``lines``: how many lines end before each of them, once that was asked for."""

    parts: tuple[Piece, ...]
    lines: list[int] | None = None

    def __str__(self) -> str:
        return "".join([part.text for part in self.parts])

    def __len__(self) -> int:
        return sum(len(part.text) for part in self.parts)

    def __iter__(self) -> Iterator[str]:
        return (part.text for part in self.parts)

    def start(self, size: int) -> str:
        """The first characters of the text."""
        begun, found = 0, list[str]()
        for part in self.parts:
            found.append(part.text[: size - begun])
            begun += len(part.text)
            if begun >= size:
                break
        return "".join(found)

    def says(self, word: str) -> bool:
        """Whether a word without line ends stands in the text: no such word goes over the end of a piece."""
        return any(part.says(word) for part in self.parts)

    def around(self, number: int) -> tuple[str, int]:
        """The piece with a line, counted from 1, and the line's number in it; behind the last line the last piece."""
        if self.lines is None:
            self.lines = list(accumulate((part.ends for part in self.parts[:-1]), initial=0))
        place = max(0, bisect_right(self.lines, number - 1) - 1)
        return self.parts[place].text, number - self.lines[place]
