"""Which policies decide what goes from some to others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from analyzer.addresses import Address
from analyzer.findings import Verdict
from analyzer.policy.bits import members
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.tiers import Action, Direction, Policy
from analyzer.query.ask.answers import Answer, Witness
from analyzer.query.ask.asking import Asker, Job, Unanswerable, families_for, scope, search
from analyzer.query.ask.pairs import Search, meets
from analyzer.query.ask.questions import Names, Which
from analyzer.query.ask.reaching import targets_of
from analyzer.query.ask.sides import host
from analyzer.query.ask.through import applies, decided
from analyzer.query.ask.traffic import alike, inside, ordinary, served

MOST = 20_000


def which(asker: Asker, text: str, question: Which) -> Answer:
    """The policies of which a rule matches, or whose selection denies; of each pair of classes and each set of flows that is treated alike."""
    if not isinstance(question.source, Names) or not isinstance(question.target, Names):
        raise Unanswerable("which policies decide is asked about those that are there")
    if question.details.hops > 1:
        raise Unanswerable("which policies decide is asked of one hop")
    sources = asker.names.named(question.source)
    jobs = [Job(sources, target) for target in targets_of(asker, question.target, question.details)]
    cases = list(islice(decisions(asker, jobs), MOST + 1))
    found: dict[int, Policy] = {}
    for case in cases[:MOST]:
        found |= {id(policy): policy for policy in deciding(asker, case)}
    order = {id(policy): number for number, policy in enumerate(asker.policies.all.policies())}
    policies = tuple(policy for _, policy in sorted(found.items(), key=lambda item: order.get(item[0], 0)))
    complete = len(cases) <= MOST
    shown = (cases[0],) if len(cases) == 1 or (cases and len({(c.source, c.destination) for c in cases}) == 1) else ()
    count = f"{len(policies)} polic{'y' if len(policies) == 1 else 'ies'}" if policies else "no policy"
    return Answer(
        text,
        Verdict.PROVED if complete else Verdict.UNDECIDED,
        f"{count} decide{'' if len(policies) > 1 else 's'}" + ("" if complete else ", of the pairs looked at"),
        scope(asker, jobs),
        "the decision over each set of flows",
        shown,
        policies,
        settle=() if complete else ("name fewer pods, or ports",),
    )


def decisions(asker: Asker, jobs: list[Job]) -> Iterator[Witness]:
    """The decision over each set of flows between each two classes."""
    for job in jobs:
        for family in families_for(asker, job):
            asked = search(asker, job, family)
            for source, destination in pairs(asked, asker.policies.held):
                for flow, mask in flows(asker, asked, job, destination):
                    through = decided(asker, job, source, destination, family) if applies(asker, job) else None
                    decision = through[1] if through is not None else asker.decide(source, destination, flow)
                    same = alike(inside(asked.factors.atoms, mask, job.target.flows))
                    yield Witness(source, destination, flow, decision, same, (), job.target.service_port)


def pairs(asked: Search, held: frozenset[Address]) -> Iterator[tuple[Entity, Entity]]:
    """Two entities for each two classes."""
    family = asked.factors.universe.family
    single = len(asked.sources.entities) == len(asked.targets.entities) == 1
    for left in asked.sources.members.values():
        for right in asked.targets.members.values():
            ends = next(((one, other) for one in left for other in right if single or meets(one, other)), None)
            if ends is not None:
                yield host(ends[0], family, held), host(ends[1], family, held)


def flows(asker: Asker, asked: Search, job: Job, destination: Entity) -> Iterator[tuple[Flow, int]]:
    """A flow of each box that rules tell apart, the most ordinary one first."""
    left = asked.flows
    ports = served(asker.policies.world, destination)
    family = asked.factors.universe.family
    first = ordinary(inside(asked.factors.atoms, left, job.target.flows), ports, family)
    at = asked.factors.atoms.of_flow(first)
    yield first, at
    for place in members(left & ~at):
        known = list(inside(asked.factors.atoms, 1 << place, job.target.flows))
        yield ordinary(known, (), family), 1 << place


def deciding(asker: Asker, case: Witness) -> Iterator[Policy]:
    """The policies of the steps; of the end of a tier, those that select its subject there."""
    for step in case.decision.steps:
        if step.policy is not None:
            yield step.policy
        elif step.action is Action.DENY:
            yield from selecting(asker, case, step.direction, step.tier)


def selecting(asker: Asker, case: Witness, direction: Direction, tier: str) -> Iterator[Policy]:
    """The policies of a tier that isolate the subject."""
    subject = case.source if direction is Direction.EGRESS else case.destination
    for group in asker.policies.all.selecting(subject, case.flow.family, direction):
        yield from (item.policy for item in group if item.policy.tier == tier and item.rules.isolates)
