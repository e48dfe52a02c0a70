"""Who is authorized: networks and identities of ServerAuthorization, AuthorizationPolicy and what that refers to.

Follows policy-controller/k8s/index/src/inbound: server_authorization.rs, authorization_policy.rs, meshtls_authentication.rs, network_authentication.rs, and index.rs (client_authzs, policy_client_authz: of
an authorization without identities everybody is one, without networks all; one that refers to what there is not is left out).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.linkerd.mesh import Mesh
from analyzer.policy.reading import group_of, view_of
from analyzer.policy.selectors import selector
from analyzer.policy.terms import EVERYONE, All, InBlocks, Kind, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World
from analyzer.source import Span

GROUP = "policy.linkerd.io"
ROUTES = ("HTTPRoute", "GRPCRoute")


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom an authorization admits; ``provided`` says what else their requests need."""

    peer: Peer
    at: Span
    name: str
    provided: tuple[str, ...] = ()


def admissions(server: OtherObjectFact, mesh: Mesh) -> Iterator[Admission]:
    """Whom authorizations of the server's namespace admit to it."""
    for fact in objects(mesh.world, "ServerAuthorization", server.namespace):
        if meant(view_of(fact).part("spec").part("server"), server):
            yield Admission(client(view_of(fact).part("spec").part("client"), fact, mesh), fact.at, str(fact.name))
    for fact in objects(mesh.world, "AuthorizationPolicy", server.namespace):
        spec = view_of(fact).part("spec")
        target = spec.part("targetRef")
        peer, kind = required(spec, fact, mesh), target.text("kind")
        if (kind == "Server" and target.text("name") == server.name) or kind == "Namespace":
            yield Admission(peer, fact.at, str(fact.name))
        elif kind in ROUTES and target.text("name") in routes(server, mesh.world, kind):
            yield Admission(peer, fact.at, str(fact.name), (f"the request is one of {kind} {target.text('name')}",))


def objects(world: World, kind: str, namespace: str) -> Iterator[OtherObjectFact]:
    """The objects of a kind of Linkerd in a namespace, by name."""
    found = (item for item in world.by_kind.get(kind, ()) if group_of(item) == GROUP)
    homed = (replace(item, namespace=item.namespace or "default") for item in found)
    yield from sorted((item for item in homed if item.namespace == namespace), key=lambda item: item.name)


def meant(view: View, server: OtherObjectFact) -> bool:
    """Whether a ServerAuthorization is for a server: by its name, else by its labels."""
    if view.text("name"):
        return view.text("name") == server.name
    chosen = selector(view.part("selector"), Of.POD)
    return holds(chosen, Entity("", Kind.POD, labels=server.labels), 4) is True


def has_routes(server: OtherObjectFact, world: World) -> bool:
    """Whether a route is attached to a server: then no other requests are known there, not those of probes either."""
    return any(routes(server, world, kind) for kind in ROUTES)


def routes(server: OtherObjectFact, world: World, kind: str) -> set[str]:
    """The names of the routes that are attached to a server."""
    return {
        item.name
        for item in world.by_kind.get(kind, ())
        if (item.namespace or "default") == server.namespace and attached(view_of(item).part("spec"), server.name)
    }


def attached(spec: View, name: str) -> bool:
    """Whether a route names a server as its parent."""
    return any(item.text("kind") == "Server" and item.text("name") == name for item in spec.parts("parentRefs"))


def client(view: View, fact: OtherObjectFact, mesh: Mesh) -> Peer:
    """The clients of a ServerAuthorization."""
    tls = view.part("meshTLS")
    networks = networks_of(view)
    if view.truth("unauthenticated"):
        return networks
    if tls.truth("unauthenticatedTLS"):
        return All((networks, mesh.clients))
    peers = [mesh.identity(text, tls.at("identities", index)) for index, text in enumerate(tls.texts("identities"))]
    accounts = tls.parts("serviceAccounts")
    peers += [mesh.account(item.text("namespace") or fact.namespace, item.text("name")) for item in accounts]
    return All((networks, either(peers)))


def networks_of(view: View) -> Peer:
    """The networks of a client; none are all."""
    found = [without_holes(item) for item in view.parts("networks")]
    return either(found) if found else EVERYONE


def without_holes(view: View) -> Peer:
    """One network."""
    whole = [found for found in (own_block(view, view.text("cidr"), "cidr"),) if found]
    holes = [found for index, text in enumerate(view.texts("except")) if (found := own_block(view, text, "except", index))]
    return All((InBlocks(tuple(whole)), Not(InBlocks(tuple(holes))))) if holes else InBlocks(tuple(whole))


def own_block(view: View, text: str, *path: str | int) -> Prefix | None:
    """A block, or an address, which means itself alone."""
    length = "" if "/" in text else "/128" if ":" in text else "/32"
    return block(view, text + length, *path)


def required(spec: View, fact: OtherObjectFact, mesh: Mesh) -> Peer:
    """Whom an AuthorizationPolicy admits: who is authenticated in each of the ways."""
    return All(tuple(authentication(item, fact, mesh) for item in spec.parts("requiredAuthenticationRefs")))


def authentication(view: View, fact: OtherObjectFact, mesh: Mesh) -> Peer:
    """One way to be authenticated. What it refers to may live elsewhere, where it is not given."""
    kind, name, namespace = view.text("kind"), view.text("name"), view.text("namespace") or fact.namespace
    if kind == "ServiceAccount":
        return mesh.account(namespace, name)
    found = next((item for item in objects(mesh.world, kind, namespace) if item.name == name), None)
    if found is None:
        return Opaque(f"whom {kind} {namespace}/{name} admits, which is not given", view.at())
    given = view_of(found).part("spec")
    return networks_of(given) if kind == "NetworkAuthentication" else identified(given, namespace, mesh)


def identified(spec: View, namespace: str, mesh: Mesh) -> Peer:
    """Who has one of the identities of a MeshTLSAuthentication."""
    found = [mesh.identity(text, spec.at("identities", index)) for index, text in enumerate(spec.texts("identities"))]
    for item in spec.parts("identityRefs"):
        whole = item.text("kind") == "Namespace"
        home = item.text("namespace") or namespace
        found.append(mesh.namespace(item.text("name")) if whole else mesh.account(home, item.text("name")))
    return either(found)
