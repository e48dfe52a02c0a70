"""Which pod lives in which namespace, which captured node is which Node, and who holds an address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from analyzer.addresses import Address
from analyzer.facts.kubernetes import PodFact
from analyzer.facts.listings import PodListing
from analyzer.facts.system import Mirred, OtherAction
from analyzer.model.actions import Effect, effect
from analyzer.model.cluster import Cluster
from analyzer.model.network import Attachment, Interface, Namespace
from analyzer.source import Scope

# Namespaces that OpenStack's agents make for routers, DHCP and load balancers (neutron, namespaces.py).
NO_PODS = re.compile(r"(qrouter|qdhcp|snat|fip|qlbaas|ovnmeta)-[0-9a-f]{8}-|amphora-haproxy$")
Spaces = Mapping[Scope, Namespace]
Owners = Mapping[Address, tuple[Interface, ...]]


def owners(spaces: Spaces) -> dict[Address, tuple[Interface, ...]]:
    """The interfaces that hold each address, loopback and link-local addresses left out."""
    found: dict[Address, dict[Interface, None]] = {}
    for scope, space in sorted(spaces.items()):
        for fact in space.addresses:
            if not of_one_host(fact.address):
                found.setdefault(fact.address, {}).setdefault(Interface(scope, fact.device))
    return {address: tuple(holders) for address, holders in sorted(found.items())}


def of_one_host(address: Address) -> bool:
    """127.0.0.0/8, ::1 and fe80::/10: addresses that every host may have."""
    if address.family == 4:
        return address.value >> 24 == 127
    return address.value == 1 or address.value >> 118 == 0xFE80 >> 6


def node_names(cluster: Cluster, spaces: Spaces, owned: Owners) -> dict[str, str]:
    """The captured node of each Node object: that of its name, else the one whose root namespace holds one of its addresses.

    A capture of one node is that of the only Node there is.
    """
    captured = {scope.node for scope in spaces}
    result = {name: name for name in cluster.nodes if name in captured}
    for name, node in sorted(cluster.nodes.items()):
        if name not in result and (free := free_holder((own for _, own in node.addresses), owned, result)):
            result[name] = free
    if len(captured) == 1 and len(cluster.nodes) == 1 and not result:
        result = {next(iter(cluster.nodes)): next(iter(captured))}
    for name in (*(pod.node for pod in cluster.pods.values()), *listed_nodes(cluster)):
        if name in captured:
            result.setdefault(name, name)
    for listed in cluster.listed.nodes:
        if listed.name not in result and (free := free_holder(listed.addresses, owned, result)):
            result[listed.name] = free
    return dict(sorted(result.items()))


def free_holder(addresses: Iterable[Address], owned: Owners, taken: Mapping[str, str]) -> str:
    """The captured node whose root namespace holds one of the addresses, and that no other Node is; empty where there is none."""
    holders = (at.scope for address in addresses for at in owned.get(address, ()))
    return next((scope.node for scope in holders if not scope.namespace and scope.node not in taken.values()), "")


def listed_nodes(cluster: Cluster) -> Iterator[str]:
    """The names of nodes that listings have."""
    yield from (listed.name for listed in cluster.listed.nodes)
    yield from (pod.node for pod in cluster.listed.pods)


def redirected(space: Namespace, device: str) -> bool:
    """Whether tc takes every packet that comes in on the device elsewhere, before the namespace's IP sees it
    (``sch_handle_ingress`` runs before ``deliver_skb``, net/core/dev.c)."""
    for fact in space.filters.get(device, ()):
        if fact.hook == "ingress" and fact.everything and fact.protocol in ("all", "ip"):
            return any(isinstance(action, Mirred) and action.redirect for action in fact.actions)
    return False


def may_be_redirected(space: Namespace, device: str) -> str:
    """Why tc may take every packet that comes in on the device elsewhere, though it is not known to; empty where it does not, or has no other device to lead it to."""
    if redirected(space, device) or not set(space.links) - {"lo", device}:
        return ""
    unknown = (
        space.missing.get("tc-filter")
        or space.assumed.get("tc-filter")
        or next((gap.reason for gap in space.gaps.get("tc-filter", ())), "")
    )
    filters = [fact for fact in space.filters.get(device, ()) if fact.hook == "ingress"]
    opened = any(isinstance(one, OtherAction) and effect(one) is Effect.OPEN for fact in filters for one in fact.actions)
    what = unknown or ("what a filter there does" if opened else "")
    return f"whether tc takes what comes in on {device} of {space.scope} elsewhere is not known: {what}" if what else ""


def attachments(cluster: Cluster, spaces: Spaces, owned: Owners, names: Mapping[str, str]) -> tuple[Attachment, ...]:
    """The pods whose namespace was captured.

    A pod's address may be held twice: a peer pod's namespace on the worker keeps it on ``eth0`` while tc redirects everything into a
    tunnel, and the namespace in the pod's own machine has it too. The pod lives where a packet to the address is delivered.
    """
    folders: dict[str, list[Scope]] = {}
    for scope in sorted(spaces):
        folders.setdefault(scope.namespace, []).append(scope)
    found = [item for pod in cluster.pods.values() for item in attached(pod, spaces, owned, names, folders)]
    for listed in cluster.listed.pods:
        found += attached_by_listing(listed, cluster, spaces, owned, names, folders)
    taken = {item.scope for item in found}
    claimed = frozenset(address for item in found for address in item.addresses)
    rest = [scope for scope in sorted(spaces) if scope.namespace and scope not in taken]
    found += [item for scope in rest for item in unexplained(spaces[scope], claimed)]
    return tuple(sorted(found, key=lambda item: (item.name, item.scope)))


def attached(
    pod: PodFact, spaces: Spaces, owned: Owners, names: Mapping[str, str], folders: Mapping[str, list[Scope]]
) -> Iterator[Attachment]:
    """The pod's attachment, if its namespace is there."""
    if pod.finished:
        return
    node = names.get(pod.node, pod.node)
    name = f"{pod.namespace}/{pod.name}"
    if pod.host_network:
        if Scope(node) in spaces:
            yield Attachment(name, Scope(node), pod.addresses, pod)
        return
    named = [scope for scope in folders.get(f"{pod.namespace}_{pod.name}", ()) if scope.node == node or not pod.node]
    scope = home(pod, node, spaces, owned, named)
    if scope is not None:
        yield Attachment(name, scope, pod.addresses or own_addresses(spaces[scope]), pod)


