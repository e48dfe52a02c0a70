"""The reading of the language by Z3: guarded states whose fields are bit-vectors.

It is written from the language's definition, not from the sets: tests become formulas, ways that meet with equal fields become a
disjunction of their guards. A box of values for each variable prunes what cannot be entered; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from analyzer.ranges import Ranges
from analyzer.solve import states as at
from analyzer.solve.sets import regions
from analyzer.solve.smt import connections
from analyzer.solve.smt.formulas import Formulas
from analyzer.solve.smt.ways import (
    Answer,
    Began,
    Carried,
    Condition,
    Formula,
    Never,
    Some,
    Term,
    TooMuch,
    Unsettled,
    Value,
    Way,
    alike,
    essence,
    hull,
    narrowed,
    put,
    real,
    values_of,
)
from analyzer.transfer import ir

if TYPE_CHECKING:
    import z3

WIDTH = {32: 48, 128: 128}
"""Bits of all terms: those of an address, or of a MAC."""


@dataclass(slots=True)
class Encoder:
    """Runs transfers of a program on guarded states."""

    program: ir.Program
    limit: int
    made: int = 0
    context: z3.Context = field(init=False)
    formulas: Formulas = field(init=False)

    def __post_init__(self) -> None:
        import z3

        self.context = z3.Context()
        self.formulas = Formulas(self.context, WIDTH[self.program.address_bits])

    def solve(self, found: list[tuple[Formula, ...]], rlimit: int) -> Answer:
        """Whether one of the conjunctions can hold."""
        import z3

        if not found:
            return Never()
        solver = z3.SolverFor("QF_BV", ctx=self.context)
        solver.set("rlimit", rlimit)
        solver.add(
            z3.Or([z3.And([*parts, z3.BoolVal(True, self.context)]) for parts in found] + [z3.BoolVal(False, self.context)])
        )
        answer = solver.check()
        if answer != z3.sat:
            return Never() if answer == z3.unsat else Unsettled(f"Z3 gave up ({solver.reason_unknown()})")
        values = sorted(((str(name), solver.model()[name]) for name in solver.model().decls()), key=itemgetter(0))
        return Some({name: value.as_long() for name, value in values if isinstance(value, z3.BitVecNumRef)})

    def asked(self, way: Way, where: Sequence[Condition]) -> Iterator[Formula]:
        """The conditions of a question, over the fields at the end."""
        import z3

        wide = self.program.address_bits
        for condition in where:
            match condition:
                case Began(name, ranges):
                    held = self.formulas.among(self.formulas.variable(name, wide).bits, ranges)
                case Carried(match):
                    held = self.formulas.of(match, way._replace(env=way.frames[0]) if way.frames else way)
                case (field, wanted, equal):
                    other = self.formulas.variable(wanted, wide) if isinstance(wanted, str) else wanted
                    held = self.formulas.same(way, way.env[at.INDEX[field]], other)
                    held = held == equal if isinstance(held, bool) else held if equal else z3.Not(held)
            yield z3.BoolVal(held, self.context) if isinstance(held, bool) else held

    def explore(self, starts: Iterable[tuple[ir.Point, regions.State]]) -> list[tuple[ir.Exit, Way]]:
        """The guarded states of all exits that are not ``Goto``."""
        return self.followed((point, self.begun(state)) for point, state in starts)

    def followed(self, starts: Iterable[tuple[ir.Point, Way]]) -> list[tuple[ir.Exit, Way]]:
        """The same, from guarded states."""
        waiting: dict[ir.Point, list[Way]] = {}
        for point, begun in starts:
            waiting.setdefault(point, []).append(begun)
        results: list[tuple[ir.Exit, Way]] = []
        while waiting:
            point = next(iter(waiting))
            for way in self.met(waiting.pop(point)):
                if way.hops > at.HOPS:
                    results.append((ir.Drop("the packet goes in circles"), way))
                    continue
                for left, after in self.run(self.program.at(point), way._replace(hops=way.hops + 1)):
                    if isinstance(left, ir.Goto):
                        waiting.setdefault(left.point, []).append(after)
                    else:
                        results.append((left or ir.Return(), after))
        return results

    def begun(self, state: regions.State) -> Way:
        """The guarded state of a set of states: its ranges and what ties variables together are the guard."""
        import z3

        if any(item.guards for item in state.connections):
            raise TooMuch("connections of united sets are not given to Z3")
        wide = self.program.address_bits
        box = regions.variables(state)
        terms = {name: self.formulas.variable(name, wide) for name in box}
        terms |= {pair.right: self.formulas.variable(pair.right, wide) for pair in state.together if pair.equal}
        value: Callable[[int | str], Value] = lambda item: terms[item] if isinstance(item, str) else item  # noqa: E731
        among: Callable[[str, Ranges], Formula] = lambda name, ranges: self.formulas.among(terms[name].bits, ranges)  # noqa: E731
        guard = [among(name, ranges) for name, ranges in state.region.items()]
        guard += [
            z3.Or([self.formulas.joined(list(map(among, joint.names, row)), True) for row in joint.rows])
            for joint in state.joints
        ]
        for left, right, equal in state.together:
            same = terms[left].bits == terms[right].bits
            guard.append(same if equal else z3.Not(same))
        known: tuple[at.Connection[Value], ...] = tuple(
            at.Connection(
                item.scope, at.Tuple(*map(value, item.original)), at.Tuple(*map(value, item.reply)), value(item.mark), *item[4:]
            )
            for item in state.connections
        )
        env, *frames = (tuple(map(value, one)) for one in (state.env, *state.frames))
        whole = z3.And([*guard, z3.BoolVal(True, self.context)])
        return Way(whole, box, env, tuple(frames), known, state.current, state.fresh)

    def met(self, ways: list[Way]) -> list[Way]:
        """Ways with the same fields become one: either guard holds."""
        import z3

        if len(ways) < 2:
            return ways
        groups: dict[object, list[Way]] = {}
        for way in ways:
            groups.setdefault(essence(way), []).append(way)
        result = []
        for group in groups.values():
            first = group[0]
            if len(group) > 1:
                guard = z3.Or([way.guard for way in group])
                first = first._replace(guard=guard, box=hull(group), hops=max(way.hops for way in group))
            result.append(first)
        return result

    def branch(self, match: ir.Match, way: Way) -> tuple[Way | None, Way | None]:
        """The way where the match holds, and where not; None where there is no such way."""
        held = self.formulas.of(match, way)
        yes, no = self.fork(way, held)
        yes = yes._replace(box=narrowed(match, way, True)) if yes is not None else None
        no = no._replace(box=narrowed(match, way, False)) if no is not None else None
        return real(yes), real(no)

    def fork(self, way: Way, held: Formula) -> tuple[Way | None, Way | None]:
        """The way where a formula holds, and where not."""
        import z3

        if isinstance(held, bool):
            return (way, None) if held else (None, way)
        self.made += 1
        if self.made > self.limit:
            raise TooMuch(f"more than {self.limit} ways have to be told apart")
        return way._replace(guard=z3.And(way.guard, held)), way._replace(guard=z3.And(way.guard, z3.Not(held)))

    def run(self, transfer: ir.Transfer, way: Way) -> list[tuple[ir.Exit | None, Way]]:
        """The guarded states that may follow, each with its exit; None: it continues."""
        match transfer:
            case ir.If():
                return self.alternatives(transfer, way)
            case ir.Seq(parts):
                return self.sequence(parts, way)
            case ir.Table():
                return self.table(transfer, way)
            case ir.Alt(branches):
                return [item for branch in branches for item in self.run(branch, way)]
            case ir.Call(point):
                return self.inside(self.program.at(point), way, ir.Return())
            case ir.Hook(body):
                return self.inside(body, way, ir.Accept())
            case ir.End(left):
                return [(left, way)]
            case ir.Decapsulate() if not way.frames:
                return [(at.NO_PAYLOAD, way)]
            case ir.Translate():
                return connections.translate(self, transfer, way)
            case ir.Rewrite():
                return [(ir.Accept(), after) for after in connections.rewrite(self, transfer, way)]
            case ir.Track():
                return [(None, after) for after in connections.track(self, transfer, way)]
            case ir.Retrace():
                return [(None, after) for after in connections.retraced(self, way)]
            case ir.Note(scope, values):
                return [(None, after) for after in connections.noted(self, scope, values, way)]
            case ir.IfNoted(scope, values):
                both = zip((transfer.then, transfer.otherwise), connections.recalled(self, scope, values, way), strict=True)
                return [item for then, one in both if one is not None for item in self.run(then, one)]
            case _:
                return [(None, after) for after in self.step(transfer, way)]

    def alternatives(self, transfer: ir.If, way: Way) -> list[tuple[ir.Exit | None, Way]]:
        """Branches; a chain of alternatives is followed in a loop."""
        result: list[tuple[ir.Exit | None, Way]] = []
        step: ir.Transfer = transfer
        while isinstance(step, ir.If):
            yes, no = self.branch(step.match, way)
            result += self.run(step.then, yes) if yes is not None else []
            if no is None:
                return result
            step, way = step.otherwise, no
        return result + self.run(step, way)

    def inside(self, body: ir.Transfer, way: Way, end: ir.Exit) -> list[tuple[ir.Exit | None, Way]]:
        """The body; what leaves by ``end``, or at the end, goes on as one."""
        results = self.run(body, way)
        on = self.met([after for left, after in results if left is None or left == end])
        return [item for item in results if item[0] is not None and item[0] != end] + [(None, after) for after in on]

    def table(self, transfer: ir.Table, way: Way) -> list[tuple[ir.Exit | None, Way]]:
        """The parts that matter to the destinations, chosen again whenever the destination has changed."""
        result: list[tuple[ir.Exit | None, Way]] = []
        waiting = [(0, way)]
        while waiting:
            start, way = waiting.pop()
            indexes = [index for index in transfer.select(values_of(way, way.env[at.DESTINATION])) if index >= start]
            for index in indexes:
                results = self.run(transfer.parts[index], way)
                result += [item for item in results if item[0] is not None]
                on = self.met([after for left, after in results if left is None])
                if len(on) != 1 or not alike(on[0].env[at.DESTINATION], way.env[at.DESTINATION]):
                    waiting += [(index + 1, after) for after in on]
                    break
                way = on[0]
            else:
                result.append((None, way))
        return result

    def sequence(self, parts: Sequence[ir.Transfer], way: Way) -> list[tuple[ir.Exit | None, Way]]:
        """One part after the other, while they continue."""
        ways = [way]
        left: list[tuple[ir.Exit | None, Way]] = []
        for part in parts:
            results = [item for way in ways for item in self.run(part, way)]
            ways = [after for exit, after in results if exit is None]
            left += [item for item in results if item[0] is not None]
            if len(ways) > 1:
                ways = self.met(ways)
            if not ways:
                return left
        return left + [(None, way) for way in ways]

    def step(
        self,
        transfer: ir.Assign | ir.Copy | ir.SetBits | ir.Merge | ir.Choose | ir.Confirm | ir.Encapsulate | ir.Decapsulate,
        way: Way,
    ) -> list[Way]:
        """What always continues."""
        match transfer:
            case ir.Assign(name, value):
                return [put(way, at.INDEX[name], value)]
            case ir.Copy(name, origin):
                return [put(way, at.INDEX[name], way.env[at.INDEX[origin]])]
            case ir.SetBits(name, mask, bits):
                return [put(way, at.INDEX[name], self.mixed(way.env[at.INDEX[name]], mask, bits, -1))]
            case ir.Merge(name, mask, origin, origin_mask):
                other = way.env[at.INDEX[origin]]
                return [put(way, at.INDEX[name], self.mixed(way.env[at.INDEX[name]], mask, other, origin_mask))]
            case ir.Choose(name, ranges):
                after, some = self.chosen(way, ranges) if ranges else (way, 0)
                return [put(after, at.INDEX[name], some)] if ranges else []
            case ir.Confirm(scope):
                return [connections.confirmed(way, scope)]
            case ir.Decapsulate(marked):
                inner = tuple(0 if i in at.OF_CONNECTION else value for i, value in enumerate(way.frames[-1]))
                out = way._replace(env=inner, frames=way.frames[:-1], current=-1)
                return [put(out, at.MARK, way.env[at.MARK] if marked else 0)]
            case ir.Encapsulate(fields):
                return [self.wrapped(way, fields)] if all(ranges for _, ranges in fields) else []

    def wrapped(self, way: Way, fields: tuple[tuple[ir.Field, Ranges], ...]) -> Way:
        """The packet inside another one."""
        env = tuple(value if i == at.MARK else 0 for i, value in enumerate(way.env))
        outer = way._replace(env=env, frames=(*way.frames, way.env), current=-1)
        for name, ranges in fields:
            outer, value = self.chosen(outer, ranges)
            outer = put(outer, at.INDEX[name], value)
        return outer

    def chosen(self, way: Way, ranges: Ranges) -> tuple[Way, Value]:
        """A new variable in the ranges."""
        import z3

        if len(ranges) != 1 or ranges[0][0] != ranges[0][1]:
            name = f"choice {way.fresh}"
            term = self.formulas.variable(name, self.program.address_bits)
            guard = z3.And(way.guard, self.formulas.among(term.bits, ranges))
            return way._replace(guard=guard, box={**way.box, name: ranges}, fresh=way.fresh + 1), term
        return way, ranges[0][0]

    def mixed(self, value: Value, mask: int, other: Value, other_mask: int) -> Value:
        """``(value & ~mask) ^ (other & other_mask)``."""
        if isinstance(value, int) and isinstance(other, int):
            return (value & ~mask) ^ (other & other_mask)
        all_ones = (1 << WIDTH[self.program.address_bits]) - 1
        left = self.formulas.number(value) if isinstance(value, int) else value.bits
        right = self.formulas.number(other) if isinstance(other, int) else other.bits
        return Term("", (left & self.formulas.number(~mask & all_ones)) ^ (right & self.formulas.number(other_mask & all_ones)))
