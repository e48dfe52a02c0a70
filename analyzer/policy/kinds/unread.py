"""Kinds of policies that are known to stand between pods and that are not read: what they could concern is not known, and never taken for allowed.

Kuma (MeshTrafficPermission), Consul (ServiceIntentions), GKE (FQDNNetworkPolicy: egress by names) and NSX
(SecurityPolicy). Whom they are about is read where they say it as the API does. Proxies of meshes see TCP only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.ports import NUMBERS, ports
from analyzer.policy.reading import Complaint, PolicyKind, Read, group_of, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import ANY_TRAFFIC, EVERYONE, All, Is, Kind, Named, Of, Opaque, Peer, Traffic
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

# In which directions they decide.
KINDS: Mapping[str, tuple[bool, bool]] = {
    "kuma.io/MeshTrafficPermission": (True, False),
    "consul.hashicorp.com/ServiceIntentions": (True, False),
    "networking.gke.io/FQDNNetworkPolicy": (False, True),
    "crd.nsx.vmware.com/SecurityPolicy": (True, True),
}
EVERYWHERE = frozenset({"kuma.io/MeshTrafficPermission"})
BY_PODS = frozenset({"networking.gke.io/FQDNNetworkPolicy"})
OF_MESHES = frozenset({"kuma.io/MeshTrafficPermission", "consul.hashicorp.com/ServiceIntentions"})
PODS: Peer = Is(frozenset({Kind.POD}))
# Proxies decide beside the network system.
PLANE, TIER = "proxies", "not read"
TCP = ports(NUMBERS["TCP"])


def read(fact: OtherObjectFact, _: World) -> Iterator[Read]:
    """An object as a policy that may be about the pods that it selects, and may admit and deny them anything."""
    name = f"{group_of(fact)}/{fact.kind}"
    home = "" if name in EVERYWHERE else fact.namespace or "default"
    yield Complaint(
        fact.at, f"{fact.kind} is not read: what pods {f'of {home} ' if home else ''}may do is not known where it could decide"
    )
    where: Peer = Named(Of.NAMESPACE, frozenset({home})) if home else PODS
    doubt = Opaque(f"what {fact.kind} {fact.name} says, a kind of policy that is not read", fact.at)
    traffic = traffic_of(name)
    beside = name in OF_MESHES
    rules = tuple(Rule(action, EVERYONE, fact.at, traffic) for action in (Action.ALLOW, Action.DENY))
    doubtful = Rules(rules, isolates=not beside)
    into, out = (doubtful if decides else None for decides in KINDS[name])
    order = (0.0, f"{home}/{fact.name}")
    subject = All((where, selected(fact, name), doubt))
    one = Policy(fact.kind, home, fact.name, fact.at, subject, into, out, order=order, readable=False)
    yield replace(one, plane=PLANE, tier=TIER) if beside else one


def selected(fact: OtherObjectFact, name: str) -> Peer:
    """Whom it selects; everyone where that cannot be read."""
    view = view_of(fact)
    spec = view.part("spec")
    found: Peer = EVERYONE
    if name in BY_PODS and isinstance(spec.value.get("podSelector"), Mapping):
        found = selector(spec.part("podSelector"), Of.POD)
    return EVERYONE if view.gaps else found


def traffic_of(name: str) -> Traffic:
    """Which flows it may be about."""
    return TCP if name in OF_MESHES else ANY_TRAFFIC


KIND = PolicyKind(names=tuple(KINDS), read=read, tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),))
