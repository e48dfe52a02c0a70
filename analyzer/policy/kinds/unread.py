"""Kinds of policies that are known to stand between pods and that are not read: what they could concern is not known, and never taken for allowed.

Linkerd (policy.linkerd.io: a Server closes ports of the pods that it selects to what nobody authorizes), Kuma (MeshTrafficPermission), Consul (ServiceIntentions), GKE (FQDNNetworkPolicy: egress by names), Amazon EKS
(networking.k8s.aws) and NSX (SecurityPolicy).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.reading import Complaint, PolicyKind, Read, group_of
from analyzer.policy.terms import EVERYONE, All, Is, Kind, Named, Of, Opaque, Peer
from analyzer.policy.tiers import Action, Policy, Rule, Rules
from analyzer.policy.world import World

# In which directions they decide.
KINDS: Mapping[str, tuple[bool, bool]] = {
    "policy.linkerd.io/Server": (True, False),
    "kuma.io/MeshTrafficPermission": (True, False),
    "consul.hashicorp.com/ServiceIntentions": (True, False),
    "networking.gke.io/FQDNNetworkPolicy": (False, True),
    "networking.k8s.aws/ApplicationNetworkPolicy": (True, True),
    "networking.k8s.aws/ClusterNetworkPolicy": (True, True),
    "crd.nsx.vmware.com/SecurityPolicy": (True, True),
}
EVERYWHERE = frozenset({"kuma.io/MeshTrafficPermission", "networking.k8s.aws/ClusterNetworkPolicy"})
PODS: Peer = Is(frozenset({Kind.POD}))


def read(fact: OtherObjectFact, _: World) -> Iterator[Read]:
    """An object as a policy that may be about any pod of its namespace, and may admit and deny it anything."""
    name = f"{group_of(fact)}/{fact.kind}"
    home = "" if name in EVERYWHERE else fact.namespace or "default"
    yield Complaint(
        fact.at, f"{fact.kind} is not read: what pods {f'of {home} ' if home else ''}may do is not known where it could decide"
    )
    where: Peer = Named(Of.NAMESPACE, frozenset({home})) if home else PODS
    subject = All((where, Opaque(f"what {fact.kind} {fact.name} says, a kind of policy that is not read", fact.at)))
    doubtful = Rules((Rule(Action.ALLOW, EVERYONE, fact.at), Rule(Action.DENY, EVERYONE, fact.at)))
    into, out = (doubtful if decides else None for decides in KINDS[name])
    order = (0.0, f"{home}/{fact.name}")
    yield Policy(fact.kind, home, fact.name, fact.at, subject, into, out, order=order, readable=False)


KIND = PolicyKind(names=tuple(KINDS), read=read)
