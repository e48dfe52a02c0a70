"""A pod's permanent entry for its gateway names a MAC that no interface of the node's side has.

## What it finds
A PERMANENT neighbour entry in a pod's namespace whose MAC is neither that of the host end of the pod's veth pair nor of the bridge it hangs on.

## Why it matters
Frames carry that MAC and the host drops them as meant for somebody else; a permanent entry never heals. systemd's MACAddressPolicy changes veth MACs after the CNI has written the entry.

## Example
    169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee PERMANENT      # the host's veth has 6a:35:...

## How to mend
Recreate the pod, and set `MACAddressPolicy=none` for CNI interfaces.

## Sources
aws/amazon-vpc-cni-k8s#2103, #3155, cilium/cilium#8304, flatcar/Flatcar#278; eth_type_trans (PACKET_OTHERHOST).
"""

from collections.abc import Iterator

from analyzer.query.tunnels import LinkFact
from analyzer.rule import Address, Finding, Interface, Namespace, Network, Rule, Scope, Severity, hardware_text


def check(network: Network) -> Iterator[Finding]:
    for pod in network.attachments:
        inside = network.namespaces.get(pod.scope)
        if inside is None or not pod.scope.namespace:
            continue
        gateways = gateways_of(inside)
        for entry in inside.neighbours:
            if entry.address not in gateways or "PERMANENT" not in entry.states or entry.mac is None or entry.device is None:
                continue
            links = across(network, Interface(pod.scope, entry.device))
            if not links or entry.mac in {link.mac for _, link in links}:
                continue
            scope, link = links[0]
            yield RULE.finding(
                entry.at,
                f"{pod.name} has {hardware_text(entry.mac)} for its gateway {entry.address}, but {link.name} on {scope} has {hardware_text(link.mac or 0)}",
                related=[(link.at, f"{link.name} has {hardware_text(link.mac or 0)}")],
                help="recreate the pod; set MACAddressPolicy=none for CNI interfaces",
            )


def gateways_of(inside: Namespace) -> set[Address]:
    """The addresses that routes of a namespace lead to."""
    routes = (route for tables in inside.routes.values() for found in tables.values() for route in found)
    return {hop.via for route in routes for hop in route.next_hops if hop.via}


def across(network: Network, interface: Interface) -> list[tuple[Scope, LinkFact]]:
    """The other end of a pod's pair, and the bridge that it is in: whoever may be the gateway. Nothing where that is not known, or a switch answers."""
    peer = network.peers.get(interface)
    if peer is None:
        return []
    links = network.namespaces[peer.scope].links
    found = [link for link in (links.get(peer.device), links.get(links[peer.device].master or "")) if link]
    known = not any(link.master_kind == "openvswitch" or link.mac is None for link in found)
    return [(peer.scope, link) for link in found] if known else []


RULE = Rule("gateway-mac-stale", Severity.ERROR, __doc__, check)
