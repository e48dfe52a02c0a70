"""Who may talk to whom, for all entities and all flows at once, as two factors: what leaves each subject, and what enters it.

Subjects to which the same rules apply are a group. For a group and a direction the tiers are folded once into *cells*: sets of flows
(``atoms.py``), apart from each other, each with the peers (``classes.py``) that it is admitted to or from. A pair's flows are what both factors admit.
The pairs are never written down. Follows the same reading of ``tiers.py`` as ``decision.py``, independently of it.

What is not known is kept as two sets: the peers that are admitted for sure, and those that may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, groupby

from analyzer.policy.atoms import Atoms, atoms_of, names_in
from analyzer.policy.bits import Sides, members
from analyzer.policy.classes import Universe, united, universe_of
from analyzer.policy.entities import Entity, NamedPort
from analyzer.policy.folding import Applied, Cell, Fold, crossed, merged
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import EVERYONE, Peer, PortName, Traffic, distinct_leaves
from analyzer.policy.tiers import Action, Direction, Plane, Policy, Rule, Rules, Tier

Key = tuple[tuple[Applied, ...], tuple[NamedPort, ...], tuple[tuple[bool, bool], ...]]


@dataclass(frozen=True)
class Factor:
    """One direction: the group of each class, the classes of each group and their cells."""

    group: tuple[int, ...]
    classes: tuple[int, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def admitting(self, peer: int) -> Iterator[int]:
        """The groups that may be admitted something to or from a class."""
        return compress(range(len(self.cells)), self.rows[peer >> 3 :: self.width].translate(WITH_BIT[peer & 7]))

    @property
    def width(self) -> int:
        """How many bytes a row has."""
        return len(self.group) // 8 + 1

    @cached_property
    def rows(self) -> bytes:
        """For each group the classes that it may be admitted something to or from, one group after the other."""
        return b"".join(united(cell.may for cell in cells).to_bytes(self.width, "little") for cells in self.cells)


WITH_BIT = tuple(bytes(byte >> bit & 1 for byte in range(256)) for bit in range(8))


@dataclass(frozen=True, slots=True)
class Factors:
    """The answer for a family. ``pair`` gives the flows between two classes, ``rectangles`` those of all."""

    policies: PolicySet
    universe: Universe
    atoms: Atoms
    egress: Factor
    ingress: Factor

    def pair(self, source: int, destination: int) -> tuple[int, int]:
        """The flows from one class to another that are admitted for sure, and that may be; exemptions are not looked at."""
        out = toward(self.egress.cells[self.egress.group[source]], destination)
        into = toward(self.ingress.cells[self.ingress.group[destination]], source)
        return out[0] & into[0], out[1] & into[1]

    def between(self, source: Entity, destination: Entity) -> tuple[int, int]:
        """The same for two entities of the world."""
        return self.pair(self.universe.of[source.name], self.universe.of[destination.name])


def toward(cells: tuple[Cell, ...], peer: int) -> tuple[int, int]:
    """The flows of the cells that a peer is in."""
    sure = may = 0
    for cell in cells:
        if cell.may >> peer & 1:
            may |= cell.flows
            if cell.sure >> peer & 1:
                sure |= cell.flows
    return sure, may


def factors(policies: PolicySet, family: int = 4) -> Factors:
    """Compiles the policies for flows of a family."""
    return factors_over(policies, *vocabulary(policies, family))


def factors_over(policies: PolicySet, universe: Universe, atoms: Atoms, open_is: bool | None = None) -> Factors:
    """Compiles the policies over classes and flows that tell apart at least what they tell apart."""
    egress, ingress = (
        Compiler(policies.planes, universe, atoms, direction, open_is).factor()
        for direction in (Direction.EGRESS, Direction.INGRESS)
    )
    return Factors(policies, universe, atoms, egress, ingress)


def vocabulary(policies: PolicySet, family: int) -> tuple[Universe, Atoms]:
    """The classes and the boxes of flows that the policies tell apart."""
    known = tuple(policies.policies())
    rules = [rule for policy in known for direction in Direction for rule in rules_of(policy, direction)]
    peers = distinct_leaves([*(policy.subject for policy in known), *(p for rule in rules for p in (rule.peer, rule.own))])
    traffic = distinct_leaves(rule.traffic for rule in rules)
    names = {leaf.name for leaf in traffic if isinstance(leaf, PortName)}
    universe = universe_of(policies.world.entities, peers, names, family)
    return universe, atoms_of(traffic, (port for item in universe.classes for port in item.ports))


def rules_of(policy: Policy, direction: Direction) -> tuple[Rule, ...]:
    """The rules of a policy in a direction."""
    found = policy.direction(direction)
    return found.rules if found is not None else ()


@dataclass(slots=True)
class Numbered:
    """The policies of a tier that say something in the direction, with their rules, and with a number that those share that are tied."""

    tier: Tier
    policies: list[tuple[Policy, Rules, int]] = field(default_factory=list)


class Compiler:
    """Folds the policies of one direction. ``open_is``: how flows are read that the API leaves open; None: as not known. ``left_out`` are rules, by which objects they are, that are taken as not being there."""

    def __init__(
        self, planes: tuple[Plane, ...], universe: Universe, atoms: Atoms, direction: Direction, open_is: bool | None = None
    ) -> None:
        self.universe, self.atoms, self.direction, self.open_is = universe, atoms, direction, open_is
        self.planes = [(plane, [self.numbered(tier) for tier in plane.tiers]) for plane in planes]
        self.tiers = [tier for _, tiers in self.planes for tier in tiers]
        self.named = [[named_ports_matter(rules) for _, rules, _ in tier.policies] for tier in self.tiers]
        self.own = [[own_tests(rules) for _, rules, _ in tier.policies] for tier in self.tiers]
        self.memory: dict[tuple[int, tuple[NamedPort, ...]], tuple[Traffic, Sides]] = {}
        self.equal: dict[tuple[Traffic, tuple[NamedPort, ...]], Sides] = {}
        self.names: dict[int, tuple[Traffic, bool]] = {}
        self.left_out: set[int] = set()

    def numbered(self, tier: Tier) -> Numbered:
        """The tier's policies of the direction."""
        numbered = ((policy, number) for number, tied in enumerate(tier.tied(self.direction)) for policy in tied)
        found = ((policy, policy.direction(self.direction), number) for policy, number in numbered)
        return Numbered(tier, [(policy, rules, number) for policy, rules, number in found if rules is not None])

    def factor(self) -> Factor:
        """The groups and their cells."""
        numbers: dict[Key, int] = {}
        group = [numbers.setdefault(key, len(numbers)) for key in self.keys()]
        classes = [0] * len(numbers)
        for position, number in enumerate(group):
            classes[number] |= 1 << position
        return Factor(tuple(group), tuple(classes), tuple(self.cells(key) for key in numbers))

    def keys(self) -> Iterator[Key]:
        """For each class what decides over it: the policies that select it, and what their rules see of it."""
        applied: list[list[Applied]] = [[] for _ in self.universe.classes]
        for number, tier in enumerate(self.tiers):
            for place, (policy, _, tie) in enumerate(tier.policies):
                sure, may = self.universe.sides(policy.subject)
                for position in members(may):
                    applied[position].append(Applied(number, place, tie, sure == may or bool(sure >> position & 1)))
        for position, items in enumerate(applied):
            named = self.direction is Direction.INGRESS and any(self.named[item.tier][item.policy] for item in items)
            yield tuple(items), self.universe.classes[position].ports if named else (), self.own_values(items, position)

    def own_values(self, items: list[Applied], position: int) -> tuple[tuple[bool, bool], ...]:
        """The values of the rules' own tests of the subject."""
        tests = [test for item in items for test in self.own[item.tier][item.policy]]
        found = (self.universe.sides(test) for test in tests)
        return tuple((bool(sure >> position & 1), bool(may >> position & 1)) for sure, may in found)

    def cells(self, key: Key, within: Sides | None = None) -> tuple[Cell, ...]:
        """The cells of a group: what each plane admits, and all of them do. ``within``: of some flows and peers only."""
        items, ports, own = key
        flows, peers = within or (self.atoms.all, self.universe.all)
        values = iter(own)
        result: list[Cell] | None = None
        first = 0
        for plane, tiers in self.planes:
            inside = [item for item in items if first <= item.tier < first + len(tiers)]
            if inside or plane.default is not Action.ALLOW:
                fold = Fold(flows, peers)
                self.fold(fold, tiers, first, inside, ports, values)
                found = fold.cells(plane.default)
                result = found if result is None else crossed(result, found)
            first += len(tiers)
        return merged([Cell(flows, peers, peers)] if result is None else result)

    def fold(
        self,
        fold: Fold,
        tiers: list[Numbered],
        first: int,
        items: list[Applied],
        ports: tuple[NamedPort, ...],
        own: Iterator[tuple[bool, bool]],
    ) -> None:
        """Takes a plane's tiers through their rules. A tier of which no policy applies decides nothing, and is not asked."""
        for number, inside in groupby(items, lambda item: item.tier):
            tier = tiers[number - first]
            isolated: bool | None = False
            for _, tied in groupby(inside, lambda item: item.tie):
                for item in fold.each_first(list(tied)):
                    _, rules, _ = tier.policies[item.policy]
                    isolated = isolated if isolated or not rules.isolates else (True if item.certain else None)
                    for rule in rules.rules:
                        value = (True, True) if is_everyone(rule.own) else next(own)
                        self.rule(fold, rule, item.certain and value[0], value[1], ports)
            fold.end(isolated, tier.tier.end)

    def rule(self, fold: Fold, rule: Rule, certain: bool, possible: bool, ports: tuple[NamedPort, ...]) -> None:
        """Takes a rule into account."""
        if not possible or rule.action is Action.LOG or id(rule) in self.left_out:
            return
        sure, may = self.universe.sides(rule.peer)
        for flows, within in self.flows(rule.traffic, ports):
            if certain and sure == may and flows[0] == flows[1]:
                fold.exactly(rule.action, flows[0], sure & within)
                continue
            fold.rule(rule.action, flows[1], may & within)
            if certain:
                fold.decided(flows[0], sure & within)

    def flows(self, traffic: Traffic, ports: tuple[NamedPort, ...]) -> Iterator[tuple[Sides, int]]:
        """The flows of a rule, with the peers for which it means these: names of ports are those of the destination."""
        if self.direction is Direction.INGRESS or not self.by_name(traffic):
            yield self.of(traffic, ports), self.universe.all
            return
        for named, within in self.universe.by_ports.items():
            yield self.of(traffic, named), within

    def by_name(self, traffic: Traffic) -> bool:
        """Whether a test names ports. Remembered by which object the test is, as in ``of``."""
        found = self.names.get(id(traffic))
        if found is None:
            found = self.names[id(traffic)] = (traffic, names_ports(traffic))
        return found[1]

    def of(self, traffic: Traffic, ports: tuple[NamedPort, ...]) -> Sides:
        """The flows of a test at a destination."""
        found = self.memory.get((id(traffic), ports))
        if found is None:
            equal = self.equal.get((traffic, ports))
            if equal is None:
                equal = self.equal[traffic, ports] = self.atoms.of(traffic, ports, self.open_is)
            found = self.memory[id(traffic), ports] = (traffic, equal)
        return found[1]


def named_ports_matter(rules: Rules) -> bool:
    """Whether a rule names ports."""
    return any(names_ports(rule.traffic) for rule in rules.rules)


def names_ports(traffic: Traffic) -> bool:
    """Whether a test names ports."""
    return any(True for _ in names_in(traffic))


def own_tests(rules: Rules) -> list[Peer]:
    """The tests of the subject in rules, in their order."""
    return [rule.own for rule in rules.rules if not is_everyone(rule.own)]


def is_everyone(test: Peer) -> bool:
    """Whether a test is the one that all pass."""
    return test is EVERYONE or test == EVERYONE
