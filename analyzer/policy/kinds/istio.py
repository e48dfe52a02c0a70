"""AuthorizationPolicy (security.istio.io), the part that is about connections, and PeerAuthentication (``istio/peers.py``).

Follows istio.io/docs/reference/config/security/authorization-policy: CUSTOM, then DENY, then ALLOW; a workload with a policy that allows
is closed to what no such policy allows; policies of the root namespace are about every namespace. A sidecar sees TCP only: all else passes. A
node's proxy knows no CUSTOM (convertAuthorizationPolicy of pilot/pkg/serviceregistry/ambient).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.evaluation import holds
from analyzer.policy.istio.mesh import Mesh, all_together, mesh_of
from analyzer.policy.istio.passing import passing
from analyzer.policy.istio.peers import PEER_TIERS, peer_authentication
from analyzer.policy.istio.rules import TCP, Meaning, RuleReader, denying
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, group_of, view_of
from analyzer.policy.terms import EVERYONE, NOBODY, All, Box, LabelIn, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World, mapping
from analyzer.ranges import difference, single

PLANE, TIER = "istio", "authorization"
ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
ORDERS = {"CUSTOM": 0.0, "DENY": 1.0, "ALLOW": 2.0}
FIELDS = ("selector", "targetRef", "targetRefs", "rules", "action", "provider")
NOT_TCP = Box(difference(((0, 255),), single(6)))
OF_GATEWAY = ("gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name")
DRY_RUN = "istio.io/dry-run"


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """An AuthorizationPolicy as one policy of the plane of the mesh."""
    if fact.kind == "PeerAuthentication":
        yield from peer_authentication(fact, world)
        return
    fact = replace(fact, namespace=fact.namespace or "default")
    view = view_of(fact)
    spec, mesh = view.part("spec"), mesh_of(world)
    for key in spec.value:
        if key not in FIELDS:
            spec.wrong(f"unknown field {spec.name(key)!r}", key)
    action = spec.text("action", "ALLOW")
    if action not in ACTIONS:
        spec.wrong(f"action {action!r} must be one of {', '.join(ACTIONS)}", "action")
    subject, rules = subject_of(fact, spec, mesh), rules_of(fact, spec, mesh, action)
    yield from without_waypoints(fact, spec, mesh)
    if action == "CUSTOM" and mesh.by_nodes != NOBODY:
        if any(holds(All((subject, mesh.by_nodes)), pod, 4) for pod in world.pods()):
            yield Complaint(fact.at, "proxies of nodes know no action CUSTOM: of pods without a sidecar it decides nothing")
        subject = All((subject, Not(mesh.by_nodes)))
    yield from complaints_of(view)
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        yield policy(fact, All((subject, doubt)), Rules(()), "ALLOW")
    elif action == "AUDIT" or fact.annotations.get(DRY_RUN) == "true":
        yield Complaint(
            fact.at, "nothing is decided by it: " + ("its action is AUDIT" if action == "AUDIT" else f"{DRY_RUN} is true")
        )
    else:
        yield policy(fact, subject, Rules(rules, isolates=action == "ALLOW"), action)


def policy(fact: OtherObjectFact, subject: Peer, rules: Rules, action: str) -> Policy:
    """A policy of the mesh's plane."""
    order = (ORDERS[action], f"{fact.namespace}/{fact.name}")
    return Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, rules, None, TIER, order, PLANE)


def subject_of(fact: OtherObjectFact, spec: View, mesh: Mesh) -> Peer:
    """Whom the policy is about: workloads of its namespace, or of every one, by their labels."""
    terms: list[Peer] = [mesh.inside]
    if fact.namespace != mesh.root:
        terms.append(Named(Of.NAMESPACE, frozenset({fact.namespace})))
    selector = spec.part("selector")
    for key in selector.value:
        if key != "matchLabels":
            selector.wrong(f"unknown field {selector.name(key)!r}: workloads are chosen by matchLabels only", key)
    terms += [LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(selector.strings("matchLabels").items())]
    if spec.value.get("targetRef") or spec.value.get("targetRefs"):
        key = "targetRef" if spec.value.get("targetRef") else "targetRefs"
        terms.append(targets(fact, spec, key, mesh))
    return all_together(terms)


def targets(fact: OtherObjectFact, spec: View, key: str, mesh: Mesh) -> Peer:
    """The proxies of what ``targetRefs`` names: a Gateway's pods, by the label that its implementation gives them."""
    items = [spec.part(key)] if key == "targetRef" else list(spec.parts(key))
    found = [target(fact, item, mesh) for item in items]
    return either(found)


