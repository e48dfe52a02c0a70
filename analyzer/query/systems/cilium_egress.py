"""Egress gateways of Cilium: whether a policy has a node to leave by, with an address to leave with, and what the nodes' maps say of it.

Follows cilium/cilium pkg/egressgateway/policy.go (``ParseCEGP``, ``regenerateGatewayConfig``, ``deriveFromPolicyGatewayConfig``), manager.go
(``NewEgressGatewayManager``: what the agent asks for) and bpf/lib/egress_gateway.h (``egress_gw_request_needs_redirect``: no gateway, no address: dropped).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.addresses import Address
from analyzer.facts.kubernetes import Located, NodeFact, ObjectFact
from analyzer.model.network import Namespace, Network
from analyzer.query.connectivity.gateways import selects
from analyzer.query.refusals import Refusal, address_in, network_in, objects, spec_of
from analyzer.query.state import node_addresses, root_of
from analyzer.source import Span

if TYPE_CHECKING:
    from analyzer.facts.cilium import EgressEntryFact

KIND, GROUP = "CiliumEgressGatewayPolicy", "cilium.io"
SWITCHES = ("enable-egress-gateway", "enable-ipv4-egress-gateway")
MASQUERADE = "enable-bpf-masquerade"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway of a policy: its part of the object and where that is."""

    fact: ObjectFact
    given: Mapping[str, Any]
    path: tuple[str | int, ...]

    def place(self, *keys: str) -> Span:
        """The place of one of its values."""
        return self.fact.place(*self.path, *keys)


def policies(network: Network) -> tuple[ObjectFact, ...]:
    """The policies of the input."""
    return tuple(objects(network, KIND, GROUP))


def gateways(fact: ObjectFact) -> Iterator[Gateway]:
    """The gateways of a policy: ``egressGateway``, and ``egressGateways`` of Cilium 1.18."""
    one, several = spec_of(fact).get("egressGateway"), spec_of(fact).get("egressGateways")
    if isinstance(one, Mapping):
        yield Gateway(fact, one, ("spec", "egressGateway"))
    for index, item in enumerate(several if isinstance(several, list) else ()):
        if isinstance(item, Mapping):
            yield Gateway(fact, item, ("spec", "egressGateways", index))


def unfit(network: Network) -> Iterator[Refusal]:
    """What keeps policies from working, as far as objects and gateways' interfaces say it."""
    found = policies(network)
    yield from switched_off(network) if found else ()
    for fact in found:
        yield from written(fact)
        for gateway in gateways(fact):
            yield from nodes_of(network, gateway)


def switched_off(network: Network) -> Iterator[Refusal]:
    """``cilium-config`` where the feature is off, or what it needs is."""
    for _, fact in sorted(network.cluster.config_maps.items()):
        if fact.name != "cilium-config":
            continue
        on = next((fact.data[key] for key in SWITCHES if key in fact.data), None)
        if on is None or on.value != "true":
            at, words = (on.at, "is not true") if on is not None else (fact.at, "is not set")
            yield Refusal(at, f"{SWITCHES[1]} {words}: {KIND} has no effect", certain=False)
        elif (masquerade := fact.data.get(MASQUERADE, Located("unset", on.at))).value != "true":
            yield Refusal(
                masquerade.at, f"{MASQUERADE} is {masquerade.value}, and the egress gateway needs it: agents do not start"
            )


