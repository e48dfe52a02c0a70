"""Questions about pods that could be: decided by truth tables, and by Z3, which must agree; what is too wide for a table by Z3 alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.findings import Verdict
from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.possible import About, End, Possible, TooMany, Value, Variable, entity_of
from analyzer.policy.programs import Program, Reader, identity
from analyzer.policy.terms import Box, Kind
from analyzer.policy.tiers import Direction
from analyzer.policy.truth_tables import Table, TooWide, table
from analyzer.query.ask.answers import Alike, Disagreement, Witness
from analyzer.query.ask.asking import Asker
from analyzer.query.ask.sides import host
from analyzer.query.ask.traffic import alike, inside, ordinary, served
from analyzer.query.policies import Policies
from analyzer.solve.smt.labels import Frame, Sought
from analyzer.solve.smt.symbolic_labels import Example, GaveUp, NoExample, exists

MOST_FRAMES = 40_000
BOTH, ALONE = "a truth table over the labels that matter, and Z3", "Z3"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """From whom to whom, about which flows. ``exempt``: whether what policies are not asked about counts."""

    sources: tuple[End, ...]
    targets: tuple[End, ...]
    flows: tuple[Box, ...]
    service_port: int = 0
    about: str = ""
    exempt: bool = True


class Hit(NamedTuple):
    """A case that is as sought."""

    job: OpenJob
    frame: Frame
    assignment: dict[Variable, Value]
    flow: Flow
    alike: Alike
    exempt: bool = False


@dataclass
class Hunt:
    """A search for a flow that is admitted, or that is refused. ``refused``: which of the two. ``frames`` are those with different programs."""

    asker: Asker
    refused: bool
    frames: dict[int, list[tuple[OpenJob, Frame]]] = field(default_factory=dict)
    perhaps: tuple[int, Hit] | None = None
    wide: bool = False
    cases: int = 0

    @property
    def sure(self) -> Sought:
        """What is sought."""
        return Sought.REFUSED if self.refused else Sought.ADMITTED

    @property
    def maybe(self) -> Sought:
        """The same, where it is not known."""
        return Sought.MAY_REFUSE if self.refused else Sought.MAY_ADMIT

    def run(self, jobs: Iterable[OpenJob]) -> tuple[Verdict, Witness | None, str, tuple[str, ...]]:
        """REFUTED where it is found, UNDECIDED where it may be, PROVED where it is not; with the witness, the engine, and notes."""
        for family in self.asker.families:
            hit = self.look(list(jobs), family)
            if hit is not None:
                notes = () if hit.exempt else self.confirm([(hit.job, hit.frame)], family, self.sure, True)
                return Verdict.REFUTED, self.witness(hit, (not self.refused,)), BOTH, notes
        if self.wide:
            return self.alone()
        if self.perhaps is not None:
            family, hit = self.perhaps
            notes = () if hit.exempt else self.confirm([(hit.job, hit.frame)], family, self.maybe, True)
            notes += tuple(
                note for each in self.asker.families for note in self.confirm(self.frames[each], each, self.sure, False)
            )
            return Verdict.UNDECIDED, self.witness(hit, (not self.refused, None)), BOTH, notes
        notes = tuple(note for each in self.asker.families for note in self.confirm(self.frames[each], each, self.maybe, False))
        return Verdict.PROVED, None, BOTH, notes

    def look(self, jobs: list[OpenJob], family: int) -> Hit | None:
        """The first case that is as sought, frame by frame; equal programs are looked at once."""
        known: set[tuple[int, Program]] = set()
        distinct = self.frames.setdefault(family, [])
        for number, job in enumerate(jobs):
            concerned, shut = dict[int, bool](), dict[tuple[object, ...], bool]()
            for frame in frames(self.asker.policies, job, family):
                if (exempt := self.exempt(job, frame, family)) is not None:
                    return exempt
                reader = Reader(self.asker.policies.all, frame.source, frame.destination, family, job.flows, concerned)
                if self.closed(job, frame, number, reader, shut):
                    continue
                program = reader.program()
                if (number, program) in known:
                    continue
                known.add((number, program))
                distinct.append((job, frame))
                if (hit := self.of_frame(job, frame, program, family)) is not None:
                    return hit
        return None

    def closed(self, job: OpenJob, frame: Frame, number: int, reader: Reader, shut: dict[tuple[object, ...], bool]) -> bool:
        """Whether the policies about an end that is settled let nothing pass in any case: the other end's need not be read then."""
        settled = Direction.INGRESS if isinstance(frame.destination, Entity) else Direction.EGRESS
        if self.refused or not isinstance(frame.destination if settled is Direction.INGRESS else frame.source, Entity):
            return False
        part = Program(tuple(reader.direction(settled)), identity(frame.source), identity(frame.destination))
        found = shut.get((number, part))
        if found is None:
            found = shut[number, part] = self.nothing(job, frame, part, reader.family)
            if found:
                self.frames[reader.family].append((job, frame))
        return found

    def nothing(self, job: OpenJob, frame: Frame, part: Program, family: int) -> bool:
        """Whether a part of what decides lets no flow pass in any case."""
        try:
            return not any(case.may for case in table(part, frame.source, frame.destination, job.flows, family).cases)
        except (TooWide, TooMany):
            return False

    def exempt(self, job: OpenJob, frame: Frame, family: int) -> Hit | None:
        """A pod and the node that it is on, or may be: policies are not asked about them."""
        nodes = [end for end in (frame.source, frame.destination) if isinstance(end, Entity) and end.kind is Kind.HOST]
        if self.refused or not job.exempt or len(nodes) != 1:
            return None
        about = About("node")
        on: dict[Variable, Value] = {Variable(name, about): nodes[0].node for name in ("source", "destination")}
        hit = Hit(job, frame, on, ordinary(job.flows, (), family), alike(job.flows), True)
        source, destination = ends_of(hit)
        profile = self.asker.policies.profile
        if exemption(profile, source, destination):
            return hit
        if doubt(profile, source, destination) is None:
            self.perhaps = self.perhaps or (family, hit)
        return None

    def of_frame(self, job: OpenJob, frame: Frame, program: Program, family: int) -> Hit | None:
        """The least case of a frame that is as sought; the first that may be is kept."""
        try:
            made = table(program, frame.source, frame.destination, job.flows, family)
        except (TooWide, TooMany):
            self.wide = True
            return None
        self.cases += made.count
        everything = (1 << made.count) - 1
        sure = [(case.flows, everything & ~case.may if self.refused else case.sure) for case in made.cases]
        maybe = [(case.flows, everything & ~case.sure if self.refused else case.may) for case in made.cases]
        if self.perhaps is None and (hit := self.least(job, frame, made, maybe, family)) is not None:
            self.perhaps = family, hit
        return self.least(job, frame, made, sure, family)

    def least(self, job: OpenJob, frame: Frame, made: Table, cases: list[tuple[int, int]], family: int) -> Hit | None:
        """The most ordinary flow, and the least case for it."""
        flows = [(mask, bits) for mask, bits in cases if bits]
        if not flows:
            return None
        union = 0
        for mask, _ in flows:
            union |= mask
        flow = ordinary(inside(made.atoms, union, job.flows), self.usual(frame), family)
        at = made.atoms.of_flow(flow)
        mask, bits = next((mask, bits) for mask, bits in flows if mask & at)
        position = (bits & -bits).bit_length() - 1
        same = [part for part, cases_of in flows if cases_of >> position & 1]
        region = mask_of_union(same)
        return Hit(job, frame, made.assignment(position), flow, alike(inside(made.atoms, region, job.flows)))

    def usual(self, frame: Frame) -> tuple[tuple[int, int], ...]:
        """The ports (number, protocol) that the destination serves."""
        return served(self.asker.policies.world, frame.destination) if isinstance(frame.destination, Entity) else ()

    def confirm(self, found: list[tuple[OpenJob, Frame]], family: int, sought: Sought, expected: bool) -> tuple[str, ...]:
        """Asks Z3 the same; Disagreement where it says something else."""
        for job in dict.fromkeys(id(job) for job, _ in found):
            group = [(one, frame) for one, frame in found if id(one) == job]
            frames_ = [frame for _, frame in group]
            answer = exists(self.asker.policies.all, frames_, group[0][0].flows, family, sought)
            if isinstance(answer, GaveUp):
                return (f"{answer.reason}: the truth table alone decides",)
            if isinstance(answer, Example) is not expected:
                said = "an example" if isinstance(answer, Example) else "none"
                raise Disagreement(f"the truth table and Z3 disagree: {sought.name.lower()}: Z3 finds {said}")
        return ()

    def alone(self) -> tuple[Verdict, Witness | None, str, tuple[str, ...]]:
        """Z3's own answer, where a table would be too wide."""
        note = "the labels that matter have too many combinations for a truth table"
        for sought, verdict in ((self.sure, Verdict.REFUTED), (self.maybe, Verdict.UNDECIDED)):
            for family in self.asker.families:
                for job, frames_ in by_job(self.frames[family]):
                    ports = self.usual(frames_[0])
                    try:
                        answer = exists(self.asker.policies.all, frames_, job.flows, family, sought, least=True, usual=ports)
                    except TooMany as problem:
                        return Verdict.UNDECIDED, None, ALONE, (str(problem),)
                    if isinstance(answer, GaveUp):
                        return Verdict.UNDECIDED, None, ALONE, (answer.reason,)
                    if isinstance(answer, Example):
                        hit = Hit(job, frames_[answer.frame], answer.assignment, answer.flow, ())
                        expected = (not self.refused,) if verdict is Verdict.REFUTED else (not self.refused, None)
                        return verdict, self.witness(hit, expected), ALONE, (note,)
                    assert isinstance(answer, NoExample)
        return Verdict.PROVED, None, ALONE, (note,)

    def witness(self, hit: Hit, expected: tuple[bool | None, ...]) -> Witness:
        """The flow of a case, replayed; Disagreement where the replay says something else."""
        flow = hit.flow
        source, destination = ends_of(hit)
        decision = self.asker.decide(source, destination, flow, imagined=True)
        if decision.admitted not in expected:
            raise Disagreement(
                f"{source.name} to {destination.name}: the truth table says {expected[0]}, the replay {decision.admitted}"
            )
        told = (imagined(end, entity) for end, entity in ((hit.frame.source, source), (hit.frame.destination, destination)))
        words = tuple(text for text in told if text)
        return Witness(source, destination, flow, decision, hit.alike, words, hit.job.service_port, hit.job.about)


