"""Whether those named reach others: decided on the two factors, for all flows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import NamedTuple

from analyzer.facts.kubernetes import ServiceFact
from analyzer.findings import Verdict
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Box, Kind
from analyzer.query.ask import asking
from analyzer.query.ask.answers import Answer, Witness
from analyzer.query.ask.asking import Asker, Job, Target, Unanswerable, apart, scope, settling
from analyzer.query.ask.nearby import nearby
from analyzer.query.ask.outsiders import let_in
from analyzer.query.ask.pairs import Want
from analyzer.query.ask.questions import Details, Mode, Names, Quantity, Reach, Word
from analyzer.query.ask.sides import NameProblem, without
from analyzer.query.ask.through import applies, find_through
from analyzer.query.ask.traffic import boxes, others
from analyzer.query.policy_services import Backend, ends_of, reached, service_named

ENGINE = "the factors of all policies"
PLAIN = "the decision over each pair that policies tell apart, with the service that is asked"
SELF = "a pod and itself, and a pod and its own node, are left out: policies are not asked about them"

APART = "ends that have addresses of different families only do not reach each other"

SEES = (
    "whether rules of egress are held against the service's own address, or the pods behind it, in which network systems differ: "
    "--policy-switch egress-sees-service=yes or =no"
)
MASKED = (
    "which address policies see of what is asked through the service: the sender's node may put its own in the source's place "
    "(kube-proxy's masqueradeAll), of which they may say something else"
)
HIDDEN = (
    "the node that takes a packet in may put its own address in the source's place (externalTrafficPolicy: Cluster), "
    "and policies do not treat the nodes as they do the outside"
)


class Wish(Enum):
    """What is to hold of two ends: one of the flows is admitted, all of them are, or none is."""

    SOME = (Want.ADMITTED, Want.MAY_ADMIT, Want.SILENT, Want.MAY_BE_SILENT)
    ALL = (Want.ADMITTED, Want.MAY_ADMIT, Want.REFUSED, Want.MAY_REFUSE)
    NONE = (Want.SILENT, Want.MAY_BE_SILENT, Want.ADMITTED, Want.MAY_ADMIT)

    @property
    def against(self) -> tuple[Want, Want]:
        """What shows that it does not hold for a pair: for sure, and perhaps."""
        return self.value[2], self.value[3]


class Found(NamedTuple):
    """A verdict with the flow that shows it, where one flow does."""

    verdict: Verdict
    witness: Witness | None = None


def reach(asker: Asker, text: str, question: Reach) -> Answer:
    """The answer for parties that are all in the input."""
    assert isinstance(question.source, Names)
    assert isinstance(question.target, Names)
    if (empty := nobody_behind(asker, text, question)) is not None:
        return empty
    jobs, wish = jobs_of(asker, question)
    if question.mode is not Mode.REACHES_ONLY and not all(job.sources and job.target.entities for job in jobs):
        raise Unanswerable("nobody is left of those named")
    first, second = quantities(question)
    found, notes = near(asker, jobs, wish, (first, second))
    notes += (SELF,) if any(not job.exempt for job in jobs) else ()
    services = {job.target.service for job in jobs if job.target.service}
    if services and any(entity.kind is Kind.OUTSIDE for job in jobs for entity in job.sources):
        found, more = from_outside(asker, jobs, wish, (first, second), found)
        notes += more
    if found.witness is None and found.verdict is Verdict.PROVED and single(jobs):
        found = Found(found.verdict, find(asker, jobs, wish.value[0]))
    elif found.witness is None and found.verdict is Verdict.REFUTED and any(apart(asker, job) for job in jobs):
        notes += (APART,)
    path = (found.witness,) if found.witness is not None else ()
    settle = settling(asker.policies, path) if found.verdict is Verdict.UNDECIDED else ()
    if found.verdict is Verdict.UNDECIDED and asker.policies.profile.egress_sees_service is None and services:
        settle += (SEES,)
    if found.verdict is Verdict.UNDECIDED and asker.masquerades and services:
        settle += (MASKED,)
    engine = PLAIN if any(applies(asker, job) for job in jobs) else ENGINE
    return Answer(text, found.verdict, text.rstrip("?"), scope(asker, jobs), engine, path, (), notes, settle)


def near(asker: Asker, jobs: list[Job], wish: Wish, many: tuple[Quantity, Quantity]) -> tuple[Found, tuple[str, ...]]:
    """What becomes of a question, with a word about services that lead to endpoints on the asker's node alone."""
    kept = nearby(asker.policies.world.cluster, jobs)
    if kept.lonely and wish is not Wish.NONE and many[0] is Quantity.EVERY:
        return Found(Verdict.REFUTED), kept.notes
    found = quantified(asker, kept.jobs, wish, *many)
    sure = Verdict.PROVED if wish is Wish.NONE else Verdict.REFUTED if many == (Quantity.SOME, Quantity.SOME) else None
    return (Found(Verdict.UNDECIDED) if kept.unsure and found.verdict is not sure else found), kept.notes


