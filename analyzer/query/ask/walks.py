"""Questions over several pairs at once: what is reached over several pods in a row, and pairs that can talk in one direction only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.findings import Verdict
from analyzer.policy.bits import members, set_of
from analyzer.policy.factors import Factors
from analyzer.policy.folding import Cell
from analyzer.policy.terms import Kind
from analyzer.query.ask.answers import Answer, Witness
from analyzer.query.ask.asking import Asker, Job, Target, Unanswerable, families_for, scope, settling, witness
from analyzer.query.ask.pairs import Pair, Search, Want
from analyzer.query.ask.questions import Mode, Names, OneWay, Quantity, Reach
from analyzer.query.ask.sides import Side, side_of, without
from analyzer.query.ask.traffic import boxes, mask_of

ENGINE = "the factors of all policies"


class Reached(NamedTuple):
    """How a class was reached: from which class, and over how many hops."""

    source: int
    hops: int


class Ways:
    """What can be reached from some entities over pods in a row, class by class; ``sure``: by what is admitted for sure."""

    def __init__(self, asker: Asker, job: Job, family: int, sure: bool) -> None:
        self.sure, self.factors = sure, asker.policies.factors(family)
        self.sources = side_of(asker.policies, self.factors, job.sources)
        self.targets = side_of(asker.policies, self.factors, job.target.entities)
        self.pods = side_of(asker.policies, self.factors, asker.policies.world.pods())
        self.flows = mask_of(self.factors.atoms, job.target.flows)
        self.relays: dict[int, Reached] = {}
        self.ends: dict[int, Reached] = {}

    def run(self, most: int, first: bool) -> int:
        """Makes up to ``most`` hops, until nothing new is reached, all targets are, or the ``first`` is; the targets that are reached."""
        frontier, found = self.sources.bits, 0
        fresh = self.pods.bits & ~frontier
        for hop in range(1, most + 1):
            for target, source in self.step(frontier, self.targets.bits & ~found).items():
                self.ends[target] = Reached(source, hop)
                found |= 1 << target
            if found == self.targets.bits or (found and first) or hop == most:
                break
            reached = self.step(frontier, fresh)
            self.relays |= {target: Reached(source, hop) for target, source in reached.items()}
            frontier = set_of(reached)
            fresh &= ~frontier
            if not frontier:
                break
        return found

    def step(self, frontier: int, goals: int) -> dict[int, int]:
        """The classes of the goals that one hop leads to, each with the first class that it leads from."""
        found: dict[int, int] = {}
        groups: dict[int, list[int]] = {}
        for goal in members(goals):
            groups.setdefault(self.factors.ingress.group[goal], []).append(goal)
        for group, positions in groups.items():
            cells = [cell for cell in self.factors.ingress.cells[group] if cell.flows & self.flows]
            left, origins = set_of(positions), 0
            for cell in cells:
                origins |= (cell.sure if self.sure else cell.may) & frontier
            for source in members(origins):
                reached = self.reached(source, cells, left)
                found |= dict.fromkeys(members(reached), source)
                left &= ~reached
                if not left:
                    break
        return found

    def reached(self, source: int, cells: list[Cell], goals: int) -> int:
        """The goals, all of one group of ingress, that a class reaches."""
        flows, found = 0, 0
        for cell in cells:
            if (cell.sure if self.sure else cell.may) >> source & 1:
                flows |= cell.flows & self.flows
        for cell in self.factors.egress.cells[self.factors.egress.group[source]]:
            if cell.flows & flows:
                found |= (cell.sure if self.sure else cell.may) & goals
        return found

    def path(self, target: int) -> list[Pair]:
        """The pairs on the way to a target, from the first."""
        step, entity, found = self.ends[target], self.targets.members[target][0], list[Pair]()
        at = target
        while True:
            relay = self.relays.get(step.source) if step.hops > 1 else None
            known = self.pods if relay is not None else self.sources
            source = known.members[step.source][0]
            flows = self.factors.pair(step.source, at)[0 if self.sure else 1] & self.flows
            found.append(Pair(source, entity, flows))
            if relay is None:
                return found[::-1]
            step, entity, at = relay, source, step.source


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
        left = set(job.target.entities)
        for family in families_for(asker, job):
            ways = Ways(asker, job, family, sure)
            found = ways.run(question.details.hops, not every)
            left -= {entity for place in members(found) for entity in ways.targets.members[place]}
            if found and not (every and left):
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
    pods, flows = side_of(asker.policies, factors, job.sources), mask_of(factors.atoms, job.target.flows)
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
