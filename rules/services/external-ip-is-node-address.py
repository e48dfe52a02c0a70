"""An external address of a service is a node's own address, or the control plane's.

## What it finds
`spec.externalIPs` or a load-balancer address of a Service that equals an address of a Node: an error in mode ipvs, a note where kube-proxy runs in another mode; and another node's address on a node's `kube-ipvs0`, `lo` or
dummy device. The same for an address by which nodes reach the API server (`controlPlaneEndpoint` of kubeadm, a kubeconfig's `server`, kube-vip's `address`): an error in mode ipvs, and in any mode where the
service has the API server's port. Load balancers that are nodes themselves (ServiceLB of k3s) are meant so where the mode is not ipvs.

## Why it matters
Traffic to that node on the service's port goes to the service. In mode ipvs the address is bound to kube-ipvs0 on *every* node: the other nodes then believe that it
is theirs, and the node goes NotReady. With the control plane's virtual address no kubelet reaches the API server any more.

## Example
    externalIPs: [192.168.0.11]      # the InternalIP of n1

## How to mend
Use an address that neither a node nor the control plane has.

## Sources
kubernetes/kubernetes#127410, #75290, #93175, kubernetes-sigs/kubespray#4993; pkg/proxy/ipvs/proxier.go (syncService binds the address); k3s-io/klipper-lb (a service's ingress addresses are the nodes'); kube-vip pkg/kubevip/config_envvar.go.
"""

import re
from collections.abc import Iterator

from analyzer.query.control_plane import Endpoint, endpoints
from analyzer.query.plan import captured_name
from analyzer.query.state import ServiceFact, node_addresses, roots
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Address, Finding, Network, Rule, Severity

BOUND = re.compile(r"kube-ipvs0|lo|dummy\d*")
TCP = 6
OTHERS = ("iptables", "nftables", "kernelspace")


def check(network: Network) -> Iterator[Finding]:
    nodes = node_addresses(network)
    yield from held(network, nodes)
    bound = mode(network)
    yield from of_control_plane(network, nodes, bound)
    taken = bound or (bound is None and not service_lb(network))
    for key, service in sorted(network.cluster.services.items()):
        for address, path in external(service, balancers=taken):
            if (node := nodes.get(address)) is not None:
                yield RULE.finding(
                    service.place(*path),
                    f"service {key[0]}/{key[1]} has the external address {address}, which is the address of node {node}",
                    related=[(network.cluster.nodes[node].place("status", "addresses"), f"{node} has {address}")],
                    note=""
                    if bound
                    else "in mode ipvs every node would take the address for its own; else the service's ports of the node are taken",
                    help="use an address that no node has",
                    severity=Severity.NOTE if bound is False else None,
                    certain=bound is not None,
                )


def external(service: ServiceFact, *, balancers: bool) -> Iterator[tuple[Address, tuple[str | int, ...]]]:
    """The external addresses of a service, with their paths."""
    for index, address in enumerate(service.external_addresses):
        yield address, ("spec", "externalIPs", index)
    for index, address in enumerate(service.load_balancer_addresses if balancers else ()):
        yield address, ("status", "loadBalancer", "ingress", index, "ip")


def of_control_plane(network: Network, nodes: dict[Address, str], bound: bool | None) -> Iterator[Finding]:
    """External addresses that nodes reach the API server by; those of nodes are told as such."""
    stated = sorted(endpoints(network), key=lambda one: one.own)  # the last that is the cluster's own counts
    known = {one.address: one for one in stated if one.address not in nodes}
    for key, service in sorted(network.cluster.services.items()):
        for address, path in external(service, balancers=True):
            if (one := known.get(address)) is not None and key != ("default", "kubernetes"):
                same = any(port.port == one.port and port.protocol == TCP for port in service.ports)
                yield RULE.finding(
                    service.place(*path),
                    f"service {key[0]}/{key[1]} has the external address {address}, by which nodes reach the API server",
                    related=[(one.at, f"{one.said_by} has {address}")],
                    note=doubt(one, sure=bool(bound) or same),
                    help="use an address that the control plane does not have",
                    severity=Severity.NOTE if bound is False and not same else None,
                    certain=one.own and (bound is not None or same),
                )


def doubt(one: Endpoint, *, sure: bool) -> str:
    """Why it may do no harm."""
    if not one.own:
        return "unless the kubeconfig is another cluster's, which this one hosts"
    return "" if sure else "in mode ipvs every node would take the address for its own"


def mode(network: Network) -> bool | None:
    """Whether kube-proxy runs in mode ipvs, which binds the addresses; None where nothing tells."""
    said = [item.value for item in settings(network, "kubernetes", "proxy-mode")]
    captured = [root for root in roots(network) if "ip-addr" not in root.missing]
    if "ipvs" in said or any("kube-ipvs0" in root.links for root in captured):
        return True
    return False if captured or any(item in OTHERS for item in said) else None


def service_lb(network: Network) -> bool:
    """Whether there are signs of K3s, whose ServiceLB makes nodes the load balancers."""
    words = (word for node in network.cluster.nodes.values() for word in (*node.annotations, *node.labels))
    return any("k3s" in word for word in words) or any(name.startswith("svclb-") for _, name in network.cluster.pods)


def held(network: Network, nodes: dict[Address, str]) -> Iterator[Finding]:
    """Addresses of other nodes that a node holds where nobody uses them: a virtual address that moves is no address of a Node object."""
    for root in roots(network):
        for item in root.addresses:
            owner = nodes.get(item.address)
            if owner is not None and BOUND.fullmatch(item.device) and captured_name(network, owner) != root.scope.node:
                yield RULE.finding(
                    item.at,
                    f"{item.device} on {root.scope.node} has {item.address}, the address of node {owner}: {root.scope.node} keeps what it sends there",
                    related=[(network.cluster.nodes[owner].place("status", "addresses"), f"{owner} has {item.address}")],
                    help=f"take the address from the service that has it, then: ip address delete {item.address} dev {item.device}",
                )


RULE = Rule("external-ip-is-node-address", Severity.ERROR, __doc__, check)
