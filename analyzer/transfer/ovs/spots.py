"""Where a packet is in a switch of Open vSwitch while it is lowered: its table, what is known of it, and what is left to do; each such spot has a number
and, by that, a point of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.facts.openflow import (
    NO_PORT,
    Action,
    Clone,
    Conntrack,
    Controller,
    Goto,
    Group,
    NotModelled,
    OneOf,
    Output,
    Resubmit,
    WriteActions,
)
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Assign, Field, Transfer
from analyzer.transfer.ovs.index import Flows, read_by, tables_of
from analyzer.transfer.ovs.knowledge import Frozen, Value
from analyzer.transfer.space import Context, goto, seq

STAGE = "switch table"
CAME = Field.PHYSICAL_IN
"""Holds the number of the port that a packet came by, inside a switch."""
ALWAYS = frozenset({"eth_type", "in_port", "ct_now"})
# Operations of OVN's controller that leave the packet's way as it is (ovn/actions.h): it learns a neighbour, or logs.
QUIET = frozenset({"00.00.00.01", "00.00.00.04", "00.00.00.07"})


class Rest(NamedTuple):
    """What is done when a table is through: the actions after a resubmit, in their table; ``in_port`` is the packet's own again (None: it is)."""

    actions: tuple[Action, ...]
    table: str
    in_port: Value | None
    following: Rest | None


class Spot(NamedTuple):
    """A packet in a table. ``copied``: another copy has left already; where this one ends, nothing is lost. ``depth`` counts the tables passed."""

    bridge: str
    table: str
    known: Frozen
    stack: tuple[Value, ...] = ()
    rest: Rest | None = None
    written: tuple[Action, ...] = ()
    copied: bool = False
    depth: int = 0


def flows_of(context: Context, scope: Scope, bridge: str) -> Flows:
    """A switch prepared for the lowering, once."""
    key = ("switch flows", scope, bridge)
    found = context.made.get(key)
    if not isinstance(found, Flows):
        found = context.made[key] = Flows(context.space(scope).switches[bridge], context.family)
    return found


def spots(context: Context) -> dict[Spot, int]:
    """The spots that have a point, numbered."""
    found = context.made.setdefault("switch spots", {})
    assert isinstance(found, dict)
    return found


def place(context: Context, scope: Scope, spot: Spot) -> Transfer:
    """Goes on in a table, without what no later table reads."""
    flows = flows_of(context, scope, spot.bridge)
    wanted = flows.live.get(spot.table, frozenset()) | live_in(flows, spot.rest)
    known = tuple((name, value) for name, value in spot.known if name in wanted or name in ALWAYS)
    known, came = apart_from_port(flows, spot, without_zone(flows, known))
    spot = spot._replace(known=known)
    numbers = spots(context)
    return seq(came, goto(scope, STAGE, str(numbers.setdefault(spot, len(numbers)))))


def without_zone(flows: Flows, known: Frozen) -> Frozen:
    """Without the zone of the last look-up, where none of the registers that name zones holds it any more: the next one is in another zone."""
    values = dict(known)
    fields, numbers = flows.zones
    last = values.get("ct_now", 0)
    named = [values.get(name, 0) for name in fields]
    if not isinstance(last, int) or not last or last - 1 in numbers or not all(isinstance(value, int) for value in named):
        return known
    if any(isinstance(value, int) and value & 0xFFFF == last - 1 for value in named):
        return known
    return tuple((name, value) for name, value in known if name != "ct_now")


def apart_from_port(flows: Flows, spot: Spot, known: Frozen) -> tuple[Frozen, Transfer]:
    """Where no later flow asks for the port that the packet came by, its number goes into a field of the language: packets of all ports meet then."""
    port = next((value for name, value in known if name == "in_port"), 0)
    if not isinstance(port, int) or port == NO_PORT or spot.table in flows.by_port or CAME in spot.stack:
        return known, KEEP
    rest = spot.rest
    while rest is not None:
        if (
            rest.in_port is not None
            or rest.table in flows.by_port
            or any(tables_of(one, rest.table) & flows.by_port for one in rest.actions)
        ):
            return known, KEEP
        rest = rest.following
    return tuple((name, CAME if name == "in_port" else value) for name, value in known), Assign(CAME, port)


def live_in(flows: Flows, rest: Rest | None) -> frozenset[str]:
    """The fields that matter for what is left to do."""
    found: set[str] = set()
    while rest is not None:
        for action in rest.actions:
            found |= read_by(action)
            for table in tables_of(action, rest.table):
                found |= flows.live.get(table, frozenset())
        rest = rest.following
    return frozenset(found)


def spot_of(context: Context, number: int) -> Spot:
    """The spot of a number."""
    numbers = spots(context)
    listed = context.made.get("switch spot list")
    if not isinstance(listed, list) or len(listed) <= number:
        listed = context.made["switch spot list"] = list(numbers)
    found = listed[number]
    assert isinstance(found, Spot)
    return found


def may_send(actions: Sequence[Action]) -> bool:
    """Whether actions may send a copy."""
    return any(sends(action) for action in actions)


def sends(action: Action) -> bool:
    """Whether an action may send a copy."""
    match action:
        case Output() | Resubmit() | Goto() | Group() | OneOf() | NotModelled():
            return True
        case Controller():
            return action.operation not in QUIET
        case Clone(actions) | WriteActions(actions):
            return may_send(actions)
        case Conntrack(table=table):
            return bool(table)
        case _:
            return False


def rest_sends(rest: Rest | None) -> bool:
    """Whether what is left to do may send a copy."""
    while rest is not None:
        if may_send(rest.actions):
            return True
        rest = rest.following
    return False