def written(fact: ObjectFact) -> Iterator[Refusal]:
    """``ParseCEGP``: the agent leaves out what it refuses."""
    for gateway in gateways(fact):
        if gateway.given.get("interface") and gateway.given.get("egressIP"):
            yield Refusal(
                gateway.place("egressIP"),
                f"{fact.name} gives its gateway both an interface and an egressIP: the agent refuses it",
            )
        if gateway.given.get("egressIP") and address_in(gateway.given.get("egressIP")) is None:
            yield Refusal(gateway.place("egressIP"), f"egressIP {gateway.given['egressIP']!r} is no address")
    selectors = spec_of(fact).get("selectors")
    for index, item in enumerate(selectors if isinstance(selectors, list) else ()):
        if isinstance(item, Mapping) and item.get("podSelector") is None and item.get("namespaceSelector") is None:
            place = fact.place("spec", "selectors", index)
            yield Refusal(
                place, f"a selector of {fact.name} has neither podSelector nor namespaceSelector: the agent refuses the policy"
            )
    for key in ("destinationCIDRs", "excludedCIDRs"):
        networks = spec_of(fact).get(key)
        for index, text in enumerate(networks if isinstance(networks, list) else ()):
            if network_in(text) is None:
                yield Refusal(fact.place("spec", key, index), f"{text!r} is no network: the agent refuses {fact.name}")


def nodes_of(network: Network, gateway: Gateway) -> Iterator[Refusal]:
    """The nodes that can be the gateway: one must be there and have the address, or the interface, to leave by."""
    selector = gateway.given.get("nodeSelector")
    nodes = [
        node
        for _, node in sorted(network.cluster.nodes.items())
        if isinstance(selector, Mapping) and selects(selector, node.labels)
    ]
    if isinstance(selector, Mapping) and network.cluster.nodes and not nodes:
        words = f"no node has the labels of the gateway of {gateway.fact.name}: what its pods send to {targets(gateway.fact)} is dropped"
        yield Refusal(gateway.place("nodeSelector"), words)
    spaces = [space for node in nodes if (space := captured(network, node)) is not None]
    if not spaces or len(spaces) < len(nodes):
        return
    wanted, device = address_in(gateway.given.get("egressIP")), str(gateway.given.get("interface") or "")
    names = ", ".join(str(space.scope) for space in spaces)
    if wanted is not None and not any(wanted == one.address for space in spaces for one in space.addresses):
        yield Refusal(
            gateway.place("egressIP"), f"no interface of {names} has {wanted}, with which {gateway.fact.name} is to leave"
        )
    elif device and not any(device in space.links for space in spaces):
        yield Refusal(gateway.place("interface"), f"{names} has no interface {device}, by which {gateway.fact.name} is to leave")


def captured(network: Network, node: NodeFact) -> Namespace | None:
    """A node's own namespace, where its interfaces were captured."""
    space = root_of(network, network.node_names.get(node.name, node.name))
    return space if space is not None and "ip-addr" not in space.missing and space.links else None


def targets(fact: ObjectFact) -> str:
    """The destinations of a policy, in words."""
    found = spec_of(fact).get("destinationCIDRs")
    return ", ".join(map(str, found)) if isinstance(found, list) and found else "its destinations"


def lost(network: Network) -> Iterator[tuple[EgressEntryFact, str]]:
    """Entries of nodes' maps by which packets are lost, one for each node and destination, with why."""
    if not network.namespaces:
        return
    from analyzer.query.cilium import agents

    addresses: Mapping[Address, str] = node_addresses(network)
    for state in agents(network):
        seen: set[tuple[str, str]] = set()
        for entry in state.egress:
            why = reason(entry, addresses, state.scope.node)
            if why and (str(entry.target), why) not in seen:
                seen.add((str(entry.target), why))
                yield entry, f"{state.scope} drops what {entry.source} sends to {entry.target}: {why}"


def reason(entry: EgressEntryFact, addresses: Mapping[Address, str], node: str) -> str:
    """Why an entry's packets are lost; empty where they are not, as far as this is known."""
    if entry.excluded:
        return ""
    if entry.gateway is None:
        return "no node is its egress gateway (No egress gateway found)"
    if addresses and entry.gateway not in addresses:
        return f"its gateway {entry.gateway} is no node's address"
    here = addresses.get(entry.gateway) == node
    return "the node is its gateway and has no address to leave with (No Egress IP configured)" if here and unset(entry) else ""


def unset(entry: EgressEntryFact) -> bool:
    """Whether an entry has no address to leave with."""
    return entry.egress is None or entry.egress.value == 0
