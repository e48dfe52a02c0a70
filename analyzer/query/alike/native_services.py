"""What nft's own chains do with packets to each service's address: as ``services.py`` has it of iptables, of the elements of maps and sets for that address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import Address
from analyzer.facts.netfilter import Jump, NoTrack, Pass, Reject, SetService, SetTimeToLive, Verdict
from analyzer.facts.nftables import (
    Act,
    Among,
    Ct,
    Element,
    Key,
    Meta,
    NftChain,
    NftRule,
    NftSet,
    NftTableFact,
    SetTo,
    Statement,
    Translation,
    VerdictMap,
)
from analyzer.parsers.nft import Rules
from analyzer.query.alike.forms import Beginning, Form, Untold
from analyzer.query.alike.native import UNTOLD, NativeEntered, NativeEntry, is_target, tellable, translated, value_form
from analyzer.query.alike.services import DEEP, NOTHING, Known, Reader, Said, Table

Standing = tuple[NftTableFact, NativeEntry]
"""An element and its table."""
WIDE = 64
"""Elements of a set that a service's chain asks, at most."""


@dataclass(slots=True)
class NativeReader:
    """Reads what nodes say of addresses; ``reader`` has the numbers of forms, and who has which address."""

    reader: Reader
    memory: dict[object, list[Known]] = field(default_factory=dict)

    def table(self, entered: Sequence[NativeEntered]) -> Table:
        """What a node says of all addresses."""
        parts: dict[Address, list[Standing]] = {}
        for table, entries in entered:
            for entry in entries:
                parts.setdefault(entry.address, []).append((table, entry))
        every = {address: self.remembered(address, own) for address, own in parts.items()}
        found = {address: known.said or NOTHING for address, known in every.items()}
        number = self.reader.number(("native", tuple(sorted((at, said.form, said.others) for at, said in found.items()))))
        if (number, next(iter(found))) not in self.reader.said:
            self.reader.said.update({(number, address): said for address, said in found.items()})
        points = {(*name_of(table), name) for address, own in parts.items() for table, _ in own for name in every[address].names}
        return Table(
            number,
            frozenset(),
            (),
            frozenset(map(" ".join, points)),
            frozenset(address for address, known in every.items() if known.said is None),
            frozenset(prefix for known in every.values() for prefix in known.wide),
            frozenset(start for known in every.values() for start in known.wild),
        )

    def remembered(self, address: Address, own: Sequence[Standing]) -> Known:
        """What elements say of an address, worked out where no chains with the same text were met."""
        key = (address, tuple((name_of(table), entry.place, repr(entry.beside), entry.data) for table, entry in own))
        known = self.memory.setdefault(key, [])
        for found in known:
            if texts_of(own, found.names) == found.contents:
                return found
        names: dict[str, None] = {}
        for table, entry in own:
            names |= dict.fromkeys(led_to(table, entry.data))
        writer = self.reader.writer
        writer.wide, writer.wild = set(), set()
        said = self.written(address, own)
        found = Known(tuple(names), texts_of(own, names), said, frozenset(writer.wide), frozenset(writer.wild))
        known.append(found)
        return found

    def written(self, address: Address, own: Sequence[Standing]) -> Said | None:
        """What elements say of an address; None where that cannot be told."""
        self.reader.writer.others = []
        try:
            form = tuple(
                (name_of(table), entry.place, self.value(entry.beside), Writing(self, table, address).act(entry.data, 0))
                for table, entry in own
            )
        except Untold:
            return None
        return Said(self.reader.number(form), tuple(self.reader.writer.others))

    def value(self, value: Form) -> Form:
        """The form of values, in which somebody's address is by role and a pod's device cannot be told."""
        match value:
            case Address():
                return self.reader.end(value)
            case Beginning():
                return self.reader.writer.form(value)
            case str() if value in self.reader.devices:
                raise Untold
            case tuple() if type(value) is tuple:
                return tuple(map(self.value, value))
            case str():
                return value
            case _:
                return self.reader.writer.form(value)