def target(fact: OtherObjectFact, item: View, mesh: Mesh) -> Peer:
    """The proxies of one target. Those of a service are waypoints: of pods behind it, it is not known what goes through one. Proxies beside pods, and those of
    nodes, leave out policies with targets (pilot/pkg/model, WorkloadPolicyMatcher.ShouldAttachPolicy)."""
    name, kind = item.text("name"), item.text("kind")
    if kind == "Service" and not item.text("group"):
        doubt = Opaque(f"whether it goes through the waypoint of Service {name}", item.at())
        return all_together([*behind_service(fact.namespace, name, mesh), doubt])
    pods: Peer = either(LabelIn(Of.POD, label, frozenset({name})) for label in OF_GATEWAY)
    home = Named(Of.NAMESPACE, frozenset({fact.namespace}))
    if kind == "Gateway" and (
        at_the_edge(fact.namespace, name, mesh) or any(holds(All((home, pods)), pod, 4) for pod in mesh.world.pods())
    ):
        return All((home, pods))
    return Opaque(f"which proxies stand for {kind} {name}", item.at())


def without_waypoints(fact: OtherObjectFact, spec: View, mesh: Mesh) -> Iterator[Complaint]:
    """Services that a policy is for, and before whose pods no waypoint stands: nobody enforces it there."""
    if mesh.by_nodes == NOBODY:
        return
    for item in [spec.part("targetRef")] if spec.value.get("targetRef") else spec.parts("targetRefs"):
        name = item.text("name")
        if item.text("kind") != "Service" or item.text("group") or (fact.namespace, name) not in mesh.world.cluster.services:
            continue
        if not any(holds(All(tuple(behind_service(fact.namespace, name, mesh))), pod, 4) for pod in mesh.world.pods()):
            yield Complaint(item.at(), f"no pod behind Service {name} has a waypoint: only waypoints heed policies for services")


def behind_service(namespace: str, name: str, mesh: Mesh) -> Iterator[Peer]:
    """The pods that a service leads to, and that a waypoint stands before, as far as the input says either."""
    yield Named(Of.NAMESPACE, frozenset({namespace}))
    if mesh.by_nodes != NOBODY:
        yield mesh.behind
    service = mesh.world.cluster.services.get((namespace, name))
    if service is not None and service.selector:
        yield from (LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(service.selector.items()))


def at_the_edge(namespace: str, name: str, mesh: Mesh) -> bool:
    """Whether a Gateway is given, and is no waypoint: then its proxies alone are meant, which have its label."""
    every = (item for item in mesh.world.by_kind.get("Gateway", ()) if group_of(item) == "gateway.networking.k8s.io")
    classes = [
        mapping(item.document.get("spec")).get("gatewayClassName")
        for item in every
        if (item.namespace, item.name) == (namespace, name)
    ]
    return any(isinstance(found, str) and "waypoint" not in found for found in classes)


def rules_of(fact: OtherObjectFact, spec: View, mesh: Mesh, action: str) -> tuple[Rule, ...]:
    """The rules. A policy that allows lets pass whatever is not TCP."""
    reader = RuleReader(mesh, fact.namespace)
    denies = action != "ALLOW"
    found = [rule(item, meaning, action) for item in spec.parts("rules") for meaning in reader.meanings(item, denies)]
    other = () if denies else (Rule(Action.ALLOW, EVERYONE, fact.at, NOT_TCP, name="not TCP"),)
    return (*passing(mesh, fact.at), *found, *other)


def rule(item: View, meaning: Meaning, action: str) -> Rule:
    """One rule."""
    own = all_together(meaning.own) if meaning.own else EVERYONE
    if action == "ALLOW":
        return Rule(Action.ALLOW, meaning.peer, item.at(), All((TCP, *meaning.traffic)), own, provided=tuple(meaning.words))
    traffic = denying(meaning, item)
    if action == "CUSTOM":
        traffic = All((traffic, Opaque("what the external authorizer says", item.at())))
    return Rule(Action.DENY, meaning.peer, item.at(), traffic, own)


KIND = PolicyKind(
    names=("security.istio.io/AuthorizationPolicy", "security.istio.io/PeerAuthentication"),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.DENY, PLANE), *PEER_TIERS),
    versions={"security.istio.io": ("v1beta1", "v1")},
)
