"""The reading of the language for all packets at once: sets of states, split where a test tells them apart, united where they are alike.

A set of states is a product of interval sets (``regions.State``). Results are exact: each packet of the start is in the results that
the interpreter gives it and in no other. What a product cannot say (bits of a variable that are copied apart, more states than the
budget allows) ends as a result that is ``beyond``, for Z3 to decide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from analyzer.ranges import Ranges, is_single, single, size
from analyzer.solve.sets.families import families, of_family, run_family
from analyzer.solve.sets.linking import linked, released
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.parting import by_destination, by_parts
from analyzer.solve.sets.pooling import Pruning
from analyzer.solve.sets.regions import BeyondSets, Result, State, Value, chosen, put, values_of
from analyzer.solve.sets.splitting import split
from analyzer.solve.sets.tracking import (
    cleared,
    confirmed,
    decide,
    freed,
    manipulated,
    noted,
    recalled,
    retraced,
    rewritten,
    track,
)
from analyzer.solve.sets.uniting import merged
from analyzer.solve.states import CONNECTION_MARK, DESTINATION, DESTINATION_PORT, HOPS, INDEX, MARK, NO_PAYLOAD, STATE, TAKEN
from analyzer.source import Span
from analyzer.transfer import ir

STEPS, STATES, NESTING = 2_000_000, 20_000, 100
EACH = 4_000
"""Tests that each start may take, where that is more than STEPS together."""
TRANSLATED = (DESTINATION, DESTINATION_PORT)
CIRCLES = ir.Drop("the packet goes in circles")
ACCEPT = ir.Accept()
NOTHING = Neglect()
REQUEST = ir.In(ir.Field.DIRECTION, single(0))


@dataclass(slots=True)
class Count:
    """What was spent: rules (``If``) entered, sets of states. ``strayed``: some packets were INVALID; ``families``: chains of families are no points."""

    rules: int = 0
    states: int = 0
    strayed: bool = False
    families: bool = False


@dataclass(slots=True)
class Sets:
    """Runs transfers of a program on sets of states."""

    program: ir.Program
    steps: int = STEPS
    limit: int = STATES
    neglect: Neglect = NOTHING
    count: Count = dataclass_field(default_factory=Count)
    depth: int = 0
    pruning: Pruning = dataclass_field(default_factory=Pruning)
    points: dict[ir.Point, None] = dataclass_field(default_factory=dict)

    def explore(self, starts: Iterable[tuple[ir.Point, State]]) -> list[Result]:
        """The results of all ways from the starts to an exit that is not ``Goto``. Sets that meet at a point are united."""
        waiting: dict[ir.Point, list[State]] = {}
        for point, state in starts:
            waiting.setdefault(point, []).append(state)
        results: list[Result] = []
        while waiting:
            point = next(iter(waiting))
            for result in self.visit(point, self.neglect.met(point, list(map(self.pruning.pruned, waiting.pop(point))))):
                if isinstance(result.exit, ir.Goto):
                    goal = result.exit.point
                    waiting.setdefault(goal, []).append(self.neglect.at(goal, result.state))
                else:
                    results.append(result)
        return collected(results)

    def visit(self, point: ir.Point, states: list[State]) -> list[Result]:
        """The results of one point, ``Goto`` among them."""
        self.points[point] = None
        results: list[Result] = []
        going = [state for state in states if state.hops < HOPS]
        results += [Result(CIRCLES, None, state) for state in states if state.hops >= HOPS]
        try:
            through = self.run(self.program.at(point), [state._replace(hops=state.hops + 1) for state in going], results)
        except (BeyondSets, RecursionError) as reason:
            self.depth = 0
            words = str(reason) if isinstance(reason, BeyondSets) else "the rules are nested too deeply"
            return [Result(ir.Unknown(words), None, state, True) for state in states]
        return results + [Result(ir.Return(), None, state) for state in through]

    def run(self, transfer: ir.Transfer, states: list[State], out: list[Result]) -> list[State]:
        """The states that continue after the transfer; those that leave are added to ``out``."""
        if not states:
            return []
        match transfer:
            case ir.If():
                return run_if(self, transfer, states, out)
            case ir.Seq():
                return run_seq(self, transfer.parts, states, out)
            case ir.IfNoted():
                return run_noted(self, transfer, states, out)
            case ir.Note(scope, values):
                return [after for state in states for after in noted(state, scope, values)]
            case ir.End():
                out += [Result(transfer.exit, transfer.at, state) for state in states]
                return []
            case ir.Call(point):
                self.points[point] = None
                return inside(self, self.program.at(point), states, out, ir.Return)
            case ir.Hook():
                return inside(self, transfer.body, states, out, ir.Accept)
            case ir.Table():
                return run_table(self, transfer, states, out)
            case ir.Alt():
                return merged([after for branch in transfer.branches for after in self.run(branch, states, out)])
            case ir.Translate():
                return run_translate(self, transfer, states, out)
            case ir.Rewrite():
                out += [Result(ACCEPT, transfer.at, after) for state in states for after in rewritten(state, transfer)]
                return []
            case ir.Decapsulate(marked):
                return run_decapsulate(states, marked, out)
            case ir.Encapsulate(fields):
                return [after for state in states for after in encapsulated(state, fields)]
            case ir.Track(scope) if scope in self.neglect.blind:
                return [state._replace(current=-1) for state in states]
            case ir.Track():
                found = [after for state in states for after in track(state, transfer)]
                self.count.strayed |= any(after.env[STATE] == ir.INVALID for after in found)
                return found
            case _:
                return [after for state in states for after in step(transfer, state)]

    def united(self, states: list[State]) -> list[State]:
        """The same states in fewer sets, of which there may not be too many."""
        found = merged(states)
        self.count.states += len(found)
        if len(found) > self.limit:
            raise BeyondSets(f"more than {self.limit} sets of packets have to be told apart")
        return found

    def spent(self) -> None:
        """Counts a test."""
        self.count.rules += 1
        if self.count.rules > self.steps:
            raise BeyondSets(f"more than {self.steps} tests are needed")


def run_if(engine: Sets, transfer: ir.If, states: list[State], out: list[Result]) -> list[State]:
    """Branches; a chain of alternatives is followed in a loop."""
    result: list[State] = []
    step: ir.Transfer = transfer
    while isinstance(step, ir.If):
        engine.spent()
        yes: list[State] = []
        no: list[State] = []
        for state in states:
            split(step.match, state, yes, no)
        result += engine.run(step.then, yes, out)
        if not no:
            return result
        step, states = step.otherwise, no
    return result + engine.run(step, states, out)


def run_noted(engine: Sets, transfer: ir.IfNoted, states: list[State], out: list[Result]) -> list[State]:
    """Branches by what a namespace remembers."""
    engine.spent()
    yes: list[State] = []
    no: list[State] = []
    for state in states:
        found, left = recalled(state, transfer.scope, transfer.values)
        yes += found
        no += left
    return engine.run(transfer.then, yes, out) + engine.run(transfer.otherwise, no, out)


def run_seq(engine: Sets, parts: tuple[ir.Transfer, ...], states: list[State], out: list[Result]) -> list[State]:
    """One part after the other."""
    position = 0
    while position < len(parts) and states:
        part, before = parts[position], len(states)
        position += 1
        if isinstance(part, ir.Assign):
            end = position
            while end < len(parts) and isinstance(parts[end], ir.Assign):
                end += 1
            if end > position:
                states = assigned(parts[position - 1 : end], states)
                position = end
                continue
        states = engine.run(part, states, out)
        if len(states) > before:
            states = engine.united(states)
    return states


def assigned(parts: Sequence[ir.Transfer], states: list[State]) -> list[State]:
    """Several assignments at once."""
    values = {INDEX[part.field]: part.value for part in parts if isinstance(part, ir.Assign)}
    marked = values.get(CONNECTION_MARK)
    result = []
    for state in states:
        env = list(state.env)
        for place, value in values.items():
            env[place] = value
        after = state._replace(env=tuple(env))
        result.append(after if marked is None else put(after, CONNECTION_MARK, marked))
    return result


def run_table(engine: Sets, transfer: ir.Table, states: list[State], out: list[Result]) -> list[State]:
    """The parts that matter to the destinations: few destinations at a time where many parts are about single ones."""
    result: list[State] = []
    for group in by_destination(states):
        for family in families(transfer, group):
            mine, group = of_family(family, group)
            engine.count.families |= bool(mine)
            result += run_family(engine, transfer, family, mine, out) if mine else []
        for some in by_parts(transfer, group) if group else ():
            result += run_parts(engine, transfer, some, out)
    return merged(result) if len(result) > len(states) else result


def run_parts(engine: Sets, transfer: ir.Table, states: list[State], out: list[Result]) -> list[State]:
    """The parts that matter to the destinations, chosen again when these have become few."""
    waiting = [(0, states)]
    result: list[State] = []
    while waiting:
        position, group = waiting.pop()
        value = group[0].env[DESTINATION]
        now = values_of(group[0], value)
        indexes = transfer.select(now)
        place = bisect_left(indexes, position)
        while place < len(indexes) and group:
            index = indexes[place]
            place += 1
            group = run_seq(engine, (transfer.parts[index],), group, out)
            moved = [state for state in group if is_elsewhere(state, value, now)]
            if moved:
                group = [state for state in group if not is_elsewhere(state, value, now)]
                waiting += [(index + 1, others) for others in by_destination(moved)]
        result += group
    return result


def is_elsewhere(state: State, value: Value, before: Ranges) -> bool:
    """Whether the destination is another field's value now, or only among very few of those before."""
    if state.env[DESTINATION] != value:
        return True
    now = values_of(state, value)
    if now is before or isinstance(value, int):
        return False
    return len(now) * 4 <= len(before) if len(before) > 8 else size(now) * 4 <= size(before)


