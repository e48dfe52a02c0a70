"""Random programs and packets for the tests that hold the readings of the language together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from hypothesis import strategies as st

from analyzer.ranges import Ranges, contains, normalised
from analyzer.solve import interpreter
from analyzer.solve.sets import regions
from analyzer.solve.sets.regions import Env, Result
from analyzer.solve.states import FIELDS
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.ir import Field

T = TypeVar("T")
HERE, THERE, MEMORY = Scope("here"), Scope("there"), Scope("here", "memory")
POINTS = tuple(ir.Point(HERE, f"stage {number}") for number in range(4))
SPACE: Mapping[Field, tuple[int, ...]] = {
    Field.SOURCE: (1, 2, 3, 8, 2**32 - 1),
    Field.DESTINATION: (1, 2, 3, 8, 2**32 - 1),
    Field.PROTOCOL: (1, 6, 17, 47),
    Field.SOURCE_PORT: (0, 1, 2, 80),
    Field.DESTINATION_PORT: (0, 1, 2, 80),
    Field.ICMP_TYPE: (0, 8),
    Field.TCP_FLAGS: (2, 16, 18),
}
SCRATCH: Mapping[Field, tuple[int, ...]] = {
    Field.MARK: (0, 1, 2, 3, 0x4000),
    Field.CONNECTION_MARK: (0, 1, 2),
    Field.IN_INTERFACE: (0, 1),
}
TESTED: Mapping[Field, tuple[int, ...]] = {
    Field.STATE: (0, 1, 2, 3, 4, 5),
    Field.STATUS: (0, 1, 2, 4, 6, 16, 20),
    Field.DIRECTION: (0, 1),
    Field.ORIGINAL_DESTINATION: (0, 1, 2, 8),
}


@dataclass
class Parts:
    """A program that is written down whole."""

    transfers: tuple[ir.Transfer, ...]
    family: int = 4
    address_bits: int = 32

    def at(self, point: ir.Point) -> ir.Transfer:
        return self.transfers[POINTS.index(point)]


def ranges_over(values: tuple[int, ...]) -> st.SearchStrategy[Ranges]:
    """Ranges whose ends are among the values."""
    pair = st.tuples(st.sampled_from(values), st.sampled_from(values)).map(lambda two: (min(two), max(two)))
    return st.lists(pair, min_size=1, max_size=2).map(normalised)


def few_over(values: tuple[int, ...]) -> st.SearchStrategy[Ranges]:
    """One to three of the values, as ranges."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(lambda some: normalised((v, v) for v in some))


def several(inner: st.SearchStrategy[T], least: int, most: int) -> st.SearchStrategy[tuple[T, ...]]:
    """A few of them, as a tuple."""
    return st.lists(inner, min_size=least, max_size=most).map(lambda some: tuple(some))


def in_matches() -> st.SearchStrategy[ir.Match]:
    """Range tests of any field that programs use."""
    every = {**SPACE, **SCRATCH, **TESTED}
    return st.one_of([st.builds(ir.In, st.just(name), ranges_over(values)) for name, values in every.items()])


def matches() -> st.SearchStrategy[ir.Match]:
    """Matches of every constructor."""
    bits = st.builds(
        ir.Bits,
        st.sampled_from([Field.SOURCE, Field.MARK, Field.TCP_FLAGS]),
        st.sampled_from([0, 1, 2, 3, 10]),
        st.sampled_from([0, 1, 2]),
    )
    opaque = st.builds(ir.Opaque, st.sampled_from(["first", "second"]))
    return st.recursive(
        st.one_of(in_matches(), bits, opaque),
        lambda inner: st.one_of(
            st.builds(ir.Not, inner), st.builds(ir.All, several(inner, 0, 3)), st.builds(ir.Any, several(inner, 0, 3))
        ),
        max_leaves=4,
    )


