"""The ``conntrack`` match in the language, after net/netfilter/xt_conntrack.c ``conntrack_mt``."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.facts.matches import ConntrackMatch
from analyzer.ranges import single
from analyzer.transfer import ir
from analyzer.transfer.ir import NEVER, All, Any, Bits, Field, In, Match, Not

Open = Callable[[str], Match]
TRACKED = In(Field.STATE, ((ir.NEW, ir.RELATED),))
FORTH, BACK = In(Field.DIRECTION, single(0)), In(Field.DIRECTION, single(1))
STATES: dict[str, Match] = {
    "NEW": In(Field.STATE, single(ir.NEW)),
    "ESTABLISHED": In(Field.STATE, single(ir.ESTABLISHED)),
    "RELATED": In(Field.STATE, single(ir.RELATED)),
    "INVALID": In(Field.STATE, ((0, 0), (ir.INVALID, ir.INVALID))),
    "UNTRACKED": In(Field.STATE, single(ir.UNTRACKED)),
    "SNAT": All((TRACKED, Bits(Field.STATUS, ir.SNAT_STATUS, ir.SNAT_STATUS))),
    "DNAT": All((TRACKED, Bits(Field.STATUS, ir.DNAT_STATUS, ir.DNAT_STATUS))),
}
UNCHANGED, KEPT = Bits(Field.STATUS, ir.SNAT_STATUS, 0), Bits(Field.STATUS, ir.DNAT_STATUS, 0)
CONFIRMED = Bits(Field.STATUS, ir.CONFIRMED, ir.CONFIRMED)


def conntrack(match: ConntrackMatch, width: int, open_test: Open, template: bool = False) -> Match:
    """Every given part; without a connection only the state can match. Of a ``template`` the rest is open: it has no addresses, and stands for a connection."""
    state = Any(tuple(STATES[name] for name in sorted(match.states) if name in STATES))
    states = [Not(state) if match.states_negated else state] if match.states else []
    rest = [
        *([status(match, open_test)] if match.statuses else []),
        *([protocol(match)] if match.protocol is not None else []),
        *(address(name, value, mask, negated, width, open_test) for name, value, mask, negated in match.addresses),
        *(port(name, low, high, negated, open_test) for name, low, high, negated in match.ports),
        *([FORTH if match.original_direction else BACK] if match.original_direction is not None else []),
        *([open_test("the connection expires then")] if match.expire else []),
    ]
    if template and rest:
        rest = [open_test("what is asked of the connection holds of a template")]
    if not rest:
        return All(tuple(states)) if states else TRACKED
    with_connection = All((TRACKED, *states, *rest))
    return Any((All((Not(TRACKED), *states)), with_connection)) if states else with_connection


def status(match: ConntrackMatch, open_test: Open) -> Match:
    """The connection's status bits: a connection is CONFIRMED once its first packet has passed."""
    cases: dict[str, Match] = {
        "SEEN_REPLY": Bits(Field.STATUS, ir.SEEN_REPLY, ir.SEEN_REPLY),
        "CONFIRMED": Bits(Field.STATUS, ir.CONFIRMED, ir.CONFIRMED),
        "ASSURED": All((Bits(Field.STATUS, ir.SEEN_REPLY, ir.SEEN_REPLY), open_test("the connection is ASSURED"))),
    }
    own = Any(tuple(cases.get(name, NEVER) for name in sorted(match.statuses)))
    return Not(own) if match.statuses_negated else own


def protocol(match: ConntrackMatch) -> Match:
    """``--ctproto``."""
    own = In(Field.PROTOCOL, single(match.protocol or 0))
    return Not(own) if match.protocol_negated else own


def address(name: str, value: int, mask: int, negated: bool, width: int, open_test: Open) -> Match:
    """An address of the connection's tuples. The reply's source is where the packet goes, its destination where it comes from."""
    match name:
        case "origsrc":
            own: Match = Bits(Field.ORIGINAL_SOURCE, mask, value)
        case "origdst":
            own = Bits(Field.ORIGINAL_DESTINATION, mask, value)
        case "replsrc":
            own = from_there(
                Bits(Field.DESTINATION, mask, value), Bits(Field.SOURCE, mask, value), open_test(f"{name} is the rule's")
            )
        case _:
            own = back_then(
                Bits(Field.SOURCE, mask, value), Bits(Field.DESTINATION, mask, value), open_test(f"{name} is the rule's")
            )
    return Not(as_range(own, width)) if negated else as_range(own, width)


def as_range(match: Match, width: int) -> Match:
    """Bits of a prefix as a range."""
    match match:
        case Bits(Field.STATUS):
            return match
        case Bits(field, mask, value):
            hole = ((1 << width) - 1) ^ mask
            return In(field, ((value, value | hole),)) if hole & (hole + 1) == 0 and value & hole == 0 else match
        case All(parts):
            return All(tuple(as_range(part, width) for part in parts))
        case Any(parts):
            return Any(tuple(as_range(part, width) for part in parts))
        case Not(inner):
            return Not(as_range(inner, width))
        case _:
            return match


def port(name: str, low: int, high: int, negated: bool, open_test: Open) -> Match:
    """A port of the connection's tuples."""
    source, destination = In(Field.SOURCE_PORT, ((low, high),)), In(Field.DESTINATION_PORT, ((low, high),))
    match name:
        case "origdstport":
            own: Match = In(Field.ORIGINAL_DESTINATION_PORT, ((low, high),))
        case "replsrcport":
            own = from_there(destination, source, open_test(f"{name} is {low} to {high}"))
        case "origsrcport":
            unknown = open_test(f"{name} is {low} to {high}")
            plain = Any((All((FORTH, source)), All((BACK, destination))))
            own = Any((All((UNCHANGED, plain)), All((Not(UNCHANGED), unknown))))
        case _:
            own = back_then(source, destination, open_test(f"{name} is {low} to {high}"))
    return Not(own) if negated else own


def from_there(forth: Match, back: Match, unknown: Match) -> Match:
    """By the direction: where answers come from. Whether a later packet of a connection whose destination is translated was translated
    itself by then depends on the hook, and is not known."""
    later = All((FORTH, CONFIRMED, Not(KEPT)))
    return Any((All((FORTH, Not(later), forth)), All((later, unknown)), All((BACK, back))))


def back_then(forth: Match, back: Match, unknown: Match) -> Match:
    """By the direction: where answers go. Of a connection whose source is translated it is not known on the way back, nor for its later
    packets: these are translated last."""
    later = All((FORTH, CONFIRMED, Not(UNCHANGED)))
    there = (All((FORTH, Not(later), forth)), All((later, unknown)))
    return Any((*there, All((BACK, UNCHANGED, back)), All((BACK, Not(UNCHANGED), unknown))))
