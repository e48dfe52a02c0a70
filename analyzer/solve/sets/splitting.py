"""Splits sets of states by a match."""

from __future__ import annotations

from analyzer.ranges import Ranges, contains, intersection
from analyzer.solve.sets.regions import BeyondSets, State, divided, masked, values_of
from analyzer.solve.states import INDEX
from analyzer.transfer import ir


def split(match: ir.Match, state: State, yes: list[State], no: list[State]) -> None:
    """Adds the states in which the match holds to ``yes``, the others to ``no``; where nobody knows, both."""
    match match:
        case ir.In():
            split_in(match, state, yes, no)
        case ir.All():
            split_all(match, state, yes, no)
        case ir.Not():
            split(match.match, state, no, yes)
        case ir.Any():
            split_any(match, state, yes, no)
        case ir.Bits():
            split_bits(match, state, yes, no)
        case ir.Opaque():
            split_opaque(match, state, yes, no)
        case ir.Belongs(scope, replies):
            held = state.current >= 0 and state.connections[state.current].ends == (scope, replies)
            (yes if held else no).append(state)


def split_in(match: ir.In, state: State, yes: list[State], no: list[State]) -> None:
    """A range test splits a variable's values."""
    value = state.env[INDEX[match.field]]
    if isinstance(value, int):
        (yes if contains(match.ranges, value) else no).append(state)
        return
    own = values_of(state, value)
    part(state, value, own, intersection(own, match.ranges), yes, no)


def part(state: State, variable: str, own: Ranges, held: Ranges, yes: list[State], no: list[State]) -> None:
    """Splits the states by the values of a variable that pass."""
    if not held:
        no.append(state)
    elif held == own:
        yes.append(state)
    else:
        inside, outside = divided(state, variable, held)
        if inside is not None:
            yes.append(inside)
        if outside is not None:
            no.append(outside)


def split_bits(match: ir.Bits, state: State, yes: list[State], no: list[State]) -> None:
    """A test of bits."""
    value = state.env[INDEX[match.field]]
    if isinstance(value, int):
        (yes if value & match.mask == match.value else no).append(state)
        return
    own = values_of(state, value)
    held = masked(own, match.mask, match.value, own[-1][1].bit_length())
    if held is None:
        raise BeyondSets(f"the {match.field} is tested by the mask {match.mask:#x}")
    part(state, value, own, held, yes, no)


def split_opaque(match: ir.Opaque, state: State, yes: list[State], no: list[State]) -> None:
    """Nobody knows: both, unless it was asked before."""
    if (match.text, False) not in state.answers:
        yes.append(state._replace(answers=state.answers | {(match.text, True)}))
    if (match.text, True) not in state.answers:
        no.append(state._replace(answers=state.answers | {(match.text, False)}))


def split_all(match: ir.All, state: State, yes: list[State], no: list[State]) -> None:
    """One match after the other, on those that passed."""
    held = [state]
    for item in match.matches:
        passed: list[State] = []
        for one in held:
            split(item, one, passed, no)
        held = passed
    yes += held


def split_any(match: ir.Any, state: State, yes: list[State], no: list[State]) -> None:
    """One match after the other, on those that did not pass."""
    failed = [state]
    for item in match.matches:
        left: list[State] = []
        for one in failed:
            split(item, one, yes, left)
        failed = left
    no += failed
