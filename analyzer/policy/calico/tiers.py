"""Calico's tiers in their order (felix/calc/policy_sorter.go: by order, then by name; without an order last)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.parsers._view import View
from analyzer.policy.calico.endpoints import Endpoints
from analyzer.policy.calico.hosts import FORWARDED, NIL
from analyzer.policy.reading import view_of
from analyzer.policy.tiers import Action, TierOrder

# The tiers that are always there, by the names that they have here; those of AdminNetworkPolicy had other names in Calico 3.29.
AS_TIER = {
    "kube-admin": "admin",
    "adminnetworkpolicy": "admin",
    "kube-baseline": "baseline",
    "baselineadminnetworkpolicy": "baseline",
}
BUILT_IN = {"admin": (1_000.0, Action.PASS), "default": (1_000_000.0, Action.DENY), "baseline": (10_000_000.0, Action.PASS)}
ENDS = {"Deny": Action.DENY, "Pass": Action.PASS}


def order_of(spec: View, without: float) -> float:
    """An order; ``without`` where there is none."""
    value = spec.value.get("order")
    if value is None:
        return without
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < NIL:
        spec.wrong(f"order must be a number, not {value!r}", "order")
        return without
    return float(value)


def orders(endpoints: Endpoints) -> dict[str, tuple[float, Action]]:
    """The order and the end of every tier by its name: the ones that are always there, and those that are given."""
    found = dict(BUILT_IN)
    for name, fact in sorted(endpoints.tiers.items()):
        spec = view_of(fact).part("spec")
        if AS_TIER.get(name, name) not in BUILT_IN:
            found[name] = (order_of(spec, NIL), ENDS.get(spec.text("defaultAction"), Action.DENY))
    return found


def ranked(endpoints: Endpoints) -> dict[str, int]:
    """The places of the tiers among each other; worked out once."""
    if not endpoints.ranks:
        found = orders(endpoints)
        endpoints.ranks.update({name: place for place, name in enumerate(sorted(found, key=lambda name: (found[name][0], name)))})
    return endpoints.ranks


def tier_orders(endpoints: Endpoints) -> Iterator[TierOrder]:
    """Every tier in the planes that have tiers of policies."""
    for name, (order, end) in orders(endpoints).items():
        yield TierOrder(name, order, end)
        yield TierOrder(name, order, end, FORWARDED)
