"""A Service's address is not on `kube-ipvs0`, where kube-proxy's IPVS mode needs it.

## What it finds
A node with the device `kube-ipvs0` on which the ClusterIP of a Service is missing.

## Why it matters
IPVS takes packets in the INPUT hook: only what is delivered locally reaches it. A service address that no interface of the node has is routed to the outside, and is lost.

## Example
    10: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 state DOWN        # that it is down is normal
        inet 10.96.0.1/32 scope global kube-ipvs0                # and 10.96.0.10 is missing

## How to mend
Restart kube-proxy on the node; see that nothing else (NetworkManager, systemd-networkd, keepalived) manages `kube-ipvs0`.

## Sources
kubernetes/kubernetes#59976, #107662, #78421; pkg/proxy/ipvs/proxier.go (syncService); net/netfilter/ipvs/ip_vs_core.c (ip_vs_in_hook at LOCAL_IN).
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

DEVICE = "kube-ipvs0"


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if DEVICE in root.links and "ip-addr" not in root.missing and any(fact.device == DEVICE for fact in root.addresses):
            yield from lacking(network, root)


def lacking(network: Network, root: Namespace) -> Iterator[Finding]:
    """The services whose addresses the node does not hold."""
    held = {fact.address for fact in root.addresses}
    for (namespace, name), service in sorted(network.cluster.services.items()):
        if service.type == "ExternalName":
            continue
        for address in service.cluster_addresses:
            if address not in held and any(
                fact.address.family == address.family for fact in root.addresses if fact.device == DEVICE
            ):
                yield RULE.finding(
                    root.links[DEVICE].at,
                    f"{root.scope.node} lacks {address}, the address of Service {namespace}/{name}, on {DEVICE}: packets to it are not balanced",
                    related=[(service.place("spec", "clusterIP"), "the Service's address")],
                    help=f"restart kube-proxy on {root.scope.node}",
                    certain=not root.gaps.get("ip-addr"),
                )


RULE = Rule("ipvs-address-missing", Severity.ERROR, __doc__, check)
