"""A node does not forward packets, so its pods are cut off.

## What it finds
`net.ipv4.ip_forward = 0` on a node with pods of its own network, or `forwarding = 0` on the device by which such packets come in (the pods' bridge or
veth, the tunnel, the uplink); for IPv6 where pods have IPv6 addresses.

## Why it matters
The kernel drops every packet that is not for the node itself. The node seems healthy, and all pods on it are cut off from other nodes and the outside.

## Example
    net.ipv4.ip_forward = 0          # set by a later file in /etc/sysctl.d, such as 99-gce.conf or hardening

## How to mend
Set the switch to 1 in a file of `/etc/sysctl.d` that is read last, and apply it with `sysctl --system`.

## Sources
ip_route_input_slow (net/ipv4/route.c, IN_DEV_FORWARD), ip6_forward (net/ipv6/ip6_output.c); openshift/origin#9931, kubespray#680.
"""

from collections.abc import Iterator

from analyzer.query.plan import default_devices
from analyzer.query.tunnels import host_ends
from analyzer.rule import Finding, Interface, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for scope in sorted(network.namespaces):
        root = network.namespaces[scope]
        if scope.namespace or not (ends := list(host_ends(network, root))):
            continue
        for family in sorted({address.family for end in ends for address in end.pod.addresses}):
            yield from family_findings(
                network, root, family, {end.device.name for end in ends}, len({end.pod.name for end in ends})
            )


def family_findings(network: Network, root: Namespace, family: int, devices: set[str], pods: int) -> Iterator[Finding]:
    node = root.scope.node
    protocol = "ipv4" if family == 4 else "ipv6"
    whole = root.sysctls.get(f"net.{protocol}.conf.all.forwarding")
    if whole is not None and whole.value == "0" and whole.at.path in network.sources:
        yield RULE.finding(
            whole.at,
            f"{node} does not forward IPv{family} ({whole.key} = 0), and {pods} pod{'s' * (pods > 1)} of its own network run{'s' * (pods == 1)} there",
            help=f"on {node}: sysctl -w {whole.key}=1, and the same in the last file of /etc/sysctl.d",
        )
        return
    tunnels = {at.device for at in network.sockets if at.scope == root.scope}
    for device in sorted(devices | (default_devices(root) | node_devices(network, root)) | tunnels):
        fact = root.sysctls.get(f"net.{protocol}.conf.{device}.forwarding")
        if family == 4 and fact is not None and fact.value == "0" and Interface(root.scope, device).device in root.links:
            yield RULE.finding(
                fact.at,
                f"{node} does not forward what comes in on {device} ({fact.key} = 0), although it forwards elsewhere",
                related=[(root.links[device].at, f"{device} carries the traffic of pods")],
                help=f"on {node}: sysctl -w {fact.key}=1",
            )


def node_devices(network: Network, root: Namespace) -> set[str]:
    """The devices with an address that the API gives to a node."""
    stated = {address for node in network.cluster.nodes.values() for _, address in node.addresses}
    return {fact.device for fact in root.addresses if fact.address in stated}


RULE = Rule("forwarding-off", Severity.ERROR, __doc__, check)
