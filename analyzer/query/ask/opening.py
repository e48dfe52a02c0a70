"""Which pods could be: what a question about any pod, any new namespace or any change of labels comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.findings import Verdict
from analyzer.policy.entities import Entity
from analyzer.policy.linkerd import PLANE as LINKERD
from analyzer.policy.possible import End, Possible
from analyzer.policy.terms import Kind
from analyzer.query.ask.answers import Answer, Witness
from analyzer.query.ask.asking import ADDRESS, Asker, Job, Target, Unanswerable, apart, find, settling, several
from analyzer.query.ask.opened import MOST_FRAMES, Hunt, OpenJob
from analyzer.query.ask.pairs import Want
from analyzer.query.ask.questions import AnyChange, AnyPod, Mode, Names, Party, Quantity, Reach, Word
from analyzer.query.ask.reaching import APART, ENGINE, targets_of, unsaid
from analyzer.query.ask.sides import NameProblem, side_of, without
from analyzer.query.ask.traffic import boxes

NOTE = "a pod that could be created is taken to be in a network of its own (no hostNetwork)"
BARE = (
    "a pod that could be created is taken to say nothing of Linkerd's proxy itself (annotations): what its namespace says holds"
)


def open_reach(asker: Asker, text: str, question: Reach) -> Answer:
    """The answer where one of the parties, or both, could be created or changed."""
    check(question)
    refused = question.mode is Mode.REACHES
    existing, jobs = list(real_jobs(asker, question)), list(jobs_of(asker, question))
    known = find(asker, existing, Want.REFUSED if refused else Want.ADMITTED)
    if known is not None:
        return answered(asker, text, question, Verdict.REFUTED, known, ENGINE, ())
    count = sum(len(job.sources) * len(job.targets) for job in jobs)
    if count > MOST_FRAMES:
        settle = ("name fewer pods, or a namespace for the pods that could be created",)
        return Answer(text, Verdict.UNDECIDED, text.rstrip("?"), f"{count:,} combinations of ends", "", settle=settle)
    if refused and any(apart(asker, job) for job in (*existing, *map(settled, jobs))):
        return answered(asker, text, question, Verdict.REFUTED, None, ENGINE, (APART,), count)
    verdict, witness, engine, notes = Hunt(asker, refused).run(jobs)
    return answered(asker, text, question, verdict, witness, engine, notes, count)


def settled(job: OpenJob) -> Job:
    """The same with what is settled of pods that could be."""
    sources, targets = (
        tuple(end.base if isinstance(end, Possible) else end for end in side) for side in (job.sources, job.targets)
    )
    return Job(sources, Target(targets, job.flows))


def check(question: Reach) -> None:
    """Whether the question can be answered about pods that could be."""
    if question.details.hops > 1:
        raise Unanswerable("hops go over pods that are there: name them")
    if question.mode is Mode.REACHES and not (question.details.ports or question.details.all_ports):
        raise Unanswerable('say by which traffic it reaches: "on 80/TCP", or "on all ports"')
    if question.mode is Mode.ONLY_REACHES and not isinstance(question.source, Names):
        raise Unanswerable('"only any pod … reaches" is not understood: ask "any pod … cannot reach …"')
    named = [(party, implied(question.mode)) for party in (question.source, question.target) if isinstance(party, Names)]
    for party, meant in named:
        if party.quantity and party.quantity is not meant and isinstance(party, Names):
            raise Unanswerable(f"with pods that could be, the others must be {meant} of those named")


def implied(mode: Mode) -> Quantity:
    """How many of those named are meant."""
    return Quantity.SOME if mode is Mode.CAN else Quantity.EVERY


def answered(
    asker: Asker,
    text: str,
    question: Reach,
    verdict: Verdict,
    witness: Witness | None,
    engine: str,
    notes: tuple[str, ...],
    count: int = 0,
) -> Answer:
    """The answer: a flow that is found refutes an assertion, and proves that something can be."""
    if question.mode is Mode.CAN and verdict is not Verdict.UNDECIDED:
        verdict = Verdict.PROVED if verdict is Verdict.REFUTED else Verdict.REFUTED
    path = (witness,) if witness is not None else ()
    settle = settling(asker.policies, path) if verdict is Verdict.UNDECIDED else ()
    if asker.networks is None and any(item.startswith(ADDRESS) for item in settle):
        settle += ("the pods' networks (Node objects with podCIDRs)",)
    over = f"{several(count, 'pair')} of ends with any labels, {asker.about}" if count else asker.about
    created = any(isinstance(party, AnyPod) for party in (question.source, question.target))
    meshed = any(plane.name == LINKERD for plane in asker.policies.all.planes)
    notes = tuple(dict.fromkeys((NOTE, *((BARE,) if meshed else ()), *notes) if created else notes))
    return Answer(text, verdict, text.rstrip("?"), over, engine, path, (), notes, settle)


def real_jobs(asker: Asker, question: Reach) -> Iterator[Job]:
    """The same question between ends of the input, which are among those that could be: a flow of theirs is shown rather than one that needs a new pod."""
    source, target = (of_input(asker, party) for party in (question.source, question.target))
    if not source or (not target and not isinstance(question.target, Names)):
        return
    for one in targets(asker, question, source, target):
        yield Job(
            tuple(end for end in one.sources if isinstance(end, Entity)), as_target(one), not only(question), one.about, False
        )


def as_target(job: OpenJob) -> Target:
    """The targets that are of the input."""
    return Target(tuple(end for end in job.targets if isinstance(end, Entity)), job.flows, job.service_port)


def only(question: Reach) -> bool:
    """Whether the question is about who else."""
    return question.mode in (Mode.REACHES_ONLY, Mode.ONLY_REACHES)


def of_input(asker: Asker, party: Party) -> tuple[Entity, ...]:
    """The pods of the input that a party could be."""
    match party:
        case Names():
            return asker.names.named(party)
        case AnyChange(word):
            return (changed(asker, word),)
        case AnyPod(namespace, new, labels):
            if new:
                return ()
            pods = asker.pods if namespace is None else asker.names.spaces.get(f"ns:{space(namespace)}", ())
            if namespace is None and not labels:
                return pods
            return tuple(
                pod for pod in pods if pod.kind is Kind.POD and all(pod.labels.get(key) == value for key, value in labels)
            )


def changed(asker: Asker, word: Word) -> Entity:
    """The pod whose labels are changed."""
    found = asker.names.of_word(word)
    if len(found) != 1 or not found[0].namespace:
        raise NameProblem(word, f"{word.text!r} is not one pod: expected NS/POD")
    if found[0].kind is not Kind.POD:
        raise NameProblem(word, f"{word.text} is in its node's network, where policies do not look at its labels")
    return found[0]


def space(word: Word) -> str:
    """The name of a namespace, ``ns:`` or not."""
    return word.text.removeprefix("ns:").removeprefix("namespace:")


def jobs_of(asker: Asker, question: Reach) -> Iterator[OpenJob]:
    """What is searched, with what could be."""
    source, target = (ends(asker, party) for party in (question.source, question.target))
    for job in targets(asker, question, source, target):
        yield replace(job, sources=alike(asker, job.sources), targets=alike(asker, job.targets))


def targets(asker: Asker, question: Reach, source: tuple[End, ...], target: tuple[End, ...]) -> Iterator[OpenJob]:
    """The searches for given ends."""
    details = question.details
    flows = boxes(details.ports, 4)
    left_out = tuple(entity for word in details.without for entity in asker.names.of_word(word))
    known = targets_of(asker, question.target, details) if isinstance(question.target, Names) else []
    reached = tuple(entity for item in known for entity in item.entities)
    if question.mode is Mode.REACHES_ONLY:
        rest = without(without(asker.names.everyone, reached), left_out)
        yield OpenJob(source, rest, boxes((), 4), about="somebody else is reached", exempt=False)
        if isinstance(question.target, Names):
            for item, left in unsaid(known):
                yield OpenJob(source, item.entities, left, about="another port is reached", exempt=False)
        return
    if question.mode is Mode.ONLY_REACHES:
        named = tuple(end for end in source if isinstance(end, Entity))
        source = without(without(asker.names.everyone, named), left_out)
    if isinstance(question.target, Names):
        for item in known:
            yield OpenJob(source, without(item.entities, left_out), item.flows, item.service_port, exempt=not only(question))
        if question.mode is Mode.ISOLATED:
            yield OpenJob(without(reached, left_out), source, flows)
        return
    yield OpenJob(source, target, flows, exempt=question.mode is not Mode.ONLY_REACHES)
    if question.mode is Mode.ISOLATED:
        yield OpenJob(target, source, flows)


def alike(asker: Asker, given: tuple[End, ...]) -> tuple[End, ...]:
    """The ends, of those in the input one for each class; hosts all, since policies are not asked about a pod and its own."""
    entities = [end for end in given if isinstance(end, Entity)]
    found: dict[str, Entity] = {end.name: end for end in entities if end.kind is Kind.HOST}
    for family in asker.families if entities else ():
        for group in side_of(asker.policies, asker.policies.factors(family), entities).members.values():
            found.setdefault(group[0].name, group[0])
    return (*(end for end in given if isinstance(end, Possible)), *found.values())


def ends(asker: Asker, party: Party) -> tuple[End, ...]:
    """Those named, or the pods that could be: one for each namespace."""
    match party:
        case Names():
            return asker.names.named(party)
        case AnyChange(word):
            return (Possible(changed(asker, word), free=False),)
        case AnyPod(namespace, new, labels):
            return tuple(possible(asker, namespace, new, dict(labels)))


def possible(asker: Asker, namespace: Word | None, new: bool, labels: dict[str, str]) -> Iterator[Possible]:
    """Pods that could be created."""
    world = asker.policies.world
    if namespace is not None and space(namespace) not in world.namespaces:
        raise NameProblem(namespace, f"there is no namespace {space(namespace)} in the input")
    settled, existing = frozenset(labels), frozenset(world.namespaces)
    spaces = [] if new else [space(namespace)] if namespace is not None else sorted(world.namespaces)
    for name in spaces:
        base = Entity(f"{name}/new-pod", Kind.POD, name, labels, world.namespace_labels(name))
        yield Possible(base, settled, networks=asker.networks)
    if new or namespace is None:
        base = Entity("new-namespace/new-pod", Kind.POD, "new-namespace", labels)
        yield Possible(base, settled, True, networks=asker.networks, existing=existing)
