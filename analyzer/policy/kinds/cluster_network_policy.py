"""ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2, and v1beta1 of the same shape).

Follows kubernetes-sigs/network-policy-api apis/v1alpha2/clusternetworkpolicy_types.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.admin import TIERS, Dialect, Place, admin_policy, given, port_number, port_range, priority
from analyzer.policy.ports import NUMBERS, is_port_name, ports
from analyzer.policy.reading import Complaint, PolicyKind, Read, unknown_fields
from analyzer.policy.terms import ALL_PROTOCOLS, NO_TRAFFIC, PortName, Traffic
from analyzer.policy.tiers import Action
from analyzer.policy.world import World

PROTOCOLS = ("tcp", "udp", "sctp", "destinationNamedPort")
TIER_NAMES = {"Admin": "admin", "Baseline": "baseline"}


def protocol(view: View, advice: list[Complaint]) -> Traffic:
    """A protocol with its ports, or a port's name, which has the container's own protocol."""
    unknown_fields(view, PROTOCOLS)
    found = given(view, PROTOCOLS)
    if len(found) != 1:
        view.wrong(f"an entry needs exactly one of {', '.join(PROTOCOLS)}")
        return NO_TRAFFIC
    if found[0] == "destinationNamedPort":
        name = view.text("destinationNamedPort")
        if not is_port_name(name):
            view.wrong(f"{name!r} cannot name a port", "destinationNamedPort")
        return PortName(name, ALL_PROTOCOLS)
    inside, number = view.part(found[0]), NUMBERS[found[0].upper()]
    unknown_fields(inside, ("destinationPort",))
    if inside.value.get("destinationPort") is not None:
        return destination(inside.part("destinationPort"), number)
    text = f"{found[0]} without a destinationPort: the API server rejects it, though its documentation reads it as all ports"
    advice.append(Complaint(view.at(found[0]), text, rejected=True))
    return ports(number)


def destination(view: View, number: int) -> Traffic:
    """A port or a range of ports."""
    unknown_fields(view, ("number", "range"))
    if len(given(view, ("number", "range"))) != 1:
        view.wrong("destinationPort needs exactly one of number, range")
        return NO_TRAFFIC
    if view.value.get("range") is None:
        single = port_number(view, "number")
        return ports(number, single, single)
    inside = view.part("range")
    unknown_fields(inside, ("start", "end"))
    return ports(number, *port_range(inside))


DIALECT = Dialect(
    versions=("v1alpha2", "v1beta1"),
    fields=frozenset({"tier", "priority", "subject", "ingress", "egress"}),
    actions={"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    ports="protocols",
    port=protocol,
    named="destinationNamedPort",
    limit=25,
    required=("podSelector",),
    masked=frozenset({"v1beta1"}),
)


def place(spec: View, _: View) -> Place:
    """Before or after NetworkPolicies, by priority."""
    tier = spec.text("tier")
    if tier not in TIER_NAMES:
        spec.wrong(f"tier {tier!r} must be Admin or Baseline", "tier")
    return Place(TIER_NAMES.get(tier, "admin"), priority(spec))


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A ClusterNetworkPolicy as one policy of its tier."""
    return admin_policy(fact, world, DIALECT, place)


KIND = PolicyKind(names=("policy.networking.k8s.io/ClusterNetworkPolicy",), read=read, tiers=TIERS)