def nobody_behind(asker: Asker, text: str, question: Reach) -> Answer | None:
    """The answer where all that is to be reached is a service without pods: nobody reaches anything through it. None for all else, also where it is
    not known who is behind it."""
    assert isinstance(question.target, Names)
    words = question.target.words if question.details.through is None else (question.details.through,)
    if len(words) != 1 or question.mode not in (Mode.CAN, Mode.CANNOT, Mode.REACHES):
        return None
    kind, _, rest = by_name(asker, words[0]).text.partition(":")
    namespace, _, name = rest.rpartition("/")
    key, world = (namespace or "default", name), asker.policies.world
    service = world.cluster.services.get(key) if kind in ("svc", "service") else None
    if service is None or not service.selector or service.type == "ExternalName" or ends_of(world, *key):
        return None
    assert isinstance(question.source, Names)
    asker.names.named(question.source)
    verdict = Verdict.PROVED if question.mode is Mode.CANNOT else Verdict.REFUTED
    told = (f"service {'/'.join(key)} selects no pod of the input",)
    return Answer(text, verdict, text.rstrip("?"), asker.about, "the service's selector", notes=told)


def find(asker: Asker, jobs: list[Job], want: Want) -> Witness | None:
    """The first flow that is as wanted; through services, with what rules of egress see of them."""
    for job in jobs:
        found = find_through(asker, job, want) if applies(asker, job) else asking.find(asker, [job], want)
        if found is not None:
            return found
    return None


def single(jobs: list[Job]) -> bool:
    """Whether it is about two ends only, of which the answer is worth showing."""
    return len(jobs) == len(jobs[0].sources) == len(jobs[0].target.entities) == 1


def from_outside(
    asker: Asker, jobs: list[Job], wish: Wish, many: tuple[Quantity, Quantity], found: Found
) -> tuple[Found, tuple[str, ...]]:
    """What becomes of an answer about services when it is asked from outside: who is kept out comes to nobody; with externalTrafficPolicy Cluster, the pods may see a node in the
    place of the source."""
    cluster = asker.policies.world.cluster
    parts, notes = let_in(cluster, jobs)
    if parts != jobs:
        jobs = [job for job in parts if job.sources]
        if wish is not Wish.NONE and many[0] is Quantity.EVERY:
            return Found(Verdict.REFUTED), notes
        found = quantified(asker, jobs, wish, *many) if jobs else Found(Verdict.PROVED if wish is Wish.NONE else Verdict.REFUTED)
    outside = [replace(job, sources=tuple(item for item in job.sources if item.kind is Kind.OUTSIDE)) for job in jobs]
    masked = [job for job in outside if job.sources and job.target.service and hides(cluster.services[job.target.service])]
    hidden = [replace(job, sources=asker.policies.nodes) for job in masked]
    if (
        hidden
        and not settled(found, wish, many)
        and quantified(asker.behind_nodes, hidden, wish, *many).verdict is not found.verdict
    ):
        return Found(Verdict.UNDECIDED, None), (*notes, HIDDEN)
    return found, notes


def settled(found: Found, wish: Wish, many: tuple[Quantity, Quantity]) -> bool:
    """Whether one flow of somebody inside decides."""
    decisive = Verdict.REFUTED if wish is Wish.NONE else Verdict.PROVED if many == (Quantity.SOME, Quantity.SOME) else None
    return found.verdict is decisive and found.witness is not None and found.witness.source.kind is not Kind.OUTSIDE


def hides(service: ServiceFact) -> bool:
    """Whether a node may put its address in the place of a source outside (``externalTrafficPolicy: Cluster``)."""
    return service.external_policy != "Local"


def quantities(question: Reach) -> tuple[Quantity, Quantity]:
    """How many of each party: said, or as the question implies."""
    implied = Quantity.SOME if question.mode is Mode.CAN else Quantity.EVERY
    said = [party.quantity for party in (question.source, question.target) if isinstance(party, Names)]
    return said[0] or implied, said[1] or implied