@dataclass(frozen=True, slots=True)
class Writing:
    """The chains of a table for one service's address."""

    native: NativeReader
    table: NftTableFact
    address: Address

    def act(self, act: Act | None, deep: int) -> Form:
        """What an element leads to."""
        if not isinstance(act, Jump):
            return repr(act)
        if deep > DEEP or act.chain not in self.table.chains:
            raise Untold
        return act.goto, tuple(self.rule(rule, deep + 1) for rule in self.table.chains[act.chain].rules)

    def rule(self, rule: NftRule, deep: int) -> Form:
        """A rule with all that it leads to."""
        return tuple(self.statement(one, deep) for one in rule.statements)

    def statement(self, statement: Statement, deep: int) -> Form:
        """One statement."""
        match statement:
            case Among(key, values, negated):
                return "among", repr(key), negated, tuple(form for _, form in self.elements(key, values))
            case VerdictMap(key, values):
                rows = tuple((form, self.act(data, deep)) for data, form in self.elements(key, values))
                return "vmap", repr(key), rows
            case Jump():
                return self.act(statement, deep)
            case Translation("dnat", family, (low, high), ports, None, random, None) if low == high:
                end = self.native.reader.end(Address(self.address.family, low))
                return "DNAT", end, repr((family, ports, random))
            case Translation("masquerade" | "snat") if (form := translated(statement)) is not None:
                return self.native.value(form)
            case SetTo(origin=None | Meta("mark") | Ct("mark")):
                return repr(statement)
            case Verdict() | Reject() | NoTrack() | Pass() | SetService() | SetTimeToLive():
                return repr(statement)
            case _:
                raise Untold

    def elements(self, key: Key, values: NftSet | str) -> list[tuple[Act | None, Form]]:
        """The elements of a rule's own set or map, the service's own address as that. A named one may be another where the chain's text is the same."""
        if isinstance(values, str) or values.unread or len(values.elements) > WIDE or not all(map(tellable, key)):
            raise Untold
        return [(acted(element), self.element(key, element)) for element in values.elements]

    def element(self, key: Key, element: Element) -> Form:
        """The values of an element."""
        found: list[Form] = []
        for part, value in zip(key, element.key, strict=False):
            form = value_form(part, value)
            if form is UNTOLD:
                raise Untold
            found.append(("service",) if is_target(part) and form == self.address else self.native.value(form))
        return tuple(found)


def acted(element: Element) -> Act | None:
    """What an element of a verdict map does."""
    return element.data if isinstance(element.data, Verdict | Jump) else None


def name_of(table: NftTableFact) -> tuple[str, str]:
    """What tells a table from others of a node."""
    return table.family, table.name


def texts_of(own: Sequence[Standing], names: Iterable[str]) -> tuple[str, ...]:
    """The texts of chains, in each table that elements stand in."""
    tables = {name_of(table): table for table, _ in own}
    return tuple(text_of(table.chains, name) for table in tables.values() for name in names)


def text_of(chains: Mapping[str, NftChain], name: str) -> str:
    """The text of a chain; its rules, where they were written as JSON."""
    rules = chains[name].rules if name in chains else ()
    text = rules.text() if isinstance(rules, Rules) else None
    return repr(list(rules)) if text is None else text


def led_to(table: NftTableFact, act: Act | None) -> Iterable[str]:
    """The chains that an element leads to, each once."""
    waiting = [act.chain] if isinstance(act, Jump) else []
    seen: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        if name not in seen and name in table.chains:
            seen[name] = None
            waiting += [found for rule in table.chains[name].rules for found in jumped(rule)]
    return seen


def jumped(rule: NftRule) -> list[str]:
    """The chains that a rule leads to; those of named maps are in none that can be told."""
    found = [one.chain for one in rule.statements if isinstance(one, Jump)]
    maps = [one.values for one in rule.statements if isinstance(one, VerdictMap) and isinstance(one.values, NftSet)]
    return found + [element.data.chain for one in maps for element in one.elements if isinstance(element.data, Jump)]
