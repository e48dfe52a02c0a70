"""Flows that packets make a switch learn (``learn``), in the language: what tells the packets that a learned flow takes is remembered (``Note``), and
looked for before the flows that it goes before.

After lib/learn.c (``learn_execute``): the tests of a learned flow are values and bits of the packet that taught it. Those of registers are in the name
of the place that remembers; those of the packet's fields are the values. What a learned flow does must be known when its table is lowered:
the port by which the teaching packet came is, as there are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from analyzer.facts.openflow import Action, FieldTest, Learn, Load, Output, Subfield
from analyzer.facts.openvswitch import FlowFact
from analyzer.source import Scope
from analyzer.transfer.ir import End, Field, If, IfNoted, Note, Opaque, Transfer, Unknown
from analyzer.transfer.ovs.index import Flows
from analyzer.transfer.ovs.knowledge import ADDRESSES, ETHERNET_TYPE, OF_PACKET, read
from analyzer.transfer.ovs.spots import Rest, Spot
from analyzer.transfer.widths import width

if TYPE_CHECKING:
    from analyzer.transfer.ovs.pipeline import Lowering, Now

VALUES, MANY = 5, 64
ARP, ICMPV6 = 0x806, 58
CAME_BY = "in_port"


class Shape(NamedTuple):
    """What learned flows have in common: ``fixed`` are tests of part of a field, ``named`` and ``kept`` the bits whose values tell them apart, of registers
    and of the packet."""

    priority: int
    fixed: tuple[FieldTest, ...]
    named: tuple[Subfield, ...]
    kept: tuple[Subfield, ...]
    loads: tuple[tuple[Subfield, int | Subfield], ...]
    leaves: Subfield | None

    def by_port(self) -> bool:
        """Whether what the flows do depends on the port that the teaching packet came by."""
        return bool(origins(self))

    def known(self) -> bool:
        """Whether what the flows do can be told."""
        return all(origin == CAME_BY for origin in origins(self))


def origins(shape: Shape) -> list[str]:
    """The fields that the flows' actions have their values from."""
    leaves = [shape.leaves.field] if shape.leaves is not None else []
    return [*leaves, *(origin.field for _, origin in shape.loads if isinstance(origin, Subfield))]


def field_of(target: Subfield, family: int) -> Field | None:
    """The field of the packet that bits are of."""
    return OF_PACKET.get(target.field) or ADDRESSES[family].get(target.field)


def shape_of(action: Learn, family: int) -> Shape | None:
    """The shape of the flows that an action adds; None: they cannot be told apart by five values."""
    fixed: list[FieldTest] = []
    named: list[Subfield] = []
    kept: list[Subfield] = []
    for target, origin in action.tests:
        field = field_of(target, family)
        if field is None:
            named.append(target)
        elif target.low == 0 and width(field, family) <= target.width and not (field is Field.VLAN and isinstance(origin, int)):
            kept.append(target)
        elif isinstance(origin, int):
            fixed.append(FieldTest(target.field, origin << target.low, ((1 << target.width) - 1) << target.low))
        else:
            return None
    if len(kept) > VALUES:
        return None
    return Shape(action.priority, tuple(fixed), tuple(named), tuple(kept), action.loads, action.leaves)


def shapes(lowering: Lowering, table: str) -> list[Shape]:
    """The shapes of the flows that a table may learn, those of the highest priority first."""
    key = ("switch learns", lowering.scope, lowering.flows.switch.name, table)
    found = lowering.context.made.get(key)
    if not isinstance(found, list):
        told = (shape_of(action, lowering.family) for action in of_family(lowering.flows, table, lowering.family))
        ordered = sorted(dict.fromkeys(shape for shape in told if shape is not None), key=lambda shape: -shape.priority)
        found = lowering.context.made[key] = ordered
    return found


def of_family(flows: Flows, table: str, family: int) -> Iterator[Learn]:
    """The actions that teach a table flows that can take packets of the family."""
    for action, _ in flows.learns.get(table, ()):
        kinds = [origin for target, origin in action.tests if target.field == "eth_type" and isinstance(origin, int)]
        if all(kind == ETHERNET_TYPE[family] for kind in kinds):
            yield action


def place_of(lowering: Lowering, table: str, number: int, values: Iterable[int], port: int) -> Scope:
    """The place that remembers flows of a shape with these values of registers."""
    words = " ".join(map(str, (number, *values, port)))
    return Scope(lowering.scope.node, f"{lowering.scope.namespace} {lowering.flows.switch.name} table {table} {words}")


def taught(lowering: Lowering, action: Learn, now: Now) -> Transfer | None:
    """What a packet teaches; None: nothing that packets of this family are told by."""
    shape = shape_of(action, lowering.family)
    if shape is None:
        return lowering.unknown(f"what it learns from the packet (a flow of table {action.table}) is not followed", now)
    known = shapes(lowering, action.table)
    if shape not in known:
        return None
    told = {
        target: origin if isinstance(origin, int) else read(now.known, origin, lowering.family) for target, origin in action.tests
    }
    named, kept = ([told[target] for target in targets] for targets in (shape.named, shape.kept))
    port = now.known.get(CAME_BY, 0) if shape.by_port() and shape.known() else 0
    registers = [value for value in (*named, port) if isinstance(value, int)]
    values = [value for value in kept if isinstance(value, int | Field)]
    if len(registers) <= len(named) or len(values) < len(kept):
        return lowering.unknown(f"what it learns from the packet (a flow of table {action.table}) is not followed", now)
    where = place_of(lowering, action.table, known.index(shape), registers[:-1], registers[-1])
    noted: Transfer = Note(where, padded(values))
    for other in replaced(lowering, action.table, shape, registers[:-1]):
        if other != where:
            lost = lowering.unknown(
                f"a flow of table {action.table} is learned anew, and does something else: that is not followed", now
            )
            noted = IfNoted(other, padded(values), lost, noted)
    return noted


