"""Families of rules (``transfer/netfilter/families.py``) on sets of states: the destinations are rows, and each test or translation is made for all rows at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from analyzer.ranges import Ranges, contains, difference, intersection, is_single, single, size
from analyzer.solve.sets.joint import Joint, Row, put
from analyzer.solve.sets.regions import Named, Result, State, Value, divided, entered, place_of, values_of, with_joint
from analyzer.solve.sets.splitting import split
from analyzer.solve.sets.tracking import Change, rewritten
from analyzer.solve.states import DESTINATION, DESTINATION_PORT, FIELDS, INDEX
from analyzer.transfer import ir
from analyzer.transfer.family import FEW, Enter, Family, Into, Step


class Engine(Protocol):
    """What runs the language on sets of states."""

    def run(self, transfer: ir.Transfer, states: list[State], out: list[Result]) -> list[State]:
        """The states that continue after a transfer; those that leave are added to ``out``."""
        ...

    def united(self, states: list[State]) -> list[State]:
        """The same states in fewer sets, of which there may not be too many."""
        ...

    def spent(self) -> None:
        """Counts a rule."""
        ...


MOST = 64


@dataclass(frozen=True, slots=True)
class Running:
    """A family while it is run: ``key`` is the variable whose value is the member."""

    engine: Engine
    key: str
    members: Mapping[int, Row]


def families(table: ir.Table, states: list[State]) -> Sequence[Family]:
    """The families of a table that may be of use for states with one destination; none where these meet few of its rules."""
    value = states[0].env[DESTINATION]
    met = isinstance(value, str) and len(table.parts) >= FEW and len(table.select(values_of(states[0], value))) >= FEW
    return table.families() if met else ()


def of_family(family: Family, states: list[State]) -> tuple[list[State], list[State]]:
    """The states whose destination is a member, and the others; all are others where these are few. The states have the same destinations."""
    key = states[0].env[DESTINATION] if states else 0
    if not isinstance(key, str):
        return [], states
    held = intersection(values_of(states[0], key), family.addresses)
    if size(held) < FEW:
        return [], states
    inside, others = [], []
    for state in states:
        mine, other = divided(state, key, held)
        inside += [mine] if mine is not None else []
        others += [other] if other is not None else []
    return inside, others


def run_family(engine: Engine, table: ir.Table, family: Family, states: list[State], out: list[Result]) -> list[State]:
    """The states that continue behind the table. None of its rules gives a packet another destination and goes on."""
    running = Running(engine, str(states[0].env[DESTINATION]), family.members)
    for part in family.parts:
        states = (
            engine.run(table.parts[part], states, out) if isinstance(part, int) else one_after_another(running, part, states, out)
        )
    return states


def one_after_another(running: Running, entry: Enter, states: list[State], out: list[Result]) -> list[State]:
    """The steps of a chain, without leaving it."""
    for step in entry.steps:
        if not states:
            break
        running.engine.spent()
        yes, no = asked(running, step, entry.first, states)
        on = done(running, step.then, entry.first, yes, out) if yes else []
        states = running.engine.united([*on, *(states if step.chance else no)])
    return states


def asked(running: Running, step: Step, first: int, states: list[State]) -> tuple[list[State], list[State]]:
    """The states for which the tests of a step hold, and the others."""
    yes: list[State] = []
    no: list[State] = []
    for state in states:
        split(step.known, state, yes, no)
    for test in step.same:
        held, yes = yes, []
        for state in held:
            equal, other = compared(running, state, state.env[INDEX[test.field]], test.hole + first)
            passed, failed = (other, equal) if test.negated else (equal, other)
            yes += passed
            no += failed
    return yes, no


def done(running: Running, then: ir.Transfer | Into | Enter, first: int, states: list[State], out: list[Result]) -> list[State]:
    """The states that go on in the chain after what a rule does."""
    match then:
        case Into():
            for state in states:
                out += [Result(ir.Accept(), None, after) for after in translated(running, state, then, first)]
            return []
        case Enter(steps, inner, goto):
            inside: list[Result] = []
            on = one_after_another(running, Enter(steps, first + inner), states, inside)
            out += [item for item in inside if not isinstance(item.exit, ir.Return)]
            on += [item.state for item in inside if isinstance(item.exit, ir.Return)]
            out += [Result(ir.Return(), None, state) for state in on] if goto else []
            return [] if goto else on
        case _:
            return running.engine.run(then, states, out)


def compared(running: Running, state: State, value: Value, hole: int) -> tuple[list[State], list[State]]:
    """The states in which a value is that of a hole, and the others."""
    held = values_of(state, value)
    groups: dict[Ranges, list[Row]] = {}
    spread, joint, key = spelled(running, state)
    for row in joint.rows:
        wanted = running.members[row[key][0][0]][hole]
        groups.setdefault(wanted if contains(held, wanted[0][0]) else (), []).append(row)
    if not isinstance(value, str):
        return with_rows(running, spread, groups.get(single(value))), with_rows(running, spread, groups.get(()))
    if value in joint.names or len(groups) > MOST:
        return row_by_row(running, spread, value, hole)
    equal: list[State] = []
    other: list[State] = []
    for wanted, rows in groups.items():
        for one in with_rows(running, spread, rows):
            inside, outside = divided(one, value, wanted) if wanted else (None, one)
            equal += [inside] if inside is not None else []
            other += [outside] if outside is not None else []
    return equal, other


def row_by_row(running: Running, state: State, variable: str, hole: int) -> tuple[list[State], list[State]]:
    """``compared``, for a variable that goes together with the member, or is to."""
    state = entered(state, tuple(dict.fromkeys((running.key, variable))))
    joint = state.joints[-1]
    key, place = joint.names.index(running.key), joint.names.index(variable)
    equal: list[Row] = []
    other: list[Row] = []
    for row in joint.rows:
        wanted, own = running.members[row[key][0][0]][hole], row[place]
        if contains(own, wanted[0][0]):
            equal.append(put(row, place, wanted))
        if rest := difference(own, wanted):
            other.append(put(row, place, rest))
    return with_rows(running, state, equal, variable), with_rows(running, state, other, variable)


def with_rows(running: Running, state: State, rows: list[Row] | None, variable: str = "") -> list[State]:
    """The states with these rows of what goes together with the member, of which a variable has changed."""
    place = place_of(state, running.key)
    joint = state.joints[place].of(rows) if rows else None
    after = with_joint(state, place, joint, variable or running.key)
    return [after] if after is not None else []


def spelled(running: Running, state: State) -> tuple[State, Joint, int]:
    """The state with one member in each row, the joint of these rows, and the place of the member in them."""
    place = place_of(state, running.key)
    if place < 0:
        state, place = entered(state, (running.key,)), len(state.joints)
    joint = state.joints[place]
    key = joint.names.index(running.key)
    if not all(is_single(row[key]) for row in joint.rows):
        joint = Joint(joint.names, tuple(singled(joint, key)))
        state = state._replace(joints=(*state.joints[:place], joint, *state.joints[place + 1 :]))
    return state, joint, key


def singled(joint: Joint, place: int) -> Iterator[Row]:
    """The rows with single values at a place."""
    return (put(row, place, single(value)) for row in joint.rows for low, high in row[place] for value in range(low, high + 1))


def translated(running: Running, state: State, into: Into, first: int) -> list[State]:
    """The translations to what stands in holes: a new variable, where that differs from member to member."""
    port = into.port
    holes = {DESTINATION: into.address + first, **({DESTINATION_PORT: port + first} if isinstance(port, int) else {})}
    state, joint, key = spelled(running, state)
    members = [running.members[row[key][0][0]] for row in joint.rows]
    columns = {place: [member[hole] for member in members] for place, hole in holes.items()}
    values: dict[int, Value] = {place: column[0][0][0] for place, column in columns.items() if len(set(column)) == 1}
    new = {place: f"{FIELDS[place]} {state.fresh}" for place in holes if place not in values}
    if new:
        added = zip(*(columns[place] for place in new), strict=True)
        rows = tuple((*row, *more) for row, more in zip(joint.rows, added, strict=True))
        joints = (Joint((*joint.names, *new.values()), rows) if own is joint else own for own in state.joints)
        state = state._replace(joints=tuple(joints), fresh=state.fresh + 1)
    values |= new
    ports = Named(values[DESTINATION_PORT]) if isinstance(port, int) else port
    return rewritten(state, Change(True, Named(values[DESTINATION]), ports, into.status))
