"""What the sets prove is asked of Z3 too, for a part of the flows: a proof that the two engines do not share is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import TypeVar

from analyzer.model.network import Network
from analyzer.query.flows import Aim, Sender, request, spelled
from analyzer.query.grouping import asked_for
from analyzer.query.neglect import told_apart
from analyzer.query.once import Whole
from analyzer.ranges import normalised, single
from analyzer.solve import states as at
from analyzer.solve.packet import ACK, SYN, TCP
from analyzer.solve.sets.regions import State
from analyzer.solve.smt.questions import Leg, Question, conversation
from analyzer.solve.smt.symbolic import Encoder
from analyzer.solve.smt.ways import Some, Unsettled, Value, Way
from analyzer.solve.states import NO_PAYLOAD
from analyzer.source import Scope, Source
from analyzer.transfer import ir
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

WAYS, SOME, FEW, MOST, ALL, LONG = 1_000, 6, 3, 12, 16, 1 << 20
DECIDING = frozenset({"iptables-save", "nft", "ipset", "ip-rule", "ip-route", "sysctl", "tc-filter", "ipvs"})
NUMBER = re.compile(r"[0-9a-f]*[0-9][0-9a-f:./]*")
IS_TCP = ir.In(Field.PROTOCOL, single(TCP))
Item = TypeVar("Item")
TOO_MUCH = "more ways than it is given had to be told apart"
Onward = Callable[[Encoder, ir.Exit, Way], Iterable[tuple[ir.Point, Way]]]
Said = tuple[Mapping[str, Question], Onward]
"""What no packet may do, in words with the question, and the packets that follow."""
Parted = Callable[[Aim, State], tuple[list[State], list[State]]]
Wanted = Callable[[Aim, Sequence[Sender]], Iterable[tuple[str, Question]]]
"""What no request may do that policies admit."""


@dataclass(slots=True)
class Share:
    """Z3's part in what is known of some flows: how many pairs it was asked about, and why it left something of them open."""

    pairs: int = 0
    left_open: dict[str, None] = field(default_factory=dict)

    def words(self, pairs: int) -> str:
        """The same in words, of so many pairs."""
        why = f"; it left some of it open: {next(iter(self.left_open))}" if self.left_open else ""
        return f"Z3 agrees on {self.pairs} of {pairs} pairs{why}" if self.pairs else "by sets of packets alone, Z3 was not asked"


def every(aim: Aim, state: State) -> tuple[list[State], list[State]]:
    """All packets of a set are to arrive."""
    del aim
    return [state], []


def contradiction(
    program: NetworkProgram,
    aims: Sequence[Aim],
    senders: Sequence[Sender],
    parted: Parted = every,
    unbound: bool = False,
    wanted_of: Wanted | None = None,
    share: Share | None = None,
) -> str:
    """Asks whether some packet of the senders, of all where they are few, its answer, or TCP's third packet fails on its way there; words where Z3 finds one although the
    sets have none. What is too much for Z3 stays the sets' answer. ``parted`` gives the packets of a set that are to arrive, and those that are not to; ``wanted_of`` what is asked where
    policies excuse requests that are lost."""
    few = asked_pairs(aims[0], senders) <= ALL
    chosen = aims if few else tuple(map(slim, aims))
    some = senders if few else tuple(slimmed(chosen[0], sender) for sender in representatives(program.network, senders))
    some = tuple(sender for sender in some if asked_for(chosen[0], sender.destinations))
    share = Share() if share is None else share
    share.pairs += 0 if unbound else asked_pairs(chosen[0], some)
    begin = program.start_unbound if unbound else program.start
    for aim in chosen:
        sets = [(begin(sender.scope), parted(aim, request(aim, sender))) for sender in some]
        wanted = [(point, state) for point, (states, _) in sets for state in states]
        denied = [(point, state) for point, (_, states) in sets for state in states]
        words = differing(program, wanted, talk(program, begin, aim, some, wanted_of), share)
        if words := words or differing(
            program, denied, [({"that no policy admits arrives": (delivered, ())}, onward_to_nobody)], share
        ):
            return words
    return ""


def asked_pairs(aim: Aim, senders: Sequence[Sender]) -> int:
    """How many pairs there are of senders, and addresses or ports of services."""
    return sum(asked_for(aim, sender.destinations) for sender in senders)


