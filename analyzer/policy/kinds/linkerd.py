"""Linkerd's Server and what authorizes clients of it (policy.linkerd.io), as far as they are about connections.

Follows policy-controller/k8s/index/src/inbound/index.rs (Pod::reindex_servers, PolicyIndex::inbound_server) and defaults.rs: a port of a pod that a Server of its namespace selects is closed to what no
authorization admits, and its accessPolicy admits more; other ports have the pod's default policy. Which of several servers of one port counts is not defined. A proxy sees TCP only, of pods that have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.linkerd import PLANE
from analyzer.policy.linkerd.authorizations import (
    GROUP,
    Admission,
    admissions,
    client,
    has_routes,
    identified,
    networks_of,
    objects,
    required,
)
from analyzer.policy.linkerd.mesh import USUALLY_SKIPPED, Mesh, mesh_of
from analyzer.policy.linkerd.probes import probe_rules
from analyzer.policy.linkerd.settings import MODES, OPEN, mode_of
from analyzer.policy.ports import is_port_name
from analyzer.policy.reading import PolicyKind, Read, complaints_of, unknown_fields, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import (
    EVERYONE,
    NO_TRAFFIC,
    NOBODY,
    All,
    Box,
    InBlocks,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
)
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import Ranges, single
from analyzer.source import Span

TIER = "servers"
TCP: Traffic = Box(single(6))
PROTOCOLS = ("", "unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS")
WITHOUT_PATHS, OF_CALLS = ("opaque", "TLS"), "gRPC"
PAST, OF_SERVER, OF_PODS, OF_REST = 0.0, 1.0, 2.0, 3.0
FIELDS = {
    "Server": ("podSelector", "externalWorkloadSelector", "port", "proxyProtocol", "accessPolicy"),
    "ServerAuthorization": ("server", "client"),
    "AuthorizationPolicy": ("targetRef", "requiredAuthenticationRefs"),
    "MeshTLSAuthentication": ("identities", "identityRefs"),
    "NetworkAuthentication": ("networks",),
}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A Server as a policy of the mesh's plane; of what authorizes only what is wrong with it, as servers look it up."""
    fact, mesh = replace(fact, namespace=fact.namespace or "default"), mesh_of(world)
    view = view_of(fact)
    spec = view.part("spec")
    unknown_fields(spec, FIELDS[fact.kind])
    found = server(fact, spec, mesh) if fact.kind == "Server" else None
    if found is None:
        looked_at(fact, spec, mesh)
    yield from complaints_of(view)
    if found is not None and not view.gaps:
        yield found
    elif found is not None:
        doubt = Opaque(f"Server {fact.name} cannot be read: {view.gaps[0].reason}", fact.at)
        home: Peer = All((mesh.inside, Named(Of.NAMESPACE, frozenset({fact.namespace}))))
        yield replace(
            found, subject=home, ingress=Rules((Rule(Action.DENY, doubt, fact.at, TCP),), isolates=False), readable=False
        )


def looked_at(fact: OtherObjectFact, spec: View, mesh: Mesh) -> None:
    """Reads what authorizes for what is wrong with it."""
    match fact.kind:
        case "ServerAuthorization":
            client(spec.part("client"), fact, mesh)
        case "AuthorizationPolicy":
            required(spec, fact, mesh)
        case "MeshTLSAuthentication":
            identified(spec, fact.namespace, mesh)
        case _:
            networks_of(spec)


def server(fact: OtherObjectFact, spec: View, mesh: Mesh) -> Policy:
    """A Server: whom its authorizations admit to its port, and then nobody."""
    traffic, pods = port_of(spec), chosen(spec, fact.namespace, mesh)
    protocol, access = spec.text("proxyProtocol"), spec.text("accessPolicy", "deny")
    if protocol not in PROTOCOLS:
        spec.wrong(f"proxyProtocol {protocol!r} must be one of {', '.join(filter(None, PROTOCOLS))}", "proxyProtocol")
    if not mode_of(access):
        spec.wrong(f"accessPolicy {access!r} must be one of {', '.join(MODES)}", "accessPolicy")
    rules = [*shared(fact, traffic, mesh), *(admitted(item, traffic) for item in admissions(fact, mesh))]
    rules += by_default(access, traffic, mesh, spec.at())
    if protocol == OF_CALLS:
        probe = Opaque("whether the proxy knows paths of probes beside calls of gRPC", fact.at)
        rules += [replace(rule, peer=All((rule.peer, probe))) for rule in probe_rules(mesh.world, traffic, fact.at)]
    elif protocol not in WITHOUT_PATHS and not has_routes(fact, mesh.world):
        rules += probe_rules(mesh.world, traffic, fact.at)
    rules.append(Rule(Action.DENY, EVERYONE, fact.at, traffic))
    return of_mesh(fact, pods, rules, OF_SERVER)


def of_mesh(fact: OtherObjectFact, subject: Peer, rules: list[Rule], order: float) -> Policy:
    """A policy of the mesh's plane."""
    key = (order, f"{fact.namespace}/{fact.name}")
    into = Rules(tuple(rules), isolates=False)
    return Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, into, None, TIER, key, PLANE)


