"""What policies admit, for sets of packets between pods: a set is cut into parts about which they say one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import Factors
from analyzer.policy.terms import Box, Kind
from analyzer.policy.tiers import Direction, Policy
from analyzer.query.flows import Aim, origin
from analyzer.query.parties import Party
from analyzer.query.policies import Policies
from analyzer.ranges import Ranges, contains, difference, intersection, normalised, single, size
from analyzer.solve.packet import ICMP, ICMPV6
from analyzer.solve.sets.regions import State, narrowed, values_of, variables
from analyzer.transfer.ir import Field

Parties = Mapping[int, tuple[Party, ...]]
ECHO = {4: (ICMP, 8 << 8), 6: (ICMPV6, 128 << 8)}


class Flows(NamedTuple):
    """Sets of flows (``atoms.py``): admitted for sure, and perhaps; ``unknown`` are those of the rest of which it is not known what policies say,
    while others are left open by the API. ``governed``: a policy selects one of the ends."""

    sure: int
    may: int
    unknown: int
    governed: bool


class Part(NamedTuple):
    """A part of a set of packets, and what policies say of flows between its ends; None where it is not known who they are."""

    state: State
    flows: Flows | None


@dataclass(frozen=True, slots=True)
class Admission:
    """The policies, asked about the pods of a capture in one family: what the API leaves open is denied in ``factors``, admitted in ``lenient``.
    ``answers`` is what was asked so far, by classes; ``holders``, once it is asked for, who has an address."""

    policies: Policies
    factors: Factors
    lenient: Factors
    answers: dict[tuple[int, int], Flows]
    holders: dict[int, tuple[Entity, ...]] = field(default_factory=dict)

    def parts(self, sources: Parties, targets: Parties, state: State) -> Iterator[Part]:
        """The parts of a set, by who its packets are from and to. What a pod sends to itself is in none: it always arrives."""
        sources, targets = held(state, Field.SOURCE, sources), held(state, Field.DESTINATION, targets)
        for sender, values in self.senders(sources, targets).items():
            whole = narrow(state, Field.SOURCE, addresses(values))
            if whole is None:
                continue
            apart = [value for value in values if value in targets]
            others = {value: targets[value] for value in targets if value not in values} if apart else targets
            yield from self.toward(sender, whole, others)
            for value in apart:
                own = narrow(whole, Field.SOURCE, single(value))
                if own is not None:
                    yield from self.toward(sender, own, {one: targets[one] for one in values if one in targets and one != value})

    def senders(self, sources: Parties, targets: Parties) -> dict[Entity | None, list[int]]:
        """The source addresses, with one entity for those that policies do not tell apart; its node counts where nodes take part."""
        entities = [entity for parties in (*sources.values(), *targets.values()) if (entity := self.entity(parties[0]))]
        nodes = any(entity.kind is not Kind.POD for entity in entities)
        first: dict[tuple[int, str], Entity] = {}
        found: dict[Entity | None, list[int]] = {}
        for value, parties in sources.items():
            entity = self.entity(parties[0])
            if entity is not None:
                entity = first.setdefault((self.factors.universe.of[entity.name], entity.node if nodes else ""), entity)
            found.setdefault(entity, []).append(value)
        return found

    def toward(self, sender: Entity | None, state: State, targets: Parties) -> Iterator[Part]:
        """The parts of a set whose senders are alike, by what is admitted to its receivers."""
        found: dict[Flows | None, list[int]] = {}
        for value, parties in targets.items():
            found.setdefault(self.between(sender, parties), []).append(value)
        for flows, values in found.items():
            if (part := narrow(state, Field.DESTINATION, addresses(values))) is not None:
                yield Part(part, flows)

    def by_receiver(self, targets: Parties, state: State) -> Iterator[State]:
        """The parts of a set, by the policies that select its receivers."""
        found: dict[tuple[str, ...], list[int]] = {}
        for value, parties in targets.items():
            entity = self.entity(parties[0])
            tiers = self.policies.all.selecting(entity, self.factors.universe.family, Direction.INGRESS) if entity else ()
            found.setdefault(tuple(str(item.policy) for tier in tiers for item in tier), []).append(value)
        for values in found.values():
            if (part := narrow(state, Field.DESTINATION, addresses(values))) is not None:
                yield part

    def between(self, sender: Entity | None, parties: Iterable[Party]) -> Flows | None:
        """What is admitted to whoever has an address; where several have it, to all of them, and perhaps to one."""
        receivers = [self.entity(party) for party in parties]
        if sender is None or any(one is None for one in receivers):
            return None
        found = [self.pair(sender, one) for one in receivers if one is not None]
        if len(found) == 1:
            return found[0]
        sure, may = self.factors.atoms.all, 0
        for item in found:
            sure, may = sure & item.sure, may | item.may
        return Flows(sure, may, may & ~sure, any(item.governed for item in found))

    def pair(self, source: Entity, destination: Entity) -> Flows:
        """What is admitted between two entities."""
        profile, every = self.policies.profile, self.factors.atoms.all
        if source.kind is not destination.kind and exemption(profile, source, destination):
            return Flows(every, every, 0, False)
        known = self.of_classes(self.factors.universe.of[source.name], self.factors.universe.of[destination.name])
        return known if doubt(profile, source, destination) is False else known._replace(may=every, unknown=every & ~known.sure)

    def of_classes(self, source: int, destination: int) -> Flows:
        """What is admitted from class to class."""
        known = self.answers.get((source, destination))
        if known is None:
            governed = self.selected(source, Direction.EGRESS) or self.selected(destination, Direction.INGRESS)
            strict, lenient = self.factors.pair(source, destination), self.lenient.pair(source, destination)
            unknown = (strict[1] & ~strict[0]) | (lenient[1] & ~lenient[0])
            known = self.answers[source, destination] = Flows(strict[0], lenient[1], unknown, governed)
        return known

    def selected(self, position: int, direction: Direction) -> bool:
        """Whether a policy selects the class in the direction, or may."""
        entity = self.factors.universe.members[position][0]
        return any(self.policies.all.selecting(entity, self.factors.universe.family, direction))

    def entity(self, party: Party) -> Entity | None:
        """What policies know a party as; None where its object was not captured."""
        name = party.name if party.pod is None else f"{party.pod.namespace}/{party.pod.name}"
        return self.policies.world.by_name.get(name)

    def pairs_governed(self, sources: Parties, targets: Parties) -> int:
        """How many pairs there are of which policies say something."""
        found = 0
        for sender, values in self.senders(sources, targets).items():
            for target, parties in targets.items():
                flows = self.between(sender, parties)
                found += (len(values) - (target in values)) if flows is not None and flows.governed else 0
        return found

    def selecting(self, source: Party, target: Party) -> list[Policy]:
        """The policies that select the two, each in its direction."""
        found: list[Policy] = []
        for party, direction in ((source, Direction.EGRESS), (target, Direction.INGRESS)):
            if (entity := self.entity(party)) is not None:
                tiers = self.policies.all.selecting(entity, self.factors.universe.family, direction)
                found += [item.policy for tier in tiers for item in tier if item.policy not in found]
        return found

    def within(self, aim: Aim, state: State, flows: int) -> Iterator[State]:
        """The packets of a set that are of the flows."""
        if aim.ping:
            number, port = ECHO[aim.family]
            if flows & self.factors.atoms.of_flow(Flow(aim.family, number, port, 0)):
                yield state
            return
        for box in self.factors.atoms.boxes_of(flows):
            if (part := in_box(state, box)) is not None:
                yield part


def held(state: State, field: Field, parties: Parties) -> Parties:
    """Those of some parties whose address a set's requests may have in a field."""
    value = origin(state, field)
    if isinstance(value, str) and value not in variables(state):
        return parties
    found = values_of(state, value)
    if size(found) >= len(parties):
        return {one: own for one, own in parties.items() if contains(found, one)}
    return {one: parties[one] for low, high in found for one in range(low, high + 1) if one in parties}


def in_box(state: State, box: Box) -> State | None:
    """The packets of a set that are in a box of flows."""
    found: State | None = state
    for name, ranges in (
        (Field.PROTOCOL, box.protocols),
        (Field.DESTINATION_PORT, box.destinations),
        (Field.SOURCE_PORT, box.sources),
    ):
        found = narrow(found, name, ranges) if found is not None else None
    return found


def narrow(state: State, field: Field, ranges: Ranges) -> State | None:
    """The packets of a set whose request had the field in the ranges; None when there are none. All, where the field was of no account."""
    value = origin(state, field)
    if isinstance(value, str) and value not in variables(state):
        return state
    common = intersection(values_of(state, value), ranges)
    if not common or not isinstance(value, str):
        return state if common else None
    return narrowed(state, value, common) if difference(values_of(state, value), ranges) else state


def addresses(values: Iterable[int]) -> Ranges:
    """The addresses as ranges."""
    return normalised((value, value) for value in values)
