"""The host end of a pod's veth pair is down, or detached from the bridge that the other pods use.

## What it finds
On a node whose pods hang on one bridge: a pod's host-side interface without a master, with another master, or not up. Where the
node's route to the pod leads to that interface, or to the other bridge, the pod is attached in its own way (a second bridge of
docker, a routed pod), and nothing is said. Where the pods' namespaces were not captured, the same is possible of veth devices whose
other end is in another namespace, by the node's state alone: down, or without a master where most are ports of one bridge, with no route,
address or traffic control of their own.

## Why it matters
The pod is cut off. Network managers and nmstate detach interfaces that they believe are theirs.

## Example
    7: vethab12@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 ... state UP       # no "master cni0"

## How to mend
`ip link set vethab12 master cni0` (or `up`); tell the network manager to leave CNI interfaces alone.

## Sources
nmstate/kubernetes-nmstate#701, containers/podman#11123.
"""

from collections import Counter
from collections.abc import Iterator

from analyzer.query.pod_devices import VETH, pod_devices
from analyzer.query.state import pods_on, roots
from analyzer.query.tables import main_route
from analyzer.rule import Attachment, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    host_ends = {(here.scope, there.scope): there for here, there in sorted(network.peers.items(), reverse=True)}
    for root in roots(network):
        ends = [
            (pod, end) for pod in pods_on(network, root.scope.node) if (end := host_ends.get((pod.scope, root.scope))) is not None
        ]
        usual = Counter(root.links[end.device].master for _, end in ends if root.links[end.device].master).most_common(1)
        yield from by_node(network, root, {end.device for _, end in ends})
        for pod, end in ends:
            link = root.links[end.device]
            if not link.up:
                yield RULE.finding(
                    link.at, f"{end.device}, the host end of {pod.name}, is down", help=f"ip link set {end.device} up"
                )
            elif (
                usual
                and link.master != usual[0][0]
                and usual[0][1] * 2 > len(ends)
                and not led_to(root, pod, {link.name, link.master})
            ):
                where = f"belongs to {link.master}" if link.master else "has no master"
                yield RULE.finding(
                    link.at,
                    f"{end.device}, the host end of {pod.name}, {where}; the other pods' ends belong to {usual[0][0]}",
                    help=f"ip link set {end.device} master {usual[0][0]}",
                )


def by_node(network: Network, root: Namespace, seen: set[str]) -> Iterator[Finding]:
    """Ends of pods that were not captured, as far as the node tells."""
    ends = [one for one in pod_devices(network, root).values() if one.end and one.name not in seen and one.name in root.links]
    usual = Counter(one.bridge for one in ends if one.bridge).most_common(1)
    for one in ends:
        link = root.links[one.name]
        if not link.up:
            words = f"{one.name} on {root.scope.node}, the end of an interface in another namespace, is down"
            yield RULE.finding(link.at, words, help=f"ip link set {one.name} up", certain=False)
        elif (
            VETH.fullmatch(one.name) and not one.bridge and usual and usual[0][1] * 2 > len(ends) and not own_way(root, one.name)
        ):
            bridge, count = usual[0]
            yield RULE.finding(
                link.at,
                f"{one.name} on {root.scope.node}, the end of an interface in another namespace, has no master; {count} others belong to {bridge}",
                help=f"ip link set {one.name} master {bridge}",
                certain=False,
            )


def own_way(root: Namespace, device: str) -> bool:
    """Whether a device is used by itself: a route leads to it, it has an address, or traffic control redirects it."""
    tables = (routes for by_table in root.routes.values() for routes in by_table.values())
    routed = any(
        hop.device == device and route.protocol != "kernel" for routes in tables for route in routes for hop in route.next_hops
    )
    addressed = any(fact.device == device and fact.scope_name != "link" for fact in root.addresses)
    return routed or addressed or bool(root.filters.get(device))


def led_to(root: Namespace, pod: Attachment, devices: set[str | None]) -> bool:
    """Whether the node's way to the pod is by one of these: the interface, or the bridge that it belongs to."""
    routes = [route for own in pod.addresses if (route := main_route(root, own)) is not None]
    return any(hop.device in devices for route in routes for hop in route.next_hops if hop.device)


RULE = Rule("pod-interface-detached", Severity.ERROR, __doc__, check)