def chosen(spec: View, namespace: str, mesh: Mesh) -> Peer:
    """The pods that a Server is for."""
    if spec.value.get("podSelector") is None:
        return NOBODY
    return All((mesh.inside, Named(Of.NAMESPACE, frozenset({namespace})), selector(spec.part("podSelector"), Of.POD)))


def port_of(spec: View) -> Traffic:
    """The port that a Server is for, by number or by name."""
    value = spec.value.get("port")
    if isinstance(value, str) and is_port_name(value):
        return PortName(value, single(6))
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return Box(single(6), single(value))
    spec.wrong(f"port must be a number from 1 to 65535 or the name of a port, not {value!r}", "port")
    return NO_TRAFFIC


def admitted(item: Admission, traffic: Traffic) -> Rule:
    """The rule of an authorization."""
    return Rule(Action.ALLOW, item.peer, item.at, traffic, name=item.name, provided=item.provided)


def shared(fact: OtherObjectFact, traffic: Traffic, mesh: Mesh) -> Iterator[Rule]:
    """What is not known where another server of the namespace is for the same port."""
    for other in objects(mesh.world, "Server", fact.namespace):
        spec = view_of(other).part("spec")
        both = All((traffic, port_of(spec))) if other.name != fact.name else NO_TRAFFIC
        if other.name != fact.name and may_meet(traffic, port_of(spec)):
            doubt = Opaque(f"which of the servers {fact.name} and {other.name} counts for a port that both are for", fact.at)
            pods = selector(spec.part("podSelector"), Of.POD)
            yield from (Rule(action, doubt, fact.at, both, pods) for action in (Action.ALLOW, Action.DENY))


def may_meet(one: Traffic, other: Traffic) -> bool:
    """Whether two ports may be the same: not two different numbers."""
    return one == other or isinstance(one, PortName) or isinstance(other, PortName)


def by_default(mode: str, traffic: Traffic, mesh: Mesh, at: Span) -> list[Rule]:
    """Whom a default policy admits."""
    peers: list[Peer] = [InBlocks(mesh.default.networks)] if mode.startswith("cluster-") else []
    peers += [mesh.clients] if mode.endswith("-authenticated") else []
    if not mode_of(mode) or mode == "deny":
        return []
    return [Rule(Action.ALLOW, All(tuple(peers)) if peers else EVERYONE, at, traffic, name=mode)]


def standing(world: World) -> Iterator[Read]:
    """What holds in a mesh without a Server: what comes past proxies, and the default policies of pods."""
    mesh = mesh_of(world)
    closing = [(mode, peer, at) for mode, peer, at in mesh.modes]
    if mesh.default.mode != OPEN and mesh.default.at is not None:
        rest: Peer = All((mesh.inside, *(Not(peer) for _, peer, _ in mesh.modes)))
        closing.append((mesh.default.mode, rest, mesh.default.at))
    servers = [item for item in world.by_kind.get("Server", ()) if item.api_version.startswith(f"{GROUP}/")]
    if servers or closing:
        yield past_proxies(mesh, servers[0].at if servers else closing[0][2])
    for number, (mode, peer, at) in enumerate(closing):
        rules = [*by_default(mode, TCP, mesh, at), *probe_rules(world, TCP, at), Rule(Action.DENY, EVERYONE, at, TCP)]
        name = f"default-inbound-policy: {mode}"
        key = (OF_PODS, f"{number:06}")
        subject: Peer = All((mesh.inside, peer))
        yield Policy("Linkerd", "", name, at, subject, Rules(tuple(rules), isolates=False), None, TIER, key, PLANE)


def past_proxies(mesh: Mesh, at: Span) -> Policy:
    """What is led past the proxies: the ports that pods and namespaces skip."""
    doubt = Opaque("whether the mesh skips the port, as its chart does (proxyInit.ignoreInboundPorts)", at)
    rules = [passing(pods, ports, at, EVERYONE) for ports, pods in mesh.skipped]
    rules.append(passing(mesh.silent, USUALLY_SKIPPED, at, doubt))
    into = Rules(tuple(rules), isolates=False)
    return Policy("Linkerd", "", "skipped ports", at, mesh.inside, into, None, TIER, (PAST, ""), PLANE)


def passing(own: Peer, ports: Ranges, at: Span, peer: Peer) -> Rule:
    """A rule for connections to ports that proxies do not see."""
    return Rule(Action.ALLOW, peer, at, Box(single(6), ports), own, name="past the proxy")


KIND = PolicyKind(
    names=tuple(f"{GROUP}/{name}" for name in FIELDS),
    read=read,
    tiers=(TierOrder(TIER, 0.0, Action.PASS, PLANE),),
    supporting=(
        f"{GROUP}/HTTPRoute",
        f"{GROUP}/HTTPLocalRateLimitPolicy",
        f"{GROUP}/EgressNetwork",
        f"{GROUP}/HttpLocalRateLimitPolicy",
    ),
    standing=standing,
)
