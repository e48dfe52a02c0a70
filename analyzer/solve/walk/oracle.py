"""Decisions that a walk cannot make by itself, and the search through all of them.

A walk is plain code that asks an oracle whenever the network may choose (a random endpoint, equal-cost routes) or when something is
not known (a match that is not modelled, a table that was not captured). ``explore`` runs it once for each way to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from analyzer.ranges import Ranges, contains, is_single, joined
from analyzer.solve.packet import PICKED, Fate, Outcome
from analyzer.source import Span

LIMIT = 4096
MANY = 6
"""With more unknown tests than this in the first walk, it is looked first whether they matter by walks that meet again."""
MOST, LEAST = 12_288, 24
"""How much walks that meet again may cost together, and what one costs at least: a sixteenth of its decisions. Where nothing is left behind, there is a walk for each."""
DEEP = 200
"""So many decisions are taken the other way within one another: Python's own stack ends soon after."""
FEW = 256
"""How many walks more tell what else may happen, where it is unknown already whether all of it does."""
Result = TypeVar("Result")


class Kind(StrEnum):
    """Who decides: the network, or nobody knows."""

    CHOICE = "choice"
    UNKNOWN = "unknown"


class Decision(NamedTuple):
    """A decision that was met: how many ways there are, and which was taken."""

    kind: Kind
    text: str
    at: Span | None
    ways: int
    taken: int
    settle: str = ""


@dataclass(slots=True)
class Trail:
    """A number for the decisions of a walk so far: two walks with the same one have met again, and what they do from there on is the same. Chains say by
    ``meet`` what state they are in, which is all that the decisions since their start have left behind. ``numbers`` are shared by the walks of one search; ``met``:
    the number before each decision."""

    numbers: dict[Hashable, int]
    now: int = 0
    met: list[int] = field(default_factory=list)

    def decided(self, text: str, taken: int) -> None:
        """One more decision."""
        self.met.append(self.now)
        self.meet(self.now, (text, taken))

    def meet(self, start: int, state: Hashable) -> None:
        """All that happened since ``start`` has come to a state, which names its place too."""
        self.now = self.numbers.setdefault((start, state), len(self.numbers) + 1)


@dataclass(slots=True)
class Oracle:
    """Replays the decisions of its script, then takes the first way of each further one. ``used``: how often one was asked for, also one
    that was made before. ``picked`` are the ports that kernels picked at random, each with what it may be as far as anybody looked, and the
    one to show: a packet has the number of its place, from PICKED, instead of a port, so that what nothing looks at costs no decision. With a ``trail`` a test
    may be answered otherwise each time: no way is lost, and some are walked that there are not."""

    script: tuple[int, ...] = ()
    met: list[Decision] = field(default_factory=list)
    answers: dict[str, bool] = field(default_factory=dict)
    used: int = 0
    picked: list[tuple[Ranges, int]] = field(default_factory=list)
    trail: Trail | None = None

    def pick(self, ranges: Ranges, usual: int) -> int:
        """A port of the ranges that a kernel picks at random; ``usual`` is shown for it where it may be that one."""
        if is_single(ranges):
            return ranges[0][0]
        self.picked.append((ranges, usual))
        return PICKED + len(self.picked) - 1

    def within(self, port: int, ranges: Ranges, at: Span | None = None) -> bool:
        """Whether a port, which may be a picked one, is in the ranges."""
        if port < PICKED:
            return contains(ranges, port)
        cuts = [end for low, high in ranges for end in (low, high + 1)]
        return contains(ranges, self.number(port, cuts, lambda value: contains(ranges, value), at))

    def number(self, port: int, cuts: Iterable[int], told: Callable[[int], Hashable], at: Span | None = None) -> int:
        """The port, or one that a picked port may be: the network's choice among those that ``told`` tells apart. Between the cuts all are alike."""
        if port < PICKED:
            return port
        own, usual = self.picked[port - PICKED]
        kinds: dict[Hashable, list[tuple[int, int]]] = {}
        for low, high in cut(own, cuts):
            kinds.setdefault(told(low), []).append((low, high))
        parts = list(kinds.values())
        taken = parts[self.choose(len(parts), "the port that was picked at random", at)]
        self.picked[port - PICKED] = joined(taken), usual
        return taken[0][0]

    def known(self, port: int) -> int:
        """The port, also for a picked one that can be no other by now."""
        return self.picked[port - PICKED][0][0][0] if port >= PICKED and is_single(self.picked[port - PICKED][0]) else port

    def shown(self, port: int) -> int:
        """The port, or one that a picked port may be."""
        if port < PICKED:
            return port
        own, usual = self.picked[port - PICKED]
        return usual if contains(own, usual) else own[0][0]

    def choose(self, ways: int, text: str, at: Span | None = None) -> int:
        """The network's own choice among ``ways`` (from 0)."""
        return self._decide(Kind.CHOICE, ways, text, at, "")

    def test(self, text: str, at: Span | None = None, settle: str = "") -> bool:
        """Whether a test holds of which that is not known; the same text gets the same answer throughout a walk.

        True is tried first. ``settle`` says what would settle it.
        """
        self.used += 1
        if self.trail is not None:
            return self._decide(Kind.UNKNOWN, 2, text, at, settle) == 0
        if text not in self.answers:
            self.answers[text] = self._decide(Kind.UNKNOWN, 2, text, at, settle) == 0
        return self.answers[text]

    def _decide(self, kind: Kind, ways: int, text: str, at: Span | None, settle: str) -> int:
        if ways <= 1:
            return 0
        self.used += 1
        position = len(self.met)
        taken = self.script[position] if position < len(self.script) else 0
        self.met.append(Decision(kind, text, at, ways, taken, settle))
        if self.trail is not None:
            self.trail.decided(text, taken)
        return taken


