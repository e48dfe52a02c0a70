"""Pieces of ``iptables-save`` that many nodes share (``analyzer.pieces``): the chains of each are found and judged once, and a node adds at which lines its
pieces stand.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.parsers._iptables_chains import ChainText, Placed, Texts
from analyzer.parsers._iptables_drafts import HOOKS, Declared, Part

Numbered = tuple[ChainText, int]
"""Rules of a chain that follow each other, and the line of the first."""


@dataclass(slots=True, eq=False)
class Judged:
    """A part with the texts of its chains, and its lines that hold something that is not modelled; ``number`` tells it from others of one reading.
    ``met``: in how many texts."""

    number: int
    part: Part
    texts: dict[str, Numbered] = field(default_factory=dict)
    problems: tuple[tuple[int, str], ...] = ()
    met: int = 0


@dataclass(slots=True, eq=False)
class Index:
    """The parts of one reading: those that several texts have, by the chains that they name, chains that go over the ends of parts, and the names of chains by the
    parts that name them."""

    texts: Texts
    judged: dict[int, Judged] = field(default_factory=dict)
    where: dict[str, list[Judged]] = field(default_factory=dict)
    joined: dict[tuple[int, ...], ChainText] = field(default_factory=dict)
    named: dict[tuple[tuple[str, ...], ...], Mapping[str, None]] = field(default_factory=dict)

    def of(self, part: Part, chains: Mapping[str, Placed]) -> Judged:
        """A part, judged when it is first met. ``chains`` are those that its rules can jump to."""
        found = self.judged.get(id(part))
        if found is None:
            found = self.judged[id(part)] = Judged(len(self.judged), part)
            texts = {name: (self.texts.chain(name, text, chains), line) for name, (text, line) in part.blocks.items()}
            problems = [(line + position, what) for text, line in texts.values() for position, what in text.problems]
            found.texts, found.problems = texts, tuple(problems)
        return found

    def register(self, judged: Judged) -> None:
        """Notes the chains of a part that is met for the second time."""
        for name in judged.part.names:
            self.where.setdefault(name, []).append(judged)

    def whole(self, pieces: list[Numbered]) -> ChainText:
        """The rules of a chain that stand apart, as one text."""
        key = tuple(id(text) for text, _ in pieces)
        found = self.joined.get(key)
        if found is None:
            text = "\n".join(text.text for text, _ in pieces)
            found = self.texts.known.get(text) or ChainText(text, self.texts.family, text.count("\n") + 1)
            self.joined[key] = found
        return found


@dataclass(slots=True, eq=False)
class Standing(Mapping[str, Placed]):
    """The chains of a table of one node, put together when they are asked for. ``bases``: the line before each part that is in the index, by its number;
    ``own``: by chain, the parts that no earlier text had, each with the line before it; ``declared`` and ``blocks`` are lines that are in no part."""

    index: Index
    line: int
    bases: dict[int, tuple[int, Judged]] = field(default_factory=dict)
    own: dict[str, list[tuple[int, Judged]]] = field(default_factory=dict)
    declared: dict[str, Declared] = field(default_factory=dict)
    blocks: dict[str, list[Numbered]] = field(default_factory=dict)
    found: dict[str, Placed] = field(default_factory=dict)
    count: int = -1

    def add(self, part: Part, base: int) -> Judged:
        """Adds a part whose first line is the one after ``base``."""
        judged = self.index.of(part, self)
        judged.met += 1
        if judged.met == 1:
            for name in part.names:
                self.own.setdefault(name, []).append((base, judged))
            return judged
        if judged.met == 2:
            self.index.register(judged)
        self.bases[judged.number] = (base, judged)
        return judged

    def parts(self, name: str) -> list[tuple[int, Judged]]:
        """The parts that name a chain, each with the line before it, in order."""
        bases = self.bases
        found = [bases[one.number] for one in self.index.where.get(name, ()) if one.number in bases]
        return sorted((*found, *self.own.get(name, ())), key=first) if name in self.own or len(found) > 1 else found

    def __getitem__(self, name: str) -> Placed:
        known = self.found.get(name)
        if known is not None:
            return known
        parts = self.parts(name)
        if not parts and name not in self.blocks:
            raise KeyError(name)
        pieces = [(text, base + line) for base, one in parts if name in one.texts for text, line in (one.texts[name],)]
        if own := self.blocks.get(name):
            pieces = sorted((*pieces, *own), key=second)
        placed = self.placed(name, pieces, [(base, one.part.declared[name]) for base, one in parts if name in one.part.declared])
        if len(pieces) > 1:
            self.found[name] = placed
        return placed

    def shared(self) -> tuple[Hashable, frozenset[str]]:
        """The parts that other texts have too, in order; and the chains with other lines."""
        numbers = tuple(one.number for _, one in sorted(self.bases.values(), key=first))
        return (id(self.index), numbers), frozenset((*self.own, *self.declared, *self.blocks))

    def placed(self, name: str, pieces: list[Numbered], declared: list[tuple[int, Declared]]) -> Placed:
        """A chain of its pieces and declarations."""
        said = [(policy, base + line) for base, (policy, line) in declared]
        said += [self.declared[name]] if name in self.declared else []
        begin = pieces[0][1] if pieces else self.line
        policy, line = max(said, key=second) if said else ("ACCEPT" if name in HOOKS else None, begin)
        if len(pieces) < 2:
            return policy, line, pieces[0][0] if pieces else self.index.texts.chain(name, "", ()), begin
        return policy, line, self.index.whole(pieces), numbers_of(pieces)

    def names(self) -> Mapping[str, None]:
        """The names of the chains as they are met."""
        lines = [(base, one.part.names) for base, one in self.bases.values()]
        lines += dict.fromkeys((base, one.part.names) for found in self.own.values() for base, one in found)
        lines += [(line, (name,)) for name, (_, line) in self.declared.items()]
        lines += [(found[0][1], (name,)) for name, found in self.blocks.items() if found]
        lines.sort(key=first)
        key = tuple(names for _, names in lines)
        return self.index.named.get(key) or self.index.named.setdefault(
            key, dict.fromkeys(name for names in key for name in names)
        )

    def __contains__(self, name: object) -> bool:
        if name in self.blocks or name in self.own:
            return True
        found = self.index.where.get(str(name), ())
        return any(one.number in self.bases for one in found)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        if self.count < 0:
            self.count = len(self.names())
        return self.count


def first(item: tuple[int, object]) -> int:
    """What parts are in order by."""
    return item[0]


def second(item: tuple[object, int]) -> int:
    """What lines are in order by."""
    return item[1]


def numbers_of(pieces: list[Numbered]) -> int | list[int]:
    """The number of the first line where the lines stand together; else those of all."""
    numbers = [line for text, begin in pieces for line in range(begin, begin + text.count)]
    return numbers[0] if numbers == list(range(numbers[0], numbers[0] + len(numbers))) else numbers
