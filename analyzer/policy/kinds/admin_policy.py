"""AdminNetworkPolicy and BaselineAdminNetworkPolicy (policy.networking.k8s.io/v1alpha1).

Follows kubernetes-sigs/network-policy-api apis/v1alpha1 (adminnetworkpolicy_types.go, baselineadminnetworkpolicy_types.go, shared_types.go), and
the peers of its first releases, which had ``namespaceSelector``, ``sameLabels`` and ``notSameLabels`` inside ``namespaces``.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.admin import TIERS, Dialect, Place, admin_policy, given, namespace_labels, port_number, port_range, priority
from analyzer.policy.ports import NUMBERS, is_port_name, ports
from analyzer.policy.reading import Complaint, PolicyKind, Read, unknown_fields
from analyzer.policy.relations import Relation, not_same_labels, same_labels
from analyzer.policy.terms import ALL_PROTOCOLS, NO_TRAFFIC, Opaque, Peer, PortName, Traffic
from analyzer.policy.tiers import Action
from analyzer.policy.world import World

VERSIONS = ("v1alpha1",)
RELATIONS = ("sameLabels", "notSameLabels")
ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
PORTS = ("portNumber", "portRange", "namedPort")
LIMIT = 100
# Behind the policies of other kinds in its tier, which have priorities up to 1000; the API says nothing of the two together.
LAST = 1001.0


def namespaces(view: View) -> Peer:
    """Namespaces by their labels."""
    if view.value.get("namespaceSelector") is not None:
        unknown_fields(view, ("namespaceSelector",))
        return namespace_labels(view.part("namespaceSelector"))
    if found := given(view, RELATIONS):
        return Opaque(f"which namespaces {found[0]} of a subject means", view.at(found[0]))
    return namespace_labels(view)


def related(view: View, world: World) -> list[Relation] | None:
    """Namespaces by labels that they share with the subject's namespace, or that are others there (the first releases)."""
    found = given(view, RELATIONS)
    if not found or view.value.get("namespaceSelector") is not None:
        return None
    unknown_fields(view, RELATIONS)
    keys, at = view.texts(found[0]), view.at(found[0])
    return list(same_labels(world, keys, at) if found[0] == "sameLabels" else not_same_labels(world, keys, at))


def port(view: View, _: list[Complaint]) -> Traffic:
    """A port by number, a range, or a name, which has the container's own protocol."""
    unknown_fields(view, PORTS)
    found = given(view, PORTS)
    if len(found) != 1:
        view.wrong(f"a port needs exactly one of {', '.join(PORTS)}")
        return NO_TRAFFIC
    if found[0] == "namedPort":
        name = view.text("namedPort")
        if not is_port_name(name):
            view.wrong(f"{name!r} cannot name a port", "namedPort")
        return PortName(name, ALL_PROTOCOLS)
    inside = view.part(found[0])
    number = protocol(inside)
    if found[0] == "portRange":
        unknown_fields(inside, ("protocol", "start", "end"))
        return ports(number, *port_range(inside))
    unknown_fields(inside, ("protocol", "port"))
    single = port_number(inside, "port")
    return ports(number, single, single)


def protocol(view: View) -> int:
    """The number of a protocol; TCP where none is given."""
    name = view.text("protocol", "TCP")
    if name not in ("TCP", "UDP", "SCTP"):
        view.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
    return NUMBERS.get(name, 0)


RULES = frozenset({"subject", "ingress", "egress"})
ADMIN = Dialect(
    VERSIONS, RULES | {"priority"}, ACTIONS, "ports", port, "namedPort", LIMIT, namespaces=namespaces, related=related
)
BASELINE_ACTIONS = {name: action for name, action in ACTIONS.items() if action is not Action.PASS}
BASELINE = Dialect(
    VERSIONS,
    RULES,
    BASELINE_ACTIONS,
    "ports",
    port,
    "namedPort",
    LIMIT,
    outside=("nodes", "networks"),
    namespaces=namespaces,
    related=related,
)


def admin_place(spec: View, _: View) -> Place:
    """Before NetworkPolicies, by priority."""
    return Place("admin", priority(spec))


def baseline_place(_: View, metadata: View) -> Place:
    """After NetworkPolicies. There is only the one that is named default."""
    if metadata.text("name") != "default":
        metadata.wrong("a BaselineAdminNetworkPolicy must be named default: there is only one", "name")
    return Place("baseline", LAST)


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """Either kind as one policy of its tier."""
    if fact.kind == "AdminNetworkPolicy":
        return admin_policy(fact, world, ADMIN, admin_place)
    return admin_policy(fact, world, BASELINE, baseline_place)


KIND = PolicyKind(
    names=(
        "policy.networking.k8s.io/AdminNetworkPolicy",
        "policy.networking.k8s.io/BaselineAdminNetworkPolicy",
    ),
    read=read,
    tiers=TIERS,
)
