"""The proof of a suggestion: its text is read again, compiled together with what was wanted, and compared for all pairs and all ports.

Compared are TCP, UDP and SCTP to ports from 1, between all pods, and between pods and the addresses that count (``demands.py``). A pod and itself are not:
it always reaches itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.parsers import read
from analyzer.parsers.kubernetes import PARSER
from analyzer.policy.bits import members
from analyzer.policy.comparing import Rectangle, rectangles
from analyzer.policy.entities import Entity
from analyzer.policy.joint import Joint, joint
from analyzer.policy.planes import kinds
from analyzer.policy.ports import WITH_PORTS
from analyzer.policy.reading import group_of
from analyzer.policy.terms import Box, Kind
from analyzer.query.connectivity.allowed import allowed
from analyzer.query.policies import Policies, policies
from analyzer.query.suggest.demands import PORTS, Scene, addresses_of
from analyzer.ranges import Ranges, difference, intersection, normalised
from analyzer.source import Gap, Source

PLACE = "suggested policies"
SHOWN = 20


class Differs(NamedTuple):
    """A pair for which the suggestion admits something else than is wanted, in words."""

    source: str
    destination: str
    family: int
    wanted: str
    suggested: str

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}, IPv{self.family}: wanted {self.wanted}; suggested {self.suggested}"


def suggested(known: Policies, text: str) -> tuple[Policies, tuple[str, ...]]:
    """The cluster with the suggested policies in the place of all others, and what is wrong with these."""
    found = list(read(PARSER, Source(PLACE, text, "kubernetes")))
    objects = tuple(item for item in found if isinstance(item, OtherObjectFact))
    cluster = known.world.cluster
    after = policies(with_others(cluster, objects), known.profile)
    wrong = [f"{gap.at}: {gap.reason}" for gap in found if isinstance(gap, Gap)]
    wrong += [f"{item.at}: {item.message}" for item in after.all.complaints if item.at.path == PLACE]
    wrong += [f"{known.profile.name} does not enforce {item.kind}" for item in after.all.ignored[:1]]
    return after, tuple(wrong)


def with_others(cluster: Cluster, objects: tuple[OtherObjectFact, ...]) -> Cluster:
    """The cluster with other policies."""
    rest = (item for item in cluster.others if f"{group_of(item)}/{item.kind}" not in kinds())
    return replace(cluster, others=(*rest, *objects))


def differences(scene: Scene, after: Policies) -> Iterator[Differs]:
    """Where the two do not admit the same. Empty: it is proved that they do."""
    for family in scene.families:
        both = joint(scene.policies.all, after.all, family)
        held = Held(scene, both, family)
        for rectangle in rectangles(both):
            if any((rectangle.old[side] ^ rectangle.new[side]) & held.flows for side in (0, 1)):
                yield from held.pairs(rectangle)


class Held:
    """What of a difference counts, in one family."""

    def __init__(self, scene: Scene, both: Joint, family: int) -> None:
        self.scene, self.both, self.family = scene, both, family
        self.flows = both.atoms.of_box(Box(WITH_PORTS, PORTS))
        nodes = {node.name for node in scene.nodes}
        outside = difference(scene.spaces[family].counted, addresses_of(scene.nodes, family))
        self.ends = [self.end([couple.known for couple in group], nodes, outside) for group in both.members]
        self.pods = sum(1 << number for number, group in enumerate(both.members) if group[0].known.kind is Kind.POD)

    def end(self, group: list[Entity], nodes: set[str], outside: Ranges) -> str:
        """The name of an end at a position that counts, the first of several; empty where none does."""
        first = group[0]
        if first.kind is Kind.OUTSIDE:
            found = intersection(normalised((b.value, b.last) for b in first.blocks), outside)
            return first.name if found else ""
        counts = (item for item in group if first.kind is Kind.POD or item.name in nodes)
        return next((item.name for item in counts if self.scene.policies.speaks(item, self.family)), "")

    def pairs(self, rectangle: Rectangle) -> Iterator[Differs]:
        """The pairs of a rectangle that count, in words."""
        words = self.words(rectangle.old), self.words(rectangle.new)
        for source in members(rectangle.sources):
            for destination in members(rectangle.destinations):
                ends = self.ends[source], self.ends[destination]
                if all(ends) and (self.pods >> source | self.pods >> destination) & 1 and not self.is_itself(source, destination):
                    yield Differs(*ends, self.family, *words)

    def is_itself(self, source: int, destination: int) -> bool:
        """Whether the two are one pod."""
        here = self.both.members[source]
        return source == destination and len(here) == 1 and here[0].known.replicas == 1

    def words(self, side: tuple[int, int]) -> str:
        """What a side admits."""
        found = allowed(self.both.atoms, side[0] & self.flows, self.family)
        text = "; ".join(map(str, found)) if found else "nothing"
        if side[0] & self.flows == side[1] & self.flows:
            return text
        may = "; ".join(map(str, allowed(self.both.atoms, side[1] & ~side[0] & self.flows, self.family)))
        return f"{text}, perhaps {may}"
