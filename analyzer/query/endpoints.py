"""Endpoints by name: ``NS/POD``, ``node:NAME``, ``svc:NS/NAME``, ``deploy:NS/NAME`` and other workloads, an IP address, ``outside``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from analyzer.addresses import Address, address
from analyzer.facts.kubernetes import PodFact
from analyzer.model.network import Attachment, Interface, Network
from analyzer.solve.walk.index import Identity
from analyzer.source import Scope

OUTSIDE = {4: Address(4, 0xCB007101), 6: Address(6, 0x20010DB8 << 96 | 1)}
"""What stands for any host outside: 203.0.113.1 and 2001:db8::1, of the documentation networks (RFC 5737, RFC 3849)."""
WORKLOADS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "ds": "DaemonSet",
    "daemonset": "DaemonSet",
    "sts": "StatefulSet",
    "statefulset": "StatefulSet",
    "rs": "ReplicaSet",
    "replicaset": "ReplicaSet",
    "rc": "ReplicationController",
    "replicationcontroller": "ReplicationController",
    "job": "Job",
    "cronjob": "CronJob",
    "cj": "CronJob",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. ``scope``: the namespace that it is, None where it is not captured or none. ``addresses``: those it may be reached by,
    the preferred one first. ``exact``: it was named by an address, which is then the source too. ``service``: (namespace, name)."""

    name: str
    scope: Scope | None
    addresses: tuple[Address, ...]
    outside: bool = False
    exact: bool = False
    service: tuple[str, str] | None = None
    why: str = ""


def endpoints(network: Network, text: str) -> tuple[Endpoint, ...]:
    """What a name means: one endpoint, or the pods of a workload. ValueError when it means nothing."""
    known = names(Identity(network))
    found = known.get(text)
    if found is None:
        found = understood(network, text.strip())
        if not found[0].exact:
            known[text] = found
    return found


@lru_cache(maxsize=4)
def names(key: Identity) -> dict[str, tuple[Endpoint, ...]]:
    """The names of a network's endpoints that were understood so far; addresses are not among them."""
    del key
    return {}


def understood(network: Network, text: str) -> tuple[Endpoint, ...]:
    """The endpoints of a name that was not asked for before."""
    kind, colon, rest = text.partition(":")
    if text == "outside":
        return (Endpoint("outside", None, tuple(OUTSIDE.values()), outside=True),)
    if colon and kind.lower() in WORKLOADS and "/" in rest:
        return workload(network, WORKLOADS[kind.lower()], rest)
    if colon and kind == "node":
        return (node(network, rest),)
    if colon and kind in ("svc", "service"):
        return (service(network, rest),)
    if colon and kind == "pod":
        return (pod(network, rest),)
    try:
        found = address(text)
    except ValueError:
        return (pod(network, text),)
    return (by_address(network, found),)


def split(text: str) -> tuple[str, str]:
    """Namespace and name; without a namespace it is ``default``."""
    namespace, slash, name = text.partition("/")
    if not (namespace and (name or not slash)) or "/" in name:
        raise ValueError(f"{text!r} names nothing: it should look like namespace/name")
    return (namespace, name) if slash else ("default", namespace)


def pod(network: Network, text: str) -> Endpoint:
    """A pod, or a captured namespace by the name of its folder."""
    namespace, name = split(text)
    wanted = f"{namespace}/{name}"
    found = [one for one in network.attachments if one.name in (wanted, text)]
    if found:
        return attached(found[0])
    fact = network.cluster.pods.get((namespace, name))
    if fact is None:
        raise ValueError(no_pod(network, wanted, text))
    return uncaptured(fact)


def no_pod(network: Network, wanted: str, text: str) -> str:
    """That a pod is not there, with the node or the pods that may be meant."""
    from analyzer.query.policy_parties import missing

    if text in nodes_known(network):
        return f"there is no pod {wanted} in the input: did you mean node:{text}?"
    pods = (f"{namespace}/{name}" for namespace, name in network.cluster.pods)
    return missing("pod", wanted, (*pods, *(one.name for one in network.attachments)))


def no_node(network: Network, name: str) -> str:
    """That a node is not there, with those that may be meant."""
    from analyzer.query.policy_parties import missing

    return missing("node", name, nodes_known(network))


def nodes_known(network: Network) -> set[str]:
    """The nodes by the names of their objects and of their folders."""
    return {*network.cluster.nodes, *network.node_names, *(scope.node for scope in network.namespaces)}


def attached(item: Attachment) -> Endpoint:
    """A pod whose namespace was captured."""
    return Endpoint(item.name, item.scope, item.addresses)


def uncaptured(fact: PodFact) -> Endpoint:
    """A pod whose namespace was not captured: it has addresses all the same."""
    name = f"{fact.namespace}/{fact.name}"
    return Endpoint(name, None, fact.addresses, why=f"the network namespace of pod {name} on node {fact.node} was not captured")


def node(network: Network, name: str) -> Endpoint:
    """A node, by the name of its object or of its folder."""
    folder = network.node_names.get(name, name)
    scope = Scope(folder)
    fact = network.cluster.nodes.get(name)
    stated = [found for kind, found in fact.addresses if kind == "InternalIP"] if fact else []
    if scope not in network.namespaces:
        if not stated:
            raise ValueError(no_node(network, name))
        return Endpoint(f"node:{name}", None, tuple(stated), why=f"node {name} was not captured")
    return Endpoint(f"node:{folder}", scope, tuple(dict.fromkeys([*stated, *own_addresses(network, scope)])))