def mask_of_union(masks: Iterable[int]) -> int:
    """The union of sets of bits."""
    found = 0
    for item in masks:
        found |= item
    return found


def by_job(found: list[tuple[OpenJob, Frame]]) -> Iterator[tuple[OpenJob, list[Frame]]]:
    """The frames of each job."""
    groups: dict[int, tuple[OpenJob, list[Frame]]] = {}
    for job, frame in found:
        groups.setdefault(id(job), (job, []))[1].append(frame)
    yield from groups.values()


def frames(policies: Policies, job: OpenJob, family: int) -> Iterator[Frame]:
    """Every pair of ends of a job about which policies are asked in the family."""
    for source in job.sources:
        for destination in job.targets:
            own = [end.base if isinstance(end, Possible) and not end.free else end for end in (source, destination)]
            if own[0] is not own[1] and all(in_family(policies, end, family) for end in (source, destination)):
                yield Frame(source, destination)


def in_family(policies: Policies, end: End, family: int) -> bool:
    """Whether an end can have an address of the family: a pod whose labels alone are changed keeps its own."""
    return policies.speaks(end.base if isinstance(end, Possible) else end, family)


def ends_of(hit: Hit) -> tuple[Entity, Entity]:
    """The ends of a case."""
    family, port = hit.flow.family, (hit.flow.protocol, hit.flow.port)
    source = host(entity_of(hit.frame.source, "source", hit.assignment, family, port), family)
    return source, host(entity_of(hit.frame.destination, "destination", hit.assignment, family, port), family)


def imagined(end: End, entity: Entity) -> str:
    """What of an entity is not in the input, in words."""
    if isinstance(end, Entity):
        return ""
    labels = ", ".join(f"{key}={value}" for key, value in sorted(entity.labels.items())) or "no labels"
    if not end.free:
        return f"{entity.name} with the labels {labels}" if entity.labels else f"{entity.name} without labels"
    parts = [
        f"{entity.name} does not exist: a pod that could be created with {f'the labels {labels}' if entity.labels else labels}"
    ]
    if end.new_namespace:
        space = ", ".join(f"{key}={value}" for key, value in sorted(entity.namespace_labels.items()))
        parts.append(f"in a new namespace with the labels {space}")
    if entity.account != "default" or entity.account_labels:
        known = ", ".join(f"{key}={value}" for key, value in sorted(entity.account_labels.items()))
        parts.append(f"service account {entity.account}{f' with the labels {known}' if known else ''}")
    parts += [f"its port named {port.name}" for port in entity.ports]
    return "; ".join(parts)
