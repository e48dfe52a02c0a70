"""Tests of which the value is not known: what they are about, and policies as they would be if it were known.

Tests of one text have one value for any two ends: what differs between network systems is one question, however many rules rest on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import ANY_TRAFFIC, EVERYONE, NO_TRAFFIC, NOBODY, All, AnyOf, Not, Opaque, Peer, Traffic, opaque_in
from analyzer.policy.tiers import Direction, Policy, Rules


def doubts(policies: PolicySet) -> tuple[str, ...]:
    """What all policies leave open, each once."""
    found: dict[str, None] = {}
    for policy in policies.policies():
        terms: list[Peer | Traffic] = [policy.subject]
        for direction in Direction:
            rules = policy.direction(direction)
            for rule in rules.rules if rules is not None else ():
                terms += [rule.peer, rule.own, rule.traffic]
        found |= dict.fromkeys(leaf.text for term in terms for leaf in opaque_in(term))
    return tuple(found)


def settled(policies: PolicySet, known: Mapping[str, bool]) -> PolicySet:
    """The policies with values for what is open."""
    planes = tuple(
        replace(
            plane,
            tiers=tuple(
                replace(tier, policies=tuple(of_policy(policy, known) for policy in tier.policies)) for tier in plane.tiers
            ),
        )
        for plane in policies.planes
    )
    return PolicySet(policies.world, planes)


def of_policy(policy: Policy, known: Mapping[str, bool]) -> Policy:
    """A policy with the values."""
    ingress, egress = (of_rules(rules, known) for rules in (policy.ingress, policy.egress))
    return replace(policy, subject=of_peer(policy.subject, known), ingress=ingress, egress=egress)


def of_rules(rules: Rules | None, known: Mapping[str, bool]) -> Rules | None:
    """Rules with the values."""
    if rules is None:
        return None
    found = (
        replace(rule, peer=of_peer(rule.peer, known), own=of_peer(rule.own, known), traffic=of_traffic(rule.traffic, known))
        for rule in rules.rules
    )
    return replace(rules, rules=tuple(found))


def of_peer(peer: Peer, known: Mapping[str, bool]) -> Peer:
    """A test of an entity with the values."""
    match peer:
        case Opaque(text):
            return peer if text not in known else EVERYONE if known[text] else NOBODY
        case All(terms):
            return All(tuple(of_peer(term, known) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(of_peer(term, known) for term in terms))
        case Not(term):
            return Not(of_peer(term, known))
        case leaf:
            return leaf


def of_traffic(traffic: Traffic, known: Mapping[str, bool]) -> Traffic:
    """A test of flows with the values."""
    match traffic:
        case Opaque(text):
            return traffic if text not in known else ANY_TRAFFIC if known[text] else NO_TRAFFIC
        case All(terms):
            return All(tuple(of_traffic(term, known) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(of_traffic(term, known) for term in terms))
        case Not(term):
            return Not(of_traffic(term, known))
        case leaf:
            return leaf
