"""A node does not forward packets, so its pods are cut off.

## What it finds
`net.ipv4.ip_forward = 0` on a node with pods of its own network, or `forwarding = 0` on the device by which such packets come in (the pods' bridge or
veth, the tunnel, the uplink); for IPv6 where pods have IPv6 addresses. That a node has pods is told by their namespaces, by their objects, or by the devices that CNI
plugins make (`cni0`, `cali…`, `lxc…`).

## Why it matters
The kernel drops every packet that is not for the node itself. The node seems healthy, and all pods on it are cut off from other nodes and the outside.

## Example
    net.ipv4.ip_forward = 0          # set by a later file in /etc/sysctl.d, such as 99-gce.conf or hardening

## How to mend
Set the switch to 1 in a file of `/etc/sysctl.d` that is read last, and apply it with `sysctl --system`.

## Sources
ip_route_input_slow (net/ipv4/route.c, IN_DEV_FORWARD), ip6_forward (net/ipv6/ip6_output.c); openshift/origin#9931, kubespray#680.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.plan import default_devices
from analyzer.query.pod_devices import PodDevice, families, pod_count, pod_devices
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for scope in sorted(network.namespaces):
        root = network.namespaces[scope]
        devices = pod_devices(network, root) if not scope.namespace else {}
        if not scope.namespace and (devices or pod_count(network, root)):
            for family in sorted(families(network, root, devices)):
                yield from family_findings(network, root, family, devices)


def family_findings(network: Network, root: Namespace, family: int, devices: Mapping[str, PodDevice]) -> Iterator[Finding]:
    node = root.scope.node
    protocol = "ipv4" if family == 4 else "ipv6"
    whole = root.sysctls.get(f"net.{protocol}.conf.all.forwarding")
    if whole is not None and whole.value == "0" and whole.at.path in network.sources:
        yield RULE.finding(
            whole.at,
            f"{node} does not forward IPv{family} ({whole.key} = 0), and {there(network, root, devices)}",
            help=f"on {node}: sysctl -w {whole.key}=1, and the same in the last file of /etc/sysctl.d",
            certain=not any(whole.key in gap.reason for gap in root.gaps.get("sysctl", ())),
        )
        return
    tunnels = {at.device for at in network.sockets if at.scope == root.scope}
    for device in sorted(meeting(devices) | (default_devices(root) | node_devices(network, root)) | tunnels):
        fact = root.sysctls.get(f"net.{protocol}.conf.{device}.forwarding")
        link = root.links.get(device)
        at = link.at if link is not None else devices[device].at if device in devices else None
        if family == 4 and fact is not None and fact.value == "0" and at is not None:
            yield RULE.finding(
                fact.at,
                f"{node} does not forward what comes in on {device} ({fact.key} = 0), although it forwards elsewhere",
                related=[(at, f"{device} carries the traffic of pods")],
                help=f"on {node}: sysctl -w {fact.key}=1",
            )


def there(network: Network, root: Namespace, devices: Mapping[str, PodDevice]) -> str:
    """The pods of the node, in words."""
    if pods := pod_count(network, root):
        return f"{pods} pod{'s' * (pods > 1)} of its own network run{'s' * (pods == 1)} there"
    names = sorted(meeting(devices))
    return f"{', '.join(names[:2])} show{'s' * (len(names) == 1)} that pods of its own network run there"


def meeting(devices: Mapping[str, PodDevice]) -> set[str]:
    """The devices where packets from pods meet the node's IP: bridges, and ends that are no ports of one."""
    return {name for name, one in devices.items() if not one.bridge}


def node_devices(network: Network, root: Namespace) -> set[str]:
    """The devices with an address that the API gives to a node."""
    stated = {address for node in network.cluster.nodes.values() for _, address in node.addresses}
    return {fact.device for fact in root.addresses if fact.address in stated}


RULE = Rule("forwarding-off", Severity.ERROR, __doc__, check)
