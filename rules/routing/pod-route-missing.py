"""A node has no route to one of its own pods.

## What it finds
A pod whose interface ends on its node in a device of its own (Calico's `cali…`, `ptp`, AWS, Azure), while the node's main table leads the pod's address elsewhere, or nowhere.

## Why it matters
The pod runs and can send; every answer, and everything that others send to it, is lost on its own node. NetworkManager, systemd-networkd or nmstate took the interface
for theirs and removed the route, or the CNI's agent is stopped.

## Example
    9: cali1234567890a@if3: ...                  # the pod 10.244.1.5 is behind it
    blackhole 10.244.1.0/26 proto bird           # and no route 10.244.1.5 dev cali1234567890a

## How to mend
Tell NetworkManager and networkd to leave the CNI's interfaces alone (`unmanaged-devices=interface-name:cali*`), and restart the CNI's agent, or recreate the pod.

## Sources
projectcalico/calico#2471, poseidon/typhoon#1007, coreos/fedora-coreos-tracker#929; Calico, Configure NetworkManager.
"""

from collections.abc import Iterator

from analyzer.query.state import main_route, roots
from analyzer.query.tunnels import Bridge, HostEnd, host_ends, redirected_to, switched
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

ELSEWHERE = ("cilium_host", "antrea-gw0", "ovn-k8s-mp0")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if "ip-route/4" in root.missing or any(name in root.links for name in ELSEWHERE):
            continue
        for end in host_ends(network, root):
            if own_device(network, root, end):
                yield from lacking(root, end)


def own_device(network: Network, root: Namespace, end: HostEnd) -> bool:
    """Whether the node routes to the pod by its end alone: no bridge or switch, and no tc that takes the packets elsewhere."""
    inside = network.namespaces[end.pod.scope]
    taken = redirected_to(root, end.end.name) or redirected_to(inside, end.inside.name)
    return end.bridge is None and not end.end.master and not switched(end.end) and taken is None and end.end.up


def lacking(root: Namespace, end: HostEnd) -> Iterator[Finding]:
    """The pod's addresses that the node does not lead to its end."""
    held = {fact.address for fact in root.addresses}
    for address in end.pod.addresses:
        if address.family != 4 or address in held:
            continue
        route = main_route(root, address)
        devices = {hop.device for hop in route.next_hops} if route is not None and route.kind == "unicast" else set()
        if end.end.name not in devices and not any(bridge(root, device) for device in devices):
            way = (
                "nowhere"
                if route is None
                else f"by {route.kind if route.kind != 'unicast' else ', '.join(sorted(map(str, devices)))}"
            )
            yield RULE.finding(
                end.end.at if route is None else route.at,
                f"{root.scope.node} leads {address} of its own pod {end.pod.name} {way}, not by {end.end.name}",
                related=[(end.end.at, f"{end.pod.name} is behind this device")],
                help=f"restart the CNI's agent on {root.scope.node}, and keep network managers away from its interfaces",
                certain=not root.gaps.get("ip-route") and end.inside.name == "eth0",
            )


def bridge(root: Namespace, device: str | None) -> bool:
    """Whether a device is a bridge: the pod's interface is then one that left it."""
    link = root.links.get(device or "")
    return link is not None and isinstance(link.kind, Bridge)


RULE = Rule("pod-route-missing", Severity.ERROR, __doc__, check)
