"""MultiNetworkPolicy (k8s.cni.cncf.io): a NetworkPolicy of secondary networks, those that ``policy-for`` names.

Follows k8snetworkplumbingwg/multi-networkpolicy (pkg/apis/k8s.cni.cncf.io/v1beta1/types.go and the scheme of multi-networkpolicy-iptables) and
multi-networkpolicy-iptables (pkg/server/policyrules.go: a pod's interfaces on a network are isolated by the policies for it, peers are pods by their addresses on it; ``--accept-icmp`` and
``--accept-icmpv6``). On the default network of pods it decides nothing: there its text is checked, and how to ask about its networks is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.memory import Same
from analyzer.model.cluster import Cluster
from analyzer.policy.detection import arguments
from analyzer.policy.kinds.network_policy import TYPES, Reader, types
from analyzer.policy.ports import NUMBERS
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.secondary import qualified
from analyzer.policy.selectors import selector
from analyzer.policy.terms import EVERYONE, All, AnyOf, Box, Named, Not, Of, Opaque, PortName, Traffic, both
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single
from analyzer.source import Span

ANNOTATION = "k8s.v1.cni.cncf.io/policy-for"
FIELDS = {"podSelector", "policyTypes", "ingress", "egress"}
DAEMON = "multi-networkpolicy"
ICMP = {"--accept-icmp": "ICMP", "--accept-icmpv6": "ICMPv6"}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """What is wrong with it; on one of its networks the policy that it is there."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, FIELDS)
    pods = selector(spec.part("podSelector"), Of.POD)
    advice: list[Complaint] = []
    reader = Reader(fact.namespace, world.profile, advice)
    found = {name: reader.rules(spec, Direction(name.lower())) for name in TYPES if name in types(spec)}
    yield from advice
    yield from complaints_of(view)
    texts = [name.strip() for name in fact.annotations.get(ANNOTATION, "").split(",") if name.strip()]
    named = [qualified(text, fact.namespace) for text in texts]
    yield from about(fact, named, world)
    if world.profile.network not in named:
        return
    if view.gaps:
        yield unreadable(fact, view.gaps[0].reason, pods, denies=False)
        return
    subject = both(Named(Of.NAMESPACE, frozenset({fact.namespace})), pods)
    into, out = (enforced(found.get(name), world.cluster, fact.at) for name in TYPES)
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, into, out, order=(0.0, f"{fact.namespace}/{fact.name}"))


def about(fact: OtherObjectFact, named: list[str], world: World) -> Iterator[Complaint]:
    """Which networks it is about; those that are named and not given, where any are given."""
    if not named:
        yield Complaint(fact.at, f"it names no network: the annotation {ANNOTATION} is missing")
    elif not world.profile.network:
        text = f"it is about {', '.join(named)}, not about the default network of pods: ask with --network {named[0]}"
        yield Complaint(fact.at, text)
    definitions = world.by_kind.get("NetworkAttachmentDefinition", ())
    given = {f"{item.namespace or 'default'}/{item.name}" for item in definitions}
    for name in named:
        if given and name not in given:
            yield Complaint(fact.at, f"there is no NetworkAttachmentDefinition {name}")


@lru_cache(maxsize=2)
def arguments_of(key: Same[Cluster]) -> frozenset[str]:
    """The arguments of the daemon that enforces them."""
    return frozenset(arguments(key.value, DAEMON))


def enforced(rules: Rules | None, cluster: Cluster, at: Span) -> Rules | None:
    """The rules of a direction as they are enforced: names of ports may not be understood, ICMP may be let in by an argument of the daemon."""
    if rules is None:
        return None
    given = arguments_of(Same(cluster))
    always = [Rule(Action.ALLOW, EVERYONE, at, Box(single(NUMBERS[name]))) for flag, name in ICMP.items() if flag in given]
    return replace(rules, rules=(*(replace(rule, traffic=doubted(rule.traffic, rule.at)) for rule in rules.rules), *always))


def doubted(traffic: Traffic, at: Span) -> Traffic:
    """The flows of a rule, with doubt where a port has a name."""
    match traffic:
        case PortName(name, protocols):
            return All((Box(protocols), Opaque(f"what the port name {name!r} means on a secondary network", at)))
        case All(terms):
            return All(tuple(doubted(term, at) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(doubted(term, at) for term in terms))
        case Not(term):
            return Not(doubted(term, at))
        case _:
            return traffic


KIND = PolicyKind(
    names=("k8s.cni.cncf.io/MultiNetworkPolicy",),
    read=read,
    tiers=(TierOrder("default", 1_000_000.0),),
    supporting=("k8s.cni.cncf.io/NetworkAttachmentDefinition",),
    versions={"k8s.cni.cncf.io": ("v1beta1", "v1beta2")},
    denies=False,
)
