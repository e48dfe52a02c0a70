"""A pod cannot reach itself through its own service, since its bridge port does not send frames back.

## What it finds
A bridge port of a pod that is an endpoint of a service, with `hairpin off`, on a bridge that is not promiscuous, on a node where bridged frames
pass iptables (`bridge-nf-call-iptables`, then the frame to the service is turned round at the port). Where the pods' own namespaces were not captured: hairpin is off on all
ports of the pods' bridge, and a service leads to an address of the bridge's network.

## Why it matters
One connection in as many as the service has endpoints leads back to the pod itself and is lost; with one endpoint, all.

## Example
    10: vethA@eth0: ... master cni0 state forwarding ... hairpin off

## How to mend
`"hairpinMode": true` in the bridge plugin's configuration, and `bridge link set dev vethA hairpin on` for pods that run.

## Sources
should_deliver (net/bridge/br_forward.c), br_nf_pre_routing_finish (net/bridge/br_netfilter_hooks.c); kubernetes/kubernetes#45790, #20475.
"""

from collections.abc import Collection, Iterator

from analyzer.query.plan import prefix_of
from analyzer.query.pod_devices import PodDevice, pod_devices
from analyzer.query.state import roots
from analyzer.query.tables import chains, destination_of
from analyzer.query.tunnels import HostEnd, LinkFact, addresses_by, host_ends
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    served = endpoints(network)
    for root in roots(network):
        if root.sysctl("net.bridge.bridge-nf-call-iptables") == "0":
            continue
        found: dict[str, list[HostEnd]] = {}
        for end in host_ends(network, root):
            if end.bridge is not None and services_of(network, end, served) and without_hairpin(root, end, end.bridge):
                found.setdefault(end.bridge.name, []).append(end)
        for bridge, ends in found.items():
            yield of_bridge(root, bridge, ends, services_of(network, ends[0], served)[0])
        seen = {end.bridge.name for end in host_ends(network, root) if end.bridge is not None}
        yield from unseen(network, root, served, seen)


def translated(root: Namespace) -> Iterator[Address]:
    """The addresses that kube-proxy's rules lead to on the node."""
    for _, chain in chains(root, "nat", wanted=lambda name: name.startswith("KUBE-SEP-")):
        yield from (address for rule in chain.rules if (address := destination_of(rule, 4)) is not None)


def unseen(network: Network, root: Namespace, served: Collection[Address], seen: set[str]) -> Iterator[Finding]:
    """Bridges of pods whose namespaces were not captured, by all of their ports."""
    devices = pod_devices(network, root)
    for name, link in root.links.items():
        ports = [one for one in devices.values() if one.bridge == name]
        off = all((port := root.ports.get(one.name)) is not None and port.hairpin is False for one in ports)
        if name in seen or not ports or not off or "PROMISC" in link.flags or link.promiscuity:
            continue
        own = [fact for fact in root.addresses if fact.device == name and fact.address.family == 4]
        nets = [prefix_of(fact.address, fact.length) for fact in own]
        local = sorted(address for address in {*served, *translated(root)} if any(net.covers(address) for net in nets))
        if local:
            yield of_ports(root, name, ports, local[0])


def of_ports(root: Namespace, bridge: str, ports: list[PodDevice], address: Address) -> Finding:
    """One finding for all ports of a bridge."""
    first, node = ports[0].name, root.scope.node
    others = f" and {len(ports) - 1} other port{'s' * (len(ports) > 2)}" if len(ports) > 1 else ""
    return RULE.finding(
        root.ports[first].at,
        f"the pod with {address} cannot reach itself through its service: hairpin is off on {first}{others} of {bridge} on {node}",
        help=f"on {node}: bridge link set dev {first} hairpin on, for every port; hairpinMode in the CNI configuration",
        certain="net.bridge.bridge-nf-call-iptables" in root.sysctls,
    )


def endpoints(network: Network) -> dict[Address, list[str]]:
    """The services that lead to each address."""
    result: dict[Address, list[str]] = {}
    for (namespace, service), slices in network.cluster.endpoints.items():
        fact = network.cluster.services.get((namespace, service))
        for address in (one.address for piece in slices for one in piece.endpoints if one.ready):
            if fact is not None and fact.cluster_addresses:
                result.setdefault(address, []).append(f"{namespace}/{service}")
    return result


def services_of(network: Network, end: HostEnd, served: dict[Address, list[str]]) -> list[str]:
    """The services that lead to a pod by this interface: not to an address of another one that it has."""
    return sorted({name for address in addresses_by(network, end) for name in served.get(address, ())})


def without_hairpin(root: Namespace, end: HostEnd, bridge: LinkFact) -> bool:
    """Whether the bridge never sends a frame back out of the pod's port."""
    port = root.ports.get(end.end.name)
    return port is not None and port.hairpin is False and "PROMISC" not in bridge.flags and not bridge.promiscuity


def of_bridge(root: Namespace, bridge: str, ends: list[HostEnd], service: str) -> Finding:
    """One finding for all pods of a bridge."""
    first = ends[0]
    others = f" (and so it is for {len(ends) - 1} other pods of {root.scope.node})" if len(ends) > 1 else ""
    return RULE.finding(
        root.ports[first.end.name].at,
        f"{first.pod.name} cannot reach itself through {service}: hairpin is off on {first.end.name}, its port of {bridge}{others}",
        help=f"on {root.scope.node}: bridge link set dev {first.end.name} hairpin on; hairpinMode in the CNI configuration",
        certain="net.bridge.bridge-nf-call-iptables" in root.sysctls,
    )


RULE = Rule("hairpin-off", Severity.WARNING, __doc__, check)