def assignments() -> st.SearchStrategy[ir.Transfer]:
    """Transfers that write fields."""
    writable = {**SPACE, **SCRATCH}
    marks = st.sampled_from([Field.MARK, Field.CONNECTION_MARK])
    masks = st.sampled_from([0, 1, 3, 0x4000, 2**32 - 1])
    addresses = st.sampled_from([Field.SOURCE, Field.DESTINATION])
    return st.one_of(
        st.one_of([st.builds(ir.Assign, st.just(name), st.sampled_from(values)) for name, values in writable.items()]),
        st.builds(ir.Copy, addresses, addresses),
        st.builds(ir.SetBits, marks, masks, st.sampled_from([0, 1, 2])),
        st.builds(ir.Merge, marks, masks, marks, masks),
        st.one_of([st.builds(ir.Choose, st.just(name), few_over(values)) for name, values in writable.items()]),
        st.builds(ir.Assign, st.just(Field.STATE), st.just(ir.UNTRACKED)),
        st.builds(ir.Decapsulate),
        st.builds(ir.Confirm, st.sampled_from([HERE, THERE])),
        st.builds(ir.Retrace),
        st.builds(ir.Encapsulate, outer_fields()),
        st.builds(ir.Track, st.sampled_from([HERE, HERE, THERE]), st.booleans()),
        st.builds(ir.Note, st.just(MEMORY), noted()),
    )


def noted() -> st.SearchStrategy[tuple[int | Field, ...]]:
    """Five values to remember: numbers, and fields of the packet."""
    addresses = st.sampled_from([1, Field.SOURCE, Field.DESTINATION])
    ports = st.sampled_from([53, Field.SOURCE_PORT, Field.DESTINATION_PORT])
    return st.tuples(st.sampled_from([6, Field.PROTOCOL]), addresses, st.just(0), addresses, ports)


def outer_fields() -> st.SearchStrategy[tuple[tuple[Field, Ranges], ...]]:
    """The fields of an outer packet."""
    port = few_over(SPACE[Field.SOURCE_PORT])
    return port.map(
        lambda ports: (
            (Field.SOURCE, ((1, 1),)),
            (Field.DESTINATION, ((2, 2),)),
            (Field.PROTOCOL, ((17, 17),)),
            (Field.SOURCE_PORT, ports),
        )
    )


def rewrites() -> st.SearchStrategy[ir.Transfer]:
    """Rules of a translation."""
    address = st.one_of(st.none(), few_over(SPACE[Field.SOURCE]))
    ports = st.one_of(st.none(), few_over(SPACE[Field.SOURCE_PORT]))
    rewrite = st.builds(ir.Rewrite, st.booleans(), address, ports, balanced=st.booleans())
    return st.builds(ir.If, matches(), rewrite, st.one_of(st.just(ir.KEEP), rewrite))


def exits(number: int) -> st.SearchStrategy[ir.Exit]:
    """The exits that a point may use; it goes to later points only."""
    later = [ir.Goto(point) for point in POINTS[number + 1 :]]
    return st.sampled_from([ir.Accept(), ir.Return(), ir.Deliver(HERE), ir.Drop("dropped"), ir.Unknown("unknown"), *later])


def turned(rewrite: ir.Translate) -> ir.Translate:
    """The translation with its rewrites on its own side."""
    return ir.Translate(rewrite.scope, rewrite.destination, sided(rewrite.rules, rewrite.destination))


def sided(rules: ir.Transfer, destination: bool) -> ir.Transfer:
    """The rules with every rewrite on one side."""
    match rules:
        case ir.If(match, then, otherwise):
            return ir.If(match, sided(then, destination), sided(otherwise, destination))
        case ir.Rewrite(_, addresses, ports, balanced=balanced):
            return ir.Rewrite(destination, addresses, ports, balanced=balanced)
        case _:
            return rules


def transfers(number: int) -> st.SearchStrategy[ir.Transfer]:
    """Transfers of every constructor for one point."""
    calls = [st.just(ir.Call(point)) for point in POINTS[number + 1 :]]
    translate = st.builds(ir.Translate, st.just(HERE), st.booleans(), rewrites()).map(turned)
    leaf = st.one_of(assignments(), assignments(), translate, st.builds(ir.End, exits(number)), *calls)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(ir.Seq, several(inner, 1, 4)),
            st.builds(ir.Alt, several(inner, 1, 2)),
            st.builds(ir.If, matches(), inner, inner),
            st.builds(ir.IfNoted, st.just(MEMORY), noted(), inner, inner),
            st.builds(ir.Hook, inner),
            several(st.tuples(st.sampled_from(SPACE[Field.DESTINATION]), inner), 1, 3).map(table),
        ),
        max_leaves=7,
    )


