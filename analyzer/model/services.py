"""Service addresses that no interface has, and whether a node's own rules lead them to their endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.netfilter import Chain
from analyzer.facts.nftables import NftChain
from analyzer.model.network import Namespace, Network
from analyzer.source import Scope, Span

DUMMY = "kube-ipvs0"
"""The device of kube-proxy's IPVS mode that holds the addresses of services (pkg/proxy/ipvs/proxier.go)."""
ENTRANCE = "KUBE-SERVICES"
MOST = 100
"""The chain of kube-proxy's iptables mode that every packet passes (pkg/proxy/iptables/proxier.go)."""


def virtual_addresses(network: Network) -> dict[Address, str]:
    """The cluster addresses of services that no captured interface has, with the service's name."""
    return {
        address: f"svc:{namespace}/{name}"
        for (namespace, name), service in sorted(network.cluster.services.items())
        for address in service.cluster_addresses
        if address not in network.owners
    }


@dataclass(frozen=True, slots=True)
class Untranslated:
    """Why a packet to a service's address leaves a node as it is. Without ``at`` that is not known."""

    reason: str
    at: Span | None


def untranslated(network: Network, node: str, address: Address) -> Untranslated:
    """Where kube-proxy's iptables rules, or its device of the IPVS mode, are on a node, nothing else leads to endpoints there: they do not know the address."""
    root = network.namespaces.get(Scope(node))
    dummy = root.links.get(DUMMY) if root is not None else None
    if dummy is not None:
        text = f"{DUMMY} of {node} does not have {address}, {described(network, address)}: IPVS balances only what is for the node itself"
        return Untranslated(text, dummy.at)
    chain, what = entrance(network, node, address.family), described(network, address)
    if chain is not None and root is not None and not led_to(root, address.family):
        text = f"nothing in nat PREROUTING of {node} leads to the chain {chain.name}, which translates services: {address}, {what}, stays as it is"
        return Untranslated(text, chain.at)
    native = services_chain(root, address.family) if root is not None else None
    if chain is None and native is not None:
        return Untranslated(f"table kube-proxy of {node} does not translate {address}, {what}, and nobody has it", native.at)
    if chain is None:
        return Untranslated(f"what leads {address}, {what}, to its endpoints is not known on {node}", None)
    return Untranslated(f"the chain {chain.name} of {node} does not translate {address}, {what}, and nobody has it", chain.at)


def described(network: Network, address: Address) -> str:
    """What a service's address is."""
    if (name := virtual_addresses(network).get(address)) is not None:
        return f"the cluster address of {name}"
    for (namespace, name), service in sorted(network.cluster.services.items()):
        if address in (*service.external_addresses, *service.load_balancer_addresses):
            return f"an external address of svc:{namespace}/{name}"
    return "the cluster address of a service"


def led_to(root: Namespace, family: int) -> bool:
    """Whether nat PREROUTING may lead to the chain: by a jump of its own, or over chains of others."""
    bases = [ruleset.tables.get("nat", {}) for ruleset in root.rulesets if ruleset.family == family]
    targets = {
        getattr(rule.target, "chain", "") for table in bases if "PREROUTING" in table for rule in table["PREROUTING"].rules
    }
    return ENTRANCE in targets or any(
        getattr(rule.target, "chain", "") == ENTRANCE
        for table in bases
        for name, chain in table.items()
        if name not in ("PREROUTING", "OUTPUT", ENTRANCE) and len(chain.rules) < MOST
        for rule in chain.rules
    )


def services_chain(root: Namespace, family: int) -> NftChain | None:
    """The chain of services in kube-proxy's own table of nftables (pkg/proxy/nftables/proxier.go)."""
    found = (table for table in root.nft_tables if table.name == "kube-proxy" and table.family == ("ip", "ip6")[family == 6])
    return next((table.chains["services"] for table in found if "services" in table.chains and not table.dormant), None)


def entrance(network: Network, node: str, family: int) -> Chain | None:
    """The chain that translates service addresses on a node."""
    root = network.namespaces.get(Scope(node))
    rulesets = root.rulesets if root is not None else ()
    found = (ruleset.tables.get("nat", {}).get(ENTRANCE) for ruleset in rulesets if ruleset.family == family)
    return next((chain for chain in found if chain is not None), None)
