"""Whom a question is about: entities by name, with the classes they are in."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix, address, host_prefix
from analyzer.policy.addressing import spanned
from analyzer.policy.bits import set_of
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factor, Factors
from analyzer.policy.terms import Kind
from analyzer.query.ask.questions import Names, Word
from analyzer.query.policies import Policies
from analyzer.query.policy_parties import class_of, entities_named

HINTS = dict.fromkeys(("everybody", "everyone", "anybody", "all"), ": did you mean anyone?") | {
    **dict.fromkeys(("internet", "world", "external"), ": did you mean outside?"),
    **dict.fromkeys(("nobody", "nothing", "none"), ': did you mean "no pod"?'),
    "who": ": a question is answered by yes or no; `analyze connectivity PATH --to NAME` lists who",
}


class NameProblem(ValueError):
    """A name that means nobody: which, and why."""

    def __init__(self, word: Word, message: str) -> None:
        super().__init__(message)
        self.word = word


@dataclass(frozen=True)
class Side:
    """Entities of one family by their classes, the most ordinary first; ``bits`` are the classes."""

    members: dict[int, tuple[Entity, ...]]
    bits: int

    @property
    def entities(self) -> list[Entity]:
        """All of them, by class."""
        return [entity for group in self.members.values() for entity in group]

    def in_groups(self, factor: Factor) -> dict[int, list[int]]:
        """The classes by the group that they are in, groups in the order of their first class."""
        found: dict[int, list[int]] = {}
        for position in self.members:
            found.setdefault(factor.group[position], []).append(position)
        return found


def side_of(policies: Policies, factors: Factors, entities: Iterable[Entity]) -> Side:
    """The entities by class; those that have addresses of the other family only are left out."""
    members: dict[int, list[Entity]] = {}
    several, family = len(policies.families()) > 1, factors.universe.family
    for entity in entities:
        if several and not policies.speaks(entity, family):
            continue
        position = class_of(factors, entity)
        if position is not None:
            members.setdefault(position, []).append(entity)
    ordered = {
        position: tuple(group) for position, group in sorted(members.items(), key=lambda item: (remote(*item[1]), item[0]))
    }
    return Side(ordered, set_of(ordered))


def remote(entity: Entity, *_: Entity) -> int:
    """Where addresses outside stand behind all others: first those that hold a host that stands for any."""
    if entity.kind is not Kind.OUTSIDE:
        return 0
    return 1 if any(block.covers(item) for block in entity.blocks for item in ORDINARY) else 2


class Directory:
    """The names of a world: what was found for a name is kept."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.known: dict[str, tuple[Entity, ...]] = {}
        spaces: dict[str, list[Entity]] = {}
        for entity in policies.world.entities:
            spaces.setdefault(entity.namespace, []).append(entity)
        self.spaces = {f"ns:{name}": tuple(group) for name, group in spaces.items() if name}

    def named(self, names: Names) -> tuple[Entity, ...]:
        """Those who are meant, each once. NameProblem where a name means nobody."""
        if not names.words:
            return tuple(self.policies.world.pods())
        if len(names.words) == 1:
            return self.of_word(names.words[0])
        return tuple(dict.fromkeys(entity for word in names.words for entity in self.of_word(word)))

    def of_word(self, word: Word) -> tuple[Entity, ...]:
        """Those of one name; ``anyone`` is every pod and node, and the outside."""
        found = self.spaces.get(word.text) or self.known.get(word.text)
        if found is None:
            found = self.known[word.text] = self.looked_up(word)
        return found

    def looked_up(self, word: Word) -> tuple[Entity, ...]:
        """Those of a name that was not asked for before."""
        try:
            if word.text == "anyone":
                return (*self.policies.world.entities, *entities_named(self.policies, "outside"))
            return entities_named(self.policies, word.text)
        except ValueError as problem:
            raise NameProblem(word, f"{problem}{self.hint(word.text)}") from None

    def hint(self, text: str) -> str:
        """What may be meant by a name that means nobody."""
        if (name := HINTS.get(text.lower())) is not None:
            return name
        if f"ns:{text}" in self.spaces:
            return f": did you mean ns:{text}?"
        plain, colon, port = text.rpartition(":")
        if colon and port.isdecimal() and "/" in plain:
            return f': ports stand behind "on", as in "{plain} on {port}"'
        kind, _, rest = text.partition(":")
        return (
            f": did you mean {rest}?" if rest and kind not in ("svc", "service") and rest in self.policies.world.by_name else ""
        )

    @property
    def everyone(self) -> tuple[Entity, ...]:
        """Every pod, every node, and all of the outside."""
        return self.of_word(Word("anyone", 1))


def without(entities: Iterable[Entity], left_out: Iterable[Entity]) -> tuple[Entity, ...]:
    """The entities but for some; addresses outside are taken out of larger ranges."""
    known, gone = list(entities), list(left_out)
    names, whole = {entity.name for entity in gone}, {entity.name for entity in known}
    parts = [entity for entity in gone if entity.kind is Kind.OUTSIDE and entity.name not in whole]
    blocks = [block for entity in parts for block in entity.blocks]
    found = []
    for entity in known:
        if entity.name in names:
            continue
        if entity.kind is Kind.OUTSIDE and blocks:
            found += remainder(entity, blocks)
        else:
            found.append(entity)
    return tuple(found)


def remainder(entity: Entity, holes: list[Prefix]) -> list[Entity]:
    """What of a range of addresses is in none of the holes."""
    rest = list(entity.blocks)
    for hole in holes:
        rest = [kept for block in rest for kept in cut(block, hole)]
    if tuple(rest) == entity.blocks:
        return [entity]
    return [Entity(", ".join(map(str, rest)), Kind.OUTSIDE, blocks=tuple(rest))] if rest else []


def cut(block: Prefix, hole: Prefix) -> list[Prefix]:
    """A block without another."""
    if hole.covers(block):
        return []
    if not block.covers(hole):
        return [block]
    return [*spanned(block.family, block.value, hole.value), *spanned(block.family, hole.last + 1, block.last + 1)]


ORDINARY = tuple(map(address, ("203.0.113.1", "198.51.100.1", "192.0.2.1", "2001:db8::1")))
"""Hosts outside that stand for any: of the documentation networks (RFC 5737, RFC 3849)."""


def host(entity: Entity, family: int, held: Container[Address] = ()) -> Entity:
    """One host of addresses outside, with an address that nobody has; whatever is no such range is itself."""
    if entity.kind is not Kind.OUTSIDE:
        return entity
    blocks = [block for block in entity.blocks if block.family == family]
    found = next((item for item in ORDINARY if any(block.covers(item) for block in blocks)), None)
    if found is None:
        every = (Address(family, value) for block in blocks for value in hosts_of(block))
        found = next((item for item in every if item not in held), Address(family, blocks[0].value))
    return Entity(str(found), Kind.OUTSIDE, blocks=(host_prefix(found),))


def hosts_of(block: Prefix) -> range:
    """The addresses of a block that hosts have: all of a small one, else not that of the network itself."""
    return range(block.value + (1 if block.length < WIDTH[block.family] - 1 else 0), block.last + 1)