def replaced(lowering: Lowering, table: str, shape: Shape, registers: Sequence[int]) -> Iterator[Scope]:
    """The places that remember flows with the same tests, which do something else (lib/learn.c: the new flow takes their place)."""
    for number, other in enumerate(shapes(lowering, table)):
        if other[:4] == shape[:4]:
            for port in ports_of(lowering, other):
                yield place_of(lowering, table, number, registers, port)


def ports_of(lowering: Lowering, shape: Shape) -> list[int]:
    """The ports that what a learned flow does may depend on."""
    return [*lowering.flows.by_number] if shape.by_port() and shape.known() else [0]


def padded(values: list[int | Field]) -> tuple[int | Field, ...]:
    """As many values as are remembered."""
    return (*values, *[0] * (VALUES - len(values)))


def learned(lowering: Lowering, shape: Shape, spot: Spot, otherwise: Transfer) -> Transfer:
    """The learned flows of a shape, before the flows that follow."""
    known, flows = dict(spot.known), lowering.flows
    match = flows.tested(shape.fixed, known)
    if match is False:
        return otherwise
    values = [read(known, target, lowering.family) for target in (*shape.named, *shape.kept)]
    registers = [value for value in values[: len(shape.named)] if isinstance(value, int)]
    kept = [value for value in values[len(shape.named) :] if isinstance(value, int | Field)]
    if len(registers) + len(kept) < len(values):
        return not_told(lowering, spot, otherwise)
    ports = ports_of(lowering, shape)
    if len(ports) > MANY:
        return not_told(lowering, spot, otherwise)
    result, number = otherwise, shapes(lowering, spot.table).index(shape)
    for port in reversed(ports):
        where = place_of(lowering, spot.table, number, registers, port)
        result = IfNoted(where, padded(kept), done(lowering, shape, spot, port), result)
    return result if match is True else If(match, result, otherwise)


def not_told(lowering: Lowering, spot: Spot, otherwise: Transfer) -> Transfer:
    """Whether a learned flow takes the packet is not known."""
    words = f"no flow that table {spot.table} of {lowering.flows.switch.name} on {lowering.scope} has learned takes the packet"
    return If(Opaque(words), otherwise, End(Unknown(f"{words}: that is not followed")))


def done(lowering: Lowering, shape: Shape, spot: Spot, port: int) -> Transfer:
    """What a learned flow does."""
    now = lowering.begun(spot, None)
    if not shape.known():
        return lowering.unknown(f"what a flow that table {spot.table} has learned does is not followed", now)
    actions: list[Action] = []
    for target, origin in shape.loads:
        value = origin if isinstance(origin, int) else port >> origin.low & ((1 << origin.width) - 1)
        mask = ((1 << target.width) - 1) << target.low
        actions.append(Load(target.field, value << target.low & mask, mask))
    if shape.leaves is not None:
        actions.append(Output(str(port)))
    words = f"{lowering.flows.switch.name} of {lowering.scope} drops the packet: a flow that table {spot.table} has learned sends it nowhere"
    return lowering.perform(actions, now, words)


def doubted(lowering: Lowering, spot: Spot, otherwise: Transfer) -> Transfer:
    """What questions for neighbours teach a table is not followed, and what takes them is another question: where that could be a flow for the packet,
    all is open."""
    return not_told(lowering, spot, otherwise) if by_neighbours(lowering.flows, spot.table) else otherwise


def by_neighbours(flows: Flows, table: str) -> bool:
    """Whether a table may learn flows from questions for neighbours that take other packets, or the other way round."""
    return any(asks(action, flow, flows.family) for action, flow in flows.learns.get(table, ()))


def asks(action: Learn, flow: FlowFact, family: int) -> bool:
    """Whether a flow that takes questions for neighbours teaches one that is not for these alone."""
    tested = {test.field: test.value for test in flow.match}
    told = {target.field: origin for target, origin in action.tests}
    if family == 4:
        return tested.get("eth_type", ARP) == ARP and "eth_type" not in told
    kinds = tested.get("eth_type", ETHERNET_TYPE[6]), tested.get("ip_proto", ICMPV6), told.get("ip_proto", ICMPV6)
    return kinds[0] == ETHERNET_TYPE[6] and all(not isinstance(kind, int) or kind == ICMPV6 for kind in kinds[1:])


def learns(actions: Iterable[Action]) -> bool:
    """Whether some of the actions teach."""
    return any(isinstance(action, Learn) for action in actions)


def rest_learns(rest: Rest | None) -> bool:
    """Whether what is left to do teaches."""
    while rest is not None:
        if learns(rest.actions):
            return True
        rest = rest.following
    return False
