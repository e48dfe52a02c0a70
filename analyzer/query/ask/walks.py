"""Questions over several pairs at once: what is reached over several pods in a row, and pairs that can talk in one direction only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.findings import Verdict
from analyzer.policy.bits import members, set_of
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors
from analyzer.policy.terms import Kind
from analyzer.query.ask.answers import Answer, Witness
from analyzer.query.ask.asking import Asker, Job, Target, Unanswerable, scope, settling, witness
from analyzer.query.ask.pairs import Pair, Search, Want
from analyzer.query.ask.questions import Mode, Names, OneWay, Quantity, Reach
from analyzer.query.ask.sides import Side, side_of, without
from analyzer.query.ask.traffic import boxes, mask_of

ENGINE = "the factors of all policies"


class Reached(NamedTuple):
    """How a class was reached: from which pod, and as which; None where it is where the way begins."""

    pair: Pair | None
    hops: int


class Ways:
    """What can be reached from some entities over pods in a row, class by class; ``sure``: by what is admitted for sure."""

    def __init__(self, asker: Asker, job: Job, family: int, sure: bool) -> None:
        self.asker, self.job, self.sure = asker, job, sure
        self.factors: Factors = asker.policies.factors(family)
        self.targets = side_of(self.factors, job.target.entities)
        self.pods = side_of(self.factors, asker.policies.world.pods())
        self.flows = mask_of(self.factors.atoms, job.target.flows)
        self.reached: dict[int, Reached] = {}

    def run(self, most: int, wanted: int) -> int:
        """Goes on until the wanted classes are reached, or nothing new is, or ``most`` hops are made; the wanted classes that are reached."""
        frontier, found = side_of(self.factors, self.job.sources), 0
        for hop in range(1, most + 1):
            goals = Side(self.targets.members, self.targets.bits & ~found)
            for pair, place in self.step(frontier, goals):
                self.reached.setdefault(place, Reached(pair, hop))
                found |= 1 << place if self.targets.bits >> place & 1 else 0
            if found & wanted or found == self.targets.bits or hop == most:
                return found
            relays = {p: g for p, g in self.pods.members.items() if p not in self.reached}
            fresh = {place: (pair.destination,) for pair, place in self.step(frontier, Side(relays, set_of(relays)))}
            for pair, place in list(self.step(frontier, Side(relays, set_of(relays)))):
                self.reached.setdefault(place, Reached(pair, hop))
            if not fresh:
                return found
            frontier = Side(dict(sorted(fresh.items())), set_of(fresh))
        return found

    def step(self, frontier: Side, goals: Side) -> Iterator[tuple[Pair, int]]:
        """The classes of the goals that one hop leads to, each with the first pair that does."""
        left = goals.bits
        want = Want.ADMITTED if self.sure else Want.MAY_ADMIT
        for place in frontier.members:
            if not left:
                return
            kept = {position: goals.members[position] for position in members(left)}
            one = Side({place: frontier.members[place]}, 1 << place)
            for pair in Search(self.factors, self.asker.policies.profile, one, Side(kept, left), self.flows, False).pairs(want):
                position = self.place(pair.destination, kept)
                if left >> position & 1:
                    left &= ~(1 << position)
                    yield pair, position

    def place(self, entity: Entity, known: dict[int, tuple[Entity, ...]]) -> int:
        """The class of an entity."""
        found = self.factors.universe.of.get(entity.name)
        return found if found is not None else next(position for position, group in known.items() if entity in group)

    def path(self, place: int) -> list[Pair]:
        """The pairs on the way to a class, from the first."""
        found: list[Pair] = []
        at: int | None = place
        while at is not None and at in self.reached and len(found) < 99:
            pair = self.reached[at].pair
            if pair is None:
                break
            found.append(pair)
            source = self.factors.universe.of.get(pair.source.name)
            at = (
                source if source is not None and self.reached.get(source, Reached(None, 0)).hops < self.reached[at].hops else None
            )
        return found[::-1]


def hops(asker: Asker, text: str, question: Reach) -> Answer:
    """Whether some reach others over at most so many hops, each from a pod that the hop before has reached."""
    job = job_of(asker, question)
    found = [of_source(asker, one, question) for one in sources_of(job, question)]
    worst = next((item for item in found if item[0] is Verdict.REFUTED), None) or next(
        (item for item in found if item[0] is Verdict.UNDECIDED), found[0]
    )
    verdict, path = worst
    settle = settling(asker.policies, path) if verdict is Verdict.UNDECIDED else ()
    notes = ("each hop is from a pod that the hop before has reached; nodes are not gone over",)
    return Answer(text, verdict, text.rstrip("?"), scope(asker, [job]), ENGINE, path, (), notes, settle)


def job_of(asker: Asker, question: Reach) -> Job:
    """Who and what is asked about. Unanswerable where hops make no sense."""
    source, target, details = question.source, question.target, question.details
    if not isinstance(source, Names) or not isinstance(target, Names):
        raise Unanswerable("hops go over pods that are there: name them")
    if question.mode not in (Mode.CAN, Mode.CANNOT, Mode.REACHES) or details.through is not None:
        raise Unanswerable('hops go with "can … reach", "cannot reach" and "reaches"')
    if any(party.quantity is not Quantity.UNSAID for party in (source, target)):
        raise Unanswerable('hops go without "every" and "some": "reaches" means every one, "can reach" some')
    left_out = [entity for word in details.without for entity in asker.names.of_word(word)]
    sources = asker.names.named(source)
    targets = without(without(asker.names.named(target), left_out), sources)
    if any(entity.kind is Kind.HOST for entity in (*sources, *targets)):
        raise Unanswerable("hops go over pods: ask about nodes one hop at a time")
    return Job(sources, Target(targets, boxes(details.ports, 4)), False)


def sources_of(job: Job, question: Reach) -> Iterator[Job]:
    """The jobs to look at: for "reaches" each source by itself."""
    if question.mode is not Mode.REACHES:
        yield job
        return
    for entity in job.sources:
        yield Job((entity,), job.target, False)


def of_source(asker: Asker, job: Job, question: Reach) -> tuple[Verdict, tuple[Witness, ...]]:
    """The verdict with the way that shows it."""
    every = question.mode is Mode.REACHES
    for sure in (True, False):
        for family in asker.families:
            ways = Ways(asker, job, family, sure)
            found = ways.run(question.details.hops, 0 if every else ways.targets.bits)
            complete = found == ways.targets.bits and bool(ways.targets.bits)
            if complete if every else found:
                path = steps(asker, job, ways, next(members(found)))
                shown = Verdict.REFUTED if question.mode is Mode.CANNOT else Verdict.PROVED
                return (shown if sure else Verdict.UNDECIDED), path
    missing = Verdict.PROVED if question.mode is Mode.CANNOT else Verdict.REFUTED
    return missing, ()


def steps(asker: Asker, job: Job, ways: Ways, place: int) -> tuple[Witness, ...]:
    """The flows of a way, each replayed."""
    found = []
    want = Want.ADMITTED if ways.sure else Want.MAY_ADMIT
    for pair in ways.path(place):
        search = Search(ways.factors, asker.policies.profile, Side({}, 0), Side({}, 0), ways.flows)
        found.append(witness(asker, job, search, pair, want))
    return tuple(found)


def one_way(asker: Asker, text: str, question: OneWay) -> Answer:
    """Whether there are two pods of which one can send to the other something, and the other nothing back of its own accord."""
    pods = tuple(entity for entity in asker.names.named(question.among) if entity.kind is Kind.POD)
    job = Job(pods, Target(pods, boxes(question.details.ports, 4)), False)
    verdict, path = Verdict.REFUTED, tuple[Witness, ...]()
    for sure in (True, False):
        for family in asker.families:
            pair = first_one_way(asker, job, family, sure)
            if pair is not None:
                path = both_ways(asker, job, family, pair, sure)
                verdict = Verdict.PROVED if sure else Verdict.UNDECIDED
                settle = () if sure else settling(asker.policies, path)
                return Answer(text, verdict, text.rstrip("?"), scope(asker, [job]), ENGINE, path, settle=settle)
    return Answer(text, verdict, text.rstrip("?"), scope(asker, [job]), ENGINE, path)


def first_one_way(asker: Asker, job: Job, family: int, sure: bool) -> Pair | None:
    """The first pair; ``sure``: certainly so."""
    factors = asker.policies.factors(family)
    pods, flows = side_of(factors, job.sources), mask_of(factors.atoms, job.target.flows)
    profile = asker.policies.profile
    for place, group in pods.members.items():
        alone = Side({place: group}, 1 << place)
        there, back = Search(factors, profile, alone, pods, flows, False), Search(factors, profile, pods, alone, flows, False)
        reached = 0
        for rectangle in there.admitted(factors.egress.group[place], 1 << place, sure):
            reached |= rectangle.destinations
        answering = 0
        for number, positions in back.source_groups.items():
            for rectangle in back.admitted(number, set_of(positions), not sure):
                answering |= rectangle.sources
        for other in members(reached & ~answering):
            source, destination = group[0], pods.members[other][0]
            if other != place:
                return Pair(source, destination, flows & toward(factors, place, other, sure))
    return None


def toward(factors: Factors, source: int, destination: int, sure: bool) -> int:
    """The flows from class to class."""
    return factors.pair(source, destination)[0 if sure else 1]


def both_ways(asker: Asker, job: Job, family: int, pair: Pair, sure: bool) -> tuple[Witness, ...]:
    """The flow that passes, and one back that does not."""
    factors = asker.policies.factors(family)
    flows = mask_of(factors.atoms, job.target.flows)
    search = Search(factors, asker.policies.profile, Side({}, 0), Side({}, 0), flows)
    there = witness(asker, job, search, pair, Want.ADMITTED if sure else Want.MAY_ADMIT)
    back = Pair(pair.destination, pair.source, flows)
    return there, witness(asker, job, search, back, Want.SILENT if sure else Want.MAY_BE_SILENT)
