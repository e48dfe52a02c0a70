"""A node has no route to one of its own pods.

## What it finds
A pod whose interface ends on its node in a device of its own (Calico's `cali…`, `ptp`, AWS, Azure), while the node's main table leads the pod's address elsewhere, or nowhere: of IPv4 and of IPv6. Where the pod's own namespace was not captured: a running pod of a node that has such devices,
with an address that no route leads to any of them.

## Why it matters
The pod runs and can send; every answer, and everything that others send to it, is lost on its own node. NetworkManager, systemd-networkd or nmstate took the interface
for theirs and removed the route, or the CNI's agent is stopped.

## Example
    9: cali1234567890a@if3: ...                  # the pod 10.244.1.5 is behind it
    blackhole 10.244.1.0/26 proto bird           # and no route 10.244.1.5 dev cali1234567890a

## How to mend
Tell NetworkManager and networkd to leave the CNI's interfaces alone (`unmanaged-devices=interface-name:cali*`), and restart the CNI's agent, or recreate the pod.

## Sources
projectcalico/calico#2471, poseidon/typhoon#1007, coreos/fedora-coreos-tracker#929, projectcalico/calico#4491, #10834; Calico, Configure NetworkManager.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.pod_devices import PodDevice, objects_on, pod_devices
from analyzer.query.state import roots
from analyzer.query.tables import RouteFact, main_route
from analyzer.query.tunnels import Bridge, HostEnd, host_ends, redirected_to, switched
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

ELSEWHERE = ("cilium_host", "antrea-gw0", "ovn-k8s-mp0")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if {"ip-route/4", "ip-route/6"} <= {*root.missing} or any(name in root.links for name in ELSEWHERE):
            continue
        for end in host_ends(network, root):
            if own_device(network, root, end):
                yield from lacking(root, end)
        yield from unseen(network, root)


def unseen(network: Network, root: Namespace) -> Iterator[Finding]:
    """Pods of which only the object is known, on a node whose pods' devices are no ports of a bridge: no route leads to any of these."""
    seen = {end.pod.name for end in host_ends(network, root)}
    devices = pod_devices(network, root)
    ends = [one for one in devices.values() if one.end and not one.bridge]
    held = {fact.address for fact in root.addresses}
    for pod in objects_on(network, root) if ends else ():
        name = f"{pod.namespace}/{pod.name}"
        if name in seen:
            continue
        for address in pod.addresses:
            if address in held or unknown(root, address):
                continue
            route = main_route(root, address)
            if route is not None and leads(route, devices):
                continue
            way = "nowhere" if route is None else f"by {route.kind if route.kind != 'unicast' else route.destination}"
            yield RULE.finding(
                route.at if route is not None else ends[0].at,
                f"{root.scope.node} leads {address} of its own pod {name} {way}, not to a device of a pod",
                related=[(ends[0].at, f"{len(ends)} such device{'s' * (len(ends) > 1)}, as this one")],
                help=f"restart the CNI's agent on {root.scope.node}, and keep network managers away from its interfaces",
                certain=False,
            )


def unknown(root: Namespace, address: Address) -> bool:
    """Whether the node's routes of the family were not captured, or the address needs none: a link-local one."""
    return f"ip-route/{address.family}" in root.missing or (address.family == 6 and address.value >> 118 == 0xFE80 >> 6)


def leads(route: RouteFact, devices: Mapping[str, PodDevice]) -> bool:
    """Whether a route leads to a device of a pod, or to a single address (another system's own device)."""
    return route.kind == "unicast" and (
        route.destination.length == (32 if route.destination.family == 4 else 128)
        or any(hop.device in devices for hop in route.next_hops)
    )


def own_device(network: Network, root: Namespace, end: HostEnd) -> bool:
    """Whether the node routes to the pod by its end alone: no bridge or switch, and no tc that takes the packets elsewhere."""
    inside = network.namespaces[end.pod.scope]
    taken = redirected_to(root, end.end.name) or redirected_to(inside, end.inside.name)
    return end.bridge is None and not end.end.master and not switched(end.end) and taken is None and end.end.up


def lacking(root: Namespace, end: HostEnd) -> Iterator[Finding]:
    """The pod's addresses that the node does not lead to its end."""
    held = {fact.address for fact in root.addresses}
    for address in end.pod.addresses:
        if address in held or unknown(root, address):
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
