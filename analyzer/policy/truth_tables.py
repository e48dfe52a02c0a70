"""What policies decide where something is open, for every case at once: all combinations of the values that matter are the bits of one integer.

The lowest set bit is the least case, in an order that begins with the most ordinary values: the canonical example. A third reading of ``tiers.py``
beside ``decision.py`` and ``factors.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from analyzer.policy.atoms import Atoms, atoms_of, boxes_in
from analyzer.policy.bits import members, run
from analyzer.policy.entities import Entity, NamedPort
from analyzer.policy.possible import About, End, Leaf, Possible, Value, Variable, leaves_of, read, true_of, values
from analyzer.policy.programs import Program, ReadPlane, ReadRule, Test, named_in, rules_in, tests_in
from analyzer.policy.terms import All, AnyOf, Box, Not, Opaque, PortName, Traffic
from analyzer.policy.tiers import Action

WIDEST = 1 << 20
Sides = tuple[int, int]


class TooWide(ValueError):
    """There are more cases than a table is made for."""


class Case(NamedTuple):
    """Flows that are treated alike in every case, with the cases in which they are admitted for sure, and in which they may be."""

    flows: int
    sure: int
    may: int


@dataclass(frozen=True)
class Table:
    """The cases between two ends: ``variables`` with their values, the first being the most significant; ``atoms`` are the flows."""

    variables: tuple[tuple[Variable, tuple[Value, ...]], ...]
    atoms: Atoms
    cases: tuple[Case, ...]

    @property
    def count(self) -> int:
        """How many cases there are."""
        total = 1
        for _, known in self.variables:
            total *= len(known)
        return total

    def assignment(self, position: int) -> dict[Variable, Value]:
        """The values of a case."""
        found = {}
        for variable, known in reversed(self.variables):
            position, place = divmod(position, len(known))
            found[variable] = known[place]
        return found


def table(program: Program, source: End, destination: End, flows: tuple[Box, ...], family: int) -> Table:
    """The table of a program for some flows. TooWide where there would be too many cases."""
    ends = {"source": source, "destination": destination}
    known = variables(program, ends, family)
    maker = Maker(known, ends, family, atoms(program, flows, destination))
    wanted = 0
    for box in flows:
        wanted |= maker.atoms.of_box(box)
    cases = tuple(maker.case(program, cell) for cell in maker.cells(program, wanted))
    return Table(tuple(known.items()), maker.atoms, cases)


def variables(program: Program, ends: dict[str, End], family: int) -> dict[Variable, tuple[Value, ...]]:
    """What is open and matters, in order, with the values that are told apart."""
    leaves: dict[Variable, dict[Leaf, None]] = {}
    for test in dict.fromkeys(tests_in(program)):
        for leaf in leaves_of(test.peer):
            about = read(leaf, ends[test.end], family)
            if isinstance(about, About):
                leaves.setdefault(Variable(test.end, about), {})[leaf] = None
    destination = ends["destination"]
    if isinstance(destination, Possible) and destination.free:
        for name in sorted({term.name for rule in rules_in(program) for term in named_in(rule.traffic)}):
            leaves[Variable("destination", About("port name", name))] = {}
    found, total = {}, 1
    for variable in sorted(leaves):
        end = ends[variable.end]
        assert isinstance(end, Possible)
        found[variable] = values(variable.about, leaves[variable], end, family)
        total *= len(found[variable])
    if total > WIDEST:
        raise TooWide(f"{total:,} combinations of labels matter")
    return found


def atoms(program: Program, flows: tuple[Box, ...], destination: End) -> Atoms:
    """The flows as the rules and the question divide them."""
    traffic: list[Traffic] = [*flows, *(rule.traffic for rule in rules_in(program))]
    traffic += [Box(term.protocols) for term in list(traffic) for term in named_in(term)]
    entity = destination if isinstance(destination, Entity) else destination.base
    return atoms_of(traffic, entity.ports)


class Maker:
    """Makes the table: tests and rules as sets of cases."""

    def __init__(self, known: dict[Variable, tuple[Value, ...]], ends: dict[str, End], family: int, atoms: Atoms) -> None:
        self.known, self.ends, self.family, self.atoms = known, ends, family, atoms
        self.strides: dict[Variable, int] = {}
        total = 1
        for variable, items in reversed(known.items()):
            self.strides[variable] = total
            total *= len(items)
        self.total, self.all = total, run(0, total - 1)
        self.memory: dict[Test, Sides] = {}

    def cells(self, program: Program, wanted: int) -> list[int]:
        """The flows that are asked about, in parts that no rule divides."""
        masks = {self.atoms.of_box(box) for rule in rules_in(program) for box in boxes_in(rule.traffic)}
        for rule in rules_in(program):
            for term in named_in(rule.traffic):
                masks |= {self.atoms.of_box(Box(term.protocols)), self.atoms.of(term, self.ports())[0]}
        found = [wanted] if wanted else []
        for mask in sorted(masks):
            found = [part for cell in found for part in (cell & mask, cell & ~mask) if part]
        return found

    def ports(self) -> tuple[NamedPort, ...]:
        """The named ports of the destination, as far as they are settled."""
        destination = self.ends["destination"]
        return destination.ports if isinstance(destination, Entity) else () if destination.free else destination.base.ports

    def case(self, program: Program, cell: int) -> Case:
        """What all planes admit of some flows."""
        sure = may = self.all
        for plane in program.planes:
            one = self.plane(plane, cell)
            sure, may = sure & one[0], may & one[1]
        return Case(cell, sure, may)

    def plane(self, plane: ReadPlane, cell: int) -> Sides:
        """What a plane admits."""
        open_, allowed, denied = self.all, 0, 0
        for tier in plane.tiers:
            passed = isolated = perhaps = 0
            for group in tier.groups:
                before, after = open_, open_
                for policy in group:
                    selected = self.test(policy.subject)
                    if policy.isolates:
                        isolated, perhaps = isolated | selected[0], perhaps | selected[1]
                    left = before
                    for rule in policy.rules:
                        sure, may = self.rule(rule, selected, cell)
                        hit = left & may
                        allowed |= hit if rule.action is Action.ALLOW else 0
                        denied |= hit if rule.action is Action.DENY else 0
                        passed |= hit if rule.action is Action.PASS else 0
                        left &= ~sure
                    after &= left
                open_ = after
            if tier.end is Action.DENY:
                denied |= open_ & perhaps
                open_ &= ~isolated
            open_ |= passed
        allowed |= open_ if plane.default is Action.ALLOW else 0
        denied |= 0 if plane.default is Action.ALLOW else open_
        return allowed & ~denied, allowed

    def rule(self, rule: ReadRule, selected: Sides, cell: int) -> Sides:
        """The cases in which a rule matches some flows."""
        sure, may = self.traffic(rule.traffic, cell)
        sure, may = sure & selected[0], may & selected[1]
        for test in rule.tests:
            one = self.test(test)
            sure, may = sure & one[0], may & one[1]
        return sure, may

    def traffic(self, traffic: Traffic, cell: int) -> Sides:
        """The cases in which a test holds for flows that it does not divide."""
        match traffic:
            case Box():
                found = self.all if self.atoms.of_box(traffic) & cell else 0
                return found, found
            case PortName(name, protocols):
                variable = Variable("destination", About("port name", name))
                if variable in self.known:
                    found = self.where(variable, 0b10) if self.atoms.of_box(Box(protocols)) & cell else 0
                else:
                    found = self.all if self.atoms.of(traffic, self.ports())[0] & cell else 0
                return found, found
            case Opaque():
                return 0, self.all
            case Not(term):
                sure, may = self.traffic(term, cell)
                return self.all & ~may, self.all & ~sure
            case All(terms):
                return self.every([self.traffic(term, cell) for term in terms])
            case AnyOf(terms):
                return self.any([self.traffic(term, cell) for term in terms])

    def test(self, test: Test) -> Sides:
        """The cases in which a test of an end holds."""
        found = self.memory.get(test)
        if found is None:
            found = self.memory[test] = self._test(test)
        return found

    def _test(self, test: Test) -> Sides:
        match test.peer:
            case All(terms):
                return self.every([self.test(Test(test.end, term)) for term in terms])
            case AnyOf(terms):
                return self.any([self.test(Test(test.end, term)) for term in terms])
            case Not(term):
                sure, may = self.test(Test(test.end, term))
                return self.all & ~may, self.all & ~sure
            case Opaque():
                return 0, self.all
            case leaf:
                about = read(leaf, self.ends[test.end], self.family)
                assert isinstance(about, About)
                variable = Variable(test.end, about)
                places = sum(1 << place for place, value in enumerate(self.known[variable]) if true_of(leaf, value))
                found = self.where(variable, places)
                return found, found

    def every(self, sides: list[Sides]) -> Sides:
        """The cases in which all hold."""
        sure = may = self.all
        for one in sides:
            sure, may = sure & one[0], may & one[1]
        return sure, may

    def any(self, sides: list[Sides]) -> Sides:
        """The cases in which one holds."""
        sure = may = 0
        for one in sides:
            sure, may = sure | one[0], may | one[1]
        return sure, may

    def where(self, variable: Variable, places: int) -> int:
        """The cases in which a variable has one of the values at the places."""
        stride, size = self.strides[variable], len(self.known[variable])
        unit = 0
        for place in members(places):
            unit |= run(place * stride, (place + 1) * stride - 1)
        return repeated(unit, stride * size, self.total // (stride * size))


def repeated(unit: int, period: int, count: int) -> int:
    """The pattern, so many times."""
    done = 1
    while done < count:
        more = min(done, count - done)
        unit |= (unit & ((1 << more * period) - 1)) << done * period
        done += more
    return unit