def jobs_of(asker: Asker, question: Reach) -> tuple[list[Job], Wish]:
    """What a question comes to: searches, and what is to hold in all of them."""
    assert isinstance(question.source, Names)
    assert isinstance(question.target, Names)
    details = question.details
    left_out = tuple(entity for word in details.without for entity in asker.names.of_word(word))
    sources = asker.names.named(question.source)
    targets = targets_of(asker, question.target, details)
    reached = tuple(entity for target in targets for entity in target.entities)
    match question.mode:
        case Mode.REACHES_ONLY:
            rest = without(without(asker.names.everyone, reached), left_out)
            jobs = [Job(sources, Target(rest, boxes((), 4)), False, "somebody else is reached")]
            jobs += [
                Job(sources, replace(other, flows=left), False, "another port is reached") for other, left in unsaid(targets)
            ]
            return jobs, Wish.NONE
        case Mode.ONLY_REACHES:
            rest = without(without(asker.names.everyone, sources), left_out)
            return [Job(rest, target, False, "somebody else reaches it") for target in targets], Wish.NONE
        case Mode.ISOLATED:
            kept, others_kept = without(sources, left_out), without(reached, left_out)
            back = Target(kept, boxes(details.ports, 4))
            return [*(Job(kept, target) for target in targets), Job(others_kept, back)], Wish.NONE
        case Mode.CAN | Mode.CANNOT | Mode.REACHES:
            kept_targets = [replace(target, entities=without(target.entities, left_out)) for target in targets]
            jobs = [Job(sources, target) for target in kept_targets]
            return [*jobs, *(own for job in jobs for own in sent_back(job))], wish_of(question)


def sent_back(job: Job) -> Iterator[Job]:
    """The pods behind a service that ask it themselves: it may choose each of them for itself. One that is asked about itself alone is so already."""
    if job.target.service is None or alone(job):
        return
    senders = set(job.sources)
    for entity in job.target.entities:
        if entity in senders and entity.replicas == 1:
            yield Job((entity,), replace(job.target, entities=(entity,)), job.exempt, job.about)


def alone(job: Job) -> bool:
    """Whether one entity is asked about itself."""
    return len(job.sources) == 1 and job.sources == job.target.entities


def wish_of(question: Reach) -> Wish:
    """What is to hold of two ends. Without ports, some traffic is enough to reach something."""
    if question.mode is Mode.CANNOT:
        return Wish.NONE
    if question.mode is Mode.REACHES and (question.details.ports or question.details.all_ports):
        return Wish.ALL
    return Wish.SOME


def unsaid(targets: list[Target]) -> Iterator[tuple[Target, tuple[Box, ...]]]:
    """The targets with the flows that a question does not name, where it names some."""
    by_entities: dict[tuple[Entity, ...], list[Box]] = {}
    for target in targets:
        by_entities.setdefault(target.entities, []).extend(target.flows)
    for entities, flows in by_entities.items():
        if left := others(tuple(flows)):
            yield Target(entities, ()), left


def targets_of(asker: Asker, party: Names, details: Details) -> list[Target]:
    """Who is to be reached: those named; through a service, its pods by the ports that it leads to."""
    through = details.through
    if through is None:
        words = [by_name(asker, word) for word in party.words]
        services = [word for word in words if word.text.partition(":")[0] in ("svc", "service")]
        found = [target for word in services for target in of_service(asker, word, details, None)]
        rest = replace(party, words=tuple(word for word in words if word not in services))
        return found if services and not rest.words else [*found, Target(asker.names.named(rest), boxes(details.ports, 4))]
    return of_service(asker, through, details, asker.names.named(party))


def by_name(asker: Asker, word: Word) -> Word:
    """A service by its name, where it is named by an address."""
    plain = word.text.partition(":")[0] in ("svc", "service")
    key = None if plain else service_named(asker.policies.world, word.text)
    return word if key is None else Word(f"svc:{'/'.join(key)}", word.column)


def of_service(asker: Asker, word: Word, details: Details, among: tuple[Entity, ...] | None) -> list[Target]:
    """The pods behind a service (those of some, where some are given), port by port."""
    kind, _, rest = word.text.partition(":")
    namespace, _, name = rest.rpartition("/")
    if kind not in ("svc", "service") or not name:
        raise NameProblem(word, f"{word.text!r} is no service: expected svc:NS/NAME")
    asker.names.of_word(word)
    found: dict[tuple[int, int, int], list[Entity]] = {}
    for item in reached(asker.policies.world, namespace or "default", name):
        if asked(item, details) and (among is None or item.entity in among):
            found.setdefault((item.protocol, item.port, item.target), []).append(item.entity)
    unsaid = ports_beside(asker, (namespace or "default", name), details, among)
    if unsaid is not None:
        return [unsaid]
    if not found:
        raise NameProblem(word, f"service {rest} leads to none of those on the ports asked for")
    return [
        Target(tuple(entities), (Box(((protocol, protocol),), ((number, number),)),), port, (namespace or "default", name))
        for (protocol, port, number), entities in sorted(found.items())
    ]


