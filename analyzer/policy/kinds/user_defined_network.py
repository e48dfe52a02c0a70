"""UserDefinedNetwork and ClusterUserDefinedNetwork of OVN-Kubernetes (k8s.ovn.org/v1): pods of different primary networks do not talk.

Follows go-controller/pkg/crd/userdefinednetwork/v1 and docs/features/user-defined-networks: a namespace takes part when it has the label
``k8s.ovn.org/primary-user-defined-network``; the cluster's DNS and API stay within reach through their services, nodes reach their own pods
for probes. Secondary networks do not change who reaches whom by the primary one. Which networks a ClusterNetworkConnect joins
(go-controller/pkg/crd/clusternetworkconnect/v1) is not read: with one, whether pods of two networks reach each other is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import All, HasLabel, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Span

PLANE, TIER = "user-defined-network", "isolation"
LABEL = "k8s.ovn.org/primary-user-defined-network"
TOPOLOGIES = ("Layer2", "Layer3", "Localnet")
ROLES = ("Primary", "Secondary")
PODS: Peer = Is(frozenset({Kind.POD}))
HOSTS: Peer = Is(frozenset({Kind.HOST}))
# Kubernetes' own, and that of OpenShift.
DNS: Peer = either(
    (LabelIn(Of.POD, "k8s-app", frozenset({"kube-dns"})), HasLabel(Of.POD, "dns.operator.openshift.io/daemonset-dns"))
)
CONNECTING = "ClusterNetworkConnect"


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A network as one policy that refuses whoever is not of it."""
    wide = fact.kind == "ClusterUserDefinedNetwork"
    fact = fact if wide else replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    secondary = role(spec.part("network") if wide else spec) == "Secondary"
    spaces = chosen(spec, world) if wide else {fact.namespace}
    yield from complaints_of(view)
    if secondary:
        return
    for name in sorted(spaces & world.given):
        if LABEL not in world.namespace_labels(name):
            text = f"namespace {name} does not take part: it was not made with the label {LABEL}"
            yield Complaint(fact.at, text)
    if not spaces and not view.gaps:
        yield Complaint(spec.at("namespaceSelector"), f"{fact.kind} {fact.name} is for no namespace of the input")
    taking = frozenset(name for name in spaces if name not in world.given or LABEL in world.namespace_labels(name))
    if taking:
        joined = next((item for item in world.by_kind.get(CONNECTING, ()) if group_of(item) == "k8s.ovn.org"), None)
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at) if view.gaps else None
        for found in isolating(fact, taking, world, joined):
            yield found if doubt is None else replace(found, subject=All((found.subject, doubt)), readable=False)


def role(network: View) -> str:
    """The role of a network: Primary or Secondary."""
    topology = network.text("topology")
    if topology not in TOPOLOGIES:
        network.wrong(f"topology {topology!r} must be one of {', '.join(TOPOLOGIES)}", "topology")
        return ""
    part = network.part(topology.lower())
    if (found := part.text("role")) not in ROLES:
        part.wrong(f"role {found!r} must be Primary or Secondary", "role")
    return found


def chosen(spec: View, world: World) -> set[str]:
    """The namespaces that a network of the cluster is for."""
    test = selector(spec.part("namespaceSelector"), Of.NAMESPACE)
    names = {*world.namespaces, *(pod.namespace for pod in world.pods())}
    return {name for name in names if holds(test, Entity("", Kind.POD, name, namespace_labels=world.namespace_labels(name)), 4)}


def isolating(fact: OtherObjectFact, spaces: frozenset[str], world: World, joined: OtherObjectFact | None) -> Iterator[Policy]:
    """Whoever is of the network reaches, and is reached by, only pods of it and what is outside the cluster. Of each namespace that is not given it is not known
    whether it takes part, apart from the others."""
    unsure = spaces - world.given
    groups = [(spaces - unsure, frozenset[str]())] if spaces - unsure else []
    groups += [(frozenset({name}), frozenset({name})) for name in sorted(unsure)]
    for own, doubted in groups:
        rest = unsure - own
        other: Peer = Not(Named(Of.NAMESPACE, spaces))
        others = either((other, *([unlabelled(rest, fact.at)] if rest else [])))
        ways = [
            Rules(tuple(refusals(others, way, fact.at, joined)), isolates=False) for way in (Direction.INGRESS, Direction.EGRESS)
        ]
        subject: Peer = unlabelled(own, fact.at) if doubted else Named(Of.NAMESPACE, own)
        order = (0.0, f"{fact.namespace}/{fact.name}/{'/'.join(sorted(doubted))}")
        yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, ways[0], ways[1], TIER, order, PLANE)


def unlabelled(spaces: frozenset[str], at: Span) -> Peer:
    """Pods of namespaces that are not given: whether they take part is not known."""
    return All((Named(Of.NAMESPACE, spaces), Opaque("whether namespaces that are not given take part in the network", at)))


def refusals(others: Peer, way: Direction, at: Span, joined: OtherObjectFact | None) -> Iterator[Rule]:
    """Pods of other networks, for sure but for the cluster's DNS and where networks are joined; and nodes, of which it is not known."""
    others = All((PODS, others))
    if joined is not None:
        doubt = Opaque(f"which networks {CONNECTING} {joined.name} joins", joined.at)
        others = All((others, either((Not(HasLabel(Of.NAMESPACE, LABEL)), doubt))))
    if way is Direction.EGRESS:
        yield Rule(Action.DENY, All((others, DNS, Opaque("whether the cluster's DNS is asked through its service", at))), at)
        yield Rule(Action.DENY, All((others, Not(DNS))), at)
    else:
        yield Rule(Action.DENY, others, at)
    yield Rule(Action.DENY, All((HOSTS, Opaque("whether nodes and pods of a network of its own reach each other", at))), at)


KIND = PolicyKind(
    names=("k8s.ovn.org/UserDefinedNetwork", "k8s.ovn.org/ClusterUserDefinedNetwork"),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    supporting=(f"k8s.ovn.org/{CONNECTING}",),
    versions={"k8s.ovn.org": ("v1",)},
)
