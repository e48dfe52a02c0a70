"""Policies that select the same pods by the same test and could be one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.network import Network
from analyzer.policy.tiers import Action, Direction, Policy, Rule
from analyzer.query.policies import Policies, of_network
from analyzer.query.policy_findings import policy_objects, written

Name = tuple[str, str, str]
# Who keeps an object: what is kept by several is several objects for a reason.
KEPT_BY = (
    ("labels", "app.kubernetes.io/managed-by"),
    ("labels", "app.kubernetes.io/instance"),
    ("labels", "helm.toolkit.fluxcd.io/name"),
    ("labels", "kustomize.toolkit.fluxcd.io/name"),
    ("labels", "argocd.argoproj.io/instance"),
    ("annotations", "meta.helm.sh/release-name"),
    ("annotations", "argocd.argoproj.io/tracking-id"),
)


class CouldBeOne(NamedTuple):
    """Policies of one kind and namespace that select the same pods, say something in the same directions, and only allow."""

    first: Policy
    others: tuple[Policy, ...]


def could_be_one(network: Network) -> Iterator[CouldBeOne]:
    """Groups of such policies. Such as have no rules at all are left alone: to deny by default in an object of its own is good practice."""
    found = of_network(network)
    keepers = {(item.kind, item.namespace, item.name): keeper(item) for item in policy_objects(network)}
    groups: dict[tuple[object, ...], list[Policy]] = {}
    ordered = places_of_order(found)
    for name, parts in objects(network).items():
        if len(parts) == 1 and admits(parts[0]) and place(parts[0]) not in ordered and selects(found, parts[0]):
            groups.setdefault((*name[:2], shape(parts[0]), keepers[name]), []).append(parts[0])
    for group in groups.values():
        if len(group) > 1:
            yield CouldBeOne(group[0], tuple(group[1:]))


def objects(network: Network) -> dict[Name, list[Policy]]:
    """The policies of each object."""
    found: dict[Name, list[Policy]] = {}
    for policy in written(network):
        found.setdefault((policy.kind, policy.namespace, policy.name), []).append(policy)
    return found


def admits(policy: Policy) -> bool:
    """Whether all that a policy has is rules that allow."""
    rules = [rule for direction in Direction if (own := policy.direction(direction)) is not None for rule in own.rules]
    return bool(rules) and all(rule.action is Action.ALLOW for rule in rules)


def shape(policy: Policy) -> tuple[object, ...]:
    """What two policies must share so that one object can say the same: whom they select, where they stand, the directions."""
    sides = (policy.direction(direction) for direction in Direction)
    isolates = tuple(None if rules is None else rules.isolates for rules in sides)
    return policy.subject, policy.plane, policy.tier, policy.order[0], isolates


def places_of_order(found: Policies) -> set[tuple[str, str, float]]:
    """The places at which a policy denies or passes, so that the order among those that stand there matters."""
    return {place(policy) for policy in found.all.policies() if any(rule.action is not Action.ALLOW for rule in rules_of(policy))}


def place(policy: Policy) -> tuple[str, str, float]:
    """Where a policy stands: plane, tier and order."""
    return policy.plane, policy.tier, policy.order[0]


def rules_of(policy: Policy) -> Iterator[Rule]:
    """The rules of a policy in both directions."""
    for direction in Direction:
        rules = policy.direction(direction)
        yield from rules.rules if rules is not None else ()


def selects(found: Policies, policy: Policy) -> bool:
    """Whether a policy selects somebody of the input."""
    return any(found.factors(family).universe.sides(policy.subject)[1] for family in found.families())


def keeper(item: OtherObjectFact) -> tuple[str, ...]:
    """Who keeps an object, as far as it says."""
    metadata = item.document.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    held = ((fields.get(where) or {}, key) for where, key in KEPT_BY)
    return tuple(str(values.get(key, "")) if isinstance(values, dict) else "" for values, key in held)
