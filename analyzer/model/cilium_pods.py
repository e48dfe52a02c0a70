"""The network namespaces of pods that were not captured, as far as Cilium says what is in them: an agent's archives hold the node's state alone.

The endpoint map has the pod's address and MAC, the node the other end of its pair; the routes are those that cilium-cni makes (plugins/cilium-cni/cmd/cmd.go
``prepareIP``, pkg/datapath/connector): by the router's address to everything. All else in the namespace stays missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analyzer.addresses import WIDTH, Address, default_prefix, host_prefix
from analyzer.facts.base import Fact
from analyzer.facts.cilium import HEALTH, EndpointEntryFact
from analyzer.facts.kubernetes import PodFact
from analyzer.facts.links import AddressFact, LinkFact, OtherKind
from analyzer.facts.routes import NextHop, RouteFact
from analyzer.model.captured import Captured
from analyzer.model.cilium import HOST_DEVICE, CiliumState
from analyzer.model.namespaces import namespace
from analyzer.model.network import Interface, Namespace
from analyzer.model.ordering import Ordered, ordered
from analyzer.source import Scope

UP = frozenset({"BROADCAST", "MULTICAST", "UP", "LOWER_UP"})
LOOPBACK = Address(4, 127 << 24 | 1)


def pods_unseen(
    spaces: Mapping[Scope, Namespace], peers: Mapping[Interface, Interface], facts: Ordered, assume: bool
) -> Iterator[tuple[Interface, Namespace]]:
    """The namespaces of endpoints behind devices whose other end is not in the capture, each with that device."""
    names = {own: pod for pod in facts.all(PodFact) if not pod.host_network for own in pod.addresses}
    for scope, space in sorted(spaces.items()):
        state = space.cilium
        for device, endpoint in sorted(state.devices.items()) if state is not None else ():
            at = Interface(scope, device)
            if state is None or at in peers or state.identity_of(endpoint) == HEALTH:
                continue
            entries = [entry for entry in state.entries if entry.identifier == endpoint and not entry.host]
            inner = Scope(scope.node, folder(state, endpoint, entries, names))
            if entries and inner not in spaces:
                known = ordered(contents(inner, space, space.links[device], entries))
                yield at, named(namespace(inner, known, Captured(inner, {}, {}), {}, assume), entries[0])


def named(space: Namespace, entry: EndpointEntryFact) -> Namespace:
    """The namespace with what is assumed of it under the table that every packet asks."""
    words = f"{space.scope} was not captured: its interface and routes are taken to be as cilium-cni makes them, by {entry.at}, and no neighbour is fixed"
    missing = {key: text for key, text in space.missing.items() if key != "ip-neigh"}
    return replace(space, missing=missing, assumed={**space.assumed, "ip-neigh": words})


def folder(state: CiliumState, endpoint: int, entries: list[EndpointEntryFact], names: Mapping[Address, PodFact]) -> str:
    """The name of a namespace's folder: the pod's, as the agent or the cluster says."""
    fact = state.endpoints.get(endpoint)
    if fact is not None and "/" in fact.pod:
        return fact.pod.replace("/", "_", 1)
    pod = next((names[entry.address] for entry in entries if entry.address in names), None)
    return f"{pod.namespace}_{pod.name}" if pod is not None else f"endpoint-{endpoint}"


def contents(scope: Scope, node: Namespace, device: LinkFact, entries: list[EndpointEntryFact]) -> Iterator[Fact]:
    """What stands in the namespace."""
    first, at = entries[0], entries[0].at
    loopback = frozenset({"LOOPBACK", "UP", "LOWER_UP"})
    yield LinkFact(at=at, scope=scope, name="lo", index=1, flags=loopback, mtu=65536, mac=0, link_type="loopback", detailed=True)
    yield LinkFact(
        at=at,
        scope=scope,
        name="eth0",
        index=device.peer_index,
        flags=UP,
        mtu=device.mtu,
        mac=first.mac,
        state="UP",
        peer_index=device.index,
        kind=OtherKind("veth"),
        detailed=True,
    )
    yield AddressFact(at=at, scope=scope, device="lo", address=LOOPBACK, length=8, scope_name="host")
    routers = {fact.address.family: fact.address for fact in reversed(node.addresses) if fact.device == HOST_DEVICE}
    for order, entry in enumerate(entries):
        family = entry.address.family
        yield AddressFact(at=entry.at, scope=scope, device="eth0", address=entry.address, length=WIDTH[family], order=order)
        if (router := routers.get(family)) is not None:
            direct = NextHop(device="eth0")
            yield RouteFact(
                at=entry.at, scope=scope, destination=host_prefix(router), next_hops=(direct,), scope_name="link", order=1
            )
            via = NextHop(via=router, device="eth0")
            yield RouteFact(at=entry.at, scope=scope, destination=default_prefix(family), next_hops=(via,), order=0)
