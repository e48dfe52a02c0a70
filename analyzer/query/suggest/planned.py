"""What is planned: groups of pods of which the same is wanted, and the policies and rules made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from analyzer.policy.entities import Entity
from analyzer.query.suggest.cidrs import Block, cost
from analyzer.query.suggest.demands import Demand, Ports
from analyzer.query.suggest.selectors import EVERY_POD, Selector


class PodPeer(NamedTuple):
    """Pods by labels: in the policy's own namespace (None), in these, in all (none named)."""

    namespaces: tuple[str, ...] | None
    selector: Selector


Peers = tuple[PodPeer | Block, ...]
ALL_PODS = PodPeer((), EVERY_POD)


class PlannedRule(NamedTuple):
    """A rule; ``peers`` None: everyone, ``ports`` None: all traffic."""

    peers: Peers | None
    ports: Ports | None

    @property
    def cost(self) -> int:
        """How much has to be read of it."""
        return 1 + sum(cost((peer,)) if isinstance(peer, Block) else 1 + len(peer.selector) for peer in self.peers or ())


Rules = tuple[PlannedRule, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """One NetworkPolicy. ``ingress`` and ``egress`` None: it says nothing in the direction. ``pods`` are those that it selects."""

    namespace: str
    selector: Selector
    pods: int
    ingress: Rules | None = None
    egress: Rules | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Pods of a namespace of which the same is wanted in a direction. ``free``: pods of which it does not matter whether they are among the other ends; ``closed``: nothing is to leave the
    pods."""

    way: str
    namespace: str
    families: tuple[int, ...]
    demand: Demand
    pods: int
    free: int
    closed: bool = False


class UnsayableError(ValueError):
    """Two pods with the same labels of which different flows are wanted."""

    def __init__(self, meant: Entity, other: Entity, what: str) -> None:
        super().__init__(
            f"{meant.name} and {other.name} have the same labels, and {what}: no NetworkPolicy can tell them apart; "
            "give one of them a label of its own, or want the same of both"
        )
