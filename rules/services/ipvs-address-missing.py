"""A Service's address is not on `kube-ipvs0`, where kube-proxy's IPVS mode needs it, or on kube-router's `kube-dummy-if`.

## What it finds
A node with the device `kube-ipvs0` on which the ClusterIP of a Service is missing; one with `kube-dummy-if`, on which the ClusterIP is missing for which the node has a virtual server.

## Why it matters
IPVS takes packets in the INPUT hook: only what is delivered locally reaches it. A service address that no interface of the node has is routed to the outside, and is lost.

## Example
    10: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 state DOWN        # that it is down is normal
        inet 10.96.0.1/32 scope global kube-ipvs0                # and 10.96.0.10 is missing

## How to mend
Restart kube-proxy (kube-router) on the node; see that nothing else (NetworkManager, systemd-networkd, keepalived) manages the device.

## Sources
kubernetes/kubernetes#59976, #107662, #78421; pkg/proxy/ipvs/proxier.go (syncService); cloudnativelabs/kube-router pkg/controllers/proxy (KubeDummyIf); net/netfilter/ipvs/ip_vs_core.c (ip_vs_in_hook at LOCAL_IN).
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

DEVICES = {"kube-ipvs0": "kube-proxy", "kube-dummy-if": "kube-router"}


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for device in DEVICES:
            if device in root.links and "ip-addr" not in root.missing:
                yield from lacking(network, root, device)


def lacking(network: Network, root: Namespace, device: str) -> Iterator[Finding]:
    """The services whose addresses the node does not hold. kube-router may have none for a service without endpoints, and a device without addresses may be left over: then those count
    that the node has virtual servers for."""
    held = {fact.address for fact in root.addresses}
    families = {fact.address.family for fact in root.addresses if fact.device == device}
    served = {server.address for server in root.virtual_servers}
    for (namespace, name), service in sorted(network.cluster.services.items()):
        for address in service.cluster_addresses if service.type != "ExternalName" else ():
            every = DEVICES[device] == "kube-proxy" and address.family in families
            if address not in held and (every or address in served):
                yield RULE.finding(
                    root.links[device].at,
                    f"{root.scope.node} lacks {address}, the address of Service {namespace}/{name}, on {device}: packets to it are not balanced",
                    related=[(service.place("spec", "clusterIP"), "the Service's address")],
                    help=f"restart {DEVICES[device]} on {root.scope.node}",
                    certain=not root.gaps.get("ip-addr"),
                )


RULE = Rule("ipvs-address-missing", Severity.ERROR, __doc__, check)
