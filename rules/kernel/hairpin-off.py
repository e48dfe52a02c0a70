"""A pod cannot reach itself through its own service, since its bridge port does not send frames back.

## What it finds
A bridge port of a pod that is an endpoint of a service, with `hairpin off`, on a bridge that is not promiscuous, on a node where bridged frames
pass iptables (`bridge-nf-call-iptables`, then the frame to the service is turned round at the port).

## Why it matters
One connection in as many as the service has endpoints leads back to the pod itself and is lost; with one endpoint, all.

## Example
    10: vethA@eth0: ... master cni0 state forwarding ... hairpin off

## How to mend
`"hairpinMode": true` in the bridge plugin's configuration, and `bridge link set dev vethA hairpin on` for pods that run.

## Sources
should_deliver (net/bridge/br_forward.c), br_nf_pre_routing_finish (net/bridge/br_netfilter_hooks.c); kubernetes/kubernetes#45790, #20475.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tunnels import HostEnd, host_ends
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    served = endpoints(network)
    for root in roots(network):
        if root.sysctl("net.bridge.bridge-nf-call-iptables") == "0":
            continue
        for end in host_ends(network, root):
            services = sorted({name for address in end.pod.addresses for name in served.get(address, ())})
            if services and end.bridge is not None:
                yield from port_findings(root, end, services)


def endpoints(network: Network) -> dict[Address, list[str]]:
    """The services that lead to each address."""
    result: dict[Address, list[str]] = {}
    for (namespace, service), slices in network.cluster.endpoints.items():
        fact = network.cluster.services.get((namespace, service))
        for address in (one.address for piece in slices for one in piece.endpoints if one.ready):
            if fact is not None and fact.cluster_addresses:
                result.setdefault(address, []).append(f"{namespace}/{service}")
    return result


def port_findings(root: Namespace, end: HostEnd, services: list[str]) -> Iterator[Finding]:
    port, bridge = root.ports.get(end.end.name), end.bridge
    if port is None or port.hairpin is not False or bridge is None or "PROMISC" in bridge.flags or bridge.promiscuity:
        return
    yield RULE.finding(
        port.at,
        f"{end.pod.name} cannot reach itself through {services[0]}: hairpin is off on {end.end.name}, its port of {bridge.name}",
        help=f"on {root.scope.node}: bridge link set dev {end.end.name} hairpin on; hairpinMode in the CNI configuration",
        certain="net.bridge.bridge-nf-call-iptables" in root.sysctls,
    )


RULE = Rule("hairpin-off", Severity.WARNING, __doc__, check, ("F15",))
