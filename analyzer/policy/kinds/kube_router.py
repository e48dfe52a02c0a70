"""What kube-router admits whatever policies say: pings, and the messages that routing needs; and what its one chain of a policy adds.

Follows pkg/controllers/netpol. KUBE-NWPLCY-COMMON: echo requests, destination unreachable and time exceeded, in both directions. policy.go: a policy of both directions is
one chain, which marks what a rule of either direction admits, and a pod's packets to another pod of the policy meet it as what is sent and as what is received.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.cilium.labels import PODS
from analyzer.policy.kinds import network_policy
from analyzer.policy.profiles import KUBE_ROUTER, UPSTREAM
from analyzer.policy.reading import PolicyKind, Read, group_of
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
        yield from (across(item) for item in of_both(world))


def of_both(world: World) -> Iterator[Policy]:
    """The NetworkPolicies that say something in both directions."""
    for fact in world.cluster.others:
        if f"{group_of(fact)}/{fact.kind}" in UPSTREAM:
            found = (item for item in network_policy.read(fact, world) if isinstance(item, Policy))
            yield from (item for item in found if item.readable and item.ingress is not None and item.egress is not None)


def across(item: Policy) -> Policy:
    """What the rules of each direction admit in the other: between two pods that the policy selects."""
    assert item.ingress is not None
    assert item.egress is not None
    into, out = (
        Rules(tuple(replace(rule, peer=item.subject, own=rule.peer) for rule in rules), isolates=False)
        for rules in (item.egress.rules, item.ingress.rules)
    )
    name = f"{item.name} (one chain for both directions)"
    return Policy("chain", item.namespace, name, item.at, item.subject, into, out, order=item.order)


def common_messages() -> Traffic:
    """The kinds of ICMP that always pass."""
    kinds: list[tuple[int, Ranges]] = [
        (protocol, ((kind << 8, kind << 8 | 255),)) for protocol, found in TYPES.items() for kind in found
    ]
    return AnyOf(tuple(Box(single(protocol), ports) for protocol, ports in kinds))


KIND = PolicyKind(names=(), read=read, standing=standing)