def differing(program: NetworkProgram, starts: Sequence[tuple[ir.Point, State]], talk: Sequence[Said], share: Share) -> str:
    """What Z3 finds that the sets have not; what it leaves open is kept in its share."""
    legs, answered = [Leg(tuple(asked.values()), onward) for asked, onward in talk], 0
    for (asked, _), found in zip(talk, conversation(program, starts, legs, ways=WAYS) if starts else (), strict=False):
        answered += 1
        for words, one in zip(asked, found, strict=True):
            if isinstance(one, Some):
                return f"internal error: by the sets no packet {words}, by Z3 one does: {dict(one.values)}"
            share.left_open |= {one.reason: None} if isinstance(one, Unsettled) else {}
    share.left_open |= {TOO_MUCH: None} if starts and answered < len(talk) else {}
    return ""


def talk(
    program: NetworkProgram,
    begin: Callable[[Scope], ir.Point],
    aim: Aim,
    senders: Sequence[Sender],
    wanted_of: Wanted | None = None,
) -> list[Said]:
    """What no request may do, no answer to it, no packet that ends a handshake, and no answer after it."""

    def answered(_: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        if isinstance(exit, ir.Deliver):
            yield program.start(exit.scope), turned(aim, way, SYN | ACK)

    def opened(engine: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        opening = engine.branch(IS_TCP, way)[0] if isinstance(exit, ir.Deliver) else None
        if isinstance(exit, ir.Deliver) and opening is not None:
            yield begin(exit.scope), turned(aim, opening, ACK)

    def kept_up(_: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
        if isinstance(exit, ir.Deliver):
            yield program.start(exit.scope), turned(aim, way, ACK)

    said: list[Said] = [
        (dict(questions(aim, senders) if wanted_of is None else wanted_of(aim, senders)), answered),
        (dict(of_answers(aim, senders)), opened),
        (dict(of_openings(aim, senders)), kept_up),
        (dict(of_answers(aim, senders, "in an open connection ")), onward_to_nobody),
    ]
    return said if not aim.ping and told_apart(Whole(program.network)) else said[:3]


def onward_to_nobody(engine: Encoder, exit: ir.Exit, way: Way) -> Iterator[tuple[ir.Point, Way]]:
    """Nothing follows."""
    del engine, exit, way
    yield from ()


def turned(aim: Aim, way: Way, flags: int) -> Way:
    """The packet that who has this one sends back; a ping's answer keeps its identifier."""
    fields: dict[int, Value] = {
        at.SOURCE: way.env[at.DESTINATION],
        at.DESTINATION: way.env[at.SOURCE],
        at.PROTOCOL: way.env[at.PROTOCOL],
        at.INDEX[Field.TTL]: 64,
        at.SOURCE_PORT: way.env[at.SOURCE_PORT if aim.ping else at.DESTINATION_PORT],
        at.DESTINATION_PORT: 0 if aim.ping else way.env[at.SOURCE_PORT],
        at.INDEX[Field.ICMP_TYPE]: (0 if aim.family == 4 else 129) if aim.ping else 0,
        at.INDEX[Field.TCP_FLAGS]: 0 if aim.ping else flags,
        at.INDEX[Field.SERVICE]: way.env[at.INDEX[Field.SERVICE]] if aim.ping else 0,
    }
    return way._replace(env=tuple(fields.get(place, 0) for place in range(len(at.FIELDS))), frames=(), current=-1, hops=0)


def of_answers(aim: Aim, senders: Iterable[Sender], when: str = "") -> Iterator[tuple[str, Question]]:
    """What no answer may do; ``when``: in words, which one."""
    yield f"{when}is answered in vain", (astray, ())
    same = [(Field.SOURCE, Field.DESTINATION), (Field.DESTINATION, Field.SOURCE)]
    same += (
        [(Field.SOURCE_PORT, Field.SOURCE_PORT)]
        if aim.ping
        else [(Field.SOURCE_PORT, Field.DESTINATION_PORT), (Field.DESTINATION_PORT, Field.SOURCE_PORT)]
    )
    for name, asked in same:
        yield f"{when}is answered with another {name.value} than its {asked.value}", (delivered, ((name, asked.value, False),))
    for sender in senders:
        for value in spelled(sender.sources):
            wrong = partial(elsewhere, frozenset({sender.scope}))
            yield f"{when}from {value} is answered elsewhere", (wrong, ((Field.DESTINATION, value, True),))


def of_openings(aim: Aim, senders: Iterable[Sender]) -> Iterator[tuple[str, Question]]:
    """What no packet may do that ends a handshake."""
    yield "that ends a handshake is lost", (astray, ())
    if aim.translated is None:
        for words, question in astray_of(aim, senders):
            yield f"that ends a handshake {words}", question


def questions(aim: Aim, senders: Iterable[Sender]) -> Iterator[tuple[str, Question]]:
    """What no packet may do."""
    yield "is lost", (lost, ())
    if aim.translated is not None:
        return
    yield "arrives with another source", (delivered, ((Field.SOURCE, Field.SOURCE.value, False),))
    yield "arrives with another destination", (delivered, ((Field.DESTINATION, Field.DESTINATION.value, False),))
    yield from astray_of(aim, senders)


def astray_of(aim: Aim, senders: Iterable[Sender]) -> Iterator[tuple[str, Question]]:
    """For each destination, that nobody else may have what is for it."""
    for value in sorted({value for sender in senders for value in spelled(sender.destinations)}):
        wrong = partial(elsewhere, aim.holders.get(value, frozenset()))
        yield f"to {value} is delivered elsewhere", (wrong, ((Field.DESTINATION, value, True),))


def delivered(exit: ir.Exit) -> bool:
    """Whether somebody has the packet."""
    return isinstance(exit, ir.Deliver)


def elsewhere(held: frozenset[Scope], exit: ir.Exit) -> bool:
    """Whether somebody else has the packet."""
    return isinstance(exit, ir.Deliver) and exit.scope not in held


def representatives(network: Network, senders: Sequence[Sender]) -> Sequence[Sender]:
    """One sender for each kind of tables that senders and their nodes have, and a few at even distances."""
    kinds: dict[object, Sender] = {}
    homes = {sender.scope: Scope(sender.scope.node) for sender in senders}
    outlines = outlined(network, {*homes, *homes.values()})
    for sender in senders:
        kinds.setdefault((outlines.get(homes[sender.scope]), outlines.get(sender.scope)), sender)
    chosen = {*spaced(tuple(kinds.values()), MOST), *spaced(senders, FEW)}
    return [sender for sender in senders if sender in chosen]


def outlined(network: Network, scopes: Container[Scope]) -> dict[Scope, frozenset[object]]:
    """What decides in each namespace, without numbers and in no order; of what is long how long it is."""
    found: dict[Scope, list[object]] = {}
    for source in network.sources.values():
        if source.kind in DECIDING and source.scope is not None and source.scope in scopes:
            found.setdefault(source.scope, []).append((source.kind, source_outline(source)))
    return {scope: frozenset(own) for scope, own in found.items()}


def source_outline(source: Source) -> object:
    """How long a text is, where it is long; else its different lines without their numbers."""
    return source.length.bit_length() if source.length > LONG else outline_of(source.text)


@lru_cache(maxsize=4096)
def outline_of(text: str) -> object:
    """The different lines of a text without their numbers."""
    return frozenset(NUMBER.sub("", text).splitlines())


def slim(aim: Aim) -> Aim:
    """The aim with some of its service ports."""
    if aim.translated is None:
        return aim
    return replace(aim, translated=dict(spaced(sorted(aim.translated.items(), key=itemgetter(0)), SOME)))


def slimmed(aim: Aim, sender: Sender) -> Sender:
    """The sender with some of its destinations; with services, those of the aim are some."""
    if aim.translated is not None:
        return sender
    values = spaced(tuple(spelled(sender.destinations)), SOME)
    return sender._replace(destinations=normalised((value, value) for value in values))


def spaced(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of the items, with even spaces between them."""
    return items[:: max(-(-len(items) // most), 1)]


def astray(exit: ir.Exit) -> bool:
    """Whether an answer ends without being delivered; what leaves the capture does not come back."""
    return not isinstance(exit, ir.Deliver) and exit != NO_PAYLOAD


def lost(exit: ir.Exit) -> bool:
    """Whether the packet ends without being delivered."""
    return not isinstance(exit, ir.Deliver | ir.Leave) and exit != NO_PAYLOAD
