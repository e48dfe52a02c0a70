"""The pods' bridge has no address, or one outside the node's pod network.

## What it finds
A bridge of the node's pods (`cni0`, `cbr0`, `kube-bridge`, one that the CNI configuration names, or one that captured pods are attached to) with no address of a family that pods have, or with an address
outside `Node.spec.podCIDRs` of the node; where no Node object was captured, outside `FLANNEL_SUBNET` of `/run/flannel/subnet.env`. Systems that hand out other addresses than those of the Node object
(Weave, pools of their own) are left alone: pods of the node have addresses, none of them in its networks, and neither flannel nor the bridge plugin is there.

## Why it matters
The bridge is the pods' gateway. After a node joins anew with another pod network, the bridge keeps the old address and the CNI fails with
"cni0 already has an IP address different from".

## Example
    cni0: inet 10.244.3.1/24        # and the node's podCIDR is 10.244.1.0/24

## How to mend
`ip link delete cni0` and recreate the node's pods.

## Sources
kubernetes/kubernetes#67183, containernetworking/plugins#366.
"""

from collections.abc import Iterator

from analyzer.query.networks_of_nodes import handed_out
from analyzer.query.plan import node_of, prefix
from analyzer.query.pod_devices import families, pod_devices
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Prefix, Rule, Severity, Span

Told = tuple[Prefix, Span]
SUBNETS = ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if "ip-addr" in root.missing:
            continue
        told = list(stated(network, root))
        for bridge, ports in sorted(bridges(network, root).items()):
            for family in (4, 6):
                yield from judged(network, root, bridge, ports, family, [item for item in told if item[0].family == family])


def judged(network: Network, root: Namespace, bridge: str, ports: int, family: int, told: list[Told]) -> Iterator[Finding]:
    """What is wrong with a bridge's addresses of a family. Without ports it may not be set up yet."""
    held = [
        item for item in root.addresses if (item.device, item.address.family) == (bridge, family) and item.scope_name != "link"
    ]
    related = [(at, f"the pod network of {root.scope.node}") for _, at in told[:2]]
    if not held and ports and family in gateways(network, root):
        yield RULE.finding(
            root.links[bridge].at,
            f"{bridge} on {root.scope.node} has no IPv{family} address, and {ports} pods use it as their gateway",
            related=related,
            help="recreate a pod of the node: the bridge plugin gives its bridge the address with isGateway",
            certain=False,
        )
    elif held and told and not any(known.covers(item.address) for known, _ in told for item in held):
        yield RULE.finding(
            held[0].at,
            f"{bridge} on {root.scope.node} has {held[0].address}, outside the node's pod network {told[0][0]}",
            related=related,
            help=f"ip link delete {bridge}, then recreate the node's pods",
        )


def gateways(network: Network, root: Namespace) -> frozenset[int]:
    """The families in which pods want a gateway: those that they are known to have, else IPv4."""
    return families(network, root, pod_devices(network, root)) or frozenset({4})


def bridges(network: Network, root: Namespace) -> dict[str, int]:
    """The bridges of the pods' first network, with how many ends of pods' interfaces are their ports."""
    devices = pod_devices(network, root)
    files = network.files.get(root.scope.node)
    first = next((config for config in files.configs if not config.problem), None) if files else None
    made = {str(plugin.get("bridge")) for plugin in first.plugins if plugin.get("type") == "bridge"} if first else set()
    names = made | {item.name for item in devices.values() if not item.end}
    ends = [item.bridge for item in devices.values() if item.end] + [
        link.master for link in root.links.values() if link.master in made - set(devices)
    ]
    return {name: ends.count(name) for name in names if name in root.links}


def stated(network: Network, root: Namespace) -> Iterator[Told]:
    """The node's own pod networks: those of its Node object, else of flannel's file on the node."""
    node, files = node_of(network, root.scope.node), network.files.get(root.scope.node)
    if node is not None and node.pod_cidrs:
        given = node.pod_cidrs if bridged(network, root) else handed_out(network, node)
        yield from (
            (known, node.place("spec", "podCIDRs", index)) for index, known in enumerate(node.pod_cidrs) if known in given
        )
    elif files is not None and files.subnet_file is not None:
        for name, value in files.subnet_file.values:
            found = prefix(value) if name in SUBNETS else None
            if found is not None:
                yield found, files.subnet_file.at


def bridged(network: Network, root: Namespace) -> bool:
    """Whether flannel or the bridge plugin makes the node's pods' interfaces."""
    files = network.files.get(root.scope.node)
    configs = [config for config in files.configs if not config.problem] if files is not None else []
    kinds = {str(plugin.get("type")) for config in configs[:1] for plugin in config.plugins}
    return bool(kinds & {"bridge", "flannel"}) or (files is not None and files.subnet_file is not None)


RULE = Rule("bridge-address-stale", Severity.ERROR, __doc__, check)
