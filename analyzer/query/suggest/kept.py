"""The NetworkPolicies of the input without the rules that change nothing: what is suggested where the fewest would take too long to find.

The rules that go are those of ``policy/redundancy.py``, all of which may go together; without one that stays its direction would admit less to somebody.
There are as many policies as before: whether fewer would do is not looked for. The work is that of compiling the policies once, and of a fold for each
rule and group that it is asked in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.kinds.network_policy import KIND
from analyzer.policy.reading import group_of
from analyzer.policy.redundancy import redundancies
from analyzer.policy.tiers import Direction, Policy
from analyzer.query.policies import Policies
from analyzer.source import Span

PEERS = {Direction.INGRESS: "Ingress", Direction.EGRESS: "Egress"}


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy of the input. ``document``: what is left of it, as an object of the API."""

    namespace: str
    name: str
    document: dict[str, Any]


def kept(known: Policies, families: tuple[int, ...]) -> tuple[tuple[Kept, ...], int] | None:
    """The policies, and how many rules went; None where not all that decides is a NetworkPolicy that the input has whole."""
    facts = {item.at: item for item in known.world.cluster.others if f"{group_of(item)}/{item.kind}" in KIND.names}
    every = tuple(known.all.policies())
    if not every or any(policy.at not in facts or policy.kind != "NetworkPolicy" for policy in every):
        return None
    if any(facts[policy.at].unsaid for policy in every):
        return None
    gone = {id(item.rule) for item in redundancies(known.all, [known.factors(family) for family in families], ())}
    found = (Kept(policy.namespace, policy.name, document(policy, facts, gone)) for policy in every)
    return tuple(sorted(found, key=lambda item: (item.namespace, item.name))), len(gone)


def document(policy: Policy, facts: dict[Span, OtherObjectFact], gone: set[int]) -> dict[str, Any]:
    """One policy: its selection, the directions that it is about, and the rules that stay."""
    given = facts[policy.at].document["spec"]
    there = {way: rules for way in PEERS if (rules := policy.direction(way)) is not None}
    spec: dict[str, Any] = {"podSelector": given.get("podSelector") or {}, "policyTypes": [PEERS[way] for way in there]}
    for way, rules in there.items():
        left = [item for item, rule in zip(given.get(way.value) or (), rules.rules, strict=True) if id(rule) not in gone]
        if left:
            spec[way.value] = left
    metadata = {"name": policy.name, "namespace": policy.namespace}
    # Values that several policies share are written each time: without this they would be references.
    alone: dict[str, Any] = json.loads(json.dumps(spec))
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": alone}