def cut(ranges: Ranges, cuts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The ranges in pieces that begin at the cuts."""
    places = sorted(set(cuts))
    for low, high in ranges:
        for place in places:
            if low < place <= high:
                yield low, place - 1
                low = place
        yield low, high


def explore(walk: Callable[[Oracle], Outcome], limit: int = LIMIT) -> tuple[Outcome, ...]:
    """The outcomes of a walk over every way to decide, each once, in the order of the decisions.

    Where outcomes differ by an unknown test alone, they become one UNKNOWN outcome that names the test: where one way to decide it ends
    in nothing but that, the other is not walked. After ``limit`` walks the rest is one UNKNOWN outcome. Where there are many unknown tests, walks that meet
    again are walked once from there: what comes of that is told where nothing of it is unknown.
    """
    search = Search(walk, limit)
    run = search.walked(())
    many = sum(each.kind is Kind.UNKNOWN for each in run.met) > MANY
    if many and (found := merged(walk)):
        return found
    outcomes = search.below(run, 0)
    open_yet = any(one.fate is Fate.UNKNOWN for one in outcomes)
    if search.broke_off and not many and not open_yet and (found := merged(walk)):
        return found
    if search.broke_off:
        rest = Outcome(Fate.UNKNOWN, reason="there are more ways to decide than are walked; the rest was not")
        outcomes = (*outcomes, rest)
    return outcomes


def merged(walk: Callable[[Oracle], Outcome]) -> tuple[Outcome, ...]:
    """The outcomes where nothing of them is unknown, by walks that meet again; none where something is, or too many do not.

    Each test may come out otherwise each time. So there are ways to decide that do not exist, beside all that do: where all of both end alike, those do."""
    search = Search(walk, MOST, known={})
    found = search.below(search.walked(()), 0)
    return () if search.broke_off or any(one.fate is Fate.UNKNOWN for one in found) else found


class Run(NamedTuple):
    """The decisions that a walk met, what came of it, and the number of its trail before each decision."""

    met: list[Decision]
    outcome: Outcome
    trail: list[int]


@dataclass(slots=True)
class Search:
    """The ways to decide, depth first. ``left``: how many walks there may still be, of which one that meets many unknown tests counts as several, since so many
    seldom all do not matter; ``broke_off``: one more was needed. ``known``: what comes of the decisions at which walks meet; None: they do not."""

    walk: Callable[[Oracle], Outcome]
    left: int
    broke_off: bool = False
    known: dict[tuple[int, str], tuple[Outcome, ...]] | None = None
    numbers: dict[Hashable, int] = field(default_factory=dict)
    nested: int = 0

    def walked(self, script: tuple[int, ...]) -> Run:
        """One walk."""
        oracle = Oracle(script, trail=None if self.known is None else Trail(self.numbers))
        outcome = self.walk(oracle)
        unknown = sum(each.kind is Kind.UNKNOWN for each in oracle.met)
        cost = 1 + unknown // 2 if self.known is None else max(LEAST, len(oracle.met) // 16)
        self.left = max(0, self.left - cost)
        return Run(oracle.met, outcome, oracle.trail.met if oracle.trail is not None else [])

    def below(self, run: Run, depth: int) -> tuple[Outcome, ...]:
        """The outcomes below the decision at ``depth``, of which the run took the first way, as of all after it; all its decisions before that are settled."""
        found: tuple[Outcome, ...] = (run.outcome,)
        if self.known is None:
            for place in range(len(run.met) - 1, depth - 1, -1):
                found = self.decided(run, place, found)
            return found
        keys = [(trail, each.text) for trail, each in zip(run.trail, run.met, strict=True)]
        end = next((place for place in range(depth, len(keys)) if keys[place] in self.known), len(keys))
        found = self.known[keys[end]] if end < len(keys) else found
        for place in range(end - 1, depth - 1, -1):
            found = self.known[keys[place]] = self.decided(run, place, found)
        return found

    def decided(self, run: Run, depth: int, first: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        """The outcomes of a decision, from those of its first way."""
        met, decision = run.met, run.met[depth]
        if decision.kind is Kind.UNKNOWN and [one.fate for one in first] == [Fate.UNKNOWN]:
            return (_unknown(decision, first),)
        before, folded = tuple(each.taken for each in met[:depth]), [first]
        for way in range(1, decision.ways):
            if not self.left or self.nested > DEEP:
                self.broke_off = True
                break
            self.nested += 1
            folded.append(self.below(self.walked((*before, way)), depth + 1))
            self.nested -= 1
        found = _fold(decision, folded)
        if any(one.fate is Fate.UNKNOWN for one in found) and all(each.kind is Kind.CHOICE for each in met[:depth]):
            self.left = min(self.left, FEW)
        return found


def runs(walk: Callable[[Oracle], Result], limit: int) -> Iterator[tuple[Oracle, Result]]:
    """A walk once for each way to decide, at most ``limit`` times: what decided, and what came of it."""
    script: tuple[int, ...] | None = ()
    for _ in range(limit):
        if script is None:
            return
        oracle = Oracle(script)
        outcome = walk(oracle)
        yield oracle, outcome
        script = _next_script(oracle.met)


def _next_script(met: list[Decision]) -> tuple[int, ...] | None:
    for position in range(len(met) - 1, -1, -1):
        if met[position].taken + 1 < met[position].ways:
            return (*(d.taken for d in met[:position]), met[position].taken + 1)
    return None


def _fold(decision: Decision, folded: list[tuple[Outcome, ...]]) -> tuple[Outcome, ...]:
    """The outcomes of a decision, from those of each way to decide it."""
    if decision.kind is Kind.CHOICE:
        return _distinct([outcome for outcomes in folded for outcome in outcomes])
    groups = [_alike(outcomes) for outcomes in folded]
    if all(group.keys() == groups[0].keys() for group in groups[1:]):
        return tuple(_granted(o, [one for group in groups for one in group[_essence(o)]]) for o in folded[0])
    every = [outcome for outcomes in folded for outcome in outcomes]
    if all(o.fate is Fate.UNREACHABLE for o in every):
        return tuple(_granted(o, every) for o in folded[0])
    return (_unknown(decision, folded[0]),)


def _alike(outcomes: tuple[Outcome, ...]) -> dict[Outcome, list[Outcome]]:
    """The outcomes by what makes them differ."""
    found: dict[Outcome, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(_essence(outcome), []).append(outcome)
    return found


def _granted(outcome: Outcome, alike: list[Outcome]) -> Outcome:
    """An outcome that stands for others too, with what all of them take for granted: it holds where each way to decide leads to it."""
    if all(one.assumptions == outcome.assumptions for one in alike):
        return outcome
    texts = (text for one in (outcome, *alike) for text in one.assumptions)
    return outcome._replace(assumptions=tuple(dict.fromkeys(texts)))


def _unknown(decision: Decision, believed: tuple[Outcome, ...]) -> Outcome:
    """The outcome where the test decides; the hops are those of the first way, up to the end."""
    inner = next((o for o in believed if o.fate is Fate.UNKNOWN), None)
    if inner is not None and not inner.reason.startswith(decision.text):
        return inner
    return Outcome(Fate.UNKNOWN, reason=decision.text, at=decision.at, hops=believed[0].hops, settle=decision.settle)


def _essence(outcome: Outcome) -> Outcome:
    """What makes outcomes differ: not the hops, the assumptions, nor the words of a refusal."""
    return outcome._replace(hops=(), assumptions=(), at=None, reason="", settle="")


def _distinct(outcomes: list[Outcome]) -> tuple[Outcome, ...]:
    if len(outcomes) == 1:
        return (outcomes[0],)
    seen: dict[Outcome, list[Outcome]] = {}
    for outcome in outcomes:
        seen.setdefault(outcome._replace(hops=(), assumptions=()), []).append(outcome)
    return tuple(_granted(alike[0], alike) for alike in seen.values())


def fate_of(outcomes: tuple[Outcome, ...]) -> Fate:
    """What the outcomes amount to: UNKNOWN when one is unknown and none of the rest settles it, DEPENDS when some arrive and some do not."""
    fates = {outcome.fate for outcome in outcomes}
    if Fate.UNKNOWN in fates:
        return Fate.UNKNOWN
    return fates.pop() if len(fates) == 1 else Fate.DEPENDS