def own_addresses(network: Network, scope: Scope) -> list[Address]:
    """A node's addresses: those of its uplinks first."""
    space = network.namespaces[scope]
    uplinks = set(uplink_devices(network, scope))
    facts = [fact for fact in space.addresses if fact.scope_name == "global" and fact.address in network.owners]
    facts.sort(key=lambda fact: (fact.device not in uplinks, fact.address.family))
    return [fact.address for fact in facts]


def uplink_devices(network: Network, scope: Scope) -> list[str]:
    """The devices by which a node reaches others: of the default route, else those that share a segment."""
    space = network.namespaces[scope]
    routes = [route for by_table in space.routes.values() for route in by_table.get(254, ()) if route.destination.length == 0]
    devices = [hop.device for route in routes for hop in route.next_hops if hop.device]
    shared = [one.device for one in network.segment_of if one.scope == scope]
    outside = sorted(one.device for one in network.outside if one.scope == scope)
    return list(dict.fromkeys([*devices, *shared, *outside]))


def service(network: Network, text: str) -> Endpoint:
    """A service, by its cluster address."""
    namespace, name = split(text)
    fact = network.cluster.services.get((namespace, name))
    if fact is None:
        raise ValueError(f"there is no service {namespace}/{name} in the input")
    if not fact.cluster_addresses:
        raise ValueError(f"service {namespace}/{name} has no cluster address: name one of its pods")
    return Endpoint(f"svc:{namespace}/{name}", None, fact.cluster_addresses, service=(namespace, name))


def workload(network: Network, kind: str, text: str) -> tuple[Endpoint, ...]:
    """The pods of a workload."""
    namespace, name = split(text)
    found = [fact for fact in network.cluster.pods.values() if fact.namespace == namespace and owned(fact, kind, name)]
    if not found:
        raise ValueError(f"no pod of {kind} {namespace}/{name} is in the input")
    return tuple(pod(network, f"{fact.namespace}/{fact.name}") for fact in sorted(found, key=lambda fact: fact.name))


def owned(fact: PodFact, kind: str, name: str) -> bool:
    """Whether a pod belongs to a workload: by its owner, whose name carries the Deployment's or CronJob's name and a suffix."""
    if fact.owner is None or fact.finished:
        return False
    owner_kind, owner = fact.owner
    through = {"Deployment": "ReplicaSet", "CronJob": "Job"}.get(kind)
    return (owner_kind == kind and owner == name) or (owner_kind == through and owner.rpartition("-")[0] == name)


def by_address(network: Network, found: Address) -> Endpoint:
    """Whatever has an address: a pod, a node, a service; else it is outside."""
    known = holders(Identity(network)).get(found)
    return known if known is not None else Endpoint(str(found), None, (found,), outside=True, exact=True)


@lru_cache(maxsize=4)
def holders(key: Identity) -> dict[Address, Endpoint]:
    """Every address of the network's pods, nodes and services, with what has it; pods' namespaces first."""
    network, found = key.network, dict[Address, Endpoint]()
    for item in network.attachments:
        for one in item.addresses if item.scope.namespace else ():
            found.setdefault(one, Endpoint(item.name, item.scope, (one,), exact=True))
    for one, interfaces in network.owners.items():
        node_scope = next((at.scope for at in interfaces if not at.scope.namespace), None)
        if node_scope is not None:
            found.setdefault(one, Endpoint(f"node:{node_scope.node}", node_scope, (one,), exact=True))
    for fact in network.cluster.pods.values():
        for one in () if fact.finished else fact.addresses:
            missing = uncaptured(fact)
            found.setdefault(one, Endpoint(missing.name, None, (one,), exact=True, why=missing.why))
    for name, service_fact in network.cluster.services.items():
        every = (*service_fact.cluster_addresses, *service_fact.external_addresses, *service_fact.load_balancer_addresses)
        for one in every:
            found.setdefault(one, Endpoint(f"svc:{name[0]}/{name[1]}", None, (one,), exact=True, service=name))
    return found


def entrance(network: Network, text: str, destination: Address) -> Interface:
    """Where a packet from outside comes in: as said, else by the interface that has the destination, where that leads outside, else by the
    uplink of the node that owns it. ValueError when there is none."""
    if text:
        return named_entrance(network, text)
    owned_by = network.owners.get(destination, ())
    for at in owned_by:
        by = Interface(at.scope, port_of(network, at.scope, at.device)) if not at.scope.namespace else at
        if by in network.outside and not by.scope.namespace:
            return by
    nodes = [one.scope.node for one in owned_by] + sorted({scope.node for scope in network.namespaces if not scope.namespace})
    for name in nodes:
        if Scope(name) not in network.namespaces:
            continue
        for device in uplink_devices(network, Scope(name)):
            if device in network.namespaces[Scope(name)].links:
                return Interface(Scope(name), port_of(network, Scope(name), device))
    raise ValueError("no captured node has an interface by which a packet could come in: say where it enters")


def named_entrance(network: Network, text: str) -> Interface:
    """``node:NAME/INTERFACE``."""
    name, slash, device = text.removeprefix("node:").partition("/")
    scope = Scope(network.node_names.get(name, name))
    if scope not in network.namespaces:
        raise ValueError(no_node(network, name))
    if not slash or device not in network.namespaces[scope].links:
        raise ValueError(f"node {name} has no interface {device!r}")
    return Interface(scope, device)


def port_of(network: Network, scope: Scope, device: str) -> str:
    """The port of a bridge that leads outside; the device itself where it is none."""
    if Interface(scope, device) in network.outside:
        return device
    ports = [one.device for one in sorted(network.outside) if one.scope == scope]
    links = network.namespaces[scope].links
    return next((port for port in ports if links[port].master == device), device)
