"""How the ends of a change are named: whole workloads by their name, pods apart from their workload one by one, the outside as networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from analyzer.addresses import Prefix
from analyzer.policy.addressing import spanned
from analyzer.policy.entities import Entity
from analyzer.policy.joint import Couple, workload_of
from analyzer.policy.terms import Kind
from analyzer.ranges import normalised

Sizes = Counter[tuple[str, ...]]


def sizes(couples: Iterable[Couple]) -> Sizes:
    """How many couples each workload has."""
    return Counter(workload_of(couple.known) for couple in couples)


def named(couples: Iterable[Couple], whole: Sizes) -> tuple[str, ...]:
    """Names for the couples, in order: ``ns/name[Kind]`` for a workload all of whose pods are among them, else ``ns/pod[Pod]``; ``node:name``;
    addresses outside as the fewest CIDRs."""
    groups: dict[tuple[str, ...], list[Entity]] = {}
    blocks: list[Prefix] = []
    for couple in couples:
        if couple.known.kind is Kind.OUTSIDE:
            blocks += couple.known.blocks
        else:
            groups.setdefault(workload_of(couple.known), []).append(couple.known)
    found: set[str] = set()
    for workload, entities in groups.items():
        complete = bool(workload[1]) and len(entities) == whole[workload]
        found |= {name_of_workload(workload)} if complete else {name_of_one(entity) for entity in entities}
    return (*sorted(found), *map(str, fewest(blocks)))


def name_of_workload(workload: tuple[str, ...]) -> str:
    """A workload's name."""
    namespace, kind, name = workload
    return f"{namespace}/{name}[{kind}]"


def name_of_one(entity: Entity) -> str:
    """A pod's or a node's name; the pods that a template would make are named so already."""
    return entity.name if not entity.namespace or entity.name.endswith("]") else f"{entity.name}[Pod]"


def fewest(blocks: Iterable[Prefix]) -> list[Prefix]:
    """The same addresses as the fewest prefixes, in order."""
    by_family: dict[int, list[tuple[int, int]]] = {}
    for block in blocks:
        by_family.setdefault(block.family, []).append((block.value, block.last))
    return [
        item
        for family in sorted(by_family)
        for low, high in normalised(by_family[family])
        for item in spanned(family, low, high + 1)
    ]
