"""Endpoints of ``connectivity``: workloads, with the pods that policies cannot tell apart as one; nodes, where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.policies import Policies


@dataclass(frozen=True, slots=True)
class Party:
    """An endpoint. ``id`` is ``ns/name[Kind]``, or ``node:name``; ``single``: it is one pod, which always reaches itself."""

    id: str
    entities: tuple[Entity, ...]

    @property
    def namespace(self) -> str:
        """The namespace; empty for a node."""
        return self.entities[0].namespace

    @property
    def host(self) -> bool:
        """Whether it is in a node's own network namespace."""
        return self.entities[0].kind is Kind.HOST

    @property
    def replicas(self) -> int:
        """How many pods it stands for."""
        return sum(entity.replicas for entity in self.entities)

    @property
    def single(self) -> bool:
        """Whether it is one pod or one node."""
        return self.replicas <= 1

    @property
    def pods(self) -> tuple[str, ...]:
        """The pods that are there, by name; none of a workload that has not made its pods yet."""
        return tuple(entity.name for entity in self.entities if entity.namespace and not entity.name.endswith("]"))


Key = tuple[str, str, str]


def parties(
    policies: Policies, *, per_pod: bool = False, nodes: bool = False, apart: Mapping[str, int] | None = None
) -> tuple[Party, ...]:
    """The endpoints of the world by id. ``apart``: entities by name that are not to be put together with those of another number."""
    groups: dict[Key, list[Entity]] = {}
    for entity in policies.world.entities:
        if entity.namespace or nodes:
            groups.setdefault((entity.namespace, *(entity.workload if entity.workload[1] else ("Pod", entity.name))), []).append(
                entity
            )
    seen = Seen(policies, policies.families(), apart or {})
    found = [party for key, members in groups.items() for party in of_workload(seen, key, members, per_pod)]
    return tuple(sorted(found, key=lambda party: party.id))


def of_workload(seen: Seen, key: Key, members: list[Entity], per_pod: bool) -> Iterator[Party]:
    """One endpoint for the pods of a workload; one for each, where policies tell some apart or nobody is to be merged."""
    if per_pod or (len(members) > 1 and len({seen.of(entity) for entity in members}) > 1):
        yield from (Party(id_of(entity), (entity,)) for entity in members)
    elif key[1] == "Pod":
        yield Party(id_of(members[0]), tuple(members))
    else:
        yield Party(f"{key[0]}/{key[2]}[{key[1]}]", tuple(members))


def id_of(entity: Entity) -> str:
    """The id of one pod, workload without pods, or node."""
    return f"{entity.name}[Pod]" if entity.namespace and not entity.name.endswith("]") else entity.name


@dataclass(frozen=True, slots=True)
class Seen:
    """What tells entities from each other, in the families that are asked about."""

    policies: Policies
    families: tuple[int, ...]
    apart: Mapping[str, int]

    def of(self, entity: Entity) -> tuple[object, ...]:
        """An entity's class and whether it has an address, in each family; and its number of those that are to be kept apart."""
        classes = tuple(self.policies.factors(family).universe.of[entity.name] for family in self.families)
        return classes, tuple(self.policies.speaks(entity, family) for family in self.families), self.apart.get(entity.name)


def named(parties: Iterable[Party], entities: Iterable[Entity]) -> int:
    """The parties that have one of the entities, as bits."""
    wanted = {entity.name for entity in entities}
    return sum(1 << number for number, party in enumerate(parties) if any(entity.name in wanted for entity in party.entities))
