"""What all kinds of questions share: the policies that are asked about, the jobs a question comes to, and witnesses made of what a search finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from analyzer.addresses import Prefix
from analyzer.policy.decision import Decision, Step, decide, doubt
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import Factors
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.policy.terms import ALL_PORTS, Box, InBlocks, Kind, Named, Of, Peer, Traffic, leaves, opaque_in
from analyzer.policy.tiers import Direction, Rule
from analyzer.query.ask.answers import Disagreement, Witness
from analyzer.query.ask.pairs import Pair, Search, Want
from analyzer.query.ask.sides import Directory, Side, host, side_of
from analyzer.query.ask.traffic import alike, inside, mask_of, ordinary, served
from analyzer.query.masquerading import masquerades_all
from analyzer.query.policies import Policies
from analyzer.query.policy_services import service_families

MOST_SIDES = 256
ADDRESS = "the address that"
ANSWERS: dict[Want, tuple[bool | None, ...]] = {
    Want.ADMITTED: (True,),
    Want.MAY_ADMIT: (True, None),
    Want.REFUSED: (False,),
    Want.MAY_REFUSE: (False, None),
    Want.SILENT: (False,),
    Want.MAY_BE_SILENT: (False, None),
}


class Unanswerable(ValueError):
    """A question that is understood and has no answer as it is put; the message says how to put it."""


@dataclass(frozen=True)
class Asker:
    """The policies, with what was worked out of them for earlier questions. ``only``: families that are asked about alone."""

    policies: Policies
    only: tuple[int, ...] = ()
    sides: dict[tuple[int, int], tuple[tuple[Entity, ...], Side]] = field(default_factory=dict, repr=False, compare=False)

    def side(self, factors: Factors, entities: tuple[Entity, ...]) -> Side:
        """The entities by class; what was worked out for the same ones lately is kept."""
        key = (factors.universe.family, id(entities))
        known = self.sides.get(key)
        if known is None or known[0] is not entities:
            if len(self.sides) >= MOST_SIDES:
                self.sides.clear()
            known = self.sides[key] = entities, side_of(self.policies, factors, entities)
        return known[1]

    @cached_property
    def pods(self) -> tuple[Entity, ...]:
        """Every pod."""
        return tuple(self.policies.world.pods())

    @cached_property
    def rules(self) -> tuple[tuple[Direction, Rule], ...]:
        """Every rule of every policy, with its direction."""
        sides = ((way, policy.direction(way)) for policy in self.policies.all.policies() for way in Direction)
        return tuple((way, rule) for way, found in sides if found is not None for rule in found.rules)

    @cached_property
    def names_services(self) -> bool:
        """Whether a rule of egress is about a service that is asked."""
        peers = (rule.peer for way, rule in self.rules if way is Direction.EGRESS)
        return any(isinstance(leaf, Named) and leaf.of is Of.SERVICE for peer in peers for leaf in leaves(peer))

    @cached_property
    def suppositions(self) -> tuple[str, ...]:
        """What is taken for granted of kinds of policies that are there."""
        if not self.policies.profile.supposed:
            return ()
        kinds = sorted({policy.kind for policy in self.policies.all.policies()})
        return tuple(filter(None, map(self.policies.profile.supposition, kinds)))

    @cached_property
    def tests_source_ports(self) -> bool:
        """Whether a rule tests source ports."""
        found = (leaf for _, rule in self.rules for leaf in leaves(rule.traffic))
        return any(isinstance(leaf, Box) and leaf.sources != ALL_PORTS for leaf in found)

    @cached_property
    def masquerades(self) -> bool:
        """Whether policies may see nodes in the place of pods that ask for services."""
        return masquerades_all(self.policies.world) is not None

    @cached_property
    def behind_nodes(self) -> Asker:
        """For packets with the address of the node that took them in."""
        return self if self.policies.behind_nodes is self.policies else Asker(self.policies.behind_nodes, self.only)

    @cached_property
    def names(self) -> Directory:
        """Who is there."""
        return Directory(self.policies)

    @cached_property
    def families(self) -> tuple[int, ...]:
        """The families that are asked about."""
        return self.only or self.policies.families()

    @property
    def open_families(self) -> bool:
        """Whether it is not known which families there are: no address is given, and policies have blocks of both."""
        return not self.only and not self.policies.addressed and len(self.families) > 1

    @cached_property
    def without_six(self) -> Asker:
        """The same, for IPv4 alone."""
        return Asker(self.policies, (4,))

    @cached_property
    def networks(self) -> tuple[Prefix, ...] | None:
        """The pods' networks; None where the input does not say them."""
        found = {item.prefix for item in self.policies.world.cluster.ranges if item.purpose == "pod"}
        return tuple(sorted(found)) or None

    @cached_property
    def about(self) -> str:
        """What is asked about, in words."""
        return self.over(self.families)

    def over(self, families: Iterable[int]) -> str:
        """What is asked about in some families, in words."""
        count = sum(1 for _ in self.policies.all.policies())
        ignored, system = len(self.policies.all.ignored), self.policies.profile
        parts = [several(count, "policy"), " and ".join(f"IPv{family}" for family in families)]
        parts += [f"as {system.name} reads them"] if system.name != UNKNOWN_SYSTEM.name else []
        parts += [f"{several(ignored, 'object')} left out that {system.name} does not enforce"] if ignored else []
        return ", ".join(parts)

    def decide(self, source: Entity, destination: Entity, flow: Flow, *, imagined: bool = False) -> Decision:
        """The plain reading. Of ends that are not in the input nothing is remembered."""
        known = replace(self.policies.all, memory={}) if imagined else self.policies.all
        return decide(known, source, destination, flow)


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to be reached, by which flows; through a ``service`` (namespace, name), where ``service_port`` is what is asked of it."""

    entities: tuple[Entity, ...]
    flows: tuple[Box, ...]
    service_port: int = 0
    service: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """From whom to whom. ``exempt``: whether what policies are not asked about counts; ``about`` says in words which part of a question it is;
    ``itself``: whether one pod that is asked about itself is meant."""

    sources: tuple[Entity, ...]
    target: Target
    exempt: bool = True
    about: str = ""
    itself: bool = True


def families_for(asker: Asker, job: Job) -> tuple[int, ...]:
    """The families of a job's packets: through a service those of its addresses, where it has some; those of the addresses outside that are asked about, where no
    address is known of anybody else."""
    if job.target.service is None:
        ends = (job.sources, job.target.entities)
        stated = [{block.family for end in side for block in end.blocks} for side in ends if side]
        found = set[int].intersection(*(side for side in stated if side)) if any(stated) else set()
        known = () if asker.policies.addressed else tuple(sorted(found.intersection(asker.families) or found))
        return known or asker.families
    own = service_families(asker.policies.world.cluster.services[job.target.service])
    return tuple(family for family in asker.families if family in own) or asker.families


def apart(asker: Asker, job: Job) -> bool:
    """Whether two ends have no family of addresses in common; all of the outside that is asked about is one end."""
    families = families_for(asker, job)
    outer = any(end.kind is Kind.OUTSIDE for end in (*job.sources, *job.target.entities))
    if len(families) < 2 and not outer:
        return False
    own, theirs = (spoken(asker, ends, families) for ends in (job.sources, job.target.entities))
    return any(not one & other for one in own for other in theirs)


def spoken(asker: Asker, ends: Iterable[Entity], families: Iterable[int]) -> set[frozenset[int]]:
    """The families that ends speak."""
    known = [(end.kind is Kind.OUTSIDE, frozenset(one for one in families if asker.policies.speaks(end, one))) for end in ends]
    outer = [found for outside, found in known if outside]
    return {found for outside, found in known if not outside} | ({frozenset[int]().union(*outer)} if outer else set())


def search(asker: Asker, job: Job, family: int) -> Search:
    """The search for a job in a family."""
    known = asker.policies.factors(family)
    sources, targets = asker.side(known, job.sources), asker.side(known, job.target.entities)
    itself = job.itself and len(job.sources) == 1 and job.sources == job.target.entities
    return Search(known, asker.policies.profile, sources, targets, mask_of(known.atoms, job.target.flows), job.exempt, itself)


def find(asker: Asker, jobs: Iterable[Job], want: Want) -> Witness | None:
    """The first flow of the first job and family that is as wanted, replayed."""
    for job in jobs:
        for family in families_for(asker, job):
            asked = search(asker, job, family)
            if (pair := asked.first(want)) is not None:
                return witness(asker, job, asked, pair, want)
    return None


def witness(asker: Asker, job: Job, asked: Search, pair: Pair, want: Want) -> Witness:
    """The most ordinary flow of a pair, with the decision over it; Disagreement where that is not what the search found."""
    family = asked.factors.universe.family
    source, destination = (host(end, family, asker.policies.held) for end in (pair.source, pair.destination))
    known = list(inside(asked.factors.atoms, pair.flows, job.target.flows))
    flow = ordinary(known, served(asker.policies.world, destination), family)
    decision = asker.decide(source, destination, flow)
    if decision.admitted not in ANSWERS[want]:
        raise Disagreement(
            f"{source.name} to {destination.name}, protocol {flow.protocol} port {flow.port}: the search says {want.name.lower()}, "
            f"the replay {decision.admitted}"
        )
    return Witness(source, destination, flow, decision, alike(known), (), job.target.service_port, job.about, job.target.service)


def settling(policies: Policies, path: Iterable[Witness]) -> tuple[str, ...]:
    """What would decide over flows of which it is not known whether they are admitted."""
    found: dict[str, None] = {}
    for item in path:
        if item.decision.admitted is not None:
            continue
        if doubt(policies.profile, item.source, item.destination) is None:
            found[
                "whether the pod and the node are the same machine, and whether policies are asked about such traffic (--cni)"
            ] = None
        for step in item.decision.steps:
            found |= dict.fromkeys(unknowns(step, item) if not step.certain else ())
    return tuple(found)


def unknowns(step: Step, item: Witness) -> Iterator[str]:
    """What is not known about a step."""
    terms: list[Peer | Traffic] = [step.policy.subject] if step.policy is not None else []
    if step.rule is not None:
        terms += [step.rule.peer, step.rule.own, step.rule.traffic]
    yield from (leaf.text for term in terms for leaf in opaque_in(term))
    if step.rule is not None and any(isinstance(leaf, InBlocks) for leaf in leaves(step.rule.peer)):
        peer = item.destination if step.direction is Direction.EGRESS else item.source
        if not peer.addresses and not peer.blocks:
            yield f"{ADDRESS} {peer.name} has"


def scope(asker: Asker, jobs: Iterable[Job]) -> str:
    """Over what a question is decided."""
    jobs = list(jobs)
    sources = len({entity.name for job in jobs for entity in job.sources})
    targets = len({entity.name for job in jobs for entity in job.target.entities})
    others = sorted({family for job in jobs for family in families_for(asker, job)} - set(asker.families))
    about = asker.over(others) if others else asker.about
    return f"{several(sources, 'source')}, {several(targets, 'destination')}, {about}"


def several(count: int, what: str) -> str:
    """A number of things."""
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{count:,} {what if count == 1 else plural}"
