"""Kinds of policies that are known to stand between pods and that are not read: what they could concern is not known, and never taken for allowed.

Kuma (MeshTrafficPermission, and TrafficPermission before it) and Consul (ServiceIntentions): proxies of meshes, which see TCP only. Where labels of the input say
which pods have Kuma's proxy (``kuma.io/sidecar-injection``, of a pod before that of its namespace), it is about these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.ports import NUMBERS, ports
from analyzer.policy.reading import TOP, Complaint, PolicyKind, Read, group_of
from analyzer.policy.terms import EVERYONE, All, AnyOf, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World

# In which directions they decide.
KINDS: Mapping[str, tuple[bool, bool]] = {
    "kuma.io/MeshTrafficPermission": (True, False),
    "kuma.io/TrafficPermission": (True, False),
    "consul.hashicorp.com/ServiceIntentions": (True, False),
}
EVERYWHERE = frozenset({"kuma.io/MeshTrafficPermission", "kuma.io/TrafficPermission"})
INJECTION = "kuma.io/sidecar-injection"
PODS: Peer = Is(frozenset({Kind.POD}))
# Proxies decide beside the network system.
PLANE, TIER = "proxies", "not read"
TCP = ports(NUMBERS["TCP"])


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An object as a policy that may be about the pods that it selects, and may admit and deny them anything."""
    name = f"{group_of(fact)}/{fact.kind}"
    home = "" if name in EVERYWHERE else fact.namespace or "default"
    yield Complaint(
        fact.at, f"{fact.kind} is not read: what pods {f'of {home} ' if home else ''}may do is not known where it could decide"
    )
    where: Peer = Named(Of.NAMESPACE, frozenset({home})) if home else All((PODS, proxied(world)))
    doubt = Opaque(f"what {fact.kind} {fact.name} says, a kind of policy that is not read", fact.at)
    doubtful = Rules(tuple(Rule(action, EVERYONE, fact.at, TCP) for action in (Action.ALLOW, Action.DENY)), isolates=False)
    into, out = (doubtful if decides else None for decides in KINDS[name])
    order = (0.0, f"{fact.kind}/{home}/{fact.name}")
    subject: Peer = All((where, doubt))
    yield Policy(fact.kind, home, fact.name, fact.at, subject, into, out, TIER, order, PLANE, readable=False)


def proxied(world: World) -> Peer:
    """The pods that have Kuma's proxy, where labels say so; else everybody."""
    wanted = any(INJECTION in pod.labels or INJECTION in pod.namespace_labels for pod in world.pods())
    if not wanted:
        return EVERYONE
    own, refused = (LabelIn(Of.POD, INJECTION, frozenset({word})) for word in ("enabled", "disabled"))
    return AnyOf((own, All((LabelIn(Of.NAMESPACE, INJECTION, frozenset({"enabled"})), Not(refused)))))


# Objects of Kuma say beside their specification of which mesh they are.
KIND = PolicyKind(names=tuple(KINDS), read=read, tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),), fields=(*TOP, "mesh"))
