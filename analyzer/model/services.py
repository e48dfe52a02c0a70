"""Service addresses that no interface has, and whether a node's own rules lead them to their endpoints."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.netfilter import Chain
from analyzer.model.network import Network
from analyzer.source import Scope

ENTRANCE = "KUBE-SERVICES"
"""The chain of kube-proxy's iptables mode that every packet passes (pkg/proxy/iptables/proxier.go)."""


def virtual_addresses(network: Network) -> dict[Address, str]:
    """The cluster addresses of services that no captured interface has, with the service's name."""
    return {
        address: f"svc:{namespace}/{name}"
        for (namespace, name), service in sorted(network.cluster.services.items())
        for address in service.cluster_addresses
        if address not in network.owners
    }


def entrance(network: Network, node: str, family: int) -> Chain | None:
    """The chain that translates service addresses, where kube-proxy's iptables rules are on a node: nothing else leads to endpoints there."""
    root = network.namespaces.get(Scope(node))
    rulesets = root.rulesets if root is not None else ()
    found = (ruleset.tables.get("nat", {}).get(ENTRANCE) for ruleset in rulesets if ruleset.family == family)
    return next((chain for chain in found if chain is not None), None)


def untranslated(chain: Chain, node: str, address: Address, service: str) -> str:
    """Why a packet to a service's address gets nowhere."""
    return f"the chain {chain.name} of {node} does not translate {address}, the cluster address of {service}, and nobody has it"
