"""ApplicationNetworkPolicy and ClusterNetworkPolicy of Amazon EKS (networking.k8s.aws/v1alpha1).

Follows aws/amazon-network-policy-controller-k8s, pkg/crd/crds.yaml and pkg/resolvers (clusternetworkpolicy_resolver.go): the first is a NetworkPolicy that may name domains in egress, whose rules add to those of
NetworkPolicies of the same pods; the second has the tiers, priorities and peers of the network policy API's, with the ports of its first version, and without nodes. Ports by name are of TCP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.admin import DOMAIN_NAME, Dialect, admin_policy
from analyzer.policy.blocks import in_blocks
from analyzer.policy.kinds.admin_policy import port
from analyzer.policy.kinds.cluster_network_policy import place
from analyzer.policy.kinds.network_policy import FIELDS, ORDER, TYPES, Reader, types
from analyzer.policy.names import NameReader, Names, below
from analyzer.policy.ports import NUMBERS
from analyzer.policy.profiles import Profile
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import EVERYONE, Of, Peer, PortName, Traffic, both, either
from analyzer.policy.tiers import Action, Policy
from analyzer.policy.world import World
from analyzer.ranges import single

GROUP = "networking.k8s.aws"


class NamesToo(Reader):
    """Reads the rules of an ApplicationNetworkPolicy."""

    def __init__(self, namespace: str, profile: Profile, advice: list[Complaint], names: Names) -> None:
        super().__init__(namespace, profile, advice)
        self.names = names

    def peer(self, item: View) -> Peer:
        """One peer: domain names, or what a NetworkPolicy has."""
        if item.value.get("domainNames") is None:
            return super().peer(item)
        unknown_fields(item, {"domainNames"})
        texts = item.texts("domainNames")
        if not texts:
            item.wrong("domainNames needs at least one name", "domainNames")
        for index, name in enumerate(texts):
            if not DOMAIN_NAME.fullmatch(name):
                item.wrong(f"{name!r} is no domain name: only its first label may be '*'", "domainNames", index)
        reader = NameReader(self.names, below, lambda blocks: in_blocks(blocks, self.profile, item.at("domainNames")))
        return either(reader.asked(name, item.at("domainNames", index)) for index, name in enumerate(texts))


def application(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An ApplicationNetworkPolicy as one policy of the default tier, beside NetworkPolicies."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec, advice = view.part("spec"), list[Complaint]()
    pods = selector(spec.part("podSelector"), Of.POD)
    selected = EVERYONE if view.gaps else pods
    reader, named = NamesToo(fact.namespace, world.profile, advice, world.names), types(spec)
    unknown_fields(spec, FIELDS)
    found = {name: reader.section(spec, name, named=name in named) for name in TYPES}
    yield from advice
    yield from complaints_of(view)
    if view.gaps:
        yield unreadable(fact, view.gaps[0].reason, selected, denies=False)
        return
    subject, order = both(reader.home, pods), (ORDER, f"{fact.namespace}/{fact.name}")
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, found["Ingress"], found["Egress"], order=order)


def of_tcp(view: View, advice: list[Complaint]) -> Traffic:
    """A port by number, a range, or a name, which means ports of TCP."""
    found = port(view, advice)
    return PortName(found.name, single(NUMBERS["TCP"])) if isinstance(found, PortName) else found


DIALECT = Dialect(
    versions=("v1alpha1",),
    fields=frozenset({"tier", "priority", "subject", "ingress", "egress"}),
    actions={"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS},
    ports="ports",
    port=of_tcp,
    named="namedPort",
    limit=100,
    outside=("networks", "domainNames"),
)


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """Either kind as one policy."""
    return admin_policy(fact, world, DIALECT, place) if fact.kind == "ClusterNetworkPolicy" else application(fact, world)


KIND = PolicyKind(
    names=(f"{GROUP}/ApplicationNetworkPolicy", f"{GROUP}/ClusterNetworkPolicy"),
    read=read,
    supporting=(f"{GROUP}/PolicyEndpoint", f"{GROUP}/ClusterPolicyEndpoint"),
    versions={GROUP: ("v1alpha1",)},
)
