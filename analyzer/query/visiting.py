"""What Z3 is asked about packets that come in from outside to a service, their answers, which leave again, and what follows these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from analyzer.query.agreement import Said, astray, lost, onward_to_nobody, turned
from analyzer.query.flows import Aim
from analyzer.query.neglect import told_apart
from analyzer.query.once import Whole
from analyzer.ranges import single
from analyzer.solve.packet import ACK, SYN, TCP
from analyzer.solve.smt.questions import Question
from analyzer.solve.smt.symbolic import Encoder
from analyzer.solve.smt.ways import Way
from analyzer.solve.states import NO_PAYLOAD
from analyzer.transfer import ir
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

LOSSES: tuple[tuple[str, Question], ...] = (("from outside is lost", (lost, ())),)
IS_TCP = ir.In(Field.PROTOCOL, single(TCP))
Entering = Callable[[Encoder, Way], Iterator[tuple[ir.Point, Way]]]


def visit(program: NetworkProgram, aim: Aim, wanted: Mapping[str, Question], entering: Entering) -> list[Said]:
    """What no request may do, no answer to it, no packet that ends a handshake, and no answer after it."""

    def answered(_: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        if isinstance(exit, ir.Deliver):
            yield program.start(exit.scope), turned(aim, way, SYN | ACK)

    def opened(engine: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        opening = engine.branch(IS_TCP, way)[0] if isinstance(exit, ir.Leave) else None
        for point, part in entering(engine, opening) if opening is not None else ():
            yield point, turned(aim, part, ACK)

    def kept_up(_: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        if isinstance(exit, ir.Deliver):
            yield program.start(exit.scope), turned(aim, way, ACK)

    said: list[Said] = [
        ({**wanted, "from outside leaves again": (left, ())}, answered),
        (dict(of_answers()), opened),
        ({"from outside that ends a handshake is lost": (astray, ())}, kept_up),
        (dict(of_answers("in an open connection ")), onward_to_nobody),
    ]
    return said if told_apart(Whole(program.network)) else said[:3]


def of_answers(when: str = "") -> Iterator[tuple[str, Question]]:
    """What no answer to outside may do; ``when``: in words, which one."""
    yield f"from outside {when}is answered in vain", (stays, ())
    same = (
        (Field.SOURCE, Field.DESTINATION),
        (Field.DESTINATION, Field.SOURCE),
        (Field.SOURCE_PORT, Field.DESTINATION_PORT),
        (Field.DESTINATION_PORT, Field.SOURCE_PORT),
    )
    for field, asked in same:
        words = f"from outside {when}is answered with another {field.value} than its {asked.value}"
        yield words, (left, ((field, asked.value, False),))


def left(exit: ir.Exit) -> bool:
    """Whether the packet leaves the capture."""
    return isinstance(exit, ir.Leave)


def stays(exit: ir.Exit) -> bool:
    """Whether an answer does not leave the capture."""
    return not isinstance(exit, ir.Leave) and exit != NO_PAYLOAD
