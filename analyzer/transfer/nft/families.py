"""Elements of a verdict map that lead to chains which differ in words only: the services of kube-proxy's nftables mode, each with its endpoints.

The families of a map (``transfer/netfilter/families.py``): what happens to packets to one destination, with holes for the addresses and ports. It says the same as
the chains: an element, rule or statement in which a hole stands anywhere but in a test of an address or port, in a translation of the destination, or in a
jump, and one that ends a packet or asks what is not known, has no family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from analyzer.facts.netfilter import Jump, Pass, Verdict
from analyzer.facts.nftables import (
    Among,
    Element,
    Key,
    LookUp,
    Meta,
    NftSet,
    NftTableFact,
    Payload,
    Selector,
    SetTo,
    Statement,
    Translation,
    Value,
    VerdictMap,
)
from analyzer.parsers._iptables_outline import Outline
from analyzer.parsers._nft_outline import JUMPS, Marked, marked, outlined, value_of
from analyzer.parsers.nft import Rules
from analyzer.ranges import Ranges, contains, normalised, single
from analyzer.transfer.family import FEW, Enter, Family, Into, Row, Same, Step
from analyzer.transfer.ir import ALWAYS, NEVER, All, Field, In, Match, Not, Transfer
from analyzer.transfer.netfilter.families import DEEPEST, WIDEST, Drawn, Shape, one_at_most
from analyzer.transfer.netfilter.where import WITH_PORTS, Where, open_test
from analyzer.transfer.nft.matches import by_choice, present
from analyzer.transfer.nft.sets import DESTINATIONS, members, numbers

PROTOCOL = (Meta("l4proto"), Payload("ip", "protocol"))
PORT = Payload("th", "dport")
TESTED = {"saddr": Field.SOURCE, "daddr": Field.DESTINATION, "sport": Field.SOURCE_PORT, "dport": Field.DESTINATION_PORT}
Then = Transfer | Into | Enter


class Led(NamedTuple):
    """An element of the map: its protocol and port, and what its chain does. ``goto``: the packet does not come back."""

    protocol: int
    goto: bool
    port: int
    drawn: Drawn


@dataclass(slots=True)
class NativeFamilies:
    """The families of a map. They are made when they are first asked for. ``lower`` gives the meaning of statements without holes."""

    of: NftSet
    key: Key
    table: NftTableFact
    where: Where
    lower: Callable[[tuple[Statement, ...]], Transfer]
    shapes: dict[object, Shape] = field(default_factory=dict)
    drawn: dict[str, Drawn | None] = field(default_factory=dict)
    values: dict[tuple[str, str], Ranges | None] = field(default_factory=dict)
    made: tuple[Family, ...] | None = None

    def __call__(self) -> tuple[Family, ...]:
        """The families with several members."""
        if self.made is None:
            self.made = tuple(self.found())
            self.values.clear()
        return self.made

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.where.context.family

    def found(self) -> Iterator[Family]:
        """Sorts the destinations by what the chains of their elements have in common; none where an element is about many destinations."""
        kinds: dict[object, tuple[list[Led], dict[int, Row]]] = {}
        for value, items in by_destination(self.of.elements, self.key).items():
            led = [one for item in items if (one := self.led(item)) is not None]
            if len(led) == len(items):
                led.sort(key=lambda one: (one.protocol, one.goto, one.drawn.shape.number, one.port))
                key = tuple((one.protocol, one.goto, one.drawn.shape.number) for one in led)
                row = tuple(chain.from_iterable((single(one.port), *one.drawn.row) for one in led))
                kinds.setdefault(key, (led, {}))[1][value] = row
        for led, members_ in kinds.values():
            if len(members_) >= FEW:
                yield Family((Enter(entries(led), 0),), members_, normalised((value, value) for value in members_))

    def led(self, item: Element) -> Led | None:
        """What an element leads to; None where it has no family."""
        numbers = dict(zip(self.key, item.key, strict=True))
        protocol = next((constant(numbers.get(one)) for one in PROTOCOL if one in numbers), None)
        port = constant(numbers.get(PORT))
        if len(numbers) != 3 or protocol is None or port is None or not contains(WITH_PORTS, protocol):
            return None
        match item.data:
            case Jump(name, goto) if (drawn := self.chain(name, 0)) is not None:
                return Led(protocol, goto, port, drawn)
            case _:
                return None

    def chain(self, name: str, depth: int) -> Drawn | None:
        """What a chain says, noted; None where it has no family, and in a circle."""
        if name not in self.drawn:
            self.drawn[name] = None
            known = self.table.chains.get(name)
            text = known.rules.text() if known is not None and isinstance(known.rules, Rules) else None
            self.drawn[name] = self.rules(text, depth) if text is not None and depth <= DEEPEST else None
        return self.drawn[name]

    def rules(self, text: str, depth: int) -> Drawn | None:
        """What the rules of a chain say."""
        outline = outlined(text, self.family)
        if outline is None:
            return None
        row: list[Ranges] = []
        below: list[Shape] = []
        for kind, word in zip(outline.kinds, outline.words, strict=True):
            if kind in JUMPS:
                inner = self.chain(word, depth + 1)
                if inner is None or len(row) > WIDEST:
                    return None
                below.append(inner.shape)
                row += inner.row
            else:
                value = self.value(kind, word)
                if value is None:
                    return None
                row.append(value)
        shape = self.shape(outline, below, len(row))
        return Drawn(shape, tuple(row)) if shape.steps is not None else None

    def value(self, kind: str, word: str) -> Ranges | None:
        """What a word says, noted."""
        if (kind, word) not in self.values:
            self.values[kind, word] = value_of(kind, word, self.family)
        return self.values[kind, word]

    def shape(self, outline: Outline, below: Sequence[Shape], holes: int) -> Shape:
        """What the rules have in common with others; read where it is new."""
        key = (outline.around, outline.kinds, tuple(one.number for one in below))
        if key not in self.shapes:
            steps = self.steps(outline, below) if holes <= WIDEST and len(outline.kinds) <= WIDEST else None
            self.shapes[key] = Shape(len(self.shapes), steps, holes)
        return self.shapes[key]

    def steps(self, outline: Outline, below: Sequence[Shape]) -> tuple[Step, ...] | None:
        """The rules with holes; None where one of them has no family."""
        given = marked(outline, self.family)
        if given is None:
            return None
        inner = iter(below)
        firsts: list[int] = []
        entered: dict[int, Enter] = {}
        first = 0
        for place, kind in enumerate(outline.kinds):
            firsts.append(first)
            if kind in JUMPS:
                shape = next(inner)
                entered[place] = Enter(shape.steps or (), first)
                first += shape.holes
            else:
                first += 1
        found = [Reading(self, rule, firsts, entered).steps() for rule in given]
        known = [steps for steps in found if steps is not None]
        return tuple(chain.from_iterable(known)) if len(known) == len(found) else None


@dataclass(slots=True)
class Reading:
    """One rule while it is read: ``used`` are the places of the marks that were met where they may stand."""

    families: NativeFamilies
    given: Marked
    firsts: Sequence[int]
    entered: dict[int, Enter]
    used: list[int] = field(default_factory=list)

    def steps(self) -> tuple[Step, ...] | None:
        """The steps of the rule: several where the network picks a chain; None where it has no family."""
        known: list[Match] = []
        same: list[Same] = []
        thens: Sequence[Then | None] | None = ()
        for position, item in enumerate(self.given.statements):
            if isinstance(item, Among):
                found = self.asked(item)
                if found is None:
                    return None
                known.append(present(item.key, self.families.where))
                same += [found] if isinstance(found, Same) else []
                known += [] if isinstance(found, Same) else [found]
            elif not isinstance(item, Pass):
                thens = self.thens(self.given.statements[position:])
                break
        match = together(known)
        if thens is None or open_test(match) or sorted(self.used) != sorted(self.given.places.values()):
            return None
        last = len(thens) - 1
        return tuple(
            Step(match, tuple(same), place < last or None in thens, then)
            for place, then in enumerate(thens)
            if then is not None and match != NEVER
        )

    def asked(self, item: Among) -> Match | Same | None:
        """A test: of a hole, or one that is the same for all; None for one that the network or packets before decide."""
        families = self.families
        of = families.table.sets.get(item.values) if isinstance(item.values, str) else item.values
        if of is None or of.fleeting or by_choice(item.key) is not None:
            return None
        if len(item.key) == 1 and len(of.elements) == 1 and len(of.elements[0].key) == 1:
            place, tested = self.place(of.elements[0].key[0]), field_of(item.key[0])
            if place is not None and tested is not None:
                self.used.append(place)
                return Same(tested, self.firsts[place], item.negated)
        own = members(item.values, item.key, families.table, families.where)
        return Not(own) if item.negated else own

    def place(self, value: Value) -> int | None:
        """The place of the mark that a value is."""
        number = constant(value)
        return None if number is None else self.given.places.get(number)

    def thens(self, todo: tuple[Statement, ...]) -> Sequence[Then | None] | None:
        """What a rule does: one of several things, where None is nothing; None for what no family does."""
        match todo:
            case (Jump() as jump,):
                return [self.enter(jump)]
            case (VerdictMap(key, NftSet() as of),) if (pick := by_choice(key)) is not None:
                return self.picked(numbers(pick, of)) if not of.fleeting and not of.unread else None
            case (Translation("dnat", of_family, (low, high), ports, None),) if low == high and low in self.given.places:
                return self.into(low, ports) if of_family in (None, self.families.family) and one_at_most(ports) else None
            case _:
                return [self.families.lower(todo)] if all(map(plain, todo)) else None

    def picked(self, found: Sequence[Element | None]) -> Sequence[Then | None] | None:
        """What the elements of the numbers that the network may pick do: going to chains, or nothing."""
        acts = [item.data for item in found if item is not None]
        jumps = [act for act in acts if isinstance(act, Jump) and act.goto]
        if len(jumps) < len(acts):
            return None
        return [*map(self.enter, jumps), *(None for item in found if item is None)]

    def enter(self, jump: Jump) -> Enter:
        """The chain of a jump."""
        place = self.given.places[jump.chain]
        self.used.append(place)
        return self.entered[place]._replace(goto=jump.goto)

    def into(self, address: int, ports: tuple[int, int] | None) -> Sequence[Into]:
        """A translation of the destination."""
        place = self.given.places[address]
        self.used.append(place)
        if ports is None or ports[0] not in self.given.places:
            return [Into(self.firsts[place], None if ports is None else (ports,))]
        own = self.given.places[ports[0]]
        self.used.append(own)
        return [Into(self.firsts[place], self.firsts[own])]


def by_destination(items: Sequence[Element], key: Key) -> dict[int, list[Element]]:
    """The elements of each destination, but for one that stands for all else; nothing where another is about several."""
    place = next((place for place, part in enumerate(key) if part in DESTINATIONS), -1)
    found: dict[int, list[Element]] = {}
    for item in items:
        if item.key:
            value = constant(item.key[place]) if place >= 0 else None
            if value is None:
                return {}
            found.setdefault(value, []).append(item)
    return found


def entries(led: Sequence[Led]) -> tuple[Step, ...]:
    """The elements of one destination as steps: each tests the protocol and the port, and enters its chain."""
    found: list[Step] = []
    first = 0
    for one in led:
        known, port = In(Field.PROTOCOL, single(one.protocol)), Same(Field.DESTINATION_PORT, first, False)
        found.append(Step(known, (port,), False, Enter(one.drawn.shape.steps or (), first + 1, one.goto)))
        first += 1 + one.drawn.shape.holes
    return tuple(found)


def constant(value: Value | None) -> int | None:
    """The number, where a value is one alone."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else None


def field_of(selector: Selector) -> Field | None:
    """The field of a test in which a hole may stand."""
    match selector:
        case Payload("ip" | "ip6", "saddr" | "daddr" as name) | Payload("tcp" | "udp" | "sctp", "sport" | "dport" as name):
            return TESTED[name]
        case _:
            return None


def together(parts: Sequence[Match]) -> Match:
    """All of the matches."""
    needed = tuple(part for part in parts if part != ALWAYS)
    return NEVER if NEVER in needed else needed[0] if len(needed) == 1 else All(needed)


def plain(item: Statement) -> bool:
    """Whether a statement needs nothing but the packet, and does not end it."""
    match item:
        case Verdict(name):
            return name in ("ACCEPT", "RETURN", "CONTINUE")
        case SetTo(origin=origin):
            return not isinstance(origin, LookUp | Payload)
        case _:
            return isinstance(item, Pass)
