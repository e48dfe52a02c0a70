"""Rules of a long chain that differ in words only, with the chains that they jump to: kube-proxy's services, each with its endpoints.

A *family* is what the rules about one destination do, with *holes* for the addresses and ports; its *members* are the destinations, each with
what stands in the holes. The sets (``solve/sets/families.py``) run a family once for all its members, where the rules would be read, lowered and run
one by one. It says the same as the rules: a rule in which a hole stands anywhere but in a test of an address or port, in a translation of the destination,
or in a jump, and one that depends on its namespace or ends a packet, has no family.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, cast

from analyzer.addresses import WIDTH, network_mask
from analyzer.facts.matches import AddressMatch, Match, PortMatch, Side
from analyzer.facts.netfilter import Chain, Jump, Translate
from analyzer.parsers._iptables_chains import Chains
from analyzer.parsers._iptables_outline import JUMP, Marked, Outline, is_chain, marked, outlined, value_of
from analyzer.ranges import Ranges, normalised
from analyzer.transfer.family import FEW, Enter, Family, Into, Row, Same, Step
from analyzer.transfer.ir import KEEP, NEVER, All, Field, In, Transfer
from analyzer.transfer.netfilter.matches import all_of, by_chance
from analyzer.transfer.netfilter.sharing import shared
from analyzer.transfer.netfilter.targets import target
from analyzer.transfer.netfilter.where import WITH_PORTS, Where, ends, open_test

DEEPEST, WIDEST = 6, 4096


class Drawn(NamedTuple):
    """Lines of a chain: what they have in common with others, and what stands in their holes."""

    shape: Shape
    row: Row


class Shape(NamedTuple):
    """What lines have in common; ``number`` tells it from others. None for steps: they have no family."""

    number: int
    steps: tuple[Step, ...] | None
    holes: int


@dataclass(slots=True)
class Families:
    """The families of a chain. They are made when they are first asked for."""

    where: Where
    table: str
    chain: Chain
    known: Mapping[str, Chain]
    shapes: dict[object, Shape] = field(default_factory=dict)
    drawn: dict[str, Drawn | None] = field(default_factory=dict)
    values: dict[tuple[str, str], Ranges | None] = field(default_factory=dict)
    made: tuple[Family, ...] | None = None

    def __call__(self) -> tuple[Family, ...]:
        """The families with several members; those of a chain with the same text, where all that it jumps to is the same too."""
        if self.made is None:
            made = self.where.context.made.setdefault(("families", self.table, self.chain.content), [])
            alike = cast(list[Families], made)
            self.made = next((one.made for one in alike if one.holds_for(self.known)), None)
        if self.made is None:
            self.made = tuple(self.found())
            self.values.clear()
            alike.append(self)
        return self.made

    def holds_for(self, known: Mapping[str, Chain]) -> bool:
        """Whether the chains that were read are the same among others."""
        return all(name in known and known[name].content == self.known[name].content for name in self.drawn)

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.where.context.family

    def found(self) -> Iterator[Family]:
        """Sorts the destinations by what their rules have in common, and by where among these those about others stand."""
        rules = self.chain.rules
        values, positions, others = rules.indexed()
        kinds: dict[object, tuple[list[tuple[int, Shape]], dict[int, Row]]] = {}
        start = 0
        while start < len(values):
            end = bisect_right(values, values[start], start)
            lines = [self.lines(self.chain.name, rules.line(position), 0) for position in positions[start:end]]
            own = [drawn for drawn in lines if drawn is not None]
            if len(own) == len(lines):
                before = [bisect_left(others, position) for position in positions[start:end]]
                key = tuple((place, drawn.shape.number) for place, drawn in zip(before, own, strict=True))
                if key not in kinds:
                    kinds[key] = [(place, drawn.shape) for place, drawn in zip(before, own, strict=True)], {}
                kinds[key][1][values[start]] = tuple(chain.from_iterable(drawn.row for drawn in own))
            start = end
        return (of(kind, others, members) for kind, members in kinds.values() if len(members) >= FEW)

    def lines(self, name: str, text: str, depth: int) -> Drawn | None:
        """Lines of a chain; None where they have no family."""
        outline = outlined(name, text, self.family)
        if outline is None or depth > DEEPEST:
            return None
        row: list[Ranges] = []
        below: list[Shape | str] = []
        values, drawn = self.values, self.drawn
        for kind, word in zip(outline.kinds, outline.words, strict=True):
            if kind != JUMP:
                key = (kind, word)
                ranges = values[key] if key in values else self.value(kind, word)
                if ranges is None:
                    return None
                row.append(ranges)
            elif word not in drawn and (word not in self.known or not is_chain(word)):
                below.append(word)
            elif (inner := drawn[word] if word in drawn else self.below(word, depth)) is None or len(row) > WIDEST:
                return None
            else:
                below.append(inner.shape)
                row += inner.row
        shape = self.shape(outline, below, len(row))
        return Drawn(shape, tuple(row)) if shape.steps is not None else None

    def value(self, kind: str, word: str) -> Ranges | None:
        """What a word says, noted."""
        found = self.values[kind, word] = value_of(kind, word, self.family)
        return found

    def below(self, name: str, depth: int) -> Drawn | None:
        """A chain that is jumped to, noted; None in a circle."""
        self.drawn[name] = None
        text = self.known.whole(name) if isinstance(self.known, Chains) else self.known[name].rules.whole()
        found = self.drawn[name] = self.lines(name, text, depth + 1)
        return found

    def shape(self, outline: Outline, below: Sequence[Shape | str], holes: int) -> Shape:
        """What the lines have in common with others; read where it is new."""
        key = (outline.around, outline.kinds, tuple(one if isinstance(one, str) else one.number for one in below))
        found = self.shapes.get(key)
        if found is None:
            steps = self.steps(outline, below) if holes <= WIDEST else None
            found = self.shapes[key] = Shape(len(self.shapes), steps, holes)
        return found

    def steps(self, outline: Outline, below: Sequence[Shape | str]) -> tuple[Step, ...] | None:
        """The rules that lines say, with holes; None where one of them has no family."""
        jumps = iter(below)
        firsts: list[int] = [0]
        entered: list[Enter | None] = []
        for kind in outline.kinds:
            one = next(jumps) if kind == JUMP else None
            entered.append(Enter(one.steps or (), firsts[-1]) if isinstance(one, Shape) else None)
            firsts.append(firsts[-1] + (1 if kind != JUMP else one.holes if isinstance(one, Shape) else 0))
        found = [self.step(given, firsts, entered) for given in marked(outline, self.family, self.chain.at)]
        known = tuple(step for step in found if step is not None)
        return tuple(step for step in known if step.then != KEEP) if len(known) == len(found) else None

    def step(self, given: Marked, firsts: Sequence[int], entered: Sequence[Enter | None]) -> Step | None:
        """One rule; None where a mark stands in it anywhere but where it may, or it has no family."""
        rule = given.rule
        if not shared(rule):
            return None
        marks = [(match, hole_of(match, given)) for match in rule.matches]
        known = all_of(tuple(match for match, place in marks if place is None), self.where)
        if any(place is not None and isinstance(match, PortMatch) for match, place in marks):
            known = All((In(Field.PROTOCOL, WITH_PORTS), known))
        same = tuple(asked(match, firsts[place]) for match, place in marks if place is not None)
        then, places = self.effect(given, firsts, entered)
        used = [place for _, place in marks if place is not None] + places
        if then is None or open_test(known) or sorted(used) != sorted((*given.addresses.values(), *given.ports.values())):
            return None
        return Step(known, same, any(map(by_chance, rule.matches)), KEEP if known == NEVER else then)

    def effect(
        self, given: Marked, firsts: Sequence[int], entered: Sequence[Enter | None]
    ) -> tuple[Transfer | Into | Enter | None, list[int]]:
        """What a rule does, and the places of the marks that are in it; None for what no family does."""
        match given.rule.target:
            case Jump(name, goto):
                place = given.chains.get(name)
                return (None if place is None or goto else entered[place]), []
            case Translate(Side.DESTINATION, (low, high), ports) if low == high and low in given.addresses and one_at_most(ports):
                place = given.addresses[low]
                if ports is not None and ports[0] in given.ports:
                    own = given.ports[ports[0]]
                    return Into(firsts[place], firsts[own]), [place, own]
                return Into(firsts[place], None if ports is None else (ports,)), [place]
            case _:
                return target(given.rule, self.where, self.table, self.known), []


def one_at_most(ports: tuple[int, int] | None) -> bool:
    """Whether a translation gives the port, or lets it be: which of several it gives depends on the packet's own."""
    return ports is None or ports[0] == ports[1]


def of(kind: Sequence[tuple[int, Shape]], others: Sequence[int], members: Mapping[int, Row]) -> Family:
    """A family: its own rules, and between them those that are about other destinations too."""
    parts: list[Enter | int] = []
    done = first = 0
    for before, shape in kind:
        parts += [*others[done:before], Enter(shape.steps or (), first)]
        done, first = before, first + shape.holes
    return Family((*parts, *others[done:]), members, normalised((value, value) for value in members))


def hole_of(match: Match, given: Marked) -> int | None:
    """The place of the mark that a match tests; None where it tests none."""
    match match:
        case AddressMatch(_, family, value, mask) if mask == network_mask(family, WIDTH[family]):
            return given.addresses.get(value)
        case PortMatch(Side.DESTINATION, ((low, high),)) if low == high:
            return given.ports.get(low)
        case _:
            return None


def asked(match: Match, hole: int) -> Same:
    """The test of a hole."""
    match match:
        case AddressMatch(side, _, _, _, negated):
            return Same(ends(side), hole, negated)
        case PortMatch(_, _, negated):
            return Same(Field.DESTINATION_PORT, hole, negated)
        case _:
            raise TypeError(f"{match} tests neither an address nor a port")
