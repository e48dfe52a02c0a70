"""What may be forgotten of sets of states at a stage, and how those that meet there are united."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.solve.sets.linking import linked, released
from analyzer.solve.sets.pooling import pooled
from analyzer.solve.sets.regions import State
from analyzer.solve.sets.uniting import merged
from analyzer.solve.states import STATE
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.other_version import OUTER

ANSWERED = 64
"""States with answers to opaque tests that may meet at a point; of more the answers are forgotten."""
FORGOTTEN = frozenset({("what was answered before", True)})


@dataclass(frozen=True, slots=True)
class Neglect:
    """What nothing in the program looks at, so that sets which differ in it only can be united.

    ``fields`` are the positions of fields that are dead at a stage (where that is the state of the connection, the packet has none there),
    ``blind`` the namespaces whose connections no rule can tell, ``linked`` the positions of fields in which sets that meet at a stage may
    differ, ``saved`` those that are dead in a packet that became a payload; ``later`` says that no rule tells later answers of a connection from the first;
    ``answered`` is how many sets with answers to opaque tests may meet.
    """

    fields: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    blind: frozenset[Scope] = frozenset()
    linked: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    saved: tuple[int, ...] = ()
    later: bool = False
    answered: int = ANSWERED

    def at(self, point: ir.Point, state: State) -> State:
        """The state as it matters at a point."""
        places = self.fields.get(point.stage.removeprefix(OUTER), ())
        after = unburdened(blank(state, places), self.saved) if state.frames else blank(state, places)
        return after._replace(current=-1) if after.current >= 0 and STATE in places else after

    def met(self, point: ir.Point, states: list[State]) -> list[State]:
        """The states that meet at a point, in fewer sets."""
        found = unanswered(merged(states), self.answered)
        places = self.linked.get(point.stage.removeprefix(OUTER), ())
        return pooled(linked(found, places) if places else found)


def unanswered(states: list[State], most: int) -> list[State]:
    """The states without what opaque tests were answered, where there are many that differ in that: each such test may come out otherwise from then on. There are then
    ways that do not exist beside all that do, so that what is lost on one of them is not known to be (``answers`` is not empty)."""
    if sum(bool(state.answers) for state in states) <= most:
        return states
    return merged([state._replace(answers=FORGOTTEN) if state.answers else state for state in states])


def blank(state: State, places: Sequence[int]) -> State:
    """The state with 0 in fields that are dead."""
    if not any(map(state.env.__getitem__, places)):
        return state
    env = list(state.env)
    for place in places:
        env[place] = 0
    gone = [value for place in places if isinstance(value := state.env[place], str)]
    return released(state._replace(env=tuple(env)), gone)


def unburdened(state: State, places: Sequence[int]) -> State:
    """The state with 0 in the fields that are dead in payloads."""
    if not any(frame[place] for frame in state.frames for place in places):
        return state
    frames = tuple(tuple(0 if place in places else value for place, value in enumerate(frame)) for frame in state.frames)
    gone = [value for frame in state.frames for place in places if isinstance(value := frame[place], str)]
    return released(state._replace(frames=frames), gone)
