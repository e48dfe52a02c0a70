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

from analyzer.rule import Finding, Interface, Network, Rule, Severity, hardware_text


def check(network: Network) -> Iterator[Finding]:
    for pod in network.attachments:
        inside = network.namespaces.get(pod.scope)
        if inside is None or not pod.scope.namespace:
            continue
        gateways = {
            hop.via
            for tables in inside.routes.values()
            for routes in tables.values()
            for route in routes
            for hop in route.next_hops
            if hop.via
        }
        for entry in inside.neighbours:
            if entry.address not in gateways or "PERMANENT" not in entry.states or entry.mac is None or entry.device is None:
                continue
            peer = network.peers.get(Interface(pod.scope, entry.device))
            if peer is None:
                continue
            outside = network.namespaces[peer.scope]
            candidates = [
                link
                for link in (outside.links.get(peer.device), outside.links.get(outside.links[peer.device].master or ""))
                if link
            ]
            if any(link.master_kind == "openvswitch" or link.mac is None for link in candidates):
                continue
            if entry.mac not in {link.mac for link in candidates}:
                link = candidates[0]
                yield RULE.finding(
                    entry.at,
                    f"{pod.name} has {hardware_text(entry.mac)} for its gateway {entry.address}, but {link.name} on {peer.scope} has {hardware_text(link.mac or 0)}",
                    related=[(link.at, f"{link.name} has {hardware_text(link.mac or 0)}")],
                    help="recreate the pod; set MACAddressPolicy=none for CNI interfaces",
                )


RULE = Rule("gateway-mac-stale", Severity.ERROR, __doc__, check, ("F49",))
