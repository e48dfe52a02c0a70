"""PeerAuthentication (security.istio.io): who must come with mutual TLS, and so from inside of the mesh.

Follows istio.io/docs/reference/config/security/peer_authentication and pilot/pkg/security/authn (ComposePeerAuthentication): the policy for a workload comes before that of its namespace, that before the
one of the root namespace, where one with a selector is about nobody; of several of one level the oldest counts, alone; UNSET goes on with the next level, without any it is PERMISSIVE; ports are those of the
workload. Proxies in the mesh send mutual TLS of themselves (auto mTLS), unless a DestinationRule says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.istio.mesh import Mesh, all_together, mesh_of
from analyzer.policy.istio.passing import passing
from analyzer.policy.istio.rules import TCP
from analyzer.policy.reading import Complaint, Read, complaints_of, group_of, view_of
from analyzer.policy.terms import EVERYONE, NOBODY, All, Box, LabelIn, Named, Not, Of, Opaque, Peer, Traffic
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World, mapping
from analyzer.ranges import single
from analyzer.source import Span

PLANE, TIER = "istio-peers", "mutual TLS"
PEER_TIERS = (TierOrder(TIER, 0.0, Action.PASS, PLANE),)
MODES = ("", "UNSET", "DISABLE", "PERMISSIVE", "STRICT")
OF_WORKLOAD, OF_NAMESPACE, OF_MESH = 0.0, 1.0, 2.0


def peer_authentication(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A PeerAuthentication as one policy of a plane of its own."""
    fact = replace(fact, namespace=fact.namespace or "default")
    view, mesh = view_of(fact), mesh_of(world)
    spec = view.part("spec")
    for key in spec.value:
        if key not in ("selector", "mtls", "portLevelMtls"):
            spec.wrong(f"unknown field {spec.name(key)!r}", key)
    chosen = spec.part("selector").strings("matchLabels")
    ports = spec.part("portLevelMtls")
    if ports.value and not chosen:
        spec.wrong("portLevelMtls needs a selector", "portLevelMtls")
    rules = [*passing(mesh, fact.at), *(rule for key in ports.value for rule in of_port(ports, str(key), mesh))]
    rules += of_mode(mode(spec.part("mtls")), TCP, mesh, spec.at("mtls"))
    yield from complaints_of(view)
    if chosen and fact.namespace == mesh.root:
        yield Complaint(fact.at, f"it is about nobody: with a selector it must not stand in {mesh.root}, the root namespace")
    if view.gaps:
        doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        rules = [Rule(Action.DENY, Not(mesh.inside), fact.at, All((TCP, doubt)))]
    yield Policy(
        fact.kind,
        fact.namespace,
        fact.name,
        fact.at,
        subject(fact, mesh, chosen),
        Rules(tuple(rules), isolates=False),
        None,
        TIER,
        order(fact, mesh, chosen),
        PLANE,
    )
    if has_disabled(spec) and any(item.kind == "AuthorizationPolicy" for item in world.cluster.others):
        yield without_identities(fact, mesh, chosen)


def subject(fact: OtherObjectFact, mesh: Mesh, chosen: dict[str, str]) -> Peer:
    """Whom it is about: for whom no other one of its level counts."""
    if chosen and fact.namespace == mesh.root:
        return NOBODY
    terms: list[Peer] = [mesh.inside]
    if fact.namespace != mesh.root:
        terms.append(Named(Of.NAMESPACE, frozenset({fact.namespace})))
    terms += labels_of(chosen)
    return all_together([*terms, *(Not(found) for found in counting_before(fact, mesh.world, bool(chosen)))])


def labels_of(chosen: Mapping[str, str]) -> list[Peer]:
    """Pods with the labels."""
    return [LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(chosen.items())]


def counting_before(fact: OtherObjectFact, world: World, of_workload: bool) -> Iterator[Peer]:
    """For whom another one of the namespace and the level counts, or may: the older one, which is not known where one is not made yet."""
    own = made(fact)
    for item in world.by_kind.get("PeerAuthentication", ()):
        chosen = chosen_by(item)
        if group_of(item) != group_of(fact) or (item.namespace or "default") != fact.namespace or bool(chosen) != of_workload:
            continue
        if item.name == fact.name:
            continue
        others = all_together(labels_of(chosen)) if chosen else EVERYONE
        same = settings(item) == settings(fact)
        known = bool(own and made(item)) or same
        if known and (made(item), item.name) < (own, fact.name):
            yield others
        elif not known:
            doubt = Opaque(f"which is older, PeerAuthentication {item.name} or {fact.name}, as the older one counts", fact.at)
            yield All((others, doubt))