def attached_by_listing(
    listed: PodListing,
    cluster: Cluster,
    spaces: Spaces,
    owned: Owners,
    names: Mapping[str, str],
    folders: Mapping[str, list[Scope]],
) -> Iterator[Attachment]:
    """The attachment of a pod that is only listed: it has no object. Where it has its node's address, it is in its node's namespace; where no listing says
    the namespace of its name, its own folder does."""
    host = in_node(listed, cluster)
    stand_in = PodFact(
        at=listed.at,
        api_version="v1",
        kind="Pod",
        name=listed.name,
        namespace=listed.namespace,
        node=listed.node,
        addresses=listed.addresses,
        host_network=host,
    )
    for item in attached(stand_in, spaces, owned, names, folders):
        folder = item.scope.namespace.replace("_", "/", 1)
        name = item.name if listed.namespace else folder if folder.endswith(f"/{listed.name}") else listed.name
        yield Attachment(name, item.scope, item.addresses)


def in_node(listed: PodListing, cluster: Cluster) -> bool:
    """Whether a listed pod has the address of its node, as pods in their node's network have."""
    known = cluster.nodes.get(listed.node)
    own = {address for _, address in known.addresses} if known is not None else set()
    own |= {address for item in cluster.listed.nodes if item.name == listed.node for address in item.addresses}
    return listed.host_address in listed.addresses or not own.isdisjoint(listed.addresses)


def home(pod: PodFact, node: str, spaces: Spaces, owned: Owners, by_name: list[Scope]) -> Scope | None:
    """The namespace where a packet to the pod arrives: named for the pod (``by_name``) or holding its address, and not redirected
    by tc; the pod's node before others, the name before the address, a namespace without other addresses before one with them."""
    holders = [at for address in pod.addresses for at in owned.get(address, ()) if at.scope.namespace]
    holders.sort(key=lambda at: not set(own_addresses(spaces[at.scope])) <= set(pod.addresses))
    real = [at.scope for at in holders if not redirected(spaces[at.scope], at.device)]
    stolen = {at.scope for at in holders if redirected(spaces[at.scope], at.device)}
    wanted = [scope for scope in by_name if scope not in stolen]
    wanted += [scope for scope in real if scope.node == node] + [scope for scope in real if stolen or not pod.node]
    wanted += by_name + [at.scope for at in holders if at.scope.node == node]
    return wanted[0] if wanted else None


def own_addresses(space: Namespace) -> tuple[Address, ...]:
    """A namespace's addresses, those of ``eth0`` first, IPv4 before IPv6."""
    found = [fact for fact in space.addresses if not of_one_host(fact.address) and fact.scope_name != "link"]
    found.sort(key=lambda fact: (fact.device != "eth0", fact.address.family))
    return tuple(dict.fromkeys(fact.address for fact in found))


def unexplained(space: Namespace, claimed: frozenset[Address]) -> Iterator[Attachment]:
    """A namespace that no Pod object explains, named from its folder; left out where it is known to be something else, where it has no
    address, or only one that a pod has elsewhere and tc redirects here."""
    if NO_PODS.match(space.scope.namespace):
        return
    addresses = own_addresses(space)
    devices = {fact.device for fact in space.addresses if fact.address in claimed}
    if devices and all(redirected(space, device) for device in devices):
        return
    if addresses:
        yield Attachment(space.scope.namespace.replace("_", "/", 1), space.scope, addresses)


def by_node(items: tuple[Attachment, ...]) -> dict[str, tuple[Attachment, ...]]:
    """The pods with a network namespace of their own, by captured node."""
    found: dict[str, list[Attachment]] = {}
    for item in items:
        if item.scope.namespace:
            found.setdefault(item.scope.node, []).append(item)
    return {node: tuple(pods) for node, pods in sorted(found.items())}