def ports_beside(asker: Asker, key: tuple[str, str], details: Details, among: tuple[Entity, ...] | None) -> Target | None:
    """The pods that a name without an address of its own means, where ports are asked for that its service does not list: it leads to all of theirs."""
    world = asker.policies.world
    if not world.cluster.services[key].headless:
        return None
    listed = {(item.protocol, item.port) for item in reached(world, *key)}
    if listed and all(port.low == port.high and (port.protocol, port.low) in listed for port in details.ports):
        return None
    pods = tuple(entity for entity in ends_of(world, *key) if among is None or entity in among)
    return Target(pods, boxes(details.ports, 4)) if pods else None


def asked(item: Backend, details: Details) -> bool:
    """Whether a service's port is asked about."""
    return not details.ports or any(
        port.protocol == item.protocol and port.low <= item.port <= port.high for port in details.ports
    )


def quantified(asker: Asker, jobs: list[Job], wish: Wish, first: Quantity, second: Quantity) -> Found:
    """Whether the wish holds for every or some source, and of each for every or some target."""
    if first is Quantity.EVERY and second is Quantity.EVERY:
        return every(asker, jobs, wish)
    if first is Quantity.SOME and second is Quantity.SOME:
        return some(asker, jobs, wish)
    decide = every if second is Quantity.EVERY else some
    combine = all_found if first is Quantity.EVERY else any_found
    return combine(partial(decide, asker, parts, wish) for parts in by_source(jobs))


def every(asker: Asker, jobs: list[Job], wish: Wish) -> Found:
    """Whether the wish holds for every pair: a pair of which it does not refutes it."""
    if wish is not Wish.NONE and any(apart(asker, job) for job in jobs):
        return Found(Verdict.REFUTED)
    sure, perhaps = wish.against
    if (shown := find(asker, jobs, sure)) is not None:
        return Found(Verdict.REFUTED, shown)
    if (shown := find(asker, jobs, perhaps)) is not None:
        return Found(Verdict.UNDECIDED, shown)
    return Found(Verdict.PROVED)


def some(asker: Asker, jobs: list[Job], wish: Wish) -> Found:
    """Whether the wish holds for a pair."""
    if wish is Wish.ALL:
        parts = (part for job in jobs for part in single_pairs(job))
        return any_found(partial(every, asker, [part], wish) for part in parts)
    sure, perhaps = wish.value[:2]
    if (shown := find(asker, jobs, sure)) is not None:
        return Found(Verdict.PROVED, shown)
    if (shown := find(asker, jobs, perhaps)) is not None:
        return Found(Verdict.UNDECIDED, shown)
    return Found(Verdict.REFUTED, find(asker, jobs, wish.value[2]))


def by_source(jobs: list[Job]) -> Iterator[list[Job]]:
    """The jobs for each source by itself; sources that policies do not tell apart together, but for what meets itself."""
    of_each: dict[Entity, list[Job]] = {}
    for job in jobs:
        for entity in dict.fromkeys(job.sources):
            of_each.setdefault(entity, []).append(replace(job, sources=(entity,)))
    yield from of_each.values()


def single_pairs(job: Job) -> Iterator[Job]:
    """A job for each pair."""
    for source in job.sources:
        for entity in job.target.entities:
            if source is not entity or source.replicas > 1 or alone(job):
                yield Job((source,), replace(job.target, entities=(entity,)), job.exempt, job.about)


def all_found(parts: Iterator[Callable[[], Found]]) -> Found:
    """Kleene's "and" with the first witness that shows it."""
    open_one, last = None, None
    for part in parts:
        found = part()
        if found.verdict is Verdict.REFUTED:
            return found
        open_one = open_one or (found if found.verdict is Verdict.UNDECIDED else None)
        last = last or found
    return open_one or (Found(Verdict.PROVED, last.witness) if last else Found(Verdict.PROVED))


def any_found(parts: Iterator[Callable[[], Found]]) -> Found:
    """Kleene's "or" with the first witness that shows it."""
    open_one, last = None, None
    for part in parts:
        found = part()
        if found.verdict is Verdict.PROVED:
            return found
        open_one = open_one or (found if found.verdict is Verdict.UNDECIDED else None)
        last = last or found
    return open_one or (Found(Verdict.REFUTED, last.witness) if last else Found(Verdict.REFUTED))
