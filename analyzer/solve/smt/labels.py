"""What policies decide where something is open, as a formula in SMT-LIB: written from the policies themselves, apart from ``truth_tables.py``.

Each test has two rails: a formula that holds where the test certainly does, and one that holds where it may. Rules are read from the last to the
first: what a flow can end as after a rule is the rule's action where it may match, and what comes after it where it may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.possible import (
    About,
    End,
    Leaf,
    PartPolicy,
    PlanePart,
    TierPart,
    Value,
    Variable,
    parts,
    read,
    true_of,
    values,
)
from analyzer.policy.terms import EVERYONE, All, AnyOf, Box, Not, Opaque, Peer, PortName, Traffic
from analyzer.policy.tiers import Action, Direction
from analyzer.ranges import Ranges

LONG = 60


class Rails(NamedTuple):
    """A formula that holds where something certainly does, and one that holds where it may. Of a verdict: where it may be to allow, where to deny."""

    first: str
    second: str


class Sought(Enum):
    """What is looked for: a flow that is admitted for sure, or perhaps; refused for sure, or perhaps."""

    ADMITTED = auto()
    MAY_ADMIT = auto()
    REFUSED = auto()
    MAY_REFUSE = auto()


@dataclass(frozen=True, slots=True)
class Frame:
    """One way that the ends could be."""

    source: End
    destination: End


TRUE, FALSE = Rails("true", "true"), Rails("false", "false")


def conjunction(terms: Iterable[str]) -> str:
    """All of the formulas."""
    kept = list(dict.fromkeys(term for term in terms if term != "true"))
    if "false" in kept:
        return "false"
    return "true" if not kept else kept[0] if len(kept) == 1 else f"(and {' '.join(kept)})"


def disjunction(terms: Iterable[str]) -> str:
    """One of the formulas."""
    kept = list(dict.fromkeys(term for term in terms if term != "false"))
    if "true" in kept:
        return "true"
    return "false" if not kept else kept[0] if len(kept) == 1 else f"(or {' '.join(kept)})"


def negation(term: str) -> str:
    """The formula does not hold."""
    return {"true": "false", "false": "true"}.get(term) or f"(not {term})"


def number(value: int, width: int) -> str:
    """A number of so many bits."""
    return f"(_ bv{value} {width})"


def between(name: str, ranges: Ranges, width: int) -> str:
    """That a number is in ranges."""
    parts_ = []
    for low, high in ranges:
        if low == high:
            parts_.append(f"(= {name} {number(low, width)})")
            continue
        bounds = [f"(bvuge {name} {number(low, width)})"] if low else []
        bounds += [f"(bvule {name} {number(high, width)})"] if high < (1 << width) - 1 else []
        parts_.append(conjunction(bounds))
    return disjunction(parts_)


@dataclass
class Encoder:
    """Writes the formula for some frames."""

    policies: PolicySet
    family: int
    defined: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    leaves: dict[Variable, dict[Leaf | str, str]] = field(default_factory=dict)
    ends: dict[Variable, End] = field(default_factory=dict)
    numbers: dict[Variable, int] = field(default_factory=dict)

    def name(self, formula: str) -> str:
        """A short name for a long formula."""
        if len(formula) < LONG:
            return formula
        found = self.named.get(formula)
        if found is None:
            found = self.named[formula] = f"f{len(self.named)}"
            self.defined.append(f"(define-fun {found} () Bool {formula})")
        return found

    def frame(self, frame: Frame, sought: Sought) -> str:
        """That what is looked for is so between the ends of a frame."""
        ends = {"source": frame.source, "destination": frame.destination}
        verdicts = [self.plane(plane, own, other, ends) for plane, own, other in self.planes(frame)]
        sure = conjunction(conjunction((verdict.first, negation(verdict.second))) for verdict in verdicts)
        may = conjunction(verdict.first for verdict in verdicts)
        return {
            Sought.ADMITTED: sure,
            Sought.MAY_ADMIT: may,
            Sought.REFUSED: negation(may),
            Sought.MAY_REFUSE: negation(sure),
        }[sought]

    def planes(self, frame: Frame) -> Iterator[tuple[PlanePart, str, str]]:
        """The planes in both directions, with whose rules they ask."""
        for plane in parts(self.policies, frame.source, self.family, Direction.EGRESS):
            yield plane, "source", "destination"
        for plane in parts(self.policies, frame.destination, self.family, Direction.INGRESS):
            yield plane, "destination", "source"

    def plane(self, plane: PlanePart, own: str, other: str, ends: dict[str, End]) -> Rails:
        """What a plane can end with."""
        rest = Rails("true", "false") if plane.default is Action.ALLOW else Rails("false", "true")
        for tier in reversed(plane.tiers):
            rest = self.tier(tier, rest, own, other, ends)
        return rest

    def tier(self, tier: TierPart, rest: Rails, own: str, other: str, ends: dict[str, End]) -> Rails:
        """What a tier can end with, ``rest`` being what the next one can."""
        selected = [[(item, self.test(item.policy.subject, own, ends)) for item in group] for group in tier.groups]
        after = self.end(tier, [rails for group in selected for item, rails in group if item.rules.isolates], rest)
        for group in reversed(selected):
            after = self.group(group, after, rest, own, other, ends)
        return after

    def end(self, tier: TierPart, isolating: list[Rails], rest: Rails) -> Rails:
        """What the end of a tier can end with."""
        if tier.end is not Action.DENY:
            return rest
        goes_on = negation(disjunction(rails.first for rails in isolating))
        stops = disjunction(rails.second for rails in isolating)
        allow, deny = conjunction((goes_on, rest.first)), conjunction((goes_on, rest.second))
        return Rails(self.name(allow), self.name(disjunction((stops, deny))))

    def group(
        self, group: list[tuple[PartPolicy, Rails]], after: Rails, following: Rails, own: str, other: str, ends: dict[str, End]
    ) -> Rails:
        """What policies can end with that are asked one by one, or of which any may be the first."""
        allow, deny, through = [], [], []
        for item, selected in group:
            ends_as, goes_through = self.policy(item, selected, following, own, other, ends)
            allow.append(ends_as.first)
            deny.append(ends_as.second)
            through.append(goes_through)
        passes = self.name(conjunction(through))
        allow.append(conjunction((passes, after.first)))
        deny.append(conjunction((passes, after.second)))
        return Rails(self.name(disjunction(allow)), self.name(disjunction(deny)))

    def policy(
        self, item: PartPolicy, selected: Rails, following: Rails, own: str, other: str, ends: dict[str, End]
    ) -> tuple[Rails, str]:
        """What a policy's own rules can end with, and where none of them certainly matches."""
        result, through = FALSE, "true"
        for rule in reversed(item.rules.rules):
            if rule.action is Action.LOG or selected.second == "false":
                continue
            tests = [
                selected,
                self.test(rule.peer, other, ends),
                self.test(rule.own, own, ends),
                self.traffic(rule.traffic, ends),
            ]
            sure, may = self.name(conjunction(t.first for t in tests)), self.name(conjunction(t.second for t in tests))
            if may == "false":
                continue
            misses = negation(sure)
            then = {Action.ALLOW: Rails("true", "false"), Action.DENY: Rails("false", "true")}.get(rule.action, following)
            result = Rails(
                *(
                    self.name(disjunction((conjunction((may, hit)), conjunction((misses, rest)))))
                    for hit, rest in zip(then, result, strict=True)
                )
            )
            through = conjunction((through, misses))
        return result, through

    def test(self, peer: Peer, end: str, ends: dict[str, End]) -> Rails:
        """A test of an end."""
        match peer:
            case All(terms):
                rails = [self.test(term, end, ends) for term in terms] if peer != EVERYONE else []
                return self.both(conjunction(one.first for one in rails), conjunction(one.second for one in rails))
            case AnyOf(terms):
                rails = [self.test(term, end, ends) for term in terms]
                return self.both(disjunction(one.first for one in rails), disjunction(one.second for one in rails))
            case Not(term):
                inner = self.test(term, end, ends)
                return Rails(negation(inner.second), negation(inner.first))
            case leaf:
                value = read(leaf, ends[end], self.family)
                if isinstance(value, About):
                    named = self.leaf(Variable(end, value), leaf, ends[end])
                    return Rails(named, named)
                return Rails("false", "true") if value is None else TRUE if value else FALSE

    def both(self, first: str, second: str) -> Rails:
        """Two rails under short names."""
        return Rails(self.name(first), self.name(second))

    def leaf(self, variable: Variable, leaf: Leaf | str, end: End) -> str:
        """The name of a test of something open; it is written out when all tests of it are known."""
        index = self.numbers.setdefault(variable, len(self.numbers))
        self.ends.setdefault(variable, end)
        known = self.leaves.setdefault(variable, {})
        return known.setdefault(leaf, f"{variable_name(index)}p{len(known)}")

    def traffic(self, traffic: Traffic, ends: dict[str, End]) -> Rails:
        """A test of the flow."""
        match traffic:
            case Box():
                found = self.name(box(traffic))
                return Rails(found, found)
            case PortName():
                found = self.name(self.port_name(traffic, ends["destination"]))
                return Rails(found, found)
            case Opaque():
                return Rails("false", "true")
            case Not(term):
                inner = self.traffic(term, ends)
                return Rails(negation(inner.second), negation(inner.first))
            case All(terms):
                rails = [self.traffic(term, ends) for term in terms]
                return Rails(conjunction(one.first for one in rails), conjunction(one.second for one in rails))
            case AnyOf(terms):
                rails = [self.traffic(term, ends) for term in terms]
                return Rails(disjunction(one.first for one in rails), disjunction(one.second for one in rails))

    def port_name(self, traffic: PortName, destination: End) -> str:
        """That the destination gives the flow's port a name."""
        protocols = between("protocol", traffic.protocols, 8)
        if not isinstance(destination, Entity) and destination.free:
            variable = Variable("destination", About("port name", traffic.name))
            return conjunction((protocols, self.leaf(variable, "named", destination)))
        known = destination.ports if isinstance(destination, Entity) else destination.base.ports
        ports = (
            conjunction((f"(= protocol {number(port.protocol, 8)})", f"(= port {number(port.port, 16)})"))
            for port in known
            if port.name == traffic.name
        )
        return conjunction((protocols, disjunction(ports)))

    def domains(self) -> dict[Variable, tuple[Value, ...]]:
        """What is open, with the values that are told apart."""
        found = {}
        for variable, leaves in self.leaves.items():
            end = self.ends[variable]
            assert not isinstance(end, Entity)
            tests = [leaf for leaf in leaves if not isinstance(leaf, str)]
            found[variable] = values(variable.about, tests, end, self.family)
        return found

    def declarations(self, domains: dict[Variable, tuple[Value, ...]]) -> Iterator[str]:
        """The variables, and the tests of them."""
        for index, (variable, known) in enumerate(domains.items()):
            name, width = variable_name(index), width_of(known)
            yield f"(declare-const {name} (_ BitVec {width}))"
            yield f"(assert (bvule {name} {number(len(known) - 1, width)}))"
            for leaf, label in self.leaves[variable].items():
                places = [
                    place
                    for place, value in enumerate(known)
                    if (value is True if isinstance(leaf, str) else true_of(leaf, value))
                ]
                formula = disjunction(f"(= {name} {number(place, width)})" for place in places)
                yield f"(define-fun {label} () Bool {formula})"


def variable_name(index: int) -> str:
    """A variable's name in formulas."""
    return f"v{index}"


def width_of(known: tuple[Value, ...]) -> int:
    """How many bits a variable has."""
    return max(1, (len(known) - 1).bit_length())


def box(flows: Box) -> str:
    """That the flow is in a box."""
    return conjunction(
        (between("protocol", flows.protocols, 8), between("port", flows.destinations, 16), between("origin", flows.sources, 16))
    )
