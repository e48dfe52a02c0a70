"""The facts of a capture while commands alter them, and what the commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact
from analyzer.facts.neighbours import ForwardingFact, NeighbourFact
from analyzer.facts.routes import RouteFact, RoutingRuleFact
from analyzer.model.network import Interface
from analyzer.model.routing import identity as same_route
from analyzer.parsers import Parser
from analyzer.query.whatif.edits import EditError, NodeRun, place_of
from analyzer.source import Gap, Scope, Source, Span

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What was read. ``peers``: the other end of each veth. ``step`` counts the commands that were made."""

    sources: tuple[Source, ...]
    facts: tuple[Fact, ...]
    peers: Mapping[Interface, Interface]
    step: int = 0

    def of(self, kind: type[F], scope: Scope) -> Iterator[F]:
        """The facts of a kind about a namespace."""
        return (fact for fact in self.facts if isinstance(fact, kind) and fact.scope == scope)

    def without(self, gone: Sequence[Fact]) -> NodeState:
        """The state without some facts, and without what other texts say of the same."""
        these = {id(fact) for fact in gone}
        elsewhere = {key: fact.at.path for fact in gone if (key := identity(fact)) is not None}
        kept = (fact for fact in self.facts if id(fact) not in these)
        if elsewhere:
            kept = (fact for fact in kept if fact.at.path == elsewhere.get(identity(fact) or (), fact.at.path))
        return replace(self, facts=tuple(kept))

    def joined(self, *new: Fact) -> NodeState:
        """The state with more facts, behind all others."""
        return replace(self, facts=(*self.facts, *new))

    def changed(self, change: Callable[[Fact], Fact | None]) -> NodeState:
        """The state with each fact as the function has it; None takes it away."""
        found = (change(fact) for fact in self.facts)
        return replace(self, facts=tuple(fact for fact in found if fact is not None))


def identity(fact: Fact) -> tuple[object, ...] | None:
    """What several texts of one state may say of one thing; None of what stands in one text only."""
    match fact:
        case RouteFact():
            return fact.scope, str(fact.table), same_route(fact)
        case AddressFact(device=device, address=address, length=length):
            return fact.scope, AddressFact, device, address, length
        case NeighbourFact(device=device, address=address, proxy=proxy):
            return fact.scope, NeighbourFact, device, address, proxy
        case ForwardingFact():
            return fact.scope, fact
        case RoutingRuleFact():
            return fact.scope, fact
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Run:
    """A command on its way: the namespace that it is about, and its words behind the name of the program. ``family``: 6 with ``-6``;
    ``step``: how many commands there are up to it."""

    edit: NodeRun
    scope: Scope
    words: tuple[str, ...]
    family: int = 4
    step: int = 1

    @property
    def at(self) -> Span:
        """The place that stands for what the command makes: behind what commands before it made."""
        return place_of(self.edit)._replace(line=self.step)

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
                return replace(item, at=self.at)
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


def reread(state: NodeState, run: Run, old: Source, new: Source, parser: Parser) -> NodeState:
    """The state with another text in the place of one; a line that is not understood is refused, one that is not modelled is open to both ways."""
    before, found = list(parser.read(old)), list(parser.read(new))
    known = {item.reason for item in before if isinstance(item, Gap)}
    for item in found:
        if isinstance(item, Gap) and item.reason not in known and not item.reason.endswith("is not modelled"):
            raise run.wrong(item.reason)
    kinds = tuple({type(item) for item in (*before, *found) if not isinstance(item, Gap)})
    # One file may hold the texts of many commands: its other facts stay.
    rest = [
        fact for fact in state.facts if not (isinstance(fact, kinds) and fact.scope == old.scope and fact.at.path == old.path)
    ]
    sources = tuple(new if source is old else source for source in state.sources)
    return replace(state, sources=sources, facts=(*rest, *(item for item in found if not isinstance(item, Gap))))