def inside(
    engine: Sets, body: ir.Transfer, states: list[State], out: list[Result], end: type[ir.Return] | type[ir.Accept]
) -> list[State]:
    """The body; what leaves by ``end`` goes on."""
    if engine.depth > NESTING:
        raise BeyondSets("calls are nested too deeply")
    engine.depth += 1
    left: list[Result] = []
    result = engine.run(body, states, left)
    engine.depth -= 1
    for item in left:
        if isinstance(item.exit, end):
            result.append(item.state)
        else:
            out.append(item)
    return merged(result) if len(result) > len(states) else result


def run_translate(engine: Sets, transfer: ir.Translate, states: list[State], out: list[Result]) -> list[State]:
    """Address translation at one hook: the rules are for the first packet of a connection only."""
    result, first = [], []
    for state in states:
        if state.current < 0:
            result.append(state)
            continue
        own = state.connections[state.current]
        decided = own.confirmed or (own.destination_decided if transfer.destination else own.source_decided)
        request: list[State] = []
        reply: list[State] = []
        split(REQUEST, state, request, reply)
        first += [] if decided else request
        result += [manipulated(item, transfer.destination, False) for item in (request if decided else [])]
        result += [manipulated(item, transfer.destination, True) for item in reply]
    after = inside(engine, transfer.rules, first, out, ir.Accept) if first else []
    settled = [decide(state, transfer.destination) for state in (after if transfer.destination else free(after, out))]
    result += linked(settled, TRANSLATED) if transfer.destination else settled
    return merged(result) if len(result) > len(states) else result