def chosen_by(item: OtherObjectFact) -> dict[str, str]:
    """The labels that it chooses workloads by."""
    labels = mapping(mapping(mapping(item.document.get("spec")).get("selector")).get("matchLabels"))
    return {str(key): str(value) for key, value in labels.items()}


def settings(item: OtherObjectFact) -> tuple[object, object]:
    """What it says for those whom it is about."""
    spec = mapping(item.document.get("spec"))
    return spec.get("mtls"), spec.get("portLevelMtls")


def made(item: OtherObjectFact) -> str:
    """When it was made; empty where it is not yet."""
    return str(mapping(item.document.get("metadata")).get("creationTimestamp") or "")


def order(fact: OtherObjectFact, mesh: Mesh, chosen: dict[str, str]) -> tuple[float, str]:
    """The narrower first, then the older."""
    rank = OF_WORKLOAD if chosen else OF_MESH if fact.namespace == mesh.root else OF_NAMESPACE
    return rank, f"{made(fact)}/{fact.namespace}/{fact.name}"


def mode(view: View) -> str:
    """How senders must come."""
    found = view.text("mode")
    if found not in MODES:
        view.wrong(f"mode {found!r} must be one of {', '.join(MODES[1:])}", "mode")
    return found


def of_port(ports: View, key: str, mesh: Mesh) -> Iterator[Rule]:
    """The rules of one port of the workload."""
    found = mode(ports.part(key))
    if not key.isdecimal() or not 1 <= int(key) <= 65535:
        ports.wrong(f"port {key!r} must be a number from 1 to 65535", key)
        return
    yield from of_mode(found, Box(single(6), single(int(key))), mesh, ports.at(key))


def of_mode(found: str, traffic: Traffic, mesh: Mesh, at: Span) -> Iterator[Rule]:
    """STRICT refuses plain text, which is what comes from outside of the mesh; any other mode that is set admits it."""
    if found == "STRICT":
        yield Rule(Action.DENY, Not(mesh.inside), at, traffic)
        if (doubt := plain_senders(mesh.world)) is not None:
            yield Rule(Action.DENY, mesh.inside, at, All((traffic, doubt)))
    if found in ("STRICT", "PERMISSIVE", "DISABLE"):
        yield Rule(Action.ALLOW, EVERYONE, at, traffic)


def plain_senders(world: World) -> Opaque | None:
    """A doubt where a DestinationRule sets how proxies of the mesh send."""
    for item in world.by_kind.get("DestinationRule", ()):
        if group_of(item) == "networking.istio.io" and "'tls'" in str(item.document.get("spec")):
            return Opaque(
                f"whether senders come with mutual TLS, which DestinationRule {item.namespace}/{item.name} sets", item.at
            )
    return None


def has_disabled(spec: View) -> bool:
    """Whether it turns mutual TLS off somewhere."""
    return "DISABLE" in (
        spec.part("mtls").value.get("mode"),
        *(mapping(item).get("mode") for item in spec.part("portLevelMtls").value.values()),
    )


def without_identities(fact: OtherObjectFact, mesh: Mesh, chosen: dict[str, str]) -> Policy:
    """Where mutual TLS is off, senders have no identities: what authorization says of principals and namespaces may not hold."""
    doubt = Opaque(
        f"who sends: PeerAuthentication {fact.namespace}/{fact.name} turns mutual TLS off, and with it identities", fact.at
    )
    rules = Rules((Rule(Action.DENY, mesh.inside, fact.at, All((TCP, doubt))),), isolates=False)
    return Policy(
        fact.kind,
        fact.namespace,
        fact.name,
        fact.at,
        subject(fact, mesh, chosen),
        rules,
        None,
        "authorization",
        (-1.0, fact.name),
        "istio",
    )