def table(rows: tuple[tuple[int, ir.Transfer], ...]) -> ir.Table:
    """A table whose rows each want one destination."""
    parts = tuple(ir.If(ir.In(Field.DESTINATION, ((value, value),)), then, ir.KEEP) for value, then in rows)
    return ir.Table(parts, lambda ranges: [i for i, (value, _) in enumerate(rows) if contains(ranges, value)])


def programs() -> st.SearchStrategy[Parts]:
    """Programs of four points; the first tracks, so that translation has something to work on."""
    first = transfers(0).map(lambda body: ir.Seq((ir.Track(HERE), body)))
    return st.builds(lambda *parts: Parts(parts), first, *(transfers(number) for number in range(1, len(POINTS))))


SWAP = ir.Seq(
    (
        ir.Copy(Field.NEXT_HOP, Field.SOURCE),
        ir.Copy(Field.SOURCE, Field.DESTINATION),
        ir.Copy(Field.DESTINATION, Field.NEXT_HOP),
        ir.If(
            ir.In(Field.PROTOCOL, ((1, 1),)),
            ir.Assign(Field.ICMP_TYPE, 0),
            ir.Seq(
                (
                    ir.Copy(Field.LENGTH, Field.SOURCE_PORT),
                    ir.Copy(Field.SOURCE_PORT, Field.DESTINATION_PORT),
                    ir.Copy(Field.DESTINATION_PORT, Field.LENGTH),
                )
            ),
        ),
        ir.Assign(Field.TCP_FLAGS, 18),
    )
)
"""The answer to the packet."""


def hooks() -> st.SearchStrategy[ir.Transfer]:
    """One way through a namespace: tracked, translated on both sides, kept."""
    one = st.builds(ir.Translate, st.just(HERE), st.booleans(), rewrites()).map(turned)
    mark = st.builds(ir.If, matches(), st.just(ir.Assign(Field.CONNECTION_MARK, 2)), st.just(ir.KEEP))
    ends = st.sampled_from([ir.Confirm(HERE), ir.Confirm(HERE), ir.KEEP])
    again = st.sampled_from([ir.KEEP, ir.KEEP, ir.Retrace()])
    return st.builds(lambda *parts: ir.Seq((ir.Track(HERE), *parts)), one, mark, again, one, ends)


def flows() -> st.SearchStrategy[Parts]:
    """A packet, its answer, and another packet of the flow, through one namespace."""
    end = st.just(ir.End(ir.Deliver(HERE)))
    body = st.builds(
        lambda *parts: ir.Seq(parts), hooks(), st.just(SWAP), hooks(), st.sampled_from([SWAP, ir.KEEP]), hooks(), end
    )
    return st.builds(lambda first: Parts((first, ir.KEEP, ir.KEEP, ir.KEEP)), body)


LINKED = (Field.SOURCE, Field.DESTINATION, Field.SOURCE_PORT, Field.DESTINATION_PORT, Field.IN_INTERFACE)
WRITTEN = {**SPACE, **SCRATCH}


def scattered() -> st.SearchStrategy[Parts]:
    """Programs that first give fields other constants for other packets, so that the sets that meet next differ in them."""
    told = st.sampled_from([Field.SOURCE, Field.DESTINATION, Field.PROTOCOL])
    assign = st.one_of([st.builds(ir.Assign, st.just(name), st.sampled_from(WRITTEN[name])) for name in LINKED])
    row = st.tuples(told, several(assign, 1, 2))
    first = several(row, 2, 4).map(lambda rows: ir.Seq((*map(apart, enumerate(rows)), ir.End(ir.Goto(POINTS[1])))))
    there = st.builds(lambda one, end: ir.Seq((one, end)), hooks(), st.builds(ir.End, exits(1)))
    back = st.builds(lambda one, other: ir.Seq((one, SWAP, other, ir.End(ir.Goto(POINTS[2])))), hooks(), hooks())
    return st.builds(lambda *parts: Parts(parts), first, st.one_of(there, back, transfers(1)), transfers(2), transfers(3))