def free(states: list[State], out: list[Result]) -> list[State]:
    """The states whose tuples no other connection has; the others leave."""
    clashing: list[State] = []
    left = [item for state in states for item in freed(state, clashing)]
    out += [Result(TAKEN, None, state) for state in clashing]
    return left


def run_decapsulate(states: list[State], marked: bool, out: list[Result]) -> list[State]:
    """The payload is the packet again."""
    out += [Result(NO_PAYLOAD, None, state) for state in states if not state.frames]
    return [unpacked(state, state.env[MARK] if marked else 0) for state in states if state.frames]


def unpacked(state: State, mark: Value) -> State:
    """The payload alone, with a mark; what only the outer packet spoke of is gone."""
    after = put(state._replace(env=cleared(state.frames[-1]), frames=state.frames[:-1], current=-1), MARK, mark)
    return released(after, [value for value in state.env if isinstance(value, str)])


def encapsulated(state: State, fields: tuple[tuple[ir.Field, Ranges], ...]) -> list[State]:
    """The packets are put into others."""
    zero: tuple[Value, ...] = tuple(value if i == MARK else 0 for i, value in enumerate(state.env))
    outer: State | None = state._replace(env=zero, frames=(*state.frames, state.env), current=-1)
    for name, ranges in fields:
        outer = choose(outer, INDEX[name], ranges) if outer is not None else None
    return [outer] if outer is not None else []


