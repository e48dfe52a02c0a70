"""What kube-router admits whatever policies say: pings, and the messages that routing needs.

Follows KUBE-NWPLCY-COMMON of pkg/controllers/netpol: echo requests, destination unreachable and time exceeded, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.cilium.labels import PODS
from analyzer.policy.profiles import KUBE_ROUTER
from analyzer.policy.reading import PolicyKind, Read
from analyzer.policy.terms import EVERYONE, AnyOf, Box, Traffic
from analyzer.policy.tiers import Action, Policy, Rule, Rules
from analyzer.policy.world import World
from analyzer.ranges import Ranges, single
from analyzer.source import Span

NAME = "KUBE-NWPLCY-COMMON"
TYPES = {1: (3, 8, 11), 58: (1, 3, 128, 135, 136)}
BEFORE_ALL = -1.0


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """There are no objects of a kind of its own."""
    del fact, world
    return iter(())


def standing(world: World) -> Iterator[Read]:
    """The rules that are before those of all policies."""
    if world.profile.name == KUBE_ROUTER.name:
        at = Span(NAME, 1)
        common = Rules((Rule(Action.ALLOW, EVERYONE, at, common_messages()),), isolates=False)
        yield Policy("chain", "", NAME, at, PODS, common, common, order=(BEFORE_ALL, NAME))


def common_messages() -> Traffic:
    """The kinds of ICMP that always pass."""
    kinds: list[tuple[int, Ranges]] = [
        (protocol, ((kind << 8, kind << 8 | 255),)) for protocol, found in TYPES.items() for kind in found
    ]
    return AnyOf(tuple(Box(single(protocol), ports) for protocol, ports in kinds))


KIND = PolicyKind(names=(), read=read, standing=standing)
