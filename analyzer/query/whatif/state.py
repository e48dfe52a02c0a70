"""The facts of a capture while commands alter them, and what the commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from analyzer.facts.base import Fact
from analyzer.model.network import Interface
from analyzer.parsers import Parser
from analyzer.query.whatif.edits import EditError, NodeRun, place_of
from analyzer.source import Gap, Scope, Source

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What was read. ``peers``: the other end of each veth."""

    sources: tuple[Source, ...]
    facts: tuple[Fact, ...]
    peers: Mapping[Interface, Interface]

    def of(self, kind: type[F], scope: Scope) -> Iterator[F]:
        """The facts of a kind about a namespace."""
        return (fact for fact in self.facts if isinstance(fact, kind) and fact.scope == scope)

    def without(self, gone: Sequence[Fact]) -> NodeState:
        """The state without some facts."""
        these = {id(fact) for fact in gone}
        return replace(self, facts=tuple(fact for fact in self.facts if id(fact) not in these))

    def joined(self, *new: Fact) -> NodeState:
        """The state with more facts, behind all others."""
        return replace(self, facts=(*self.facts, *new))

    def changed(self, change: Callable[[Fact], Fact | None]) -> NodeState:
        """The state with each fact as the function has it; None takes it away."""
        found = (change(fact) for fact in self.facts)
        return replace(self, facts=tuple(fact for fact in found if fact is not None))


@dataclass(frozen=True, slots=True)
class Run:
    """A command on its way: the namespace that it is about, and its words behind the name of the program. ``family``: 6 with ``-6``."""

    edit: NodeRun
    scope: Scope
    words: tuple[str, ...]
    family: int = 4

    def wrong(self, why: str) -> EditError:
        """What is wrong with the command."""
        return EditError(f"--node-run {self.edit.place} {self.edit.command!r}: {why}")

    def source(self, kind: str, text: str) -> Source:
        """A line as a text of the capture would hold it."""
        return Source("command_-6_" if self.family == 6 else "command", text, kind, self.scope)

    def read(self, parser: Parser, text: str, kind: type[F]) -> F:
        """The fact of such a line; its place is the command."""
        for item in parser.read(self.source(parser.kind, text)):
            if isinstance(item, Gap):
                raise self.wrong(item.reason)
            if isinstance(item, kind):
                return replace(item, at=place_of(self.edit))
        raise self.wrong("it says nothing that is understood")


def taken(words: Sequence[str], key: str) -> tuple[str, ...]:
    """The words without an option and its value."""
    if key not in words:
        return tuple(words)
    place = list(words).index(key)
    return (*words[:place], *words[place + 2 :])


def value(words: Sequence[str], *keys: str) -> str | None:
    """The value of an option; None where it is not given."""
    for key in keys:
        if key in words[:-1]:
            return words[list(words).index(key) + 1]
    return None