def choose(state: State, position: int, ranges: Ranges) -> State | None:
    """The field gets some value of the ranges."""
    found = chosen(state, ranges)
    return put(found[0], position, found[1]) if found is not None else None


Simple = ir.Assign | ir.Copy | ir.SetBits | ir.Merge | ir.Choose | ir.Retrace | ir.Confirm


def step(transfer: Simple, state: State) -> Iterable[State]:
    """A transfer that always continues."""
    match transfer:
        case ir.Assign(name, value):
            return (put(state, INDEX[name], value),)
        case ir.Copy(name, origin):
            return (put(state, INDEX[name], state.env[INDEX[origin]]),)
        case ir.SetBits(name, mask, value):
            return (put(state, INDEX[name], bits(state, state.env[INDEX[name]], ~mask) ^ value),)
        case ir.Merge(name, mask, origin, origin_mask):
            return (merge_bits(state, name, mask, origin, origin_mask),)
        case ir.Choose(name, ranges, _, unknown):
            after = choose(state, INDEX[name], ranges)
            if after is not None and unknown:
                after = after._replace(answers=after.answers | {(unknown, True)})
            return () if after is None else (after,)
        case ir.Retrace():
            return (retraced(state),)
        case ir.Confirm(scope):
            return (confirmed(state, scope),)


def bits(state: State, value: Value, mask: int) -> int:
    """``value & mask`` where it is one number."""
    if isinstance(value, int):
        return value & mask
    ranges = values_of(state, value)
    if not is_single(ranges):
        if mask in (0, ~((1 << 128) - 1)) or not mask & ((1 << ranges[-1][1].bit_length()) - 1):
            return 0
        raise BeyondSets(f"bits of the {value} are set apart")
    return ranges[0][0] & mask


def merge_bits(state: State, name: ir.Field, mask: int, origin: ir.Field, origin_mask: int) -> State:
    """The bits of one field put into another: a copy where it is all of them."""
    kept, other = state.env[INDEX[name]], state.env[INDEX[origin]]
    if isinstance(other, str):
        whole = (1 << values_of(state, other)[-1][1].bit_length()) - 1
        if bits(state, kept, ~mask) == 0 and origin_mask & whole == whole:
            return put(state, INDEX[name], other)
    return put(state, INDEX[name], bits(state, kept, ~mask) ^ bits(state, other, origin_mask))


def collected(results: list[Result]) -> list[Result]:
    """The results, those with one exit at one place united."""
    groups: dict[tuple[ir.Exit, Span | None, bool], list[State]] = {}
    for exit, at, state, beyond in results:
        groups.setdefault((exit, at, beyond), []).append(state)
    return [Result(exit, at, state, beyond) for (exit, at, beyond), states in groups.items() for state in merged(states)]


def where(results: Iterable[Result], wanted: Callable[[ir.Exit], bool]) -> Iterator[Result]:
    """The results whose exit is wanted."""
    return (result for result in results if wanted(result.exit))
