"""``ct`` of Open vSwitch in the language: conntrack by zone (``zones.of_zone``), translation, marks; what it says is known from there, a way for each state.

After net/openvswitch/conntrack.c. Labels are not kept: tests of one that was set are open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from analyzer.facts.openflow import CT_STATES, Action, Conntrack, Load, Nat, Subfield
from analyzer.ranges import single
from analyzer.source import Scope
from analyzer.transfer.ir import (
    CONFIRMED,
    DNAT_STATUS,
    ESTABLISHED,
    INVALID,
    KEEP,
    NEW,
    RELATED,
    SNAT_STATUS,
    Alt,
    Any,
    Assign,
    Bits,
    Confirm,
    End,
    Field,
    If,
    In,
    Rewrite,
    SetBits,
    Track,
    Transfer,
    Translate,
    Unknown,
)
from analyzer.transfer.netfilter.zones import of_zone
from analyzer.transfer.ovs import learning as ovs_learning
from analyzer.transfer.ovs.knowledge import LOST, Known, frozen, read
from analyzer.transfer.ovs.spots import Spot, may_send, place, rest_sends
from analyzer.transfer.space import by_value, seq

if TYPE_CHECKING:
    from analyzer.transfer.ovs.pipeline import Lowering, Now

TRACKED, REPLY = CT_STATES["trk"], CT_STATES["rpl"]
BITS = {NEW: CT_STATES["new"], ESTABLISHED: CT_STATES["est"], RELATED: CT_STATES["rel"], INVALID: CT_STATES["inv"]}
STORED = Bits(Field.STATUS, CONFIRMED, CONFIRMED)
MOVED = (Field.SOURCE, Field.DESTINATION, Field.SOURCE_PORT, Field.DESTINATION_PORT)
OF_CONNECTION = (
    Field.CONNECTION_MARK,
    Field.ORIGINAL_SOURCE,
    Field.ORIGINAL_DESTINATION,
    Field.ORIGINAL_DESTINATION_PORT,
)
NAMES = (
    "ct_now",
    "ct_state",
    "ct_zone",
    "ct_mark",
    "ct_label",
    "ct_nw_src",
    "ct_nw_dst",
    "ct_ipv6_src",
    "ct_ipv6_dst",
    "ct_nw_proto",
)


def without(known: Known) -> Known:
    """What is known of a packet that was not looked up."""
    return {name: value for name, value in known.items() if name not in (*NAMES, "ct_tp_src", "ct_tp_dst")}


def lowered(
    lowering: Lowering, action: Conntrack, left: tuple[Action, ...], now: Now, words: str
) -> tuple[Transfer, Now | None] | Now:
    """The packet is looked up; where it goes on in a table, a way for each state and direction."""
    if "arp_op" in now.known:
        return now._replace(known=without(now.known))
    zone = read(now.known, action.zone, lowering.family) if isinstance(action.zone, Subfield) else action.zone
    if not isinstance(zone, int):
        return lowering.unknown("the conntrack zone of a packet is in a register that is not followed", now), None
    if action.force:
        return lowering.unknown("ct(force) is not followed", now), None
    scope = of_zone(lowering.scope, zone & 0xFFFF)
    moved = MOVED if action.nat is not None else ()
    same = now.known.get("ct_now") == zone + 1
    first = KEEP if same else seq(Assign(Field.STATE, 0), Track(scope, lowering.context.space(lowering.scope).strict))
    looked = seq(first, *translated(action, scope), *marked(lowering, action, now))
    done = seq(looked, Confirm(scope)) if action.commit else looked
    after = lowering.forget(now, moved if same else (*moved, *OF_CONNECTION))
    after.known["ct_now"] = zone + 1
    if not action.table:
        return done, after._replace(known={**without(after.known), "ct_now": zone + 1})
    if ovs_learning.learns(left) or ovs_learning.rest_learns(now.rest):
        return lowering.unknown("it learns from the packet after it has looked it up", now), None
    branches = ways(lowering, action.table, after, zone & 0xFFFF, action)
    if may_send(left) or rest_sends(now.rest):
        others = lowering.perform(left, now._replace(copied=True, known=without(now.known)), words)
        return Alt((seq(done, branches), others)), None
    return seq(done, branches), None


def translated(action: Conntrack, scope: Scope) -> list[Transfer]:
    """``nat``: a new connection that is committed gets its translation (with that of the destination a free source port), others what they have."""
    nat = action.nat
    if nat is None:
        return []
    decides = action.commit and nat.source is not None
    sides: list[Transfer] = []
    for destination in (True, False):
        if decides and nat.source is not destination:
            sides.append(Translate(scope, destination, rewrite(nat)))
        else:
            has = Any((STORED, Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS))) if decides and not destination else STORED
            sides.append(If(has, Translate(scope, destination, KEEP), KEEP))
    return sides


def rewrite(nat: Nat) -> Transfer:
    """The new address and ports of a connection."""
    return Rewrite(not nat.source, (nat.addresses,) if nat.addresses else None, (nat.ports,) if nat.ports else None)


def marked(lowering: Lowering, action: Conntrack, now: Now) -> list[Transfer]:
    """``exec``: the mark; labels are not kept."""
    found: list[Transfer] = []
    for one in action.executed:
        match one:
            case Load("ct_mark", value, mask):
                found.append(SetBits(Field.CONNECTION_MARK, mask & 0xFFFFFFFF, value & 0xFFFFFFFF, now.at))
            case Load("ct_label"):
                continue
            case _:
                target = getattr(one, "target", None)
                if isinstance(target, Subfield) and target.field == "ct_label":
                    continue
                origin = getattr(one, "origin", None)
                value_of = read(now.known, origin, lowering.family) if isinstance(origin, Subfield) else LOST
                if isinstance(target, Subfield) and target.field == "ct_mark" and isinstance(value_of, int):
                    mask = ((1 << target.width) - 1) << target.low
                    found.append(SetBits(Field.CONNECTION_MARK, mask, value_of << target.low & mask, now.at))
                else:
                    found.append(End(Unknown(f"what {lowering.flows.switch.name} notes of a connection is not followed"), now.at))
    return found


def ways(lowering: Lowering, table: str, now: Now, zone: int, action: Conntrack) -> Transfer:
    """On in a table, by state and direction."""

    def on(state: int) -> Transfer:
        known = without(now.known)
        known |= {"ct_state": state, "ct_zone": zone, "ct_now": zone + 1}
        if not state & BITS[INVALID]:
            known |= {
                "ct_mark": Field.CONNECTION_MARK,
                "ct_nw_proto": Field.PROTOCOL,
                "ct_tp_dst": Field.ORIGINAL_DESTINATION_PORT,
            }
            four = lowering.family == 4
            known["ct_nw_src" if four else "ct_ipv6_src"] = Field.ORIGINAL_SOURCE
            known["ct_nw_dst" if four else "ct_ipv6_dst"] = Field.ORIGINAL_DESTINATION
            new = state & BITS[NEW] and not any(isinstance(one, Load) and one.field == "ct_label" for one in action.executed)
            known["ct_label"] = 0 if new or not labels(lowering) else LOST
        spot = Spot(lowering.flows.switch.name, table, frozen(known), (), None, (), now.copied, now.spot.depth + 1)
        return place(lowering.context, lowering.scope, spot)

    flags = translated_flags(lowering, action)
    rows = {state: directed(on, TRACKED | bits, flags) for state, bits in BITS.items()}
    lost = End(Unknown("what conntrack says of the packet is not known"))
    return by_value(Field.STATE, rows, lost)


def directed(on: Callable[[int], Transfer], state: int, flags: bool) -> Transfer:
    """By the direction, and, where flows test it, by what of the connection is translated."""

    def sided(bits: int) -> Transfer:
        if not flags:
            return on(bits)
        reply = bool(bits & REPLY)
        rows: dict[int, Transfer] = {}
        for status in range(4):
            source, destination = bool(status & 1), bool(status & 2)
            if reply:
                source, destination = destination, source
            seen = (CT_STATES["snat"] if source else 0) | (CT_STATES["dnat"] if destination else 0)
            rows[status] = on(bits | seen)
        return by_status(rows)

    return If(In(Field.DIRECTION, single(1)), sided(state | REPLY), sided(state))


def by_status(rows: dict[int, Transfer]) -> Transfer:
    """By the two bits of the status that say which side of the connection is translated."""
    with_source = If(Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS), rows[3], rows[1])
    without_source = If(Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS), rows[2], rows[0])
    return If(Bits(Field.STATUS, SNAT_STATUS, SNAT_STATUS), with_source, without_source)


def translated_flags(lowering: Lowering, action: Conntrack) -> bool:
    """Whether some flow tests ``+snat`` or ``+dnat``, and this look-up translates."""
    if action.nat is None:
        return False
    both = CT_STATES["snat"] | CT_STATES["dnat"]
    key = ("switch tests nat", lowering.scope, lowering.flows.switch.name)
    found = lowering.context.made.get(key)
    if not isinstance(found, bool):
        tests = (test for flow in lowering.flows.switch.flows or () for test in flow.match)
        found = lowering.context.made[key] = any(test.field == "ct_state" and test.mask & both for test in tests)
    return found


def labels(lowering: Lowering) -> bool:
    """Whether any flow of the switch sets a label."""
    key = ("switch sets labels", lowering.scope, lowering.flows.switch.name)
    found = lowering.context.made.get(key)
    if not isinstance(found, bool):
        found = lowering.context.made[key] = any(
            "ct_label" in repr(action.executed)
            for flow in lowering.flows.switch.flows or ()
            for action in flow.actions
            if isinstance(action, Conntrack)
        )
    return found