def apart(numbered: tuple[int, tuple[Field, tuple[ir.Transfer, ...]]]) -> ir.Transfer:
    """Assignments for the packets with one value of a field."""
    number, (name, then) = numbered
    value = SPACE[name][number % len(SPACE[name])]
    return ir.If(ir.In(name, ((value, value),)), ir.Seq(then), ir.KEEP)


def packets() -> st.SearchStrategy[dict[Field, int]]:
    """A value for each field that a packet starts with."""
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SPACE.items()})


def whole() -> dict[Field, int | Ranges]:
    """The start that holds every packet of ``packets``."""
    return {name: normalised((value, value) for value in values) for name, values in SPACE.items()}


Seen = tuple[ir.Exit, tuple[int, ...], tuple[tuple[int, ...], ...], object]


def interpreted(state: interpreter.State, way: ir.Exit) -> tuple[Seen, frozenset[tuple[str, bool]]]:
    """What the interpreter's result amounts to."""
    return (way, state.env, state.frames, tuple(item for item in state.connections if item.confirmed)), state.answers


def members(result: Result, packet: Mapping[str, int]) -> Iterator[tuple[Seen, frozenset[tuple[str, bool]]]]:
    """What a set's result says of one packet: nothing when the packet is not in it."""
    state = result.state
    for rows in product(*(joint.rows for joint in state.joints)):
        joints = [zip(joint.names, row, strict=True) for joint, row in zip(state.joints, rows, strict=True)]
        region = {**state.region, **{name: ranges for pairs in joints for name, ranges in pairs}}
        names = [name for name in region if name not in packet]
        for values in product(*(spelled(region[name]) for name in names)):
            found = {**dict(zip(names, values, strict=True)), **{name: packet[name] for name in packet if name in region}}
            if all(contains(region[name], found[name]) for name in region) and agrees(state, found, packet):
                yield valued(result.exit, state, found), state.answers


def spelled(ranges: Ranges) -> list[int]:
    return [value for low, high in ranges for value in range(low, high + 1)]


def agrees(state: regions.State, found: dict[str, int], packet: Mapping[str, int]) -> bool:
    """Whether the pairs of variables hold; variables that became another's are filled in."""
    for pair in reversed(state.together):
        if pair.equal:
            found[pair.right] = found[pair.left]
            if pair.right in packet and packet[pair.right] != found[pair.right]:
                return False
    return all(pair.equal or found[pair.left] != found[pair.right] for pair in state.together)


def valued(way: ir.Exit, state: regions.State, found: Mapping[str, int]) -> Seen:
    """The result for one choice of the variables."""
    of: Callable[[int | str], int] = lambda value: found[value] if isinstance(value, str) else value  # noqa: E731
    env: Callable[[Env], tuple[int, ...]] = lambda values: tuple(of(value) for value in values)  # noqa: E731
    connections = tuple(
        item._replace(
            original=type(item.original)(*env(item.original)),
            reply=type(item.reply)(*env(item.reply)),
            mark=of(item.mark),
            guards=(),
        )
        for item in state.connections
        if item.confirmed and all(contains(ranges, found[name]) for name, ranges in item.guards)
    )
    return way, env(state.env), tuple(env(frame) for frame in state.frames), connections


def by_answers(found: set[tuple[Seen, frozenset[tuple[str, bool]]]]) -> list[set[Seen]]:
    """The results for each way to answer the opaque tests."""
    texts = ("first", "second")
    ways = [frozenset(zip(texts, answers, strict=True)) for answers in product((True, False), repeat=2)]
    return [{seen for seen, answers in found if answers <= way} for way in ways]


def named(packet: Mapping[Field, int]) -> dict[str, int]:
    """The packet by the names of variables."""
    return {name.value: value for name, value in packet.items() if name in FIELDS}
